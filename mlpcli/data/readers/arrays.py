"""Read NumPy files, never pickles; a header is checked against the file before memory is allocated.

`numpy.load` would not do: it allocates what a header claims, and its messages advise to allow pickles.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlpcli.data.id_rows import id_errors, is_id
from mlpcli.data.labels import Labels
from mlpcli.data.lost_digits import MOST_CELLS, lost_digits, some_rows
from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors, raise_row_errors
from mlpcli.data.readers.row_errors import (
    Origin,
    RowError,
    StepOrigin,
    check_memory,
)
from mlpcli.data.sources.source_rows import SourceRows, Target
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.types import Array, PerStep
from mlpcli.errors import MlpcliError, listing
from mlpcli.files import open_ordinary
from mlpcli.printable import counted

KEYS = ("x", "y")
SPLIT_KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class ArrayFile:
    """Some arrays of one file, by name."""

    origin: Origin
    arrays: dict[str, Any]


def read_npz(
    path: Path, label: str, wanted: Sequence[Sequence[str]], *, also: str | None = None
) -> ArrayFile:
    """Read arrays of an .npz file.

    Args:
        path: of the file.
        label: its name in messages.
        wanted: sets of names; the first set that the file holds completely is read.
        also: the name of one more array, which is read if it exists.

    Returns:
        The arrays, in the order of their names.

    Raises:
        DataError: the file is damaged, holds other names, Python objects, or more than memory can hold.
    """
    origin = Origin(label)
    if path.stat().st_size == 0:
        origin.refuse("is empty (0 bytes)")
    with _damage(origin, "npz"), open_ordinary(path) as file, zipfile.ZipFile(file) as archive:
        members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        names = next((names for names in wanted if set(names) <= members.keys()), None)
        if names is None:
            choices = ", or ".join(", ".join(names) for names in wanted)
            origin.refuse(f"must hold the arrays {choices}", hint=f"it holds {listing(members) or 'none'}")
        names = (*names, also) if also in members and also not in names else names
        entries = [members[name] for name in names]
        stored = sum(entry.compress_size for entry in entries)
        check_memory(sum(entry.file_size for entry in entries), origin, packed=stored)
        arrays = {}
        for name, entry in zip(names, entries, strict=True):
            # zipfile stops at the size in the directory and compares the checksum
            with archive.open(entry) as stream:
                arrays[name] = _read_array(stream, entry.file_size, origin, f"array {name!r}")
    return ArrayFile(origin, arrays)


def read_npy(path: Path, label: str, name: str = "x") -> ArrayFile:
    """Read the array of an .npy file.

    Args:
        path: of the file.
        label: its name in messages.
        name: of the array.

    Returns:
        The array under its name.

    Raises:
        DataError: the file is damaged, or holds Python objects.
    """
    origin = Origin(label)
    size = path.stat().st_size
    if size == 0:
        origin.refuse("is empty (0 bytes)")
    with _damage(origin, "npy"), open_ordinary(path) as stream:
        return ArrayFile(origin, {name: _read_array(stream, size, origin, f"array {name!r}")})


@contextmanager
def open_npy(path: Path, label: str) -> Iterator[tuple[Array, Origin]]:
    """Open an .npy file of rows that stays on disk: its values are read when they are used.

    Args:
        path: of the file.
        label: its name in messages.

    Yields:
        The array and its origin.

    Raises:
        DataError: the file is damaged, holds Python objects, or no rows.
    """
    origin = Origin(label)
    size = path.stat().st_size
    if size == 0:
        origin.refuse("is empty (0 bytes)")
    with _damage(origin, "npy"), open_ordinary(path) as stream:
        shape, fortran, dtype = _read_header(stream, size, origin, "array 'x'")
        start = stream.tell()
    if len(shape) < 2 or fortran or math.prod(shape) == 0:
        yield read_npy(path, label).arrays["x"], origin
        return
    yield np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape), origin


@contextmanager
def _damage(origin: Origin, kind: str) -> Iterator[None]:
    """Turn errors of NumPy into a DataError without their messages, some of which advise to unpickle."""
    try:
        yield
    except MlpcliError:
        raise
    except MemoryError:
        origin.refuse("does not fit into memory")
    except Exception:  # zipfile, its decompressors and NumPy's header reader fail in a dozen ways
        origin.refuse(f"cannot be read as {kind}", hint="the file is damaged or incomplete")


def _read_header(
    stream: IO[bytes], size: int, origin: Origin, what: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape of an array, whether it is in Fortran order, and its dtype."""
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        origin.refuse(f"{what} must hold numbers or text, not records")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        origin.refuse(
            f"{what} holds Python objects, which can run code and are never read", hint="save numbers"
        )
    if dtype.kind not in "biufSU":
        origin.refuse(f"{what} must hold numbers or text, it is of type {dtype}")
    claimed = math.prod(shape) * dtype.itemsize
    present = size - stream.tell()
    if min(shape, default=0) < 0 or claimed > present:
        origin.refuse(
            f"{what} claims {claimed:,} bytes, the file holds {present:,}", hint="the file is damaged"
        )
    return shape, fortran, dtype


def _read_array(stream: IO[bytes], size: int, origin: Origin, what: str) -> Array:
    shape, fortran, dtype = _read_header(stream, size, origin, what)
    check_memory(math.prod(shape) * dtype.itemsize, origin)
    values = np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype=dtype)
    if len(values) != math.prod(shape):
        origin.refuse(f"{what} ends early", hint="the file is damaged or incomplete")
    return values.reshape(shape[::-1]).transpose() if fortran else values.reshape(shape)


def array_rows(
    file: ArrayFile,
    x: str,
    y: str | None,
    *,
    classes: bool | None,
    target: ArrayFile | None = None,
    wide: bool = False,
    per_step: PerStep = (),
) -> SourceRows:
    """Return arrays as rows and their target.

    Args:
        file: that holds x.
        x: the name of the array of rows.
        y: the name of the array of the target; None for rows without a target.
        classes: whether the target is read as labels; None to decide by its type.
        target: the file that holds y, if it is another.
        wide: whether the rows are float64, to be scaled.
        per_step: for which axes of x the columns of a target of (rows, columns) are steps.

    Returns:
        The rows. A target of (rows, steps, values) or more axes has a value for each step.

    Raises:
        DataError: the arrays do not fit together, or hold something else than numbers.
    """
    given = (target or file).arrays.get(y) if y is not None else None
    held: Any = file.arrays[x]
    if isinstance(held, StoredArray):
        values: Any = held  # whose rows were checked
    else:
        values = as_rows(held, file.origin, f"array {x!r}", wide=wide)
    notes = () if wide else tuple(_lost_in_float32(file.arrays[x], values, f"array {x!r}"))
    if given is None:
        return SourceRows(values, None, file.origin, "", notes=notes)
    origin = (target or file).origin
    if given.ndim == 0 or len(given) != len(values):
        count = len(given) if given.ndim else "no"
        there = "" if target is None else f" of {file.origin.label}"
        origin.refuse(f"array {y!r} has {count} rows, array {x!r}{there} has {len(values)}")
    steps = given.shape[1:-1]
    if given.ndim == 2 and given.size and values.ndim in per_step:
        steps = given.shape[1:]
    if steps and given.size:
        given = given.reshape(len(given) * math.prod(steps), -1)
        origin = StepOrigin(origin, steps)
    coded = as_target(given, origin, f"array {y!r}", classes=classes)
    return SourceRows(values, coded, (target or file).origin, f"array {y!r}", notes=notes, steps=steps)


def _lost_in_float32(given: Array, values: Array, what: str) -> Iterator[str]:
    """Yield a line for the columns of an array that float32 cannot tell apart."""
    if given.ndim != 2 or given.dtype.itemsize < 4 or given.dtype == np.float32:
        return
    some = some_rows(np.arange(len(given)), given.shape[1])[: max(1, MOST_CELLS // given.shape[1])]
    found = {place: lost_digits(given[some, place], values[some, place]) for place in range(given.shape[1])}
    lost = {place: text for place, text in found.items() if text}
    if lost:
        place, text = next(iter(lost.items()))
        others = f" (the first of {len(lost):,} such columns)" if len(lost) > 1 else ""
        hint = "subtract what they have in common, or give a table, whose columns are scaled in float64"
        yield f"{what} column {place}: {text}{others}; {hint}"


def as_weights(values: Array, rows: int, origin: Origin, what: str) -> Array:
    """Return row weights, (rows,) float32.

    Args:
        values: the array.
        rows: the number of rows.
        origin: of the array.
        what: its name in messages.

    Returns:
        The weights.

    Raises:
        DataError: the array does not hold one number of at least 0 per row.
    """
    if values.dtype.kind not in "biuf" or values.shape not in ((rows,), (rows, 1)):
        shape = f"({', '.join(map(str, values.shape))})"
        origin.refuse(
            f"{what} must hold one weight for each of {counted(rows, 'row')}, it is of shape {shape}"
        )
    weights = as_float32(values.reshape(-1), origin, what)
    negative = np.flatnonzero(weights < 0)
    row_errors = [
        RowError(int(row), what, "must be a weight of at least 0", float(weights[row]))
        for row in negative[:MAX_DESCRIBED]
    ]
    raise_row_errors(origin, RowErrors(row_errors, len(negative)))
    return weights


def as_rows(x: Array, origin: Origin, what: str, *, first: int = 0, wide: bool = False) -> Array:
    """Return an array as rows: integers unchanged, anything else as float32, or as float64.

    Args:
        x: (rows, *shape); a row of (rows,) is one number.
        origin: of the array.
        what: its name in messages.
        first: the position of its first row in the file.
        wide: whether the rows are float64, to be scaled; what float32 cannot hold is refused all the same.

    Returns:
        (rows, *shape), contiguous.

    Raises:
        DataError: it has no rows, no dimension, text, or a value that float32 cannot hold.
    """
    if x.dtype.kind not in "biuf":
        origin.refuse(f"{what} must hold numbers, it is of type {x.dtype}")
    if x.ndim == 0:
        origin.refuse(f"{what} must have the shape (rows,), (rows, features) or more, received ()")
    x = x[:, None] if x.ndim == 1 else x
    if x.size == 0:
        origin.refuse(f"{what} has no rows" if len(x) == 0 else f"{what} has rows without values")
    if x.dtype.kind in "iu":
        return np.ascontiguousarray(x)
    narrow = as_float32(x, origin, what, first=first)
    return np.ascontiguousarray(x, np.float64) if wide else narrow


def as_whole(values: Array, origin: Origin, what: str, *, first: int = 0) -> Array:
    """Return numbers as int64, for a network of ids; none is rounded.

    Args:
        values: (rows, ...), integers or floats; those in a file stay there.
        origin: of the array.
        what: its name in messages.
        first: the position of its first row in the file.

    Raises:
        DataError: some have a fraction, or do not fit.
    """
    if isinstance(values, StoredArray):
        for block in values.blocks():
            as_whole(block, origin, what, first=first)
            first += len(block)
        return values.astype(np.int64)
    if not (good := is_id(values)).all():
        described = id_errors(values, first + np.arange(len(values)), what=what, most=MAX_DESCRIBED)
        raise_row_errors(origin, RowErrors([error for _, error in described], int((~good).sum())))
    return np.ascontiguousarray(values, dtype=np.int64)


def as_float32(values: Array, origin: Origin, what: str, *, first: int = 0) -> Array:
    """Return numbers as a contiguous float32 array.

    Args:
        values: of any shape.
        origin: of the array.
        what: its name in messages.
        first: the position of its first row in the file.

    Returns:
        The same shape.

    Raises:
        DataError: some are not finite, or too large for float32.
    """
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(narrow).all():
        bad = np.argwhere(~np.isfinite(narrow))
        row_errors = []
        for place in bad[:MAX_DESCRIBED].tolist():
            received = values[tuple(place)].item()
            rule = (
                "must fit in float32, up to 3.4e38" if math.isfinite(received) else "must be a finite number"
            )
            where = f"{what} at {place[1:]}" if len(place) > 1 else what
            row_errors.append(RowError(first + place[0], where, rule, received))
        raise_row_errors(origin, RowErrors(row_errors, len(bad)))
    return narrow


def as_target(y: Array, origin: Origin, what: str, *, classes: bool | None) -> Target:
    """Return an array as a target of labels or numbers; a second dimension of 1 is dropped.

    Args:
        y: (rows,) or (rows, targets).
        origin: of the array.
        what: its name in messages.
        classes: True for labels, False for numbers, None for labels if it holds text or booleans.

    Returns:
        The target.

    Raises:
        DataError: it holds neither labels nor numbers, or has more than two dimensions.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim > 2 or y.size == 0:
        shape = f"({', '.join(map(str, y.shape))})"
        wanted = "(rows,), (rows, targets) or (rows, steps, targets)"
        origin.refuse(f"{what} must have the shape {wanted}, received {shape}")
    if y.ndim == 1 and (classes or (classes is None and y.dtype.kind in "bSU")):
        values, codes = np.unique(y, return_inverse=True)
        return Labels(values.tolist(), codes.astype(np.int64))
    if y.dtype.kind not in "biuf":
        origin.refuse(f"{what} must hold numbers for this loss, it is of type {y.dtype}")
    as_float32(y, origin, what)  # refuses what the network could not learn
    return np.ascontiguousarray(y, np.float64)
