"""Rows in memory, their order in an epoch, and their conversion to tensors without needless copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from mlpcli.data.stored.stored_array import Places, StoredArray

# XLA and Eigen may load whole cache lines: memory that TensorFlow uses in place starts on one.
ALIGNMENT = 64

Structure: TypeAlias = "np.ndarray | Mapping[str, Structure] | Sequence[Structure]"
"""Arrays as `model.fit` takes them: one, or a dict, list or tuple of them."""


@dataclass(frozen=True)
class Arrays:
    """Rows in memory, as `model.fit` takes them.

    Attributes:
        x: (rows, ...) array, or a dict, list or tuple of them for several inputs.
        y: Likewise for the outputs; None where the model needs no target.
        sample_weight: (rows,) array, or a structure of them like `y`; None for equal weights.
    """

    x: Any  # Structure; mypy would ask each reader of an array whether it is one
    y: Any = None
    sample_weight: Any = None

    @property
    def rows(self) -> int:
        """The number of rows.

        Raises:
            ValueError: The arrays have different numbers of rows.
        """
        counts = {len(leaf) for leaf in self.leaves()}
        if len(counts) != 1:
            raise ValueError(f"all arrays must have the same number of rows, received {sorted(counts)}")
        return counts.pop()

    def structure(self) -> Structure:
        """Return what `train_step` takes: x, (x, y) or (x, y, sample_weight)."""
        packed: Structure = keras.utils.pack_x_y_sample_weight(self.x, self.y, self.sample_weight)
        return packed

    def leaves(self) -> list[np.ndarray]:
        """Return the arrays in the order of `keras.tree.flatten`."""
        return list(keras.tree.flatten(self.structure()))


def epoch_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """Return the order of rows in an epoch, (rows,) int: a function of (seed, epoch) alone.

    The same as `permutation(rows)`, in half the memory.
    """
    entropy = np.random.SeedSequence((seed % 2**64, epoch))
    order = np.arange(rows, dtype=np.int32 if rows < 2**31 else np.int64)
    np.random.Generator(np.random.Philox(entropy)).shuffle(order)
    return order


def tensor_dtype(array: np.ndarray | StoredArray) -> np.dtype:
    """Return the dtype of an array inside TensorFlow: floats become Keras's floatx, as in `fit`."""
    if np.issubdtype(array.dtype, np.floating):
        return np.dtype(str(keras.config.floatx()))
    dtype: np.dtype = array.dtype
    return dtype


def row_bytes(leaves: Sequence[np.ndarray]) -> int:
    """Return the bytes of one row over all arrays, as tensors."""
    return sum(int(np.prod(leaf.shape[1:], dtype=np.int64)) * tensor_dtype(leaf).itemsize for leaf in leaves)


def aligned_empty(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised array that starts on a cache line, so that TensorFlow can use it in place."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def take_rows(
    array: np.ndarray | StoredArray, rows: np.ndarray | slice | Places, capacity: int | None = None
) -> np.ndarray:
    """Copy some rows into new aligned memory of their tensor dtype.

    Args:
        array: (rows, ...).
        rows: (n,) int, such positions sorted once for several arrays, or a slice of consecutive rows.
        capacity: The length of the result, at least n; rows beyond n are zero.

    Returns:
        (capacity or n, ...).
    """
    count = len(range(*rows.indices(len(array)))) if isinstance(rows, slice) else len(rows)
    if isinstance(array, StoredArray):
        return _take_stored(array, rows, count, capacity)
    rows = rows.rows if isinstance(rows, Places) else rows
    out = aligned_empty((capacity or count, *array.shape[1:]), tensor_dtype(array))
    if isinstance(rows, slice):
        out[:count] = array[rows]
    elif out.dtype == array.dtype:
        # Without mode="clip" NumPy gathers into a buffer first; the rows are in range.
        np.take(array, rows, axis=0, out=out[:count], mode="clip")
    else:
        out[:count] = array[rows]
    out[count:] = 0
    return out


def _take_stored(
    array: StoredArray, rows: np.ndarray | slice | Places, count: int, capacity: int | None
) -> np.ndarray:
    """Read some rows of a file; see `take_rows`."""
    out = aligned_empty((capacity or count, *array.shape[1:]), array.dtype)
    if isinstance(rows, slice):
        array.read(rows.indices(len(array))[0], out[:count])
    else:
        array.take(rows, out[:count])
    out[count:] = 0
    return out if array.dtype == tensor_dtype(array) else take_rows(out, slice(None))


def as_tensor(array: np.ndarray | StoredArray) -> tf.Tensor:
    """Return an array as a tensor, without a copy where the machine and the memory allow it."""
    if isinstance(array, StoredArray):
        array = take_rows(array, slice(None))
    dtype = tensor_dtype(array)
    if dtype.kind not in "fiu" or tf.config.list_physical_devices("GPU"):
        return tf.constant(array, dtype=dtype)
    usable = array.flags.c_contiguous and array.flags.writeable and array.dtype == dtype
    if not array.size:
        return tf.constant(array, dtype=dtype)
    if not usable or array.ctypes.data % ALIGNMENT:
        array = take_rows(array, slice(None))
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
