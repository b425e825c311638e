"""Rules for numbers: each says in words what a value must be, and tests it."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TypeGuard

from mlpcli.spec.values import Value

Rule = tuple[str, Callable[[Value], bool]]


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a finite number; true and false are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is an integer; true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


POSITIVE_WHOLE: Rule = ("must be a positive integer", lambda v: is_whole(v) and v > 0)
WHOLE: Rule = ("must be an integer of at least 0", lambda v: is_whole(v) and v >= 0)
POSITIVE: Rule = ("must be a positive number", lambda v: is_number(v) and v > 0)
NOT_NEGATIVE: Rule = ("must be a number of at least 0", lambda v: is_number(v) and v >= 0)
FROM_TWO: Rule = ("must be an integer of at least 2", lambda v: is_whole(v) and v >= 2)
BELOW_ONE: Rule = (
    "must be a number from 0 up to but not including 1",
    lambda v: is_number(v) and 0 <= v < 1,
)


def are_levels(value: object) -> bool:
    """Return whether a value is a list of rising numbers between 0 and 1, without these."""
    if not isinstance(value, list | tuple) or not value or not all(map(is_number, value)):
        return False
    ends = (0, *value, 1)
    return all(low < high for low, high in pairwise(ends))


LEVELS: Rule = ("must be a list of rising numbers between 0 and 1, such as [0.05, 0.5, 0.95]", are_levels)

MAX_STEPS = 10_000
"""Keras makes a Python list, or a square matrix, as long as these arguments say."""
THRESHOLDS: Rule = (
    f"must be an integer from 2 to {MAX_STEPS:,}",
    lambda v: is_whole(v) and 2 <= v <= MAX_STEPS,
)
BOUNDED_WHOLE: Rule = (
    f"must be an integer from 0 to {MAX_STEPS:,}",
    lambda v: is_whole(v) and 0 <= v <= MAX_STEPS,
)
