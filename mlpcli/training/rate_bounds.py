"""The bounds of a learning-rate range test; checking them needs no TensorFlow."""

from __future__ import annotations

import math

from mlpcli.errors import Problem, UsageError

FEWEST_STEPS = 20


def check_bounds(low: float, high: float, steps: int) -> None:
    """Refuse bounds that do not fit together, or too few steps.

    Args:
        low: the first rate.
        high: the last rate.
        steps: the number of steps.

    Raises:
        UsageError: they do not fit.
    """
    if not 0 < low < high or not math.isfinite(high):
        raise UsageError(Problem("--min must be above 0 and below --max", received=[low, high]))
    if steps < FEWEST_STEPS:
        raise UsageError(Problem(f"--steps must be at least {FEWEST_STEPS}", received=steps))
