"""Bootstrap intervals of what is computed from sums over rows: NumPy alone, all resamples at once.

The method is the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter
13): as many rows as there are, drawn with replacement, give a value; the interval runs from the 2.5th to the
97.5th percentile of the values of many such draws. A value that is a function of sums over rows needs no row
again: the sums of a draw are a matrix product of how often each row was drawn and of what each row adds.

Of many rows random groups are drawn instead of rows (Wolter, Introduction to Variance Estimation, 2007,
chapter 2). The sum over m groups of k random rows each has the variance, and the skewness, of the sum over m
k rows, whatever k is, so the interval is the same up to chance: that of 4,000 groups is less than that of
1,000 draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcli.statistics.student_t import t_quantile

Array = NDArray[Any]

LEVEL = 0.95
RESAMPLES = 1000
GROUPS = 4000
"""Rows up to which rows are drawn; of more rows, as many random groups of them."""

BLOCK = 2_000_000
"""Counts, resamples times rows, that are held at once."""

MOST_UNDEFINED = 0.05
"""The share of resamples that may have no value, as a recall has none without a row of the class."""


@dataclass(frozen=True)
class Method:
    """How intervals were computed, for a person and for scripts.

    Attributes:
        seed: Of the draws.
        resamples: How many draws.
        level: The share of such intervals that contain the value over all possible rows.
    """

    seed: int
    resamples: int = RESAMPLES
    level: float = LEVEL

    def to_json(self) -> dict[str, object]:
        """Return the method as plain JSON values."""
        return {
            "method": "expanded percentile bootstrap over rows",
            "level": self.level,
            "resamples": self.resamples,
            "seed": self.seed,
        }


def deal(rows: int, seed: int, groups: int = GROUPS) -> Iterator[Array]:
    """Yield positions of rows, round by round, as cards are dealt: the i-th of a round belongs to group i.

    Args:
        rows: How many there are.
        seed: Of their order.
        groups: The most groups; with no more rows than that each is a group, and they keep their order.

    Yields:
        (groups,) int positions; fewer in the last round. All rows are in one round, each once.
    """
    order = np.arange(rows) if rows <= groups else np.random.default_rng([seed % 2**63, 1]).permutation(rows)
    for start in range(0, rows, groups):
        yield order[start : start + groups]


def group_sizes(rows: int, groups: int = GROUPS) -> Array:
    """Return how many rows each group of `deal` has, (groups,) float64."""
    count = min(rows, groups)
    return np.asarray(rows // max(count, 1) + (np.arange(count) < rows % max(count, 1)), np.float64)


def dealt_sums(addends: Callable[[Array], Array], rows: int, seed: int, groups: int = GROUPS) -> Array:
    """Return what each row adds, or with more rows than `groups` each random group of them.

    Args:
        addends: From positions of rows, (some,) int, to what each adds, (some, addends) float64.
        rows: How many there are, at least one.
        seed: Of the groups.
        groups: The most groups.

    Returns:
        (rows or groups, addends) float64; how many rows each has: `group_sizes`.
    """
    whole: Array | None = None
    for places in deal(rows, seed, groups):
        found = addends(places)
        if whole is None:
            whole = found
        else:
            whole[: len(found)] += found
    assert whole is not None
    return whole


def draw_counts(units: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield how often each unit is drawn in some resamples, block by block: as many draws as units.

    The same numbers for the same arguments, so that two models can be compared on the same draws.

    Args:
        units: Rows, or groups of them.
        resamples: In all blocks together.
        seed: Of the draws.

    Yields:
        (some, units) float64.
    """
    random = np.random.default_rng([seed % 2**63, 2])
    at_once = max(1, BLOCK // max(units, 1))
    for start in range(0, resamples, at_once):
        some = min(at_once, resamples - start)
        drawn = random.integers(0, units, (some, units)) + units * np.arange(some)[:, None]
        yield np.bincount(drawn.reshape(-1), minlength=some * units).reshape(some, units).astype(np.float64)


def resample_sums(sums: Array, sizes: Array, method: Method) -> Array:
    """Return the sums over each resample, for as many rows as there are.

    Args:
        sums: (units, addends), what each row or group adds.
        sizes: (units,), its rows.
        method: The number of resamples, and the seed.

    Returns:
        (resamples, addends) float64.
    """
    found = []
    for counts in draw_counts(len(sums), method.resamples, method.seed):
        # Groups may differ by a row; the number of rows is not what is uncertain.
        scale = sizes.sum() / (counts @ sizes)
        found.append((counts @ sums) * scale[:, None])
    return np.concatenate(found)


def share_outside(rows: int, level: float = LEVEL) -> float:
    """Return the share of resamples beyond each end of an interval: 0.025, and less where rows are few.

    The percentiles are as far out as makes the interval of a mean that of Student's t, since plain
    percentiles are too near each other where rows are few (Hesterberg, What teachers should know about the
    bootstrap, The American Statistician 69, 2015, section 3.3).

    Args:
        rows: How many rows were resampled, or groups of them.
        level: Of the interval.
    """
    if rows < 2:
        return (1 - level) / 2
    return NormalDist().cdf(-math.sqrt(rows / (rows - 1)) * t_quantile(0.5 + level / 2, rows - 1.0))


def percentile_interval(values: Array, rows: int, level: float = LEVEL) -> tuple[float, float] | None:
    """Return the bounds between which the values of most resamples lie, as many as `share_outside` leaves.

    Args:
        values: (resamples,), one of each resample; not finite where it has none.
        rows: How many rows were resampled, or groups of them; of a value of some of them, how many these are.
        level: Of the interval.

    Returns:
        The bounds; None where too many resamples have no value.
    """
    defined = values[np.isfinite(values)]
    if len(defined) < (1 - MOST_UNDEFINED) * len(values) or not len(defined):
        return None
    outside = share_outside(rows, level)
    low, high = np.quantile(defined, [outside, 1 - outside])
    return float(low), float(high)


def most_failures(rows: int, level: float = LEVEL) -> float:
    """Return the largest rate of a failure that none of some rows showed: `1 - alpha**(1/rows)`, alpha 0.025.

    The upper bound of Clopper and Pearson (1934) for 0 of `rows`: about 3.7 divided by the rows.

    Args:
        rows: How many there are.
        level: Of the two-sided interval.
    """
    return float(1 - ((1 - level) / 2) ** (1 / rows))
