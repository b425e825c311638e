"""Write rows to a file in another order than they come in, with a few of them in memory at a time."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from mlpcli.data.stored.stored_array import bytes_of
from mlpcli.data.types import Array


class PlacedRows:
    """A file of rows, each at a place of its own.

    The file is cut in regions. A row is first written to the next free place of its region; when all rows
    have come, each region, which is small, is put in order in memory. So the file is written and read twice,
    however many regions it has.
    """

    def __init__(
        self, path: Path, rows: int, row_shape: tuple[int, ...], dtype: np.dtype, *, memory: int
    ) -> None:
        """Create the file.

        Args:
            path: of the file, which does not exist.
            rows: how many there will be.
            row_shape: of one of them.
            dtype: of their values.
            memory: the bytes that a region may take in memory, twice.
        """
        self.path, self.rows, self.row_shape, self.dtype = path, rows, row_shape, np.dtype(dtype)
        self.row_bytes = int(np.prod(row_shape, dtype=np.int64)) * self.dtype.itemsize
        self.region = max(1, min(rows, memory // (2 * max(1, self.row_bytes) + 8)))
        self.filled = np.zeros(-(-rows // self.region), np.int64)
        self.places = path.with_name(f"{path.name}.places")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        self._rows = os.open(path, flags, 0o644)
        self._places = os.open(self.places, flags, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._put_in_order()
        finally:
            os.close(self._rows)
            os.close(self._places)
            self.places.unlink()

    def put(self, values: Array, places: Array) -> None:
        """Write some rows.

        Args:
            values: (n, *row_shape).
            places: (n,) int, the place of each; one below 0 leaves a row out.
        """
        regions = places // self.region
        order = np.argsort(regions, kind="stable")
        regions = regions[order]
        ends = np.searchsorted(regions, np.arange(len(self.filled) + 1))
        for region in np.unique(regions[regions >= 0]).tolist():
            chosen = order[ends[region] : ends[region + 1]]
            slot = region * self.region + int(self.filled[region])
            _write(self._rows, np.ascontiguousarray(values[chosen], self.dtype), slot * self.row_bytes)
            _write(self._places, places[chosen].astype(np.int64), slot * 8)
            self.filled[region] += len(chosen)

    def _put_in_order(self) -> None:
        assert int(self.filled.sum()) == self.rows, "every row must have come"
        for first in range(0, self.rows, self.region):
            count = min(self.region, self.rows - first)
            values = np.empty((count, *self.row_shape), self.dtype)
            places = np.empty(count, np.int64)
            _read(self._rows, values, first * self.row_bytes)
            _read(self._places, places, first * 8)
            ordered = np.empty_like(values)
            ordered[places - first] = values
            _write(self._rows, ordered, first * self.row_bytes)


def _write(handle: int, array: Array, place: int) -> None:
    view, done = bytes_of(array), 0
    while done < len(view):
        done += os.pwrite(handle, view[done:], place + done)


def _read(handle: int, array: Array, place: int) -> None:
    view, done = bytes_of(array), 0
    while done < len(view):
        got = os.preadv(handle, [view[done:]], place + done)
        assert got, "the file was cut off"
        done += got
