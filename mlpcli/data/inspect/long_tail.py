"""Whether a target of numbers has a long tail, so that its logarithm may suit better."""

from __future__ import annotations

import numpy as np

from mlpcli.data.types import Array

LONG_TAIL = 2.0
"""The skewness of an exponential distribution."""


def has_long_tail(values: Array) -> bool:
    """Return whether positive numbers have a long tail of large ones, which their logarithms lack.

    The logarithms must be less than half as skewed.
    """
    if not len(values) or values.min() <= 0 or values.max() == values.min():
        return False
    raw, logarithms = (_skewness(each) for each in (values, np.log(values)))
    return raw > LONG_TAIL and abs(logarithms) < raw / 2


def _skewness(values: Array) -> float:
    deviation = float(np.std(values)) or 1.0
    return float(np.mean(((values - values.mean()) / deviation) ** 3))
