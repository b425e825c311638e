"""Do new values come from the same distribution as known ones? Sizes of a difference, and tests of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

HALF = 0.5
"""Added to every count of the stability index, so that an empty bin is not infinitely far away."""

QUANTILE = 1.959964
"""Of the normal distribution, at the upper end of a 95% interval."""

MOST_TERMS = 10_000
LEAST_EXPECTED = 5.0
"""Rows that a cell must be expected to have for the chi-square test (Cochran 1954)."""


def stability_index(known: Array, new: Array) -> float:
    """Return the population stability index of two lists of counts.

    The sum over bins of (q - p) ln(q / p), with p and q the shares of the known and the new rows (Siddiqi,
    Credit Risk Scorecards, 2006, chapter 9): the symmetric Kullback-Leibler divergence (Jeffreys 1946). His
    rule of thumb: below 0.1 no significant change, from 0.25 a large one. Half a row is added to each count.

    Args:
        known: (bins,) counts.
        new: (bins,) counts.
    """
    p, q = (np.asarray(each, np.float64) + HALF for each in (known, new))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def total_variation(known: Array, new: Array) -> float:
    """Return half the sum of the absolute differences of two lists of shares: the share of rows that moved.

    Args:
        known: (bins,) counts.
        new: (bins,) counts.
    """
    p, q = (np.asarray(each, np.float64) / max(np.sum(each), 1) for each in (known, new))
    return float(np.abs(p - q).sum() / 2)


def kolmogorov_smirnov(known: Array, new: Array) -> tuple[float, float]:
    """Return the largest distance of two empirical distribution functions, and its p-value.

    The p-value is Kolmogorov's limit with Stephens' correction for few rows (Use of the Kolmogorov-Smirnov
    statistics without extensive tables, JRSS B 32, 1970): that of (sqrt(n) + 0.12 + 0.11 / sqrt(n)) D with
    n = n1 n2 / (n1 + n2). Where values are equal to each other it is too large: the test then finds less.

    Args:
        known: (rows,) numbers, at least one.
        new: (rows,) numbers, at least one.
    """
    one, other = np.sort(known), np.sort(new)
    both = np.concatenate([one, other])
    below = [np.searchsorted(each, both, side="right") / len(each) for each in (one, other)]
    distance = float(np.abs(below[0] - below[1]).max())
    root = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    return distance, kolmogorov_tail((root + 0.12 + 0.11 / root) * distance)


def kolmogorov_tail(value: float) -> float:
    """Return the probability that Kolmogorov's statistic is larger: 2 sum (-1)^(k-1) exp(-2 k^2 value^2).

    For small values the other series of his distribution, which converges there (Marsaglia, Tsang and Wang,
    Journal of Statistical Software 8 (18), 2003).
    """
    if value <= 0:
        return 1.0
    if value < 1.0:
        scale = math.sqrt(2 * math.pi) / value
        terms = (math.exp(-((2 * k - 1) ** 2) * math.pi**2 / (8 * value**2)) for k in range(1, 20))
        return max(0.0, 1.0 - scale * sum(terms))
    found = 2 * sum((-1.0) ** (k - 1) * math.exp(-2 * k * k * value * value) for k in range(1, 50))
    return min(1.0, max(0.0, found))


def chi_square(known: Array, new: Array) -> tuple[float, float]:
    """Test whether two lists of counts have the same shares; return Pearson's statistic and its p-value.

    Bins in which a list is expected to have fewer than five rows are put together, the smallest first
    (Cochran, Some methods for strengthening the common chi-square tests, Biometrics 10, 1954). Where two bins
    are left of which one is expected to have fewer, the p-value is that of Fisher's exact test.

    Args:
        known: (bins,) counts.
        new: (bins,) counts.
    """
    table = np.stack([np.asarray(known, np.float64), np.asarray(new, np.float64)])
    table = table[:, table.sum(axis=0) > 0]
    rows = table.sum(axis=1)
    if table.shape[1] < 2 or not rows.all():
        return 0.0, 1.0
    share = rows.min() / rows.sum()
    table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    few = int((np.cumsum(table.sum(axis=0)) * share < LEAST_EXPECTED).sum())
    cut = min(max(few + 1, 1), table.shape[1] - 1) if table[:, 0].sum() * share < LEAST_EXPECTED else 1
    table = np.concatenate([table[:, :cut].sum(axis=1, keepdims=True), table[:, cut:]], axis=1)
    expected = rows[:, None] * table.sum(axis=0) / rows.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    if expected.min() < LEAST_EXPECTED and table.shape[1] == 2:
        (a, b), (c, d) = table.astype(int).tolist()
        return statistic, fisher_exact(a, b, c, d)
    return statistic, chi_square_tail(statistic, table.shape[1] - 1)


def chi_square_tail(value: float, degrees: int) -> float:
    """Return the probability that a chi-square variable is larger: the upper incomplete gamma function.

    Its series and its continued fraction: Press et al., Numerical Recipes, 3rd ed., section 6.2.

    Args:
        value: from 0.
        degrees: of freedom, at least 1.
    """
    a, x = degrees / 2.0, value / 2.0
    if x <= 0:
        return 1.0
    front = math.exp(-x + a * math.log(x) - math.lgamma(a))
    if x < a + 1:
        term = total = 1.0 / a
        for step in range(1, MOST_TERMS):
            term *= x / (a + step)
            total += term
            if term < total * 1e-16:
                break
        return max(0.0, 1.0 - front * total)
    b, c = x + 1 - a, 1e300
    d = found = 1.0 / b
    for step in range(1, MOST_TERMS):
        factor = -step * (step - a)
        b += 2.0
        d = factor * d + b
        d = 1.0 / (d if abs(d) > 1e-300 else 1e-300)
        c = b + factor / c
        c = c if abs(c) > 1e-300 else 1e-300
        found *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return front * found


def fisher_exact(a: int, b: int, c: int, d: int) -> float:
    """Return the two-sided p-value of Fisher's exact test of a table of two rows: a b, and c d.

    The sum of the hypergeometric probabilities that are no larger than that of the table.
    """
    row, column, total = a + b, a + c, a + b + c + d
    low, high = max(0, row + column - total), min(row, column)

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    whole = log_choose(total, column)
    logs = np.array(
        [log_choose(row, k) + log_choose(total - row, column - k) - whole for k in range(low, high + 1)]
    )
    return float(min(1.0, np.exp(logs[logs <= logs[a - low] + 1e-7]).sum()))


def outside_p(outside: int, known: int, new: int) -> float:
    """Return the probability that so many new rows or more lie outside the range of the known ones.

    Rosenbaum's test (Tables for a nonparametric test of dispersion, Annals of Mathematical Statistics 24,
    1953), for many rows: with r = new / (known + new), the share of all rows that are new, k rows or more lie
    beyond the two ends together with probability r^k (1 + k (1 - r)).

    Args:
        outside: new rows outside the range.
        known: how many known rows there are.
        new: how many new rows.
    """
    if not outside or not known:
        return 1.0
    share = new / (known + new)
    return min(1.0, math.exp(outside * math.log(share)) * (1 + outside * (1 - share)))


def auc_interval(positive: Array, negative: Array) -> tuple[float, float, float]:
    """Return the area under the ROC curve of some scores, and the ends of its 95% interval.

    DeLong's variance (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988) from mid-ranks (Sun and Xu,
    IEEE Signal Processing Letters 21, 2014); the interval is that of the logit of the area.

    Args:
        positive: (rows,) scores of positive rows, at least two.
        negative: (rows,) scores of negative rows, at least two.
    """
    m, n = len(positive), len(negative)
    whole = mid_ranks(np.concatenate([positive, negative]))
    own = [mid_ranks(np.asarray(each)) for each in (positive, negative)]
    placed = [(whole[:m] - own[0]) / n, 1 - (whole[m:] - own[1]) / m]
    area = float(placed[0].mean())
    variance = float(placed[0].var(ddof=1) / m + placed[1].var(ddof=1) / n)
    if not 0 < area < 1 or variance == 0:
        return area, area, area
    middle, half = math.log(area / (1 - area)), QUANTILE * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(middle + side * half))) for side in (-1, 1))
    return area, low, high


def mid_ranks(values: Array) -> Array:
    """Return the rank of each value, from 1; the mean of their ranks for equal values."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[places.reshape(-1)], np.float64)


def bonferroni(p_values: Sequence[float]) -> float:
    """Return one p-value for several tests of the same question: the smallest times their number."""
    return min(1.0, len(p_values) * min(p_values)) if p_values else 1.0
