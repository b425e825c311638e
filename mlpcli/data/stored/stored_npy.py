"""Open the rows of an .npy file, which stay there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlpcli.data.readers.arrays import ArrayFile, as_rows, open_npy
from mlpcli.data.stored.stored_array import BLOCK_BYTES, StoredArray


def stored_npy(path: Path, label: str, *, most_bytes: int) -> ArrayFile:
    """Open the rows of an .npy file, and check them some at a time.

    Args:
        path: of the file.
        label: its name in messages.
        most_bytes: how much of them may be in memory at once.

    Raises:
        DataError: the file is damaged, or does not hold rows of numbers one after the other.
    """
    with open_npy(path, label) as (mapped, origin):
        if not isinstance(mapped, np.memmap) or mapped.dtype.kind not in "biuf":
            hint = "save rows of numbers, (rows, values) or more axes, with numpy.ascontiguousarray"
            origin.refuse("cannot be read in parts", hint=hint)
        shape, dtype, offset = mapped.shape, mapped.dtype, int(mapped.offset)
    x = StoredArray(path, shape, dtype, most_bytes=most_bytes, offset=offset)
    size, start = max(1, BLOCK_BYTES // max(1, x[:1].nbytes)), 0
    while start < len(x) and dtype.kind not in "iu":
        as_rows(x[start : start + size], origin, "array 'x'", first=start)
        start += size
    return ArrayFile(origin, {"x": x if dtype.kind in "iu" else x.astype(np.float32)})
