"""Tables by PyArrow: CSV, TSV and Parquet, and their columns as float32 numbers or as labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.labels import Labels
from mlpcli.data.readers.check_columns import checked_column
from mlpcli.data.readers.delimited import (
    MAX_COLUMNS,
    NUMBER,
    Header,
    TextOrigin,
    open_bytes,
    read_header,
    refuse_encoding,
    refuse_open_quote,
    refuse_rows,
)
from mlpcli.data.readers.files import arrow_source, ending_of
from mlpcli.data.readers.parse_cells import PLAIN, Dialect, is_text, number_cells, plain_type, python_values
from mlpcli.data.readers.row_errors import MAX_SHOWN, ManyOrigin, Origin, RowError, check_memory
from mlpcli.data.types import Array
from mlpcli.errors import DataError

TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_BLOCK = 4 << 20  # bytes that one thread parses at a time; a row longer than this is tried again
_LARGEST = (1 << 31) - 1


@dataclass(frozen=True)
class TableFile:
    """A table whose header is known and whose rows are not read yet."""

    path: Path
    origin: Origin
    names: tuple[str, ...]
    unnamed: tuple[str, ...] = ()
    dialect: Dialect = PLAIN
    more: tuple[TableFile, ...] = ()  # further files with the same columns, whose rows come after


@dataclass(frozen=True)
class Table:
    """Some columns of a table in memory, as PyArrow columns by name."""

    origin: Origin
    columns: dict[str, Any]
    rows: int
    dialect: Dialect = PLAIN


@dataclass(frozen=True)
class Numbers:
    """A column as numbers. values: (rows,) float32; bad: rows without a usable number; text: none has one."""

    values: Array
    bad: Array
    text: bool


def open_table(path: Path, label: str, dialect: Dialect = PLAIN) -> TableFile:
    """Read the names of a table's columns.

    Raises:
        DataError: the file is empty, damaged, or not what its ending says.
    """
    if ending_of(path) == ".parquet":
        return replace(_open_parquet(path, label), dialect=dialect)
    header = read_header(path, label)
    return TableFile(path, TextOrigin(label, path, header), header.names, header.unnamed, dialect)


def open_tables(paths: Sequence[Path], label: str, dialect: Dialect = PLAIN) -> TableFile:
    """Several files as one table, in their order; each has the columns of the first, in any order.

    Raises:
        DataError: as `open_table`; or a file lacks a column.
    """
    if len(paths) == 1:
        return open_table(paths[0], label, dialect)
    first, *more = (open_table(path, path.name, dialect) for path in paths)
    for file in more:
        missing = [name for name in first.names if name not in file.names]
        if missing:
            file.origin.refuse_columns(missing, file.names)
    return replace(first, origin=Origin(label), more=(replace(first), *more))


def read_table(file: TableFile, columns: Sequence[str], *, text: Collection[str] = ()) -> Table:
    """Read some columns; those in `text` are kept as they are written, the others' types are inferred.

    Raises:
        DataError: rows have too many or too few cells, the file is not UTF-8, or has no rows.
    """
    if file.more:
        return _read_many(file, columns, text)
    if isinstance(file.origin, TextOrigin):
        data = _read_text(file.origin, columns, text, file.dialect)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            _check_text_size(file, columns)
            data = pq.read_table(arrow_source(file.path), columns=list(columns), partitioning=None)
        except (OSError, ValueError, MemoryError) as error:
            file.origin.refuse(f"cannot be read as Parquet ({first_line(error)})", hint="the file is damaged")
        checked = {name: checked_column(name, data.column(name), file.origin) for name in columns}
        data = pa.table(checked) if checked else data
    if data.num_rows == 0:
        file.origin.refuse("has a header but no rows")
    return Table(file.origin, {name: data.column(name) for name in columns}, data.num_rows, file.dialect)


def _read_many(file: TableFile, columns: Sequence[str], text: Collection[str]) -> Table:
    """The rows of several files; a column that is text in one of them is text in all."""
    import pyarrow as pa

    tables = [read_table(each, columns, text=text) for each in file.more]
    mixed = {name for name in columns if len({is_text(table.columns[name].type) for table in tables}) > 1}
    if mixed:
        tables = [read_table(each, columns, text={*text, *mixed}) for each in file.more]
    origin = ManyOrigin(file.origin.label, [(table.origin, table.rows) for table in tables])
    joined = {}
    for name in columns:
        try:
            joined[name] = _join([table.columns[name] for table in tables])
        except pa.ArrowException as error:
            origin.refuse(f"column {name!r} has types that do not go together ({first_line(error)})")
    return Table(origin, joined, sum(table.rows for table in tables), file.dialect)


def _join(columns: list[Any]) -> Any:
    """Columns of several files as one, in a type that takes all of them."""
    import pyarrow as pa

    tables = [pa.table({"column": plain_type(column)}) for column in columns]
    try:
        return pa.concat_tables(tables, promote_options="permissive").column("column")
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a boolean here, a number there
        texts = [pa.table({"column": table.column("column").cast(pa.string())}) for table in tables]
        return pa.concat_tables(texts).column("column")


def _open_parquet(path: Path, label: str) -> TableFile:
    import pyarrow.parquet as pq

    origin = Origin(label)
    if path.stat().st_size == 0:
        origin.refuse("is empty (0 bytes)")
    try:
        with pq.ParquetFile(arrow_source(path)) as file:
            names = tuple(file.schema_arrow.names)
            rows = file.metadata.num_rows
            groups = range(file.metadata.num_row_groups)
            unpacked = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    except (OSError, ValueError, MemoryError):
        origin.refuse("cannot be read as Parquet", hint="the file is damaged, or not what its ending says")
    if not names:
        origin.refuse("holds no columns")
    if len(names) > MAX_COLUMNS:
        origin.refuse(f"has {len(names):,} columns, a table may have at most {MAX_COLUMNS:,}")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        origin.refuse(f"column name {repeated[0]!r} stands twice or more", hint="rename all but one")
    check_memory(4 * rows * len(names), origin)
    check_memory(unpacked, origin, packed=path.stat().st_size)
    return TableFile(path, origin, names)


def _check_text_size(file: TableFile, columns: Sequence[str]) -> None:
    """Refuse texts that take more than the memory once each row has its own.

    A file may hold a text of a megabyte once and refer to it in every row: such columns are first read
    as they are stored, which is small.

    Raises:
        DataError: they would not fit.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(arrow_source(file.path)) as parquet:
        suspects = _repeated_texts(parquet.metadata) & {*columns}
    total = 0
    for name in sorted(suspects):
        source = arrow_source(file.path)
        stored = pq.read_table(source, columns=[name], read_dictionary=[name], partitioning=None)
        coded = stored.column(0)
        for chunk in coded.chunks if pa.types.is_dictionary(coded.type) else ():
            lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        check_memory(total, file.origin)


def _repeated_texts(metadata: Any) -> set[str]:
    """Columns of texts stored once that could fill a gigabyte, if all rows referred to the longest."""
    found = set()
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            stored = chunk.total_uncompressed_size
            is_coded = chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page
            if is_coded and chunk.num_values * stored > _LARGEST:
                found.add(chunk.path_in_schema)
    return found


def _read_text(origin: TextOrigin, columns: Sequence[str], text: Collection[str], dialect: Dialect) -> Any:
    import pyarrow as pa

    try:
        data = _parse(origin.path, origin.header, columns, text, dialect, _BLOCK)
    except pa.ArrowInvalid as error:
        _refuse_text(origin)
        if "block" not in str(error):
            origin.refuse(f"cannot be read as a table ({first_line(error)})")
        with open_bytes(origin.path) as file:
            size = min(_LARGEST, file.seek(0, 2) + 1)
        data = _parse(origin.path, origin.header, columns, text, dialect, size)
    with_time = [field.name for field in data.schema if pa.types.is_temporal(field.type)]
    if (
        with_time
    ):  # as they are written: PyArrow would move a time with a zone, and forget how long a cell was
        return _read_text(origin, columns, {*text, *with_time}, dialect)
    if any(pa.types.is_binary(field.type) for field in data.schema):
        refuse_encoding(origin.path, origin)
    if origin.header.quoted and _odd_quotes(origin.path):
        refuse_open_quote(origin)
    return data


def _parse(
    path: Path, header: Header, columns: Sequence[str], text: Collection[str], dialect: Dialect, block: int
) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    with open_bytes(path) as packed:
        return csv.read_csv(
            packed if path.suffix.lower() == ".gz" else arrow_source(path),
            read_options=csv.ReadOptions(
                column_names=list(header.names), skip_rows=header.lines, block_size=block
            ),
            parse_options=csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=header.quoted),
            convert_options=csv.ConvertOptions(
                include_columns=list(columns),
                column_types={name: pa.string() for name in text},
                null_values=list(dialect.missing_spellings),
                strings_can_be_null=False,  # text keeps its spelling; what is missing is judged later
                true_values=list(TRUE),
                false_values=list(FALSE),
                decimal_point=dialect.decimal,
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
    with open_bytes(path) as file:
        while piece := file.read(_BLOCK):
            count += piece.count(b'"')
    return count % 2 == 1


def first_line(error: Exception) -> str:
    """The first line of what an error says."""
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def numbers(column: Any, dialect: Dialect = PLAIN) -> Numbers:
    """A PyArrow column as float32, with the rows marked that hold no number, or none that is finite."""
    cells = number_cells(column, dialect)
    return Numbers(cells.values, np.flatnonzero(np.isnan(cells.values)), cells.none)


def numeric_matrix(
    table: Table, names: Sequence[str], *, skip: str = ""
) -> tuple[Array, list[RowError], int]:
    """Columns as (rows, names) float32, the first faults among them, and how many there are.

    `skip` is the way out that a message offers for a column that holds no number at all.
    """
    matrix = np.empty((table.rows, len(names)), np.float32)
    row_errors: list[tuple[int, str, bool]] = []
    total = 0
    for place, name in enumerate(names):
        column = numbers(table.columns[name], table.dialect)
        matrix[:, place] = column.values
        row_errors += [(int(row), name, column.text) for row in column.bad[: 1 if column.text else MAX_SHOWN]]
        total += 1 if column.text else len(column.bad)
    row_errors = sorted(row_errors, key=lambda row_error: row_error[0])[:MAX_SHOWN]
    found = cells(table, [(row, name) for row, name, _ in row_errors])
    told = [
        cell_error(row, name, value, table.dialect, skip if text and table.rows > 1 else None)
        for (row, name, text), value in zip(row_errors, found, strict=True)
    ]
    return matrix, told, total


def cells(table: Table, places: Iterable[tuple[int, str]]) -> list[Any]:
    """What stands in some cells: the text of a text table, the value of another."""
    places = list(places)
    found = []
    for (row, name), (origin, inside) in zip(
        places, [table.origin.at(row) for row, _ in places], strict=True
    ):
        text = written_cell(origin, inside, name) if isinstance(origin, TextOrigin) else None
        found.append(python_values(table.columns[name][row : row + 1])[0] if text is None else text)
    return found


def written_cell(origin: TextOrigin, row: int, name: str) -> str | None:
    """A cell as it stands in a file of text; None when the file's rows are cut in some other way there."""
    record = origin.text_rows({row}).get(row)
    place = origin.header.names.index(name)
    return record.cells[place] if record is not None and place < len(record.cells) else None


def cell_error(row: int, name: str, value: Any, dialect: Dialect, skip: str | None = None) -> RowError:
    """Why a cell is no usable number; `skip` is a text when no cell of its column is."""
    text = value.strip() if isinstance(value, str) else value
    number = dialect.number(text) if isinstance(text, str) else np.nan
    rule, hint = "must be a number", ""
    if text is None or text in dialect.missing_spellings or text != text:
        rule = "must be a number, the cell is empty" if text in (None, "") else rule
        hint = "fill it, or take the row out"
    elif not isinstance(text, str) and not isinstance(text, int | float):
        rule = f"must be a number, this is a {type(value).__name__}"
    elif not isinstance(text, str) or np.isinf(number) or not np.isnan(number):
        infinite = not isinstance(text, str) or not any(map(str.isdigit, text))
        rule = (
            "must be a finite number"
            if infinite and np.isinf(float(text))
            else "must fit in float32, up to 3.4e38"
        )
    elif dialect.decimal == "." and NUMBER.fullmatch(text.replace(",", ".", 1)):
        hint = "write a decimal point, or say dataset: {decimal: ','}"
    if skip is not None:
        hint = "; ".join(part for part in (f"no cell of this column is a number{skip}",) if part)
    received = "" if rule.endswith("empty") else value
    return RowError(
        row, f"column {name!r}", rule, **({} if received == "" else {"received": value}), hint=hint
    )


def refuse_other_labels(table: Table, name: str) -> None:
    """Refuse a column whose values cannot be classes: lists, records, bytes.

    Raises:
        DataError: its type is one of these.
    """
    import pyarrow as pa

    kind = plain_type(table.columns[name]).type
    others = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    if any(test(kind) for test in others):
        table.origin.refuse(f"column {name!r} must hold labels, it is of type {kind}")


def labels(column: Any) -> Labels:
    """A PyArrow column as labels; a missing one is None, text is stripped."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return Labels(
        python_values(coded.dictionary), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    )


def plain_column(column: Any) -> Array:
    """A column to pass through, (rows,): numbers as they are, everything else as text or objects."""
    import pyarrow as pa

    kind = column.type
    if column.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.asarray(column.to_numpy())
    if pa.types.is_temporal(kind):
        column = column.cast(pa.string())
    values = np.empty(len(column), dtype=object)
    values[:] = python_values(column)  # np.array would make a matrix of lists of equal length
    return values


def raise_row_errors(origin: Origin, row_errors: Sequence[RowError], total: int) -> None:
    """Raise a DataError when there are faults."""
    if row_errors:
        raise DataError(*origin.problems(row_errors, total=total))
