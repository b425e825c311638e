"""Divide rows to predict into chunks of another size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.stream import Chunk
from mlpcli.data.types import ArrowColumn

if TYPE_CHECKING:
    import pyarrow as pa


def regroup(chunks: Iterable[Chunk], unit: int) -> Iterator[Chunk]:
    """Yield the same rows in chunks of a multiple of `unit` rows, except for the last.

    The last digit of a model's outputs depends on the number of rows in a batch. Regrouped, the outputs do
    not depend on how the file was divided into blocks.

    Args:
        chunks: of any size.
        unit: the number of rows.

    Yields:
        The chunks.
    """
    waiting: list[Chunk] = []
    for chunk in chunks:
        waiting.append(chunk)
        rows = sum(map(len, waiting))
        if rows >= unit:
            whole = join_chunks(waiting)
            cut = rows - rows % unit
            yield replace(whole.cut(0, cut), rejected=whole.rejected)
            waiting = [whole.cut(cut, rows)]
    if waiting:
        yield join_chunks(waiting)


def join_chunks(chunks: Sequence[Chunk]) -> Chunk:
    """Return the rows of several chunks as one chunk."""
    if len(chunks) == 1:
        return chunks[0]
    empty = None
    if any(chunk.empty is not None for chunk in chunks):
        parts = [np.zeros(len(chunk), bool) if chunk.empty is None else chunk.empty for chunk in chunks]
        empty = np.concatenate(parts)
    return Chunk(
        np.concatenate([chunk.x for chunk in chunks]),
        {name: _joined([chunk.kept[name] for chunk in chunks]) for name in chunks[0].kept},
        empty,
        [row_error for chunk in chunks for row_error in chunk.rejected],
        tuple(_joined(list(parts)) for parts in zip(*(chunk.cells for chunk in chunks), strict=False)),
    )


def _joined(columns: list[ArrowColumn]) -> pa.ChunkedArray:
    """Return columns one after the other; as text if their types differ, as in several files they may."""
    import pyarrow as pa

    kind = columns[0].type
    if any(column.type != kind for column in columns):
        columns, kind = [column.cast(pa.string()) for column in columns], pa.string()
    pieces = [
        piece for column in columns for piece in (column.chunks if hasattr(column, "chunks") else [column])
    ]
    return pa.chunked_array(pieces, type=kind)
