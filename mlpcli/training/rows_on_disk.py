"""What a training says of rows that `fit.memory` keeps in files: where they are, and how they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli.data.dataset import Dataset
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.machine import format_bytes
from mlpcli.spec.schema import Spec

PIECES = 3
"""Parts that are in memory at once: one in use, one that is gathered, and one that the allocator may keep."""


@dataclass(frozen=True)
class RowsOnDisk:
    """The encoded rows of a dataset.

    Attributes:
        folder: that holds them.
        size: bytes of its files.
        memory: the bytes that rows may take in memory.
        batch: the bytes of the rows of one batch.
        chunks: the parts in which an epoch reads the training rows; 1 where all of them fit into memory.
        chunk: the bytes of such a part.
    """

    folder: Path
    size: int
    memory: int
    batch: int
    chunks: int
    chunk: int

    def facts(self) -> dict[str, object]:
        """Return the entry of `run.json`."""
        return {
            "folder": str(self.folder),
            "bytes": self.size,
            "memory": self.memory,
            "chunks": self.chunks,
        }

    def notes(self) -> Iterator[str]:
        """Yield a line on where the rows are, and one where the bound is less than training needs."""
        size, memory = format_bytes(self.size), format_bytes(self.memory)
        reads = f"an epoch reads them in {self.chunks:,} chunks of up to {format_bytes(self.chunk)}"
        if self.chunks == 1:
            reads = f"the training rows, {format_bytes(self.chunk)}, fit into them and stay there"
        yield f"rows on disk: {size} in {self.folder}; in memory at most {memory} of them: {reads}"
        if self.chunks > 1 and self.memory < PIECES * self.batch:
            least = PIECES * self.batch
            yield (
                f"fit.memory is too small for a batch: {PIECES} chunks of a batch each are in memory at "
                f"once, {format_bytes(least)}; set memory: {math.ceil(least / 1000)}KB or more, or a "
                "smaller batch_size"
            )


def rows_on_disk(spec: Spec, dataset: Dataset) -> RowsOnDisk | None:
    """Return where the rows of a dataset are; None where they are in memory.

    Args:
        spec: with `fit.memory` and the size of a batch.
        dataset: its data.
    """
    train, memory = dataset.train, spec.fit.memory_bytes
    arrays = [
        each
        for part in (train.x, train.y, train.weights)
        for each in (part.values() if isinstance(part, dict) else [part])
        if isinstance(each, StoredArray)
    ]
    kept = train.rows
    if memory is None or not isinstance(kept, StoredArray):
        return None
    row = sum(math.prod(each.shape[1:]) * _bytes_of_value(each.dtype) for each in arrays)
    folder, rows, batch = kept.path.parent, len(train), spec.fit.batch_size
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    steps = rows // batch
    if not steps or row * rows <= memory:
        return RowsOnDisk(folder, size, memory, row * batch, 1, row * rows)
    chunk = max(1, min(steps, memory // PIECES // (row * batch)))
    return RowsOnDisk(folder, size, memory, row * batch, -(-steps // chunk), chunk * batch * row)


def _bytes_of_value(dtype: np.dtype) -> int:
    """Return the bytes of a value in a tensor, where fractions are float32."""
    return 4 if dtype.kind == "f" else dtype.itemsize
