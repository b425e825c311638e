"""Are two models different on the same rows? Tests of differences that are paired row by row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mlpcli.statistics.bootstrap import MOST_UNDEFINED, share_outside
from mlpcli.statistics.student_t import binomial_half, two_sided_p

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BootstrapDifference:
    """A difference of two models on the same rows, and how far it is from chance.

    Attributes:
        value: first minus second, on the rows themselves.
        low: the lower end of the interval.
        high: its upper end.
        p: two-sided; NaN where nothing can be said, as with an undefined metric.
    """

    value: float
    low: float
    high: float
    p: float


def bootstrap_difference(
    value: float, resampled: Floats, *, rows: int, level: float = 0.95
) -> BootstrapDifference:
    """Return interval and p-value of a difference from its values in resamples of the rows.

    The expanded percentile interval: the percentiles are as far out as makes the interval of a mean that of
    Student's t, since plain percentiles are too near each other where rows are few (Hesterberg, What teachers
    should know about the bootstrap, The American Statistician 69 (2015), section 3.3). The p-value is the
    level at which an end of the interval is 0, at least that of one resample beyond it.

    Args:
        value: the difference on the rows themselves.
        resampled: (resamples,) the difference in each resample, of both models on the same rows of it; NaN
            where the metric is undefined there.
        rows: how many rows were resampled, or groups of them.
        level: of the interval.
    """
    known = resampled[np.isfinite(resampled)]
    if rows < 2 or not math.isfinite(value) or len(known) < (1 - MOST_UNDEFINED) * len(resampled):
        return BootstrapDifference(value, math.nan, math.nan, math.nan)
    if not known.any():
        return BootstrapDifference(value, 0.0, 0.0, 1.0)  # the models do the same
    wider = math.sqrt(rows / (rows - 1.0))
    outside = share_outside(rows, level)
    low, high = np.quantile(known, (outside, 1.0 - outside))
    # A resample that is exactly 0 counts half for each side.
    below = float((known < 0).sum() + 0.5 * (known == 0).sum())
    tail = (min(below, len(known) - below) + 1.0) / (len(known) + 2.0)
    p = two_sided_p(NormalDist().inv_cdf(tail) / wider, rows - 1.0)
    return BootstrapDifference(value, float(low), float(high), p)


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two models that are right or wrong on each row.

    Attributes:
        only_first: rows on which only the first model is right.
        only_second: rows on which only the second is right.
        exact: the p-value of the exact conditional test, which is never too small, mostly too large.
        mid_p: that of the mid-p test.
    """

    only_first: int
    only_second: int
    exact: float
    mid_p: float


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Test whether two models are right equally often, on rows that both predicted.

    Only rows count on which one is right and the other wrong; if the models were equally good, each would be
    right on half of them. The mid-p test counts the observed split half: Fagerland, Lydersen and Laake, The
    McNemar test for binary matched-pairs data, BMC Medical Research Methodology 13:91 (2013), who recommend
    it: its error stays near or under 5%, and it finds more than the exact test.

    Args:
        only_first: rows on which only the first model is right.
        only_second: rows on which only the second is right.
    """
    trials = only_first + only_second
    below, point = binomial_half(min(only_first, only_second), trials)
    if only_first == only_second:
        return McNemar(only_first, only_second, 1.0, 1.0 - 0.5 * point if trials else 1.0)
    return McNemar(only_first, only_second, min(1.0, 2.0 * below), min(1.0, 2.0 * below - point))
