"""The part of a standalone script that reads and splits the data, row for row as mlpcli does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from mlpcli.codegen.encode_columns import (
    are_plain,
    column_functions,
    column_lines,
    numbers_of,
    quantile_lines,
)
from mlpcli.codegen.extract import read_pieces
from mlpcli.codegen.names import name_part
from mlpcli.codegen.read_arrays import array_code
from mlpcli.codegen.read_files import FILES, are_several, files_lines, table_functions
from mlpcli.codegen.source_text import DataCode, cannot_write, text, text_list
from mlpcli.codegen.split_code import split_lines
from mlpcli.data.dataset import Contract, Dataset, Output
from mlpcli.data.features.encoders import NumericEncoder
from mlpcli.data.labels import Labels
from mlpcli.data.readers.dialect import PLAIN, Notation
from mlpcli.data.readers.find_files import TEXTS, find_files
from mlpcli.data.readers.partitions import DataFiles
from mlpcli.data.sources.synthetic import complete_synthetic, synthetic_source
from mlpcli.spec.locations import absolute
from mlpcli.spec.schema import DatasetSpec, Spec
from mlpcli.spec.synthetic import LOGIC

IMAGES = ("fashion_mnist", "mnist")
SCIKIT_LEARN = {"iris", "wine", "breast_cancer", "diabetes", "digits"}


def data_code(spec: Spec, dataset: Dataset, folder: Path, gaps: Collection[str] = ()) -> DataCode:
    """Return lines that define `x_train, y_train`, the same of other splits, and `w_train` for row weights.

    Args:
        spec: the spec.
        dataset: its data, for what only the data knows, such as classes and scales.
        folder: where relative paths of the spec start.
        gaps: columns of a table in which cells are missing.

    Raises:
        UsageError: the files are such that a short script cannot read them; `check_data` finds all else.
    """
    code = DataCode()
    plain = are_plain(dataset.contract, gaps)
    _read(code, spec, dataset, folder, plain=plain)
    _split(code, spec, dataset, folder)
    _scale(code, spec, dataset)
    _weigh(code, spec, dataset)
    return code


# ---------------------------------------------------------------- reading


def _read(code: DataCode, spec: Spec, dataset: Dataset, folder: Path, *, plain: bool) -> None:
    section = complete_synthetic(spec.dataset, seed=spec.seed)
    name = section.name
    if name in IMAGES:
        own_test = "test" not in spec.dataset.model_fields_set
        test = "(x_test, y_test)" if own_test else "_"
        code.lines.append(f"(x, y), {test} = keras.datasets.{name}.load_data()")
        code.lines += [f'{y} = {y}.astype("int64")' for y in ("y", "y_test") if own_test or y == "y"]
    elif name in SCIKIT_LEARN:
        _scikit_learn(code, f"load_{name}", "images" if name == "digits" else "data")
    elif name == "california_housing":
        _scikit_learn(code, "fetch_california_housing", "data")
    elif name in LOGIC:
        code.lines += _truth_table(section)
    elif name is not None:
        code.functions += read_pieces(
            Path(__file__).parents[1] / "data" / "sources" / "synthetic.py",
            [GENERATORS[name]],
            given=("np", "Any", "Array"),
        )
        code.lines += _synthetic(name, section.rows, section.noise, section.seed)
    else:
        _file(code, spec, dataset.contract, folder, plain=plain)
        return
    _fit_builtin(code, spec, dataset.contract)


GENERATORS = {"xor": "_xor", "circles": "_circles", "moons": "_moons", "gaussians": "_gaussians"}
GENERATORS |= {"spirals": "_spirals"}


def _scikit_learn(code: DataCode, loader: str, field_name: str) -> None:
    code.imports.add(f"from sklearn.datasets import {loader}")
    code.lines += [f"data = {loader}()", f'x = data.{field_name}.astype("float32")', "y = data.target"]


def _truth_table(section: DatasetSpec) -> list[str]:
    main = synthetic_source(section).main
    assert not isinstance(main.target, Labels)
    assert main.target is not None
    return [
        f'x = np.array({main.x.astype(int).tolist()}, "float32")',
        f"y = np.array({main.target.tolist()})",
    ]


def _synthetic(name: str, rows: int | None, noise: float | None, seed: int | None) -> list[str]:
    generated = f"x, y = {GENERATORS[name]}({rows}, {noise}, {seed})"
    return [generated, 'x, y = x.astype("float32"), y.astype("int64")']


def _fit_builtin(code: DataCode, spec: Spec, contract: Contract) -> None:
    """Add lines that pick the spec's features, and define a y for each output."""
    if spec.dataset.features is not None:
        names = text_list(list(contract.features))
        code.lines.append(f"x = x[:, [list(data.feature_names).index(name) for name in {names}]]")
    first = contract.output
    if first.kind == "numbers" and first.scale is None:
        code.lines.append('y = y.astype("float32")')
    if first.name:
        code.lines.append("y = {" + ", ".join(f"{text(each.name)}: y" for each in contract.outputs) + "}")


def _file(code: DataCode, spec: Spec, contract: Contract, folder: Path, *, plain: bool) -> None:
    assert spec.dataset.path is not None
    files = find_files(spec.dataset.path, folder, ("dataset", "path"))
    path = files[0]
    table = path.suffix.lower() in (*TEXTS, ".parquet")
    for file in (spec.dataset.test, spec.dataset.validation):
        if isinstance(file, str) and Path(file).suffix.lower() != (path.suffix.lower() if table else ".npz"):
            raise cannot_write("splits in files of different kinds")
    if path.suffix.lower() in (".npz", ".npy"):
        array_code(code, spec, contract, path, lambda text: _path(text, folder))
        return
    if not table:
        raise cannot_write(f"data in a {path.suffix} file")
    dialect = contract.preprocessor.dialect if contract.preprocessor else PLAIN
    code.functions += table_functions(code, files, dialect)
    if not plain:
        code.functions += column_functions(code, contract)
    code.functions.append("\n".join(_load_function(contract, several=are_several(files), plain=plain)))
    weights = ", w" if contract.weights else ""
    if are_several(files):
        code.lines += files_lines(files)
    code.lines.append(f"x, y{weights} = load({_source(spec.dataset.path, files, folder)})")


def _path(path: str, folder: Path) -> str:
    found = text(absolute(path, folder))
    return f"os.path.expandvars({found})" if "${" in path else found


def _source(path: str, files: DataFiles, folder: Path) -> str:
    """Return what the script's functions read: the path of a table, or the list of several."""
    return FILES if are_several(files) else _path(path, folder)


def _scale_inputs(contract: Contract) -> Iterator[str]:
    """Yield the scaling of a table of numbers, as learned from the training rows."""
    if contract.preprocessor is None:
        return
    plain = [each for each in contract.preprocessor.encoders if isinstance(each, NumericEncoder)]
    if any(each.offset != 0.0 or each.scale != 1.0 for each in plain):
        offsets = ", ".join(repr(each.offset) for each in plain)
        scales = ", ".join(repr(each.scale) for each in plain)
        yield "    # offset and scale from the training rows"
        yield f"    offset = np.array([{offsets}])"
        yield f"    scale = np.array([{scales}])"
        yield "    x = (x - offset) / scale"
    clipped = [each.clip is not None for each in plain]
    if any(clipped):
        smooth = "x / np.sqrt(1 + (x / 3) ** 2)"
        yield f"    x = {smooth}" if all(clipped) else f"    x = np.where({clipped}, {smooth}, x)"


def _load_function(contract: Contract, *, several: bool, plain: bool) -> Iterator[str]:
    weights = ", w" if contract.weights else ""
    table = "tables, one below the other," if several else "a table"
    yield f"def load({'paths' if several else 'path'}):"
    yield (
        f'    """The columns of {table} as x (rows, features), y'
        + (" and row weights" if weights else "")
        + '."""'
    )
    yield f"    table = {'read_tables(paths)' if several else 'read_table(path)'}"
    if plain:
        yield f"    features = {text_list(list(contract.features))}"
        yield '    x = np.column_stack([table[name].astype("float64") for name in features])'
        yield from _scale_inputs(contract)
        yield '    x = x.astype("float32")'
    else:
        yield from (f"    {line}" for line in column_lines(contract))
    dialect = PLAIN if plain or contract.preprocessor is None else contract.preprocessor.dialect

    def read(name: str) -> str:
        """Return the source of the numbers of a column."""
        if dialect.of(name).notation == Notation():
            return f'table[{text(name)}].astype("float64")'
        return numbers_of(name, dialect)

    targets = [(each.name, list(_target(each, read))) for each in contract.outputs]
    for name, lines in targets:
        for line in lines[:-1]:
            yield f"    {line}"
        yield f"    {f'y_{name_part(name)}' if name else 'y'} = {lines[-1]}"
    if targets[0][0]:
        yield "    y = {" + ", ".join(f"{text(name)}: y_{name_part(name)}" for name, _ in targets) + "}"
    if contract.weights:
        yield f'    w = {read(contract.weights)}.astype("float32")'
    yield f"    return x, y{weights}"


def _target(output: Output, read: Callable[[str], str]) -> Iterator[str]:
    """Yield lines that prepare an output's y, then the expression for it over `table`.

    Args:
        output: the output.
        read: returns the source of the numbers of a column.
    """
    first = f"table[{text(output.target[0])}]"
    narrow = '.astype("float32")' if output.scale is None else ""  # else once it is scaled
    if output.kind == "numbers" or len(output.target) > 1 or output.classes is None:
        if len(output.target) == 1:
            yield f"{read(output.target[0])}{narrow}"
        else:
            yield f"np.column_stack([{', '.join(map(read, output.target))}]){narrow}"
        return
    yield f"classes = {text_list(output.classes)}"
    if output.separator is not None:
        split = f"cell.split({text(output.separator)})"
        yield f"cells = [[label.strip() for label in {split}] for cell in {first}]"
        yield 'np.array([[name in cell for name in classes] for cell in cells], "float32")'
        return
    spelled = "str(label).strip()"
    if all(name.lstrip("-").isdigit() for name in output.classes):
        spelled = "str(int(float(label)))"
    elif set(output.classes) <= {"true", "false"}:
        spelled += ".lower()"
    yield f"np.array([classes.index({spelled}) for label in {first}])"


# ---------------------------------------------------------------- splitting


def _split(code: DataCode, spec: Spec, dataset: Dataset, folder: Path) -> None:
    """Add the rows of each split, by position; the training rows are the remaining ones."""
    contract = dataset.contract
    amounts = {name: dataset.split_amounts.get(name) for name in ("test", "validation")}
    drawn = {name: each for name, each in amounts.items() if not (each is None or isinstance(each, str))}
    code.splits = ("train", *(name for name in ("validation", "test") if name in dataset.splits()))
    if drawn:
        code.lines.append("rows = np.arange(len(x))")
    named = spec.dataset.path
    files = DataFiles([]) if named is None else find_files(named, folder, ("dataset", "path"))
    several = are_several(files)
    source = "" if named is None else _source(named, files, folder)
    read = f"read_tables({source})" if several else f"read_table({source})"
    for name, amount in drawn.items():
        code.lines += split_lines(code, name, amount, dataset, files, read)
    code.lines.append(_assignment("train", "rows" if drawn else "", contract))
    for name in code.splits[1:]:
        if name in drawn:
            code.lines.append(_assignment(name, f"{name}_rows", contract))
        elif isinstance(file := amounts[name], str):
            path = f"[{_path(file, folder)}]" if several else _path(file, folder)
            code.lines.append(f"{_targets(name, contract)} = load({path})")
        elif contract.output.name and spec.dataset.name:  # the dataset's own test split
            same = ", ".join(f"{text(each.name)}: y_test" for each in contract.outputs)
            code.lines.append(f"y_test = {{{same}}}")
    code.lines += quantile_lines(contract, code.splits)
    if contract.inputs:
        code.functions.append("\n".join(_inputs_function(contract)))
        code.lines += [f"x_{name} = split_inputs(x_{name})" for name in code.splits]


def _targets(split: str, contract: Contract) -> str:
    """Return `x_train, y_train`, and `w_train` where a column holds row weights."""
    return f"x_{split}, y_{split}" + (f", w_{split}" if contract.weights else "")


def _assignment(split: str, rows: str, contract: Contract) -> str:
    """Return the line that takes a split's arrays from those of all rows."""
    taken = f"[{rows}]" if rows else ""
    y = f"y{taken}"
    if contract.output.name and rows:
        y = f"{{name: values{taken} for name, values in y.items()}}"
    weights = f", w{taken}" if contract.weights else ""
    return f"{_targets(split, contract)} = x{taken}, {y}{weights}"


def _inputs_function(contract: Contract) -> Iterator[str]:
    yield "def split_inputs(x):"
    yield '    """Rows as the network\'s inputs, by name."""'
    yield "    return {"
    for each in contract.inputs:
        part = "x" if each.columns is None else f"np.ascontiguousarray(x[:, {list(each.columns)}])"
        yield f"        {text(each.name)}: {part},"
    yield "    }"


# ---------------------------------------------------------------- scaling and weighing


def _scale(code: DataCode, spec: Spec, dataset: Dataset) -> None:
    if spec.dataset.target_scaling is None:
        return
    output = dataset.contract.output
    if output.log is not None:
        code.lines.append(f"shift = np.array({[*output.log]})  # of the training rows")
        code.functions.append(LOGARITHM)
        code.lines += [f"y_{name} = logarithm(y_{name} - shift)" for name in code.splits]
    scale, offset = list(output.scale or ()), list(output.offset or ())
    code.lines.append(f"scale, offset = {scale}, {offset}  # of the training rows")
    for name in code.splits:
        code.lines.append(f'y_{name} = ((y_{name} - np.array(offset)) / np.array(scale)).astype("float32")')


LOGARITHM = '''\
def logarithm(values):
    """log(1 + x) of numbers x; below 0, x itself."""
    return np.where(values > 0, np.log1p(np.maximum(values, 0)), values)'''


def _weigh(code: DataCode, spec: Spec, dataset: Dataset) -> None:
    contract, output = dataset.contract, dataset.contract.output
    code.weighted = dataset.train.weights is not None
    if spec.fit.class_weight is None:
        if contract.weights and output.name:
            for name in code.splits:
                values = ", ".join(f"{text(each.name)}: w_{name}" for each in contract.outputs)
                code.lines.append(f"w_{name} = {{{values}}}")
        return
    given = spec.fit.class_weight
    count = len(output.classes or ())

    def indices(split: str) -> str:
        return f"y_{split}.argmax(axis=1)" if output.kind == "one_hot" else f"y_{split}"

    if isinstance(given, str):
        code.lines.append(f"counts = np.bincount({indices('train')}, minlength={count})")
        code.lines.append(f"class_weight = counts.sum() / ({count} * np.maximum(counts, 1))")
    else:
        weights = [given.get(name, 1.0) for name in output.classes or ()]  # numbers: there is one output
        code.lines.append(f"class_weight = np.array({weights})")
    for name in code.splits:
        times = f" * w_{name}" if contract.weights else ""
        code.lines.append(f'w_{name} = (class_weight[{indices(name)}]{times}).astype("float32")')
