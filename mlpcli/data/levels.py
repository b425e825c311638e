"""Outputs of quantiles: for each target a value at each of some levels, `0.05, 0.5, 0.95`, side by side.

An output of two targets and three levels has the units a_q05, a_q50, a_q95, b_q05, b_q50, b_q95.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TypeVar

import numpy as np

A = TypeVar("A")

MEDIAN = 0.5


def level_name(level: float) -> str:
    """Return what a column of a level ends with, its decimals: `q05` for 0.05, `q50`, `q975`."""
    decimals = np.format_float_positional(level, trim="-").partition(".")[2]
    return f"q{decimals.ljust(2, '0')}"


def median_place(levels: Sequence[float]) -> int:
    """Return the position of the level that is nearest to the median, of two that are as near the lower."""
    return min(range(len(levels)), key=lambda place: (round(abs(levels[place] - MEDIAN), 9), place))


def median_of(values: A, levels: Sequence[float]) -> A:
    """Return the values at the median, (rows, ..., targets), of (rows, ..., targets * levels)."""
    found: A = values[..., median_place(levels) :: len(levels)]  # type: ignore[index]
    return found


def by_target(xp: ModuleType, values: A, levels: int) -> A:
    """Return (rows, ..., targets * levels) as (rows, ..., levels, targets), as a target's scale takes it.

    Args:
        xp: NumPy, or `keras.ops` for tensors.
        values: an array or a tensor.
        levels: how many levels there are.
    """
    *steps, units = values.shape[1:]  # type: ignore[attr-defined]
    found: A = xp.swapaxes(xp.reshape(values, (-1, *steps, units // levels, levels)), -1, -2)
    return found


def side_by_side(xp: ModuleType, values: A) -> A:
    """Return (rows, ..., levels, targets) as (rows, ..., targets * levels): the inverse of `by_target`."""
    *steps, levels, targets = values.shape[1:]  # type: ignore[attr-defined]
    found: A = xp.reshape(xp.swapaxes(values, -1, -2), (-1, *steps, targets * levels))
    return found


def rising(xp: ModuleType, values: A, levels: int) -> A:
    """Return (rows, ..., targets * levels) with the values of each target in rising order.

    Args:
        xp: NumPy, or `keras.ops` for tensors.
        values: an array or a tensor.
        levels: how many levels there are.
    """
    *steps, units = values.shape[1:]  # type: ignore[attr-defined]
    ordered = xp.sort(xp.reshape(values, (-1, *steps, units // levels, levels)), axis=-1)
    found: A = xp.reshape(ordered, (-1, *steps, units))
    return found
