"""Read tables by PyArrow: CSV, TSV and Parquet; one file, or several as one table."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.readers.batch_table import BatchTable, read_batches
from mlpcli.data.readers.charset import UTF_8
from mlpcli.data.readers.delimited import (
    TextOrigin,
    open_table_text,
    read_header,
    refuse_encoding,
    refuse_open_quote,
    refuse_rows,
)
from mlpcli.data.readers.dialect import BLANKS, PLAIN, Dialect
from mlpcli.data.readers.find_files import TEXTS, arrow_source, ending_of, is_server_path
from mlpcli.data.readers.header import Header
from mlpcli.data.readers.keyed_columns import names_in_file, with_keys
from mlpcli.data.readers.open_batches import open_batches
from mlpcli.data.readers.packed import packing_of
from mlpcli.data.readers.parquet import parquet_names, read_parquet
from mlpcli.data.readers.parse_cells import ParsedColumn, is_text, plain_type
from mlpcli.data.readers.partitions import FolderKey, folder_keys, labels_of
from mlpcli.data.readers.row_errors import ManyOrigin, Origin, first_line
from mlpcli.data.types import EXACT, ArrowColumn
from mlpcli.errors import CLOSE_COLUMNS, FEW_COLUMNS, listing, nearest

if TYPE_CHECKING:
    import pyarrow as pa

TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
PLAIN_DIGITS = re.compile(r"[+-]?\d+([.,]\d*)?", re.ASCII)
ReadTable = Callable[..., "Table"]
"""`read_table`, or what reads a table in another way, with the same arguments."""

_BLOCK = 4 << 20  # bytes that one thread parses at a time; a table with a longer row is parsed again
_MAX_BLOCK = (1 << 31) - 1


@dataclass(frozen=True)
class TableFile:
    """A table whose header was read; its rows were not.

    Attributes:
        path: of the file, the first of several.
        origin: names rows in messages.
        names: of the columns, in the file's order, and then of those that are keys of its folders.
        unnamed: columns to which the file gives no name.
        dialect: how the cells are written.
        more: the files of a table of several, the first included; empty for a single file.
        notes: what a person should know of how the file is read.
        reader: of the rows, where these have types and are read in batches; None for text and Parquet.
        keys: of the file's folders, `year=2024`, which are columns.
    """

    path: Path
    origin: Origin
    names: tuple[str, ...]
    unnamed: tuple[str, ...] = ()
    dialect: Dialect = PLAIN
    more: tuple[TableFile, ...] = ()
    notes: tuple[str, ...] = ()
    reader: BatchTable | None = None
    keys: tuple[FolderKey, ...] = ()

    @property
    def own_names(self) -> tuple[str, ...]:
        """The columns that the file itself has."""
        outside = {key.name for key in self.keys if not key.inside}
        return tuple(name for name in self.names if name not in outside)

    def with_keys(self, keys: Sequence[FolderKey]) -> TableFile:
        """Return the file with the keys of its folders as columns."""
        keys = tuple(replace(key, inside=key.name in self.names) for key in keys)
        return replace(
            self, names=tuple(dict.fromkeys((*self.names, *(key.name for key in keys)))), keys=keys
        )


@dataclass(frozen=True)
class Table:
    """Some columns of a table in memory.

    Attributes:
        origin: names rows in messages.
        columns: by name.
        rows: the number of rows.
        dialect: how the cells are written.
        notes: what a person should know of how the table was read.
        left_out: how many more rows the file has, without a target.
    """

    origin: Origin
    columns: dict[str, ParsedColumn]
    rows: int
    dialect: Dialect = PLAIN
    notes: tuple[str, ...] = ()
    left_out: int = 0


def open_table(path: Path, label: str, dialect: Dialect = PLAIN) -> TableFile:
    """Read the names of a table's columns.

    Args:
        path: of the file.
        label: its name in messages.
        dialect: how its cells are written.

    Returns:
        The table, whose rows `read_table` reads.

    Raises:
        DataError: the file is empty, damaged, or not what its extension says.
    """
    if ending_of(path) == ".parquet":
        origin = Origin(label)
        return TableFile(path, origin, parquet_names(path, origin), dialect=dialect)
    if is_server_path(path) or ending_of(path) not in TEXTS:
        reader = open_batches(path, label, dialect)
        return TableFile(
            path, reader.origin, reader.names, reader.unnamed, dialect, notes=reader.notes, reader=reader
        )
    header = read_header(path, label, dialect)
    origin = TextOrigin(label, path, header)
    return TableFile(path, origin, header.names, header.unnamed, dialect, notes=header.notes)


def open_tables(
    paths: Sequence[Path],
    label: str,
    dialect: Dialect = PLAIN,
    *,
    wanted: Mapping[str, Collection[str]] | None = None,
) -> TableFile:
    """Open several files as one table, in their order; keys of folders `key=value` are columns.

    Args:
        paths: of the files; each has the columns of the first, in any order.
        label: the name of the whole in messages.
        dialect: how the cells are written.
        wanted: columns that may be keys of the folders right above, too; see `folder_keys`.

    Returns:
        The table, whose rows `read_table` reads.

    Raises:
        DataError: as `open_table`; or a file lacks a column.
    """
    labels = labels_of(paths) if len(paths) > 1 else [label]
    opened = [
        open_table(path, name, dialect).with_keys(keys)
        for path, name, keys in zip(paths, labels, folder_keys(paths, wanted), strict=True)
    ]
    first, *more = opened
    if not more:
        return first
    for file in more:
        missing = [name for name in first.names if name not in file.names]
        if missing:
            file.origin.refuse_columns(missing, file.names)
    notes = tuple(note for file in opened for note in file.notes)
    return replace(first, origin=Origin(label), more=tuple(opened), notes=notes)


def check_columns(names: Sequence[str], wanted: Sequence[str], origin: Origin) -> None:
    """Check that a table has some columns.

    Args:
        names: of the columns that it has.
        wanted: names of the columns that it must have.
        origin: of the table.

    Raises:
        DataError: with a problem for every column that is missing.
    """
    known = set(names)
    missing = [name for name in dict.fromkeys(wanted) if name not in known]
    if missing:
        origin.refuse_columns(missing, names)


def check_model_columns(names: Sequence[str], wanted: Sequence[str], origin: Origin) -> None:
    """Check that new rows have the columns of a model; a table of something else is one problem.

    Args:
        names: of the columns that the table has.
        wanted: names of the columns that the model reads.
        origin: of the table.

    Raises:
        DataError: with a problem for every column that is missing, or one for most of them together.
    """
    known = set(names)
    missing = [name for name in dict.fromkeys(wanted) if name not in known]
    tried = missing[:FEW_COLUMNS]
    near = sum(bool(nearest(name, names, cutoff=CLOSE_COLUMNS)) for name in tried)
    if len(missing) < FEW_MISSING or 2 * len(missing) <= len(wanted) or 2 * near > len(tried):
        check_columns(names, wanted, origin)
        return
    found = [name for name in wanted if name in known]
    count = f"the {len(wanted):,} columns of the model"
    rule = f"only {len(found):,} of {count} is in it" if len(found) == 1 else ""
    rule = rule or (f"only {len(found):,} of {count} are in it" if found else f"none of {count} is in it")
    if found:
        rule += f", and {listing(missing)} are missing"
    reads = f"the model reads {listing(wanted)}; the file has {listing(names)}"
    origin.refuse(rule, hint=f"is it the right file, or the right run? {reads}")


FEW_MISSING = 3
"""Fewer missing columns than this are a problem each."""


def read_table(
    file: TableFile, columns: Sequence[str], *, text: Collection[str] = (), codes: bool = False
) -> Table:
    """Read some columns of a table.

    Args:
        file: the opened table.
        columns: names of the columns to read.
        text: columns that are kept as they are written; the types of the others are inferred.
        codes: whether whole numbers, some with a zero before other digits, are kept as they are written too.

    Returns:
        The columns, whose cells are not parsed yet.

    Raises:
        DataError: rows have too many or too few cells, the file is not UTF-8, or has no rows.
    """
    if file.more:
        return _read_many(file, columns, text, codes)
    inside = names_in_file(columns, file.keys, file.own_names)
    if isinstance(file.origin, TextOrigin):
        kept = [name for name in text if name in file.own_names]
        data = _read_text(file.origin, inside, kept, file.dialect)
        padded = _padded(file.origin, data, kept, file.dialect) if codes else ()
        if padded:
            data = _read_text(file.origin, inside, {*kept, *padded}, file.dialect)
    elif file.reader is not None:
        data = read_batches(file.reader, inside)
    else:
        data = read_parquet(file.path, inside, file.origin)
    if data.num_rows == 0:
        file.origin.refuse(file.reader.without_rows if file.reader else "has a header but no rows")
    read = {name: data.column(name) for name in inside}
    found = with_keys(read, columns, file.keys, file.origin) if file.keys else read
    parsed = {name: ParsedColumn(found[name], file.dialect.of(name)) for name in columns}
    return Table(file.origin, parsed, data.num_rows, file.dialect)


def _read_many(file: TableFile, columns: Sequence[str], text: Collection[str], codes: bool) -> Table:
    """Read the rows of several files; a column that is text in one of them is text in all."""
    import pyarrow as pa

    tables = [read_table(each, columns, text=text, codes=codes) for each in file.more]
    mixed = {
        name for name in columns if len({is_text(table.columns[name].arrow.type) for table in tables}) > 1
    }
    if mixed:
        tables = [read_table(each, columns, text={*text, *mixed}, codes=codes) for each in file.more]
    origin = ManyOrigin(file.origin.label, [(table.origin, table.rows) for table in tables])
    joined = {}
    for name in columns:
        try:
            joined[name] = _join([table.columns[name].arrow for table in tables])
        except pa.ArrowException as error:
            origin.refuse(f"column {name!r} has types that do not fit together ({first_line(error)})")
    parsed = {name: ParsedColumn(column, file.dialect.of(name)) for name, column in joined.items()}
    return Table(origin, parsed, sum(table.rows for table in tables), file.dialect)


def _join(columns: list[ArrowColumn]) -> ArrowColumn:
    """Return columns of several files as one, in a type that holds all of them."""
    import pyarrow as pa

    tables = [pa.table({"column": plain_type(column)}) for column in columns]
    try:
        return pa.concat_tables(tables, promote_options="permissive").column("column")
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a boolean here, a number there
        texts = [pa.table({"column": table.column("column").cast(pa.string())}) for table in tables]
        return pa.concat_tables(texts).column("column")


def _read_text(
    origin: TextOrigin, columns: Sequence[str], text: Collection[str], dialect: Dialect
) -> pa.Table:
    import pyarrow as pa

    try:
        data = _parse(origin.path, origin.header, columns, text, dialect, _BLOCK)
    except pa.ArrowInvalid as error:
        _refuse_text(origin)
        if "block" not in str(error):
            origin.refuse(f"cannot be read as a table ({first_line(error)})")
        size = min(_MAX_BLOCK, _size(origin) + 1)
        data = _parse(origin.path, origin.header, columns, text, dialect, size)
    temporal = [field.name for field in data.schema if pa.types.is_temporal(field.type)]
    temporal += _rounded(data, origin)
    if temporal:  # kept as text: PyArrow would convert a time with a zone, and drop the digits of a cell
        return _read_text(origin, columns, {*text, *temporal}, dialect)
    if any(pa.types.is_binary(field.type) for field in data.schema):
        refuse_encoding(origin.path, origin)
    if origin.header.quoted and _odd_quotes(origin):
        refuse_open_quote(origin)
    return data


def _padded(origin: TextOrigin, data: pa.Table, text: Collection[str], dialect: Dialect) -> tuple[str, ...]:
    """Return the columns of whole numbers in which some have a zero before another digit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = [field.name for field in data.schema if pa.types.is_integer(field.type)]
    if not whole:
        return ()
    written = _read_text(origin, whole, whole, dialect)

    def holds_padded(column: ArrowColumn) -> bool:
        trimmed = pc.utf8_trim_whitespace(column)
        zeros = pc.and_(pc.starts_with(trimmed, "0"), pc.greater(pc.binary_length(trimmed), 1))
        return bool(pc.any(zeros).as_py())

    return tuple(name for name in whole if name not in text and holds_padded(written.column(name)))


def _rounded(data: pa.Table, origin: TextOrigin) -> list[str]:
    """Return the columns with plain numbers beyond 2^53, where PyArrow has read rounded float64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for field in data.schema:
        ends = pc.min_max(data.column(field.name)).as_py() if pa.types.is_floating(field.type) else {}
        if any(end is not None and EXACT <= abs(end) < math.inf for end in ends.values()):
            values = data.column(field.name).to_numpy()
            row = int(np.flatnonzero(np.abs(np.nan_to_num(values)) >= EXACT)[0])
            record = origin.text_rows({row}).get(row)
            place = origin.header.names.index(field.name)
            if record is not None and PLAIN_DIGITS.fullmatch(record.cells[place].strip()):
                found.append(field.name)
    return found


def _parse(
    path: Path, header: Header, columns: Sequence[str], text: Collection[str], dialect: Dialect, block: int
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    changed = header.comment or header.delimiter == BLANKS
    plain = not (packing_of(path) or changed) and header.charset == UTF_8
    with open_table_text(path, header) as recoded:
        return csv.read_csv(
            arrow_source(path) if plain else recoded,
            read_options=csv.ReadOptions(
                column_names=list(header.names), skip_rows=header.lines, block_size=block
            ),
            parse_options=csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=header.quoted),
            convert_options=csv.ConvertOptions(
                include_columns=list(columns),
                column_types={name: pa.string() for name in text},
                null_values=list(dialect.missing_spellings),
                strings_can_be_null=False,  # text keeps its spelling; ParsedColumn finds the missing cells
                true_values=list(TRUE),
                false_values=list(FALSE),
                decimal_point=dialect.decimal,
            ),
        )


def _refuse_text(origin: TextOrigin) -> None:
    if origin.header.charset == UTF_8:
        refuse_encoding(origin.path, origin)
    if origin.header.quoted:
        refuse_open_quote(origin)
    refuse_rows(origin)


def _odd_quotes(origin: TextOrigin) -> bool:
    """Return whether the number of quotes is odd, as when one is never closed."""
    with open_table_text(origin.path, origin.header) as file:
        return sum(piece.count(b'"') for piece in iter(lambda: file.read(_BLOCK), b"")) % 2 == 1


def _size(origin: TextOrigin) -> int:
    """Return the size of a text in bytes of UTF-8."""
    with open_table_text(origin.path, origin.header) as file:
        return sum(map(len, iter(lambda: file.read(_BLOCK), b"")))
