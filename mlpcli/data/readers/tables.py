"""Read tables by PyArrow: CSV, TSV and Parquet; one file, or several as one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from mlpcli.data.readers.batch_table import BatchTable, read_batches
from mlpcli.data.readers.delimited import TextOrigin, read_header, read_text_rows
from mlpcli.data.readers.delimited_columns import padded_columns, read_delimited
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.find_files import TEXTS, ending_of, is_server_path
from mlpcli.data.readers.keyed_columns import names_in_file, with_keys
from mlpcli.data.readers.open_batches import open_batches
from mlpcli.data.readers.parquet import parquet_names, read_parquet
from mlpcli.data.readers.parse_cells import ParsedColumn, is_text, plain_type
from mlpcli.data.readers.partitions import FolderKey, folder_keys, labels_of
from mlpcli.data.readers.row_errors import ManyOrigin, NoRowsError, Origin, RowError, first_line
from mlpcli.data.types import ArrowColumn
from mlpcli.errors import CLOSE_COLUMNS, FEW_COLUMNS, listing, nearest
from mlpcli.printable import counted

ReadTable = Callable[..., "Table"]
"""`read_table`, or what reads a table in another way, with the same arguments."""


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
        paths: of the files; each has the columns of the first, in any order; those of a header alone,
            as Spark writes, add nothing.
        label: the name of the whole in messages; those about a row or column name the file.
        dialect: how the cells are written.
        wanted: columns that may be keys of the folders right above, too; see `folder_keys`.

    Returns:
        The table, whose rows `read_table` reads.

    Raises:
        DataError: as `open_table`; or a file lacks a column, or none of several has rows.
    """
    if len(paths) == 1:
        is_named = getattr(paths, "base", None) is None  # else by a folder, or a pattern
        name = label if is_named else labels_of(paths)[0]
        return open_table(paths[0], name, dialect).with_keys(folder_keys(paths, wanted)[0])
    opened: list[TableFile] = []
    empty: list[str] = []
    for path, name, keys in zip(paths, labels_of(paths), folder_keys(paths, wanted), strict=True):
        try:
            opened.append(open_table(path, name, dialect).with_keys(keys))
        except NoRowsError:
            empty.append(name)
    if not opened:
        Origin(label).refuse_without_rows(f"none of its {len(paths):,} files holds a row")
    first = opened[0]
    for file in opened[1:]:
        missing = [name for name in first.names if name not in file.names]
        if missing:
            file.origin.refuse_columns(missing, file.names, first.names)
    notes = tuple(note for file in opened for note in file.notes)
    if empty:
        notes += (f"{label}: {len(empty):,} of {len(paths):,} files without rows: {listing(empty, 3)}",)
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
        origin.refuse_columns(missing, names, wanted)


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
        NoRowsError: there are no rows.
        DataError: rows have too many or too few cells, or the file is not UTF-8.
    """
    table = (_read_many if file.more else _read_one)(file, columns, text, codes)
    if not table.rows:
        refuse_without_rows(file)
    return table


def refuse_without_rows(file: TableFile) -> NoReturn:
    """Raise a NoRowsError about a table that was read."""
    file.origin.refuse_without_rows(file.reader.without_rows if file.reader else "has a header but no rows")


def _read_one(file: TableFile, columns: Sequence[str], text: Collection[str], codes: bool) -> Table:
    inside = names_in_file(columns, file.keys, file.own_names)
    if isinstance(file.origin, TextOrigin):
        kept = [name for name in text if name in file.own_names]
        data = read_delimited(file.origin, inside, kept, file.dialect)
        padded = padded_columns(file.origin, data, kept, file.dialect) if codes else ()
        if padded:
            data = read_delimited(file.origin, inside, {*kept, *padded}, file.dialect)
    elif file.reader is not None:
        data = read_batches(file.reader, inside)
    else:
        data = read_parquet(file.path, inside, file.origin)
    read = {name: data.column(name) for name in inside}
    found = with_keys(read, columns, file.keys, file.origin) if file.keys else read
    parsed = {name: ParsedColumn(found[name], file.dialect.of(name)) for name in columns}
    return Table(file.origin, parsed, data.num_rows, file.dialect)


def _read_many(file: TableFile, columns: Sequence[str], text: Collection[str], codes: bool) -> Table:
    """Read the rows of several files; a column that is text in one of them is text in all."""
    import pyarrow as pa

    tables = [_read_one(each, columns, text, codes) for each in file.more]
    filled = [table for table in tables if table.rows] or tables
    mixed = {
        name for name in columns if len({is_text(table.columns[name].arrow.type) for table in filled}) > 1
    }
    if mixed:
        tables = [_read_one(each, columns, {*text, *mixed}, codes) for each in file.more]
        filled = [table for table in tables if table.rows]
    origin = ManyOrigin(file.origin.label, [(table.origin, table.rows) for table in tables])
    joined = {}
    for name in columns:
        try:
            joined[name] = _join([table.columns[name].arrow for table in filled])
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


def without_ragged(file: TableFile) -> tuple[TableFile, tuple[RowError, ...]]:
    """Return a table without the rows that have too many or too few cells, and an error for each of them.

    Args:
        file: the opened table.
    """
    if file.more:
        parts = [without_ragged(each) for each in file.more]
        errors = tuple(error for _, found in parts for error in found)
        return replace(file, more=tuple(each for each, _ in parts)), errors
    if not isinstance(file.origin, TextOrigin):
        return file, ()
    header = file.origin.header
    wanted = len(header.names)
    errors = tuple(
        RowError(row, "", f"must have {counted(wanted, 'cell')}", len(record.cells), file=file.origin.label)
        for row, record in enumerate(read_text_rows(file.origin.path, header))
        if len(record.cells) != wanted
    )
    origin = TextOrigin(file.origin.label, file.origin.path, replace(header, skips=True))
    return replace(file, origin=origin), errors
