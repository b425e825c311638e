"""The part of a standalone script that makes the columns of a table the numbers that a network takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from mlpcli.codegen import cells
from mlpcli.codegen.extract import read_pieces
from mlpcli.codegen.keras_calls import WIDTH, call
from mlpcli.codegen.source_text import DataCode, cannot_write, text, text_list
from mlpcli.data.dataset import Contract, Dataset
from mlpcli.data.features import words
from mlpcli.data.features.encoders import (
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoder,
    NumericEncoder,
    parse_booleans,
    parse_date_column,
)
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.readers.dialect import Dialect, Notation
from mlpcli.data.readers.find_files import TEXTS, find_files
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.readers.partitions import folder_keys
from mlpcli.data.readers.tables import open_tables, read_table
from mlpcli.data.types import Array
from mlpcli.errors import listing
from mlpcli.spec.file_words import is_server
from mlpcli.spec.schema import Spec

GIVEN = ("np", "Array", "datetime")
"""What the copied functions use, each with an import of the script."""

MOST_NAMED = 8
"""Columns that a message names."""


def columns_with_gaps(spec: Spec, dataset: Dataset, folder: Path) -> frozenset[str]:
    """Check that a script reads the cells of a table as mlpcli does; return the columns with missing ones.

    Args:
        spec: the spec.
        dataset: its data; nothing is checked where it is no table of a text or Parquet file.
        folder: where relative paths of the spec start.

    Raises:
        UsageError: the cells of a column are written in a way that a short function does not read.
    """
    preprocessor = dataset.contract.preprocessor
    if preprocessor is None or spec.dataset.path is None or is_server(spec.dataset.path):
        return frozenset()
    amounts = [dataset.split_amounts.get(name) for name in ("validation", "test")]
    gaps, unlike = set[str](), dict[str, str]()
    for path in (spec.dataset.path, *(each for each in amounts if isinstance(each, str))):
        files = find_files(path, folder, ("dataset", "path"))
        if files[0].suffix.lower() not in (*TEXTS, ".parquet") or any(folder_keys(files)):
            continue  # which `read_files` refuses
        kinds = _kinds(dataset.contract, preprocessor)
        names = list(kinds)
        table = read_table(open_tables(files, path, preprocessor.dialect), names, text=names)
        for name, kind in kinds.items():
            found = _is_read_alike(table.columns[name], kind, preprocessor.dialect.of(name))
            if isinstance(found, str):
                unlike.setdefault(name, found)
            elif found:
                gaps.add(name)
    if unlike:
        named = listing([f"{name!r}, such as {cell!r}" for name, cell in unlike.items()], MOST_NAMED)
        raise cannot_write(
            f"columns with cells that a short function does not read ({named})",
            "leave them out, or write them as 1234.5, 2024-12-31 or 2024-12-31 23:59",
        )
    return frozenset(gaps)


def _kinds(contract: Contract, preprocessor: Preprocessor) -> dict[str, Encoder | None]:
    """Return the columns that are read, each with its encoder; those of targets and weights are numbers."""
    found: dict[str, Encoder | None] = {
        each.name: each for each in preprocessor.encoders if each.kind != "image"
    }
    for output in contract.outputs:
        if output.classes is None:
            found |= dict.fromkeys(output.target)
    return found | ({contract.weights: None} if contract.weights else {})


def _is_read_alike(column: ParsedColumn, encoder: Encoder | None, dialect: Dialect) -> bool | str:
    """Return whether cells are missing in a column that is read alike, or a cell that is not."""
    import pyarrow as pa

    values, _ = column.coded()
    own = _own_values(ParsedColumn(pa.array(values, column.kind), dialect), encoder)
    written = np.array(values)  # as a script has them
    try:
        found = _script_values(written, encoder, dialect)
    except ValueError:
        return str(next(cell for cell in written if _is_refused(cell, encoder, dialect)))
    gaps = np.array([cell is None for cell in own]) if own.dtype == object else np.isnan(own)
    alike = ((found == own) | (gaps & (found != found))).reshape(len(values), -1).all(axis=1)
    return bool(gaps.any()) if alike.all() else str(written[int(alike.argmin())])


def _is_refused(cell: object, encoder: Encoder | None, dialect: Dialect) -> bool:
    try:
        _script_values(np.array([cell]), encoder, dialect)
    except ValueError:
        return True
    return False


def _own_values(column: ParsedColumn, encoder: Encoder | None) -> Array:
    """Return cells as mlpcli reads them: numbers with NaN, (rows, ...), or texts with None, (rows,)."""
    if isinstance(encoder, CategoryEncoder | TextEncoder):
        return np.array(column.texts.values, object)[column.texts.codes]
    if isinstance(encoder, BooleanEncoder):
        return parse_booleans(column)[0].astype(np.float64)
    if isinstance(encoder, DateEncoder):
        texts, dates = parse_date_column(column, encoder.format)
        parts = [dates.days, dates.seconds, dates.year, dates.month, dates.day]
        return np.where(dates.valid, np.array(parts, np.float64), np.nan).T[texts.codes]
    return column.numbers.values


def _script_values(written: Array, encoder: Encoder | None, dialect: Dialect) -> Array:
    """Return cells as the functions of a script read them; see `_own_values`."""
    missing = [*dialect.missing_spellings]
    if isinstance(encoder, CategoryEncoder | TextEncoder):
        return np.array([*cells.texts(written, [*dialect.missing_texts]), ""], object)[:-1]
    if isinstance(encoder, BooleanEncoder):
        return cells.booleans(written, missing)
    if isinstance(encoder, DateEncoder):
        return cells.dates(written, encoder.format, missing).T
    return cells.numbers(written, missing, dialect.decimal, dialect.thousands, dialect.unit)


# ---------------------------------------------------------------- writing


def are_plain(contract: Contract, gaps: Collection[str]) -> bool:
    """Return whether a table holds numbers as Python writes them, at most scaled, and none is missing."""
    preprocessor = contract.preprocessor
    if preprocessor is None:
        return True
    dialect = preprocessor.dialect
    plain = all(dialect.of(each).notation == Notation() for each in _kinds(contract, preprocessor))
    return plain and not gaps and all(_is_scaled(each) for each in preprocessor.encoders)


def _is_scaled(encoder: Encoder) -> bool:
    if not isinstance(encoder, NumericEncoder):
        return False
    return encoder.quantiles is None and not (encoder.log or encoder.indicator)


def column_functions(code: DataCode, contract: Contract) -> list[str]:
    """Return the functions that a script's `load` calls, and the spellings of a missing cell."""
    assert contract.preprocessor is not None
    used = {"numbers"}
    for encoder in contract.preprocessor.encoders:
        lines = "".join(_encoded(encoder, contract.preprocessor.dialect))
        used |= {name for name in FUNCTIONS if f"{name}(" in lines}
    if _by_quantiles(contract.preprocessor):
        used |= {"fit_quantiles", "to_normal", "filled", "smooth_clip"}
    if "dates" in used:
        code.imports.add("from datetime import datetime")
    lists = [f"MISSING = {text_list(contract.preprocessor.dialect.missing_spellings)}"]
    copied = read_pieces(Path(str(cells.__file__)), sorted(used), given=GIVEN)
    if "tokens_of" in used:
        code.imports |= {"import re", "import unicodedata", "from collections.abc import Sequence"}
        words_of = ("ngrams_of", "split_text", "standardized")
        copied = [*read_pieces(Path(str(words.__file__)), words_of, given=("re", "unicodedata")), *copied]
        lists += _token_lists(contract.preprocessor)
    return ["\n".join(lists), *copied]


def _token_lists(preprocessor: Preprocessor) -> Iterator[str]:
    """Yield the tokens of columns of texts and, where they are counted, in how many rows each is."""
    found = [each for each in preprocessor.encoders if isinstance(each, TextEncoder)]
    tokens = {each.name: [*map(text, each.tokens)] for each in found}
    documents = {each.name: [*map(str, each.documents)] for each in found if each.documents}
    for name, lists in (("TOKENS", tokens), ("DOCUMENTS", documents)):
        if lists:
            yield f"{name} = {{  # of the training rows"
            for column, items in lists.items():
                yield f"    {text(column)}: ["
                yield from _in_lines(items, " " * 8)
                yield "    ],"
            yield "}"


def _in_lines(items: Sequence[str], indent: str) -> Iterator[str]:
    """Yield the items of a list, as many in a line as fit."""
    line = indent
    for item in items:
        if line != indent and len(line) + len(item) > WIDTH:
            yield line.rstrip()
            line = indent
        line += f"{item}, "
    yield line.rstrip()


FUNCTIONS = (
    *("numbers", "texts", "booleans", "one_hot", "index", "dates", "around", "filled", "smooth_clip"),
    *("tokens_of", "count_tokens", "idf_weights", "token_ids"),
)


def column_lines(contract: Contract) -> Iterator[str]:
    """Yield the lines of `load` that make `x` from `table`; numbers by quantiles still as they are."""
    assert contract.preprocessor is not None
    preprocessor = contract.preprocessor
    yield "columns = []"
    for encoder in preprocessor.encoders:
        yield from _encoded(encoder, preprocessor.dialect)
    kind = "" if _by_quantiles(preprocessor) else '.astype("float32")'
    yield f"x = np.column_stack(columns){kind}"


def _encoded(encoder: Encoder, dialect: Dialect) -> Iterator[str]:
    """Yield the lines that append the columns of an encoder."""
    if isinstance(encoder, TextEncoder):
        yield from _sentences(encoder, dialect.of(encoder.name))
    elif isinstance(encoder, CategoryEncoder):
        yield from _category(encoder, dialect.of(encoder.name))
    elif isinstance(encoder, DateEncoder):
        yield from _date(encoder)
    elif isinstance(encoder, BooleanEncoder):
        yield f"values = booleans({_cells(encoder.name)}, MISSING)"
        yield f"columns.append(filled(values, {encoder.fill!r}))"
    elif isinstance(encoder, NumericEncoder):
        yield f"values = {numbers_of(encoder.name, dialect)}"
        yield f"columns.append({_number(encoder)})"
    if isinstance(encoder, BooleanEncoder | NumericEncoder) and encoder.indicator:
        yield "columns.append(np.isnan(values))"


def numbers_of(name: str, dialect: Dialect) -> str:
    """Return the source of a column's cells as numbers."""
    notation = dialect.of(name).notation
    keys = ("decimal", "thousands", "unit")
    given = {
        key: getattr(notation, key) for key in keys if getattr(notation, key) != getattr(Notation(), key)
    }
    more = "".join(f", {key}={text(value)}" for key, value in given.items())
    return f"numbers({_cells(name)}, MISSING{more})"


def _cells(name: str) -> str:
    return f"table[{text(name)}]"


def _number(encoder: NumericEncoder) -> str:
    """Return the source of scaled numbers; of those by quantiles, which the rows fit later, unscaled."""
    if encoder.quantiles is not None:
        return "values"
    found = f"filled(values, {encoder.fill!r})"
    if encoder.log:
        found = f"np.sign({found}) * np.log1p(np.abs({found}))"
    if encoder.offset or encoder.scale != 1:
        found = f"({found} - {encoder.offset!r}) / {encoder.scale!r}"
    return f"smooth_clip({found})" if encoder.clip else found


def _texts(name: str, dialect: Dialect) -> str:
    spellings = dialect.missing_texts
    missing = "MISSING" if spellings == dialect.missing_spellings else text_list(spellings)
    return f"texts({_cells(name)}, {missing})"


def _sentences(encoder: TextEncoder, dialect: Dialect) -> Iterator[str]:
    known = f"TOKENS[{text(encoder.name)}]"
    how = f"{text(encoder.standardize)}, {text(encoder.split)}, {[*encoder.ngrams]}"
    yield f"values = {_texts(encoder.name, dialect)}"
    yield f"values = tokens_of(values, {how})"
    if encoder.output_mode == "int":
        yield f"columns.append(token_ids(values, {known}, {encoder.length}))"
        return
    yield f"values = count_tokens(values, {known})"
    made = "np.minimum(values, 1)" if encoder.output_mode == "multi_hot" else "values"
    if encoder.output_mode == "tf_idf":
        made = f"values * idf_weights(DOCUMENTS[{text(encoder.name)}], {encoder.rows})"
    yield f"columns.append({made})"


def _category(encoder: CategoryEncoder, dialect: Dialect) -> Iterator[str]:
    yield f"values = {_texts(encoder.name, dialect)}"
    if encoder.fill is not None:
        yield f"values = [{text(encoder.fill)} if value is None else value for value in values]"
    known = ["values", text_list(encoder.values)]
    if encoder.embedding:
        made = call("index", [*known, f"missing={encoder.missing}"])
    else:
        made = call("one_hot", [*known, f"other={encoder.other}", f"missing={encoder.missing}"])
    yield from f"columns.append({made})".splitlines()


def _date(encoder: DateEncoder) -> Iterator[str]:
    yield f"days, seconds, year, month, day = dates({_cells(encoder.name)}, {text(encoder.format)}, MISSING)"
    for part in encoder.parts:
        if part == "elapsed":
            values = f"days - {encoder.reference} + seconds / 86400"
            made = _scaled_part(values, encoder, encoder.elapsed, encoder.elapsed_quantiles)
        elif part == "year":
            made = _scaled_part("year", encoder, encoder.years, encoder.year_quantiles)
        else:
            made = f"around({POSITIONS[part]})"
        yield f"columns.append({made})"
    if encoder.indicator:
        yield "columns.append(np.isnan(days))"


POSITIONS = {
    "month": "(month - 1) / 12",
    "day": "(day - 1) / 31",
    "weekday": "(days + 3) % 7 / 7",
    "hour": "seconds / 3600 / 24",
}
"""Where in its period a part of a date is, from 0 to 1."""


def _scaled_part(values: str, encoder: DateEncoder, scale: tuple[float, float], quantiles: object) -> str:
    """Return the source of elapsed days or years, 0 where there is no date; before quantiles as they are."""
    if quantiles is not None:
        return values
    found = f"({values} - {scale[0]!r}) / {scale[1]!r}"
    return f"filled({f'smooth_clip({found})' if encoder.clip else found}, 0)"


def _by_quantiles(preprocessor: Preprocessor) -> dict[int, tuple[int, float, bool]]:
    """Return, by column of the matrix: how many quantiles, the number for NaN, and whether it is clipped.

    A missing date is NaN until the end.
    """
    found: dict[int, tuple[int, float, bool]] = {}
    for encoder in preprocessor.encoders:
        first = preprocessor.spans[encoder.name].start
        if isinstance(encoder, NumericEncoder) and encoder.quantiles is not None:
            found[first] = (len(encoder.quantiles.values), encoder.fill, encoder.clip is not None)
        elif isinstance(encoder, DateEncoder):
            for part in encoder.parts:
                quantiles = {"elapsed": encoder.elapsed_quantiles, "year": encoder.year_quantiles}.get(part)
                if quantiles is not None:
                    found[first] = (len(quantiles.values), np.nan, encoder.clip is not None)
                first += 1 if part in ("elapsed", "year") else 2
    return found


def quantile_lines(contract: Contract, splits: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines that bring columns to a normal distribution, by the quantiles of the training rows."""
    found = {} if contract.preprocessor is None else _by_quantiles(contract.preprocessor)
    if not found:
        return
    parts = ", ".join(f"x_{name}" for name in splits)
    fills = ", ".join(f"{place}: {_written(fill)}" for place, (_, fill, _) in found.items())
    count = next(iter(found.values()))[0]
    clipped = [place for place, (*_, clip) in found.items() if clip]
    normal = "to_normal(filled(part[:, place], fill), quantiles)"
    if len(clipped) == len(found):
        normal = f"smooth_clip({normal})"
    yield f"fills = {{{fills}}}  # by column: what a missing cell counts as"
    yield "for place, fill in fills.items():"
    yield f"    quantiles = fit_quantiles(x_train[:, place], {count})"
    yield f"    for part in ({parts},):" if len(splits) == 1 else f"    for part in ({parts}):"
    yield f"        part[:, place] = {normal}"
    if 0 < len(clipped) < len(found):
        yield f"        if place in {clipped}:"
        yield "            part[:, place] = smooth_clip(part[:, place])"
    made = [f'filled({part}, 0).astype("float32")' for part in parts.split(", ")]
    yield f"{parts} = {', '.join(made)}"


def _written(value: float) -> str:
    return "np.nan" if np.isnan(value) else repr(value)
