"""Numbers to a normal distribution by the quantiles of the training rows, and back; and the smooth clip.

The same as scikit-learn's `QuantileTransformer(output_distribution="normal")`, but for a value that is
repeated at an end of the range: it maps to the middle of its quantiles, as any other repeated value does,
where scikit-learn maps it to -5.2 or 5.2. `model/normal_values.py` does with tensors what this does with
arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlpcli.data.types import Array

LEAST_SHARE = 1e-7 - float(np.spacing(1))
"""A share of the rows nearer to 0 or 1 than this counts as this, so that the normal values are within 5.2."""

MOST = 1000
ROWS_EACH = 30
FEWEST = 10
"""There is a quantile for every 30 training rows, but from 10 to 1,000 of them."""

MOST_TOGETHER = 300_000
"""The most quantiles of all columns of a table together; each column keeps at least ten."""


def quantile_count(rows: int, columns: int = 1) -> int:
    """Return how many quantiles each of some columns has, given the number of training rows."""
    wanted = max(min(rows // ROWS_EACH, MOST, MOST_TOGETHER // max(columns, 1)), FEWEST)
    return max(2, min(wanted, rows))


PARTS = 20


@dataclass(frozen=True)
class Quantiles:
    """The quantiles of a column of the training rows, at evenly spaced shares of the rows.

    Attributes:
        values: two or more, never falling.
        margin: the share of the rows that is below the first value, and that is above the last.
    """

    values: tuple[float, ...]
    margin: float = 0.0

    @classmethod
    def of(cls, known: Array, count: int, margin: float = 0.0) -> Quantiles:
        """Return some quantiles of numbers, (rows,) float64 without NaN."""
        found = np.percentile(known, np.linspace(0, 1, count) * 100)
        return cls(tuple(np.maximum.accumulate(found).tolist()), margin)

    @cached_property
    def table(self) -> Array:
        """The values, (count,) float64."""
        return np.array(self.values)

    @cached_property
    def firsts(self) -> Array:
        """The position of the first value that is equal to each, (count,) int64."""
        return np.searchsorted(self.table, self.table)

    @property
    def ends(self) -> tuple[float, float]:
        """The normal values of the lowest and of the highest value, where these are not repeated."""
        low = float(normal_of_shares(np.zeros(1), self.margin)[0])
        return low, -low

    @property
    def width(self) -> float:
        """From the lowest to the highest value; 1 for a constant."""
        return (self.values[-1] - self.values[0]) or 1.0

    @property
    def steepness(self) -> tuple[float, float]:
        """By how much values rise with their normal value, over the lowest and the highest of 20 parts."""
        last = len(self.values) - 1
        part = max(1, last // PARTS)
        normal = normal_of_shares(np.array([0, part, last - part, last]) / last, self.margin)
        low = (self.values[part] - self.values[0]) / (normal[1] - normal[0])
        high = (self.values[-1] - self.values[last - part]) / (normal[3] - normal[2])
        least = 1e-3 * self.width / (normal[3] - normal[0])  # of repeated values
        return max(float(low), float(least)), max(float(high), float(least))

    def to_normal(self, values: Array) -> Array:
        """Return numbers as values of a normal distribution, of the same shape, float64."""
        return normal_of_shares(self._shares(values), self.margin)

    def to_normal_and_beyond(self, values: Array) -> Array:
        """Return the same, but with numbers outside the range on a line, so that no two become one."""
        over = np.maximum(values - self.values[-1], 0) + np.minimum(values - self.values[0], 0)
        return self.to_normal(values) + over / self.width

    def _shares(self, values: Array) -> Array:
        """Return where numbers are among the values, from 0 to 1."""
        values = np.asarray(values, np.float64)
        last = len(self.table) - 1
        place = np.maximum(np.searchsorted(self.table, values, side="right") - 1, 0)
        lower, upper = self.table[place], self.table[np.minimum(place + 1, last)]
        return np.asarray(shares(np, values, place, lower, upper, self.firsts[place], last))

    def from_normal(self, values: Array) -> Array:
        """Return the numbers that have some normal values; within the range of the training rows."""
        from scipy.special import ndtr

        last = len(self.table) - 1
        rank = ranks(np, ndtr(np.asarray(values, np.float64)), self.margin, last)
        place = np.minimum(np.floor(rank), last - 1).astype(np.int64)
        lower, upper = self.table[place], self.table[place + 1]
        return np.asarray(lower + (rank - place) * (upper - lower))

    def from_normal_and_beyond(self, values: Array) -> Array:
        """Return the numbers that `to_normal_and_beyond` has made some values of."""
        low, high = self.ends
        over = np.maximum(values - high, 0) + np.minimum(values - low, 0)
        return self.from_normal(values) + over * self.width


def to_log(ops: Any, values: Any) -> Any:
    """Return log(1 + x) of numbers x; below 0, x itself, so that every number has a logarithm of its own.

    Args:
        ops: NumPy, or `keras.ops` for tensors.
        values: the numbers.
    """
    return ops.where(values > 0, ops.log1p(ops.maximum(values, 0)), values)


def from_log(ops: Any, values: Any) -> Any:
    """Return the numbers that `to_log` has made some values of.

    Args:
        ops: NumPy, or `keras.ops` for tensors.
        values: the logarithms.
    """
    return ops.where(values > 0, ops.expm1(ops.maximum(values, 0)), values)


def shares(ops: Any, values: Any, place: Any, lower: Any, upper: Any, first: Any, last: int) -> Any:
    """Return where numbers are among quantiles, from 0 to 1; a repeated one is in the middle of its places.

    Args:
        ops: NumPy, or `keras.ops` for tensors.
        values: the numbers.
        place: of each, the position of the last quantile that is not above it; 0 where all are above it.
        lower: the quantile at that position.
        upper: the next quantile.
        first: the position of the first quantile that is equal to `lower`.
        last: the position of the last quantile.
    """
    gap = ops.where(upper > lower, upper - lower, np.float64(1))
    rank = ops.where(ops.equal(values, lower), (place + first) / 2, place + (values - lower) / gap)
    return ops.clip(rank, 0, last) / last


def ranks(ops: Any, below: Any, margin: float, last: int) -> Any:
    """Return positions among quantiles, with fractions, of shares of the rows; inverse of `shares`."""
    return ops.clip((below - margin) / (1 - 2 * margin), 0, 1) * last


def normal_of_shares(share: Array, margin: float) -> Array:
    """Return the values of the normal distribution that have some shares of the rows below them."""
    from scipy.special import ndtri

    below = margin + (1 - 2 * margin) * share
    return np.asarray(ndtri(np.clip(below, LEAST_SHARE, 1 - LEAST_SHARE)))


CLIP = 3.0
FAR = 1e30
"""Beyond this a clipped number is 3 or -3 to the last digit, and its square would overflow."""


def smooth_clip(ops: Any, values: Any) -> Any:
    """Return x / sqrt(1 + (x / 3)^2), within -3 and 3.

    From RealMLP, https://arxiv.org/abs/2407.04491.

    Args:
        ops: NumPy, or `keras.ops` for tensors.
        values: the numbers x.
    """
    values = ops.clip(values, -FAR, FAR)
    return values / ops.sqrt(1 + ops.square(values / CLIP))
