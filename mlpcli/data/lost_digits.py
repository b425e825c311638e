"""Count the distinct numbers that become one another in the network's float32."""

from __future__ import annotations

import numpy as np

from mlpcli.data.types import Array

MOST_ROWS = 20_000
MOST_CELLS = 1_000_000
"""Rows of a column, and cells of a table or array, that are examined."""

LOST_SHARE = 0.01
"""Fewer distinct numbers than this share become others: no more than chance makes of many random numbers."""


def some_rows(rows: Array, columns: int) -> Array:
    """Return at most as many of some rows as are examined, evenly spaced."""
    most = min(MOST_ROWS, max(100, MOST_CELLS // max(1, columns)))
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)] if len(rows) > most else rows


def lost_digits(values: Array, taken: Array, distinct: int | None = None) -> str | None:
    """Return `194 distinct numbers become 29 in the network's float32`; None where hardly any is lost.

    Args:
        values: (rows,), without NaN.
        taken: (rows,), or (rows, width), the same as the network takes them.
        distinct: how many of the values are distinct, where float64 has rounded them.
    """
    before = len(np.unique(values)) if distinct is None else distinct
    after = len(np.unique(np.asarray(taken, np.float32), axis=0))
    if before - after < max(1, LOST_SHARE * before):
        return None
    return f"{before:,} distinct numbers become {after:,} in the network's float32"
