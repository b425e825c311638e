"""How much memory the machine has, and how a number of bytes is shown."""

from __future__ import annotations

import os


def memory_bytes() -> int | None:
    """Return the machine's memory in bytes, without swap; None where the system does not report it."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def format_bytes(count: float) -> str:
    """Return a number of bytes as `512 bytes`, `4.2 KB` or `188 MB`; 1 KB is 1,000 bytes."""
    if count == 1:
        return "1 byte"
    value, unit = float(count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
