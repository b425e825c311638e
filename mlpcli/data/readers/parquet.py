"""Read Parquet files by PyArrow, within bounds: a small file may expand to more than memory holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.data.readers.batch_table import BATCH_ROWS
from mlpcli.data.readers.check_columns import checked_column
from mlpcli.data.readers.find_files import arrow_source
from mlpcli.data.readers.header import MAX_COLUMNS
from mlpcli.data.readers.row_errors import Origin, check_memory, first_line
from mlpcli.data.types import ArrowColumn

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_TEXT_BYTES = (1 << 31) - 1
"""Texts that could take more, if every row referred to the longest, are measured before they are read."""


def parquet_names(path: Path, origin: Origin) -> tuple[str, ...]:
    """Return the names of a Parquet file's columns.

    Raises:
        DataError: the file is empty, damaged, has too many columns or two of one name, or exceeds the memory.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size == 0:
        origin.refuse("is empty (0 bytes)")
    try:
        with pq.ParquetFile(arrow_source(path)) as file:
            names = tuple(file.schema_arrow.names)
            rows = file.metadata.num_rows
            groups = range(file.metadata.num_row_groups)
            unpacked = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    except (OSError, ValueError, MemoryError, pa.ArrowException):
        origin.refuse(
            "cannot be read as Parquet",
            hint="the file is damaged, or its extension is wrong",
        )
    if not names:
        origin.refuse("holds no columns")
    if len(names) > MAX_COLUMNS:
        origin.refuse(f"has {len(names):,} columns, a table may have at most {MAX_COLUMNS:,}")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        origin.refuse(f"column name {repeated[0]!r} occurs more than once", hint="rename all but one")
    check_memory(4 * rows * len(names), origin)
    check_memory(unpacked, origin, packed=path.stat().st_size)
    return names


def read_parquet(path: Path, columns: Sequence[str], origin: Origin) -> pa.Table:
    """Read some columns of a Parquet file, and check their values against their types.

    Raises:
        DataError: the file is damaged, exceeds the memory, or holds a value that its type does not allow.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _check_text_size(path, columns, origin)
        data = pq.read_table(arrow_source(path), columns=list(columns), partitioning=None)
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        origin.refuse(f"cannot be read as Parquet ({first_line(error)})", hint="the file is damaged")
    checked = {name: checked_column(name, data.column(name), origin) for name in columns}
    return pa.table(checked) if checked else data


def parquet_batches(path: Path, columns: Sequence[str], origin: Origin) -> Iterator[dict[str, ArrowColumn]]:
    """Yield some columns of all rows in their order, their values checked against their types.

    Raises:
        DataError: the file is damaged, or holds a value that its type does not allow.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = 0
    try:
        with pq.ParquetFile(arrow_source(path)) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=list(columns)):
                yield {
                    name: checked_column(name, batch.column(name), origin, first=first) for name in columns
                }
                first += batch.num_rows
    except (OSError, ValueError, pa.ArrowException) as error:
        origin.refuse(f"cannot be read as Parquet ({first_line(error)})", hint="the file is damaged")


def _check_text_size(path: Path, columns: Sequence[str], origin: Origin) -> None:
    """Refuse texts that exceed the memory once each row has its own copy.

    A file may hold a text of a megabyte once and refer to it in every row: such columns are first read
    dictionary-encoded, which is small.

    Raises:
        DataError: they would not fit.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(arrow_source(path)) as parquet:
        suspects = _repeated_texts(parquet.metadata) & {*columns}
    total = 0
    for name in sorted(suspects):
        source = arrow_source(path)
        stored = pq.read_table(source, columns=[name], read_dictionary=[name], partitioning=None)
        coded = stored.column(0)
        for chunk in coded.chunks if pa.types.is_dictionary(coded.type) else ():
            lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        check_memory(total, origin)


def _repeated_texts(metadata: pq.FileMetaData) -> set[str]:
    """Return the dictionary-encoded text columns that could exceed MAX_TEXT_BYTES."""
    found = set()
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            stored = chunk.total_uncompressed_size
            is_coded = chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page
            if is_coded and chunk.num_values * stored > MAX_TEXT_BYTES:
                found.add(chunk.path_in_schema)
    return found
