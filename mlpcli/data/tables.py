"""Tables by PyArrow: CSV, TSV and Parquet, and their columns as float32 numbers or as labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.dataset import Array
from mlpcli.data.faults import SHOWN, Fault, Origin, check_memory
from mlpcli.data.parts import Labels
from mlpcli.data.text import (
    NUMBER,
    Header,
    TextOrigin,
    read_header,
    refuse_encoding,
    refuse_open_quote,
    refuse_rows,
)
from mlpcli.errors import DataError

MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "-nan", "null", "NULL", "None", "?")
"""Spellings of a cell without a value."""

MISSING_LABELS = tuple(text for text in MISSING if text not in ("None", "?"))
"""Of these, the ones that can hardly be the name of a class."""

_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_BLOCK = 4 << 20  # bytes that one thread parses at a time; a row longer than this is tried again
_LARGEST = (1 << 31) - 1


@dataclass(frozen=True)
class TableFile:
    """A table whose header is known and whose rows are not read yet."""

    path: Path
    origin: Origin
    names: tuple[str, ...]
    unnamed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Some columns of a table in memory, as PyArrow columns by name."""

    origin: Origin
    columns: dict[str, Any]
    rows: int


@dataclass(frozen=True)
class Numbers:
    """A column as numbers. values: (rows,) float32; bad: rows without a usable number; text: none has one."""

    values: Array
    bad: Array
    text: bool


def open_table(path: Path, label: str) -> TableFile:
    """Read the names of a table's columns.

    Raises:
        DataError: the file is empty, damaged, or not what its ending says.
    """
    if path.suffix.lower() == ".parquet":
        return _open_parquet(path, label)
    header = read_header(path, label)
    return TableFile(path, TextOrigin(label, path, header), header.names, header.unnamed)


def read_table(file: TableFile, columns: Sequence[str], *, text: Collection[str] = ()) -> Table:
    """Read some columns; those in `text` are kept as they are written, the others' types are inferred.

    Raises:
        DataError: rows have too many or too few cells, the file is not UTF-8, or has no rows.
    """
    if isinstance(file.origin, TextOrigin):
        data = _read_text(file.origin, columns, text)
    else:
        import pyarrow.parquet as pq

        try:
            data = pq.read_table(file.path, columns=list(columns), partitioning=None)
        except (OSError, ValueError) as error:
            file.origin.refuse(
                f"cannot be read as Parquet ({_first_line(error)})", hint="the file is damaged"
            )
    if data.num_rows == 0:
        file.origin.refuse("has a header but no rows")
    return Table(file.origin, {name: data.column(name) for name in columns}, data.num_rows)


def _open_parquet(path: Path, label: str) -> TableFile:
    import pyarrow.parquet as pq

    origin = Origin(label)
    if path.stat().st_size == 0:
        origin.refuse("is empty (0 bytes)")
    try:
        with pq.ParquetFile(path) as file:
            names = tuple(file.schema_arrow.names)
            rows = file.metadata.num_rows
    except (OSError, ValueError):
        origin.refuse("cannot be read as Parquet", hint="the file is damaged, or not what its ending says")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        origin.refuse(f"column name {repeated[0]!r} stands twice or more", hint="rename all but one")
    check_memory(4 * rows * len(names), origin)
    return TableFile(path, origin, names)


def _read_text(origin: TextOrigin, columns: Sequence[str], text: Collection[str]) -> Any:
    import pyarrow as pa

    try:
        data = _parse(origin.path, origin.header, columns, text, _BLOCK)
    except pa.ArrowInvalid as error:
        _refuse_text(origin)
        if "block" not in str(error):
            origin.refuse(f"cannot be read as a table ({_first_line(error)})")
        size = min(_LARGEST, origin.path.stat().st_size + 1)
        data = _parse(origin.path, origin.header, columns, text, size)
    if any(pa.types.is_binary(field.type) for field in data.schema):
        refuse_encoding(origin.path, origin)
    if origin.header.quoted and _odd_quotes(origin.path):
        refuse_open_quote(origin)
    return data


def _parse(path: Path, header: Header, columns: Sequence[str], text: Collection[str], block: int) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(
            column_names=list(header.names), skip_rows=header.lines, block_size=block
        ),
        parse_options=csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=header.quoted),
        convert_options=csv.ConvertOptions(
            include_columns=list(columns),
            column_types={name: pa.string() for name in text},
            null_values=list(MISSING),
            strings_can_be_null=False,  # text keeps its spelling; what is missing is judged later
            true_values=list(_TRUE),
            false_values=list(_FALSE),
        ),
    )


def _refuse_text(origin: TextOrigin) -> None:
    refuse_encoding(origin.path, origin)
    if origin.header.quoted:
        refuse_open_quote(origin)
    refuse_rows(origin)


def _odd_quotes(path: Path) -> bool:
    """Whether quotes are left over, as when one is never closed and swallows the rows below it."""
    count = 0
    with path.open("rb") as file:
        while piece := file.read(_BLOCK):
            count += piece.count(b'"')
    return count % 2 == 1


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def numbers(column: Any) -> Numbers:
    """A PyArrow column as float32, with the rows marked that hold no number, or none that is finite."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        wide = _numbers_in_text(column)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        wide = pc.cast(column, pa.float64(), safe=False).to_numpy()
    elif pa.types.is_boolean(kind):
        wide = pc.cast(pc.cast(column, pa.uint8()), pa.float64()).to_numpy()
    else:  # dates, lists, bytes, or nothing at all
        wide = np.full(len(column), np.nan)
    return _judge(wide)


def _judge(wide: Array) -> Numbers:
    with np.errstate(over="ignore", invalid="ignore"):
        values = wide.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(values))
    text = len(bad) == len(values) and bool(np.isnan(wide).all())
    return Numbers(values, bad, text)


def _numbers_in_text(column: Any) -> Array:
    """Numbers that PyArrow left as text because a neighbour is not one; NaN for the rest."""
    coded = column.combine_chunks().dictionary_encode()
    distinct = np.array([to_number(text) for text in coded.dictionary.to_pylist()] or [np.nan])
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(codes < 0, np.nan, distinct[codes])


def to_number(text: str) -> float:
    """The number that a cell holds; NaN when it holds none, infinity when it is too large."""
    bare = text.strip()
    return (
        float(bare) if NUMBER.fullmatch(bare) or bare.lstrip("+-").lower() in ("inf", "infinity") else np.nan
    )


def numeric_matrix(table: Table, names: Sequence[str], *, skip: str = "") -> tuple[Array, list[Fault], int]:
    """Columns as (rows, names) float32, the first faults among them, and how many there are.

    `skip` is the way out that a message offers for a column that holds no number at all.
    """
    matrix = np.empty((table.rows, len(names)), np.float32)
    faults: list[tuple[int, str, bool]] = []
    total = 0
    for place, name in enumerate(names):
        column = numbers(table.columns[name])
        matrix[:, place] = column.values
        faults += [(int(row), name, column.text) for row in column.bad[: 1 if column.text else SHOWN]]
        total += 1 if column.text else len(column.bad)
    faults = sorted(faults, key=lambda fault: fault[0])[:SHOWN]
    found = cells(table, [(row, name) for row, name, _ in faults])
    told = [
        _fault(row, name, value, skip if text and table.rows > 1 else None)
        for (row, name, text), value in zip(faults, found, strict=True)
    ]
    return matrix, told, total


def cells(table: Table, places: Iterable[tuple[int, str]]) -> list[Any]:
    """What stands in some cells: the text of a text table, the value of another."""
    places = list(places)
    if isinstance(table.origin, TextOrigin):
        records = table.origin.records({row for row, _ in places})
        where = {name: place for place, name in enumerate(table.origin.header.names)}
        if all(row in records and where[name] < len(records[row].cells) for row, name in places):
            return [records[row].cells[where[name]] for row, name in places]
    return [table.columns[name][row].as_py() for row, name in places]


def _fault(row: int, name: str, value: Any, skip: str | None) -> Fault:
    """Why a cell is not usable; `skip` is a text when no cell of its column is."""
    text = value.strip() if isinstance(value, str) else value
    rule, hint = "must be a number", ""
    if text is None or text in MISSING or text != text:
        rule = "must be a number, the cell is empty" if text in (None, "") else rule
        hint = "missing cells are not supported yet: fill them, or take the rows out"
    elif not isinstance(text, str) and not isinstance(text, int | float):
        rule = f"must be a number, this is a {type(value).__name__}"
    elif not isinstance(text, str) or np.isinf(to_number(text)) or not np.isnan(to_number(text)):
        infinite = not isinstance(text, str) or not NUMBER.fullmatch(text)
        rule = (
            "must be a finite number"
            if infinite and np.isinf(float(text))
            else "must fit in float32, up to 3.4e38"
        )
    elif NUMBER.fullmatch(text.replace(",", ".", 1)):
        hint = "write a decimal point, not a comma"
    if skip is not None:
        hint = "; ".join(part for part in (f"no cell of this column is a number{skip}",) if part)
    received = "" if rule.endswith("empty") else value
    return Fault(row, f"column {name!r}", rule, **({} if received == "" else {"received": value}), hint=hint)


def labels(column: Any) -> Labels:
    """A PyArrow column as labels; a missing one is None, text is stripped."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return Labels(coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64))


def plain_column(column: Any) -> Array:
    """A column to pass through, (rows,): numbers as they are, everything else as text or objects."""
    import pyarrow as pa

    kind = column.type
    if column.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.asarray(column.to_numpy())
    if pa.types.is_temporal(kind):
        column = column.cast(pa.string())
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_pylist()  # np.array would make a matrix of lists of equal length
    return values


def raise_faults(origin: Origin, faults: Sequence[Fault], total: int) -> None:
    """Raise a DataError when there are faults."""
    if faults:
        raise DataError(*origin.problems(faults, total=total))
