"""The scale on which the errors of a target are about equal: where the bounds of its intervals are computed.

It is that of `target_scaling` without its linear part: the logarithm, or the normal value by quantiles.
Beyond the training rows a normal value goes on as steeply as at that end, so that an interval there is no
wider than just inside. Any scale would do for the share of rows that are inside; this one makes intervals
short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.quantiles import Quantiles, from_log, to_log
from mlpcli.data.types import Array


def to_even(output: Output, own: Array) -> Array:
    """Return numbers of a target, (rows, ..., targets) float64, on the scale of its intervals."""
    if output.log is not None:
        own = to_log(np, own - np.asarray(output.log))
    if output.quantiles is None:
        return own
    _, _, steep_low, steep_high = ends_of_columns(output.quantiles)
    inside = _each(output.quantiles, own, Quantiles.to_normal)
    first, last = (np.array([each.values[place] for each in output.quantiles]) for place in (0, -1))
    under, over = np.minimum(own - first, 0) / steep_low, np.maximum(own - last, 0) / steep_high
    return np.asarray(inside + under + over)


def from_even(output: Output, even: Array) -> Array:
    """Return numbers on the scale of a target's intervals, (rows, ..., targets), in its own units."""
    if output.quantiles is not None:
        low, high, steep_low, steep_high = ends_of_columns(output.quantiles)
        inside = _each(output.quantiles, even, Quantiles.from_normal)
        even = inside + np.minimum(even - low, 0) * steep_low + np.maximum(even - high, 0) * steep_high
    if output.log is not None:
        even = from_log(np, even) + np.asarray(output.log)
    return even


def ends_of_columns(quantiles: Sequence[Quantiles]) -> tuple[float, float, Array, Array]:
    """Return the lowest and the highest normal value, and how steep columns are at both ends, (columns,).

    Args:
        quantiles: of each column, with the same margin.
    """
    low, high = quantiles[0].ends
    steep = np.array([each.steepness for each in quantiles])
    return low, high, steep[:, 0], steep[:, 1]


def _each(
    quantiles: Sequence[Quantiles], values: Array, change: Callable[[Quantiles, Array], Array]
) -> Array:
    """Return values, (rows, ..., columns), with a method of its quantiles applied to each column."""
    columns = values.reshape(-1, len(quantiles)).T
    found = [change(each, column) for each, column in zip(quantiles, columns, strict=True)]
    return np.stack(found, axis=-1).reshape(values.shape)
