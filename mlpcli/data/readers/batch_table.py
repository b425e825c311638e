"""A table that is read in batches of rows whose values have types: JSON Lines, Arrow, workbooks, queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlpcli.data.readers.parse_cells import is_text
from mlpcli.data.readers.row_errors import Origin, check_memory
from mlpcli.data.readers.typed_columns import joined
from mlpcli.data.types import ArrowColumn

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
"""Rows that are read at once."""


class BatchTable(ABC):
    """A table whose header was read; its rows are read in batches.

    Attributes:
        origin: names rows in messages.
        names: of the columns.
        unnamed: columns to which the file gives no name.
        notes: what a person should know of how it is read.
        without_rows: what is said of a table without rows.
    """

    origin: Origin
    names: tuple[str, ...]
    unnamed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    without_rows: str = "has a header but no rows"

    @abstractmethod
    def batches(self, columns: Sequence[str]) -> Iterator[dict[str, ArrowColumn]]:
        """Yield some columns of all rows in their order.

        Raises:
            DataError: the rows cannot be read.
        """


def plain_bytes(column: ArrowColumn) -> int:
    """Return the size of a column once each row has its own value, of which a dictionary may hold one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = 0
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        size += int(chunk.nbytes)
        if pa.types.is_dictionary(chunk.type) and is_text(chunk.type.value_type):
            lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
            size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return size


def read_batches(table: BatchTable, columns: Sequence[str]) -> pa.Table:
    """Return some columns of a table, whole.

    Raises:
        DataError: the rows cannot be read, or exceed the memory.
    """
    import pyarrow as pa

    parts: dict[str, list[ArrowColumn]] = {name: [] for name in columns}
    size = rows = 0
    for batch in table.batches(columns):
        for name in columns:
            parts[name].append(batch[name])
            size += plain_bytes(batch[name])
            rows += len(batch[name])
        check_memory(max(size, 4 * rows), table.origin)
    return pa.table({name: joined(each) for name, each in parts.items()})
