"""Count values in the bins of a histogram."""

from __future__ import annotations

import numpy as np

from mlpcli.data.types import Array

BINS = 10


def binned(values: Array, weights: Array | None = None) -> list[int]:
    """Return the values, or their weights, in each of ten bins; in one bin if they are all the same.

    `np.histogram` would not do: it fails where the bins are narrower than the digits of float64.

    Args:
        values: (values,) float64, finite.
        weights: (values,), or None to count each value once.

    Returns:
        Ten counts, or one.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return [int(len(values) if weights is None else weights.sum())]
    shares = (values / 2 - low / 2) / (high / 2 - low / 2)  # halves, whose difference cannot overflow
    places = np.minimum((shares * BINS).astype(np.int64), BINS - 1)
    return [int(count) for count in np.bincount(places, weights, BINS)]
