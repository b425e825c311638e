"""Rows that stay in a file: only those that are asked for are in memory, and only as long as they are used.

The file is read, not mapped: the pages of a map would count as memory of the process.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from weakref import finalize

import numpy as np
import numpy.typing as npt

from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem
from mlpcli.machine import format_bytes
from mlpcli.spec.memory_size import ROWS

WINDOW_BYTES = 4 << 20
"""The most bytes that are read at once to pick rows out of them."""

GAP_BYTES = 64 << 10
"""Rows that are further apart than this, on average, are read one by one."""

BLOCK_BYTES = 8 << 20


def _share(handle: int) -> None:
    """Lock an open file as one that is in use, which `clean` leaves; others may use it too."""
    if os.name == "posix":
        import fcntl

        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def bytes_of(array: Array) -> memoryview:
    """Return the bytes of a contiguous array, not copied."""
    return array.reshape(-1).view(np.uint8).data


class Places:
    """Positions of rows, sorted once for several arrays.

    Attributes:
        rows: (n,) int.
    """

    def __init__(self, rows: Array) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def order(self) -> Array:
        """The order in which the positions rise, (n,)."""
        return np.argsort(self.rows)

    @cached_property
    def rising(self) -> Array:
        """The positions in that order."""
        found: Array = self.rows[self.order]
        return found


class StoredArray:
    """An array of rows in a file, indexed along its first axis as an array of NumPy is.

    Attributes:
        path: of the file, which holds the rows one after the other.
        shape: (rows, ...).
        dtype: of the values.
        most_bytes: how much of it may be in memory as a whole.
        first: the position of its first row in the file.
        columns: the values of a flat row that it has; None for all.
    """

    def __init__(
        self,
        path: Path,
        shape: Sequence[int],
        dtype: np.dtype,
        *,
        most_bytes: int,
        first: int = 0,
        columns: Sequence[int] | None = None,
        offset: int = 0,
    ) -> None:
        """Open the file.

        Args:
            path: of the file.
            shape: (rows, ...), as the file has them.
            dtype: of the values.
            most_bytes: see the class.
            first: likewise.
            columns: likewise.
            offset: bytes of the file that are before its rows.
        """
        self.path, self.dtype, self.most_bytes, self.first = path, np.dtype(dtype), most_bytes, first
        self.columns = None if columns is None else list(columns)
        self._stored, self._offset = tuple(shape[1:]), offset
        self.shape = (shape[0], *(self._stored if columns is None else (len(columns),)))
        self.file_dtype = self.dtype
        self._file = os.open(path, os.O_RDONLY)
        if path.suffix == ROWS:
            _share(self._file)
        finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return int(self.shape[0])

    @property
    def file_shape(self) -> tuple[int, ...]:
        """The shape with all values of a row in the file."""
        return (len(self), *self._stored)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that the array would take in memory."""
        return self.size * self.dtype.itemsize

    def select(self, columns: Sequence[int]) -> StoredArray:
        """Return some of the values of each flat row, in the same file."""
        known = range(self._stored[0]) if self.columns is None else self.columns
        return StoredArray(
            self.path,
            self.file_shape,
            self.file_dtype,
            most_bytes=self.most_bytes,
            first=self.first,
            columns=[known[place] for place in columns],
            offset=self._offset,
        ).astype(self.dtype)

    def section(self, start: int, stop: int) -> StoredArray:
        """Return consecutive rows, which stay in the file."""
        return StoredArray(
            self.path,
            (stop - start, *self._stored),
            self.file_dtype,
            most_bytes=self.most_bytes,
            first=self.first + start,
            columns=self.columns,
            offset=self._offset,
        ).astype(self.dtype)

    def astype(self, dtype: npt.DTypeLike) -> StoredArray:
        """Return the same rows as values of another type, which they become when they are read."""
        found = StoredArray(
            self.path,
            self.file_shape,
            self.file_dtype,
            most_bytes=self.most_bytes,
            first=self.first,
            columns=self.columns,
            offset=self._offset,
        )
        found.dtype = np.dtype(dtype)
        return found

    def __getitem__(self, key: object) -> Array:
        if isinstance(key, tuple):
            inside: Array = self[key[0]][(slice(None), *key[1:])]
            return inside
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                self._check(max(0, stop - start))
                out = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
                return self.read(start, out)
            key = np.arange(start, stop, step)
        if isinstance(key, int | np.integer):
            row: Array = self.take(np.array([range(len(self))[int(key)]]))[0]
            return row
        rows = np.asarray(key)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return self.take(np.where(rows < 0, rows + len(self), rows))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> Array:
        """Return all rows, where they may be in memory at once."""
        del copy
        return np.asarray(self[:], dtype)

    @property
    def fits(self) -> bool:
        """Whether all rows may be in memory at once."""
        return self.nbytes <= max(self.most_bytes, BLOCK_BYTES)

    def _check(self, rows: int) -> None:
        size = rows * math.prod(self.shape[1:]) * self.dtype.itemsize
        if size > max(self.most_bytes, BLOCK_BYTES):
            rule = f"would need {format_bytes(size)} of memory at once"
            hint = "raise fit.memory, or leave out what needs all rows"
            raise DataError(Problem(f"{self.path.name}: {rule}", hint=hint))

    def blocks(self) -> Iterator[Array]:
        """Yield all rows in their order, some at a time."""
        size = max(1, BLOCK_BYTES // max(1, self._row_bytes))
        for start in range(0, len(self), size):
            yield self[start : start + size]

    @property
    def _row_bytes(self) -> int:
        return math.prod(self._stored) * self.file_dtype.itemsize

    def read(self, start: int, out: Array) -> Array:
        """Read consecutive rows.

        Args:
            start: the position of the first.
            out: (n, ...), contiguous, which is filled.
        """
        if self.columns is None and self.dtype == self.file_dtype:
            self._fill(start, out)
            return out
        size = max(1, BLOCK_BYTES // max(1, self._row_bytes))
        for begin in range(0, len(out), size):
            piece = np.empty((min(size, len(out) - begin), *self._stored), self.file_dtype)
            self._fill(start + begin, piece)
            out[begin : begin + len(piece)] = piece if self.columns is None else piece[:, self.columns]
        return out

    def _fill(self, start: int, out: Array) -> None:
        """Fill an array with rows as the file has them."""
        view = bytes_of(out)
        place, done = self._offset + (self.first + start) * self._row_bytes, 0
        while done < len(view):
            got = os.preadv(self._file, [view[done:]], place + done)
            if not got:
                hint = "mlpcli clean removes it; it is written again when it is needed"
                raise DataError(Problem(f"{self.path}: this part of the cache is cut off", hint=hint))
            done += got

    def take(self, rows: Array | Places, out: Array | None = None) -> Array:
        """Return some rows.

        Args:
            rows: their positions, (n,) int.
            out: (n, ...), which is filled; None for a new array.

        Returns:
            (n, ...), in the order of the positions.
        """
        places = rows if isinstance(rows, Places) else Places(np.asarray(rows))
        if out is None:
            self._check(len(places))
            out = np.empty((len(places), *self.shape[1:]), self.dtype)
        if not len(places):
            return out
        order, rising = places.order, places.rising
        if not 0 <= int(rising[0]) <= int(rising[-1]) < len(self):
            raise IndexError(f"rows {int(rising[0])} to {int(rising[-1])} of {len(self)}")
        at_once = max(1, WINDOW_BYTES // max(1, self._row_bytes))
        gap = (int(rising[-1]) - int(rising[0])) / len(places) * self._row_bytes
        at_once = 1 if gap > GAP_BYTES else at_once
        buffer = np.empty((at_once, *self._stored), self.file_dtype)
        start = 0
        while start < len(places):
            low = int(rising[start])
            stop = int(np.searchsorted(rising, low + at_once))
            window = buffer[: int(rising[stop - 1]) - low + 1]
            self._fill(low, window)
            chosen = window if self.columns is None else window[:, self.columns]
            out[order[start:stop]] = chosen[rising[start:stop] - low]
            start = stop
        return out


def blocks_of(array: Array | StoredArray) -> Iterator[Array]:
    """Yield the rows of an array: of one in a file some at a time, of one in memory all at once."""
    if isinstance(array, StoredArray):
        yield from array.blocks()
    else:
        yield array
