"""Give freed memory back to the system: allocators keep it for later, and it counts as the process's."""

from __future__ import annotations

import contextlib
import ctypes


def release_memory() -> None:
    """Have PyArrow's allocator and the C library return what is free."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # of the GNU C library alone
        ctypes.CDLL(None).malloc_trim(0)
