"""From a `dataset` section to rows: built-in datasets, tables and arrays, and their split files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mlpcli.data.features.encoders import bad_dates
from mlpcli.data.features.feature_kinds import Features, choose_features
from mlpcli.data.labels import Labels
from mlpcli.data.readers.arrays import KEYS, SPLIT_KEYS, ArrayFile, array_rows, as_weights, read_npy, read_npz
from mlpcli.data.readers.files import find_file, find_files, is_table
from mlpcli.data.readers.parse_cells import PLAIN, Dialect, number_cells, python_values, spell_number
from mlpcli.data.readers.row_errors import MAX_SHOWN, Origin, RowError
from mlpcli.data.readers.tables import (
    Table,
    TableFile,
    cell_error,
    cells,
    labels,
    numbers,
    numeric_matrix,
    open_tables,
    raise_row_errors,
    read_table,
    refuse_other_labels,
)
from mlpcli.data.sources.builtin import open_builtin
from mlpcli.data.sources.synthetic import SYNTHETIC, synthetic_source
from mlpcli.data.sources.types import Source, SourceRows, Target
from mlpcli.data.types import Array, TargetKind
from mlpcli.errors import (
    ABSENT,
    DataError,
    KeyPath,
    Problem,
    SpecError,
    listing,
    nearest,
    show_value,
    suggest,
)
from mlpcli.spec.features import FeatureSpec
from mlpcli.spec.schema import DatasetSpec

Targets = dict[str, tuple[str, ...]]
"""The target columns of each output, by its name; one empty name where there is only one output."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are used.

    labels: whether the target of an output is read as labels, not as numbers, by its name.
    weights: the column of row weights.
    """

    features: tuple[str, ...]
    targets: Targets
    labels: Mapping[str, bool] = field(default_factory=dict)
    weights: str | None = None

    @property
    def text(self) -> tuple[str, ...]:
        """Columns that are kept as they are written."""
        return tuple(name for output, names in self.targets.items() if self.labels[output] for name in names)

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        target = (name for names in self.targets.values() for name in names)
        weights = () if self.weights is None else (self.weights,)
        return tuple(dict.fromkeys((*self.features, *target, *weights)))


def open_source(
    spec: DatasetSpec,
    *,
    wanted: Mapping[str, TargetKind | None],
    folder: Path,
    scales_inputs: bool = True,
    only_named: bool = False,
) -> Source:
    """Read everything that a `dataset` section points at, but for its split files.

    wanted: what the loss of each output takes, by the output's name.
    scales_inputs: whether the network does, so that a table's numbers are passed as they are.
    only_named: whether a mapping of features names every column that is used.

    Raises:
        SpecError: a name, a file or a column is not there.
        DataError: what is there cannot be used.
    """
    if spec.name is not None:
        return _named(
            spec, synthetic_source(spec) if spec.name in SYNTHETIC else open_builtin(spec.name), wanted
        )
    assert spec.path is not None
    paths = find_files(spec.path, folder, ("dataset", "path"))
    path = paths[0]
    if all(map(is_table, paths)):
        return _table(spec, paths, wanted, scales_inputs=scales_inputs, only_named=only_named)
    if len(paths) > 1:
        rule = "several files must all be tables"
        raise SpecError(Problem(rule, path=("dataset", "path"), received=spec.path))
    problems = [
        Problem("is for tables, arrays have no column names", path=("dataset", key))
        for key in ("features", "scaling", "missing", "decimal")
        if getattr(spec, key) is not None
    ]
    if problems:
        raise SpecError(*problems)
    classes = _any_classes(wanted)
    if path.suffix.lower() == ".npz":
        return _with_outputs(spec, _npz(spec, path, classes=classes), wanted)
    return _with_outputs(spec, _npy(spec, path, classes=classes, folder=folder), wanted)


def _any_classes(wanted: Mapping[str, TargetKind | None]) -> bool | None:
    """Whether an array's target, which all outputs share, is read as labels."""
    found = set(wanted.values())
    if not found or None in found:
        return None
    return found != {"numbers"}


def target_columns(spec: DatasetSpec, outputs: Iterable[str]) -> Targets:
    """The target columns of each output; where the spec does not tell them apart, all have the same."""
    if isinstance(spec.target, dict):
        return {
            name: (columns,) if isinstance(columns, str) else tuple(columns)
            for name, columns in spec.target.items()
        }
    columns = (spec.target,) if isinstance(spec.target, str) else tuple(spec.target or ())
    return dict.fromkeys(outputs, columns)


def read_split(
    text: str,
    split: str,
    source: Source,
    *,
    labels: Mapping[str, bool],
    folder: Path,
    weights: str | None = None,
    dialect: Dialect = PLAIN,
) -> SourceRows:
    """A file that the spec gives for a split, with the columns or the shape of the source.

    labels: whether an output's target is read as labels, by its name.

    Raises:
        SpecError: the file is not there.
        DataError: it does not have the source's columns or shape, or cannot be used.
    """
    path, *more = find_files(text, folder, ("dataset", split))
    if not is_table(path):
        if path.suffix.lower() == ".npy":
            hint = "give an .npz file with x and y"
            raise SpecError(
                Problem("an .npy file holds no target", path=("dataset", split), received=text, hint=hint)
            )
        arrays = read_npz(path, text, [KEYS], also=weights)
        part = weighted(array_rows(arrays, "x", "y", classes=any(labels.values())), arrays, weights)
        return cut_targets(replace(part, x=fit_shape(part.x, source.main.x.shape[1:], part.origin)), source)
    if source.kind == "array":
        hint = "give an .npz file with x and y"
        raise SpecError(
            Problem("must be arrays, as the dataset is", path=("dataset", split), received=text, hint=hint)
        )
    file = open_tables([path, *more], text, dialect)
    targets = source.targets or {"": source.target}
    single = {output: labels[output] and len(targets[output]) == 1 for output in targets}
    columns = Columns(source.features, targets, single, weights)
    check_columns(file, columns.all)
    return table_rows(file, columns, source.chosen)


def weighted(part: SourceRows, file: ArrayFile, name: str | None) -> SourceRows:
    """The part with an array of its file as row weights, when there is one of the name.

    Raises:
        DataError: the array does not hold one weight of at least 0 a row.
    """
    if name is None or name not in file.arrays:
        return part
    return replace(part, weights=as_weights(file.arrays[name], len(part.x), file.origin, f"array {name!r}"))


def fit_shape(x: Array, shape: tuple[int, ...], origin: Origin) -> Array:
    """Rows of a wanted shape; flat rows with the right number of values are folded into it.

    Raises:
        DataError: the rows have another shape.
    """
    if x.shape[1:] == shape:
        return x
    if x.ndim == 2 and x.shape[1] == int(np.prod(shape)):
        return x.reshape(-1, *shape)
    expected, received = (", ".join(("rows", *map(str, sizes))) for sizes in (shape, x.shape[1:]))
    return origin.refuse(f"x must have the shape ({expected}), received ({received})")


def _named(spec: DatasetSpec, source: Source, outputs: Iterable[str]) -> Source:
    """A built-in dataset with the features and targets that the spec picks."""
    problems = []
    named = None if isinstance(spec.target, dict) else spec.target
    if named not in (None, source.target[0], list(source.target)):
        hint = f"remove it, the target of {spec.name} is {source.target[0]!r}"
        rule = "a built-in dataset has its own target"
        problems.append(Problem(rule, path=("dataset", "target"), received=named, hint=hint))
    if spec.weights is not None:
        rule = "is for a file, a built-in dataset has no column of weights"
        problems.append(Problem(rule, path=("dataset", "weights"), received=spec.weights))
    if spec.features is not None and source.kind == "array":
        problems.append(Problem("is for tables, images have no columns", path=("dataset", "features")))
    elif isinstance(spec.features, dict):
        rule = "must be a list of columns, a built-in dataset is passed as it is"
        problems.append(Problem(rule, path=("dataset", "features")))
    elif spec.features is not None:
        problems += _feature_problems(spec.features, source.features, source.target)
    problems += [
        Problem("is for files, a built-in dataset is passed as it is", path=("dataset", key))
        for key in ("scaling", "missing", "decimal")
        if getattr(spec, key) is not None
    ]
    if problems:
        raise SpecError(*problems)
    source = _with_outputs(spec, source, outputs)
    if spec.features is None:
        return source
    places = [source.features.index(name) for name in spec.features]
    main = replace(source.main, x=np.ascontiguousarray(source.main.x[:, places]))
    return replace(source, main=main, features=tuple(spec.features))


def _with_outputs(spec: DatasetSpec, source: Source, outputs: Iterable[str]) -> Source:
    """A source of one target as one of several outputs, each with some of its columns.

    Raises:
        SpecError: an output's target is no column of the source.
    """
    named = isinstance(spec.target, dict)
    targets = target_columns(spec, outputs) if named else dict.fromkeys(outputs, source.target)
    if list(targets) == [""]:
        return source
    problems = [
        Problem(
            f"must be a target of {spec.name or spec.path}",
            path=("dataset", "target", output),
            received=name,
            hint=nearest(name, source.target) or f"there is {listing(source.target)}",
        )
        for output, names in targets.items()
        for name in names
        if name not in source.target
    ]
    if problems:
        raise SpecError(*problems)
    source = replace(source, targets=targets)
    test = None if source.test is None else cut_targets(source.test, source)
    return replace(source, main=cut_targets(source.main, source), test=test)


def cut_targets(part: SourceRows, source: Source) -> SourceRows:
    """The target of arrays cut to the columns of each output; unchanged where there is only one output."""
    if not source.targets:
        return part
    output_targets: dict[str, tuple[Target, str]] = {}
    for output, names in source.targets.items():
        target = part.target
        assert target is not None
        if not isinstance(target, Labels) and target.ndim == 2 and names != source.target:
            places = [source.target.index(name) for name in names]
            target = target[:, places[0]].copy() if len(places) == 1 else target[:, places]
        output_targets[output] = (target, part.target_label)
    return replace(part, target=None, output_targets=output_targets)


def dialect_of(spec: DatasetSpec) -> Dialect:
    """How the spec says that its tables write their values."""
    missing = tuple(spell_number(each) if not isinstance(each, str) else each for each in spec.missing or ())
    return Dialect(spec.decimal or ".", tuple(text for text in missing if text is not None))


def _table(
    spec: DatasetSpec,
    paths: Sequence[Path],
    wanted: Mapping[str, TargetKind | None],
    *,
    scales_inputs: bool,
    only_named: bool,
) -> Source:
    assert spec.path is not None
    file = open_tables(paths, spec.path, dialect_of(spec))
    targets = target_columns(spec, wanted)
    taken = tuple(name for names in targets.values() for name in names)
    named = spec.features
    if only_named and isinstance(named, dict):  # a column that was ignored need not be there any more
        named = {name: each for name, each in named.items() if each.kind != "ignore"}
    problems = [
        *_target_problems(spec, file),
        *_weight_problems(spec, file, taken),
        *_feature_problems(named, file.names, taken, spec.weights),
    ]
    if problems:
        raise SpecError(*problems)
    extra_columns = {*taken, spec.weights}
    others = tuple(name for name in file.names if name not in extra_columns)
    listed = isinstance(named, list) or (only_named and named is not None)
    features = tuple(named or ()) if listed else others
    labels = {
        output: len(names) == 1 and wanted.get(output) != "numbers" for output, names in targets.items()
    }
    columns = Columns(features, targets, labels, spec.weights)
    if not features:
        raise SpecError(_no_features(file, features))
    scaling = spec.scaling or ("none" if scales_inputs else "standardize")
    part, chosen = _first_rows(file, columns, spec, scaling)
    unread = (name for name in others if name not in features)  # so that what is resolved says so of each
    chosen = replace(chosen, ignored=(*chosen.ignored, *unread))
    unnamed = [name for name in file.unnamed if name in chosen.used and name not in (spec.features or ())]
    if not chosen.used or unnamed:
        raise SpecError(_no_features(file, tuple(chosen.used)))
    only = targets.get("", ())
    return Source(
        part,
        None,
        "table",
        tuple(chosen.used),
        only,
        spec.path,
        targets={} if only else targets,
        chosen=chosen,
    )


def _no_features(file: TableFile, features: tuple[str, ...]) -> Problem:
    path = ("dataset", "features")
    if not features:
        hint = "name some with features" if len(file.names) > 1 else ""
        return Problem("there is no column left besides the target", path=path, hint=hint)
    hint = "name it in the file, or list the columns to use; pandas writes such a column unless index=False"
    return Problem(
        f"is required when a column has no name, as {listing(file.unnamed)} of {file.origin.label}",
        path=path,
        hint=hint,
    )


def _target_problems(spec: DatasetSpec, file: TableFile) -> Iterator[Problem]:
    path: KeyPath = ("dataset", "target")
    if spec.target is None:
        yield Problem("is required for a table", path=path, hint=f"the columns are {listing(file.names)}")
    wanted = spec.target if isinstance(spec.target, dict) else {"": spec.target}
    known = set(file.names)
    for output, columns in wanted.items():
        here = (*path, output) if output else path
        names = columns if isinstance(columns, list) else [columns] if columns is not None else []
        seen: set[str] = set()
        for place, name in enumerate(names):
            where = (*here, place) if isinstance(columns, list) else here
            if name not in known:
                hint = suggest(name, file.names, lambda: f"the columns are {listing(file.names)}")
                yield Problem(
                    f"must be a column of {file.origin.label}", path=where, received=name, hint=hint
                )
            elif name in seen:
                yield Problem("is listed twice", path=where, received=name)
            seen.add(name)


def _weight_problems(spec: DatasetSpec, file: TableFile, target: tuple[str, ...]) -> Iterator[Problem]:
    path: KeyPath = ("dataset", "weights")
    if spec.weights is None:
        return
    if spec.weights not in file.names:
        hint = nearest(spec.weights, file.names) or f"the columns are {listing(file.names)}"
        rule = f"must be a column of {file.origin.label}"
        yield Problem(rule, path=path, received=spec.weights, hint=hint)
    elif spec.weights in target:
        yield Problem("is the target and cannot be a weight too", path=path, received=spec.weights)


def _feature_problems(
    features: Sequence[str] | Mapping[str, FeatureSpec] | None,
    names: Sequence[str],
    target: tuple[str, ...],
    weights: str | None = None,
) -> Iterator[Problem]:
    known, seen = set(names), set[str]()
    for place, name in enumerate(features or ()):
        path: KeyPath = ("dataset", "features", name if isinstance(features, Mapping) else place)
        if name in target:
            yield Problem("is the target and cannot be a feature too", path=path, received=name)
        elif name == weights:
            yield Problem("is the weight of the rows and cannot be a feature too", path=path, received=name)
        elif name not in known:
            hint = suggest(name, names, lambda: f"the columns are {listing(names)}")
            yield Problem("must be a column of the table", path=path, received=name, hint=hint)
        elif name in seen:
            yield Problem("is listed twice", path=path, received=name)
        seen.add(name)


def check_columns(file: TableFile, wanted: Sequence[str]) -> None:
    """Hold a table against the columns that it must have.

    Raises:
        DataError: with every column that is missing.
    """
    missing = [name for name in wanted if name not in file.names]
    if missing:
        file.origin.refuse_columns(missing, file.names)


def _first_rows(
    file: TableFile, columns: Columns, spec: DatasetSpec, scaling: str
) -> tuple[SourceRows, Features]:
    """The rows of a table, and what becomes of each of its columns."""
    wanted = spec.features
    declared = wanted if isinstance(wanted, dict) else {}
    spelled = [name for name, each in declared.items() if each.kind in ("categorical", "date")]
    table = read_table(file, columns.all, text=[*columns.text, *spelled])
    raw = {name: table.columns[name] for name in columns.features}
    chosen = choose_features(raw, wanted, dialect=file.dialect, scaling=scaling)
    try:
        return _part(table, columns, chosen), chosen
    except DataError:
        _refuse_text_targets(table, columns, file.origin.label)
        raise


def _refuse_text_targets(table: Table, columns: Columns, label: str) -> None:
    """Raise where a loss for numbers was given a target without a single number: the loss is the mistake."""
    for output, names in columns.targets.items():
        for name in () if columns.labels[output] or table.rows < 2 else names:
            if not numbers(table.columns[name], table.dialect).text:
                continue
            value = next((cell for cell in python_values(table.columns[name]) if cell is not None), None)
            if value is None:
                continue
            rule = f"is for numbers, column {name!r} of {label} holds texts such as {show_value(value)}"
            hint = "for classes use a loss such as sparse_categorical_crossentropy"
            raise SpecError(Problem(rule, path=("loss", output) if output else ("loss",), hint=hint))


def table_rows(file: TableFile, columns: Columns, chosen: Features | None) -> SourceRows:
    """The features and the targets of a further table; every bad cell of both is told at once.

    Raises:
        DataError: cells that are not numbers, or other faults of the file.
    """
    spelled = [name for name, each in chosen.used.items() if each.kind != "numeric"] if chosen else []
    return _part(read_table(file, columns.all, text=[*columns.text, *spelled]), columns, chosen)


def _part(table: Table, columns: Columns, chosen: Features | None) -> SourceRows:
    """A table as a part whose x is still to be made; bad cells of features and targets are told together."""
    row_errors, total = feature_errors(table, chosen) if chosen else ([], 0)
    output_targets, more, more_total = table_targets(table, columns)
    weights, wrong, wrong_total = table_weights(table, columns.weights)
    raise_row_errors(table.origin, [*row_errors, *more, *wrong], total + more_total + wrong_total)
    target, what = output_targets.pop("", (None, ""))
    x = np.empty((table.rows, 0), np.float32)
    return SourceRows(
        x, target, table.origin, what, output_targets=output_targets, weights=weights, table=table
    )


def feature_errors(table: Table, chosen: Features) -> tuple[list[RowError], int]:
    """Cells of numbers and dates that are neither one nor missing: the first, and how many there are."""
    found: list[tuple[int, str]] = []
    total = 0
    for name, spec in chosen.used.items():
        if spec.kind == "numeric":
            bad = number_cells(table.columns[name], table.dialect).bad
        elif spec.kind == "date":
            bad = bad_dates(table.columns[name], spec.format or "", table.dialect)
        else:
            continue
        total += len(bad)
        found += [(int(row), name) for row in bad[:MAX_SHOWN]]
    found = sorted(found)[:MAX_SHOWN]
    row_errors = []
    for (row, name), value in zip(found, cells(table, found), strict=True):
        written = chosen.used[name].format
        if chosen.used[name].kind == "date":
            row_errors.append(RowError(row, f"column {name!r}", f"must be a date written {written}", value))
        else:
            row_errors.append(cell_error(row, name, value, table.dialect))
    return row_errors, total


def table_targets(
    table: Table, columns: Columns
) -> tuple[dict[str, tuple[Target, str]], list[RowError], int]:
    """The target of each output, and how a message names it, with the faults of all.

    A target is labels, (rows,) numbers, or (rows, targets) numbers.
    """
    found: dict[str, tuple[Target, str]] = {}
    row_errors: list[RowError] = []
    total = 0
    skip = "; for classes use a loss such as sparse_categorical_crossentropy"
    for output, names in columns.targets.items():
        what = f"column {names[0]!r}"
        if columns.labels[output]:
            refuse_other_labels(table, names[0])
            found[output] = (labels(table.columns[names[0]]), what)
            continue
        values, more, count = numeric_matrix(table, names, skip=skip)
        found[output] = (values[:, 0].copy() if len(names) == 1 else values, what)
        row_errors, total = [*row_errors, *more], total + count
    return found, row_errors, total


def table_weights(table: Table, name: str | None) -> tuple[Array | None, list[RowError], int]:
    """The row weights, (rows,) float32, of a column, with its faults; None without a column."""
    if name is None:
        return None, [], 0
    values, row_errors, total = numeric_matrix(table, [name])
    negative = np.flatnonzero(values[:, 0] < 0)
    rule = "must be a weight of at least 0"
    row_errors += [
        RowError(int(row), f"column {name!r}", rule, float(values[row, 0])) for row in negative[:MAX_SHOWN]
    ]
    return values[:, 0].copy(), row_errors, total + len(negative)


def _npz(spec: DatasetSpec, path: Path, *, classes: bool | None) -> Source:
    assert spec.path is not None
    if spec.target is not None and not isinstance(spec.target, dict):
        raise SpecError(
            Problem(
                "an .npz file brings its own target, y",
                path=("dataset", "target"),
                received=spec.target,
                hint="remove it",
            )
        )
    weights = spec.weights
    file = read_npz(path, spec.path, [SPLIT_KEYS, KEYS], also=weights)
    if "x" in file.arrays:
        part = weighted(array_rows(file, "x", "y", classes=classes), file, weights)
        return _array_source(part, None, spec)
    main = weighted(array_rows(file, "x_train", "y_train", classes=classes), file, weights)
    test = array_rows(file, "x_test", "y_test", classes=classes)
    return _array_source(main, replace(test, x=fit_shape(test.x, main.x.shape[1:], test.origin)), spec)


def _npy(spec: DatasetSpec, path: Path, *, classes: bool | None, folder: Path) -> Source:
    assert spec.path is not None
    key = ("dataset", "target")
    if not isinstance(spec.target, str) or not spec.target.endswith(".npy"):
        rule = "must be the .npy file of the target, since path is an .npy file"
        raise SpecError(Problem(rule, path=key, received=ABSENT if spec.target is None else spec.target))
    target = read_npy(find_file(spec.target, folder, key), spec.target, "y")
    return _array_source(
        array_rows(read_npy(path, spec.path), "x", "y", classes=classes, target=target), None, spec
    )


def _array_source(main: SourceRows, test: SourceRows | None, spec: DatasetSpec) -> Source:
    """Arrays name no columns: one target is `target`, several are `target_0`, `target_1`, ...

    Raises:
        SpecError: the weights that the spec names are not there.
    """
    if spec.weights is not None and main.weights is None:
        rule = "must be an array of the .npz file with a weight for each training row"
        raise SpecError(Problem(rule, path=("dataset", "weights"), received=spec.weights))
    assert spec.path is not None
    target = main.target
    names: tuple[str, ...] = ("target",)
    if target is not None and not isinstance(target, Labels) and target.ndim == 2:
        names = tuple(f"target_{place}" for place in range(target.shape[1]))
    return Source(main, test, "array", (), names, spec.path)
