"""Which given labels are doubtful, by predictions of models that were not trained on them.

Classes are ranked by self-confidence, the probability of the given label (Northcutt, Jiang, Chuang 2021,
"Confident learning", JAIR 70; Kuan and Mueller 2022, "Model-agnostic label quality scoring"). On tables with
labels flipped on purpose it found more of them than the normalized margin, and than either with the paper's
class-conditional thresholds, which put the hard rows of a rare class first. Numbers are ranked by their
residual in robust deviations. `docs/label_check.md` has the figures.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SUREST = 0.1
"""The share of rows of which a model is surest, by which wrong labels are counted."""

FEWEST_SUREST = 30
"""Rows of which at least as many are taken: with fewer, a share of them says nothing."""

LEAST_PROBABILITY = 1e-7
"""Probabilities below it count as this where their logarithm is taken, as in Keras's losses."""

MAD_TO_DEVIATION = 1.4826
"""The standard deviation of normal values is this times their median absolute deviation."""

WINDOW = 0.1
"""The share of rows with similar predictions that say how large residuals are there."""

SMALLEST_WINDOW = 30

FAR = (3.0, 4.0, 5.0, 6.0)
"""Deviations from which on numbers are counted: of Laplace's distribution 4.6% to 0.2% are further off."""

Z95 = 1.959963984540054
"""The 97.5% quantile of the normal distribution."""


class Estimate(NamedTuple):
    """An estimated number of wrong labels, with a 95% interval."""

    number: float
    low: float
    high: float


def self_confidence(given: Integers, probabilities: Floats) -> Floats:
    """Return the probability of the given label.

    Args:
        given: (rows,) class indices.
        probabilities: (rows, classes).
    """
    found: Floats = np.asarray(probabilities, np.float64)[np.arange(len(given)), given]
    return found


def wrong_classes(given: Integers, probabilities: Floats) -> Estimate:
    """Estimate how many given labels are wrong.

    Where a model is surest, it is wrong about hardly any row, so that the labels which contradict it there
    are wrong ones (the anchor points of Liu and Tao 2016, "Classification with noisy labels by importance
    reweighting", TPAMI 38). Their share, times all rows, is the number if labels are wrong equally often
    everywhere. The off-diagonal sum of the confident joint also counts the rows of which no model could know
    the class: with clean labels it was ten times as large. At most, all labels that are not predicted are
    wrong.

    Args:
        given: (rows,) class indices.
        probabilities: (rows, classes).
    """
    rows = len(given)
    if not rows:
        return Estimate(0.0, 0.0, 0.0)
    wrong = probabilities.argmax(axis=1) != given
    surest = _surest(probabilities)
    against, taken = int(wrong[surest].sum()), len(surest)
    low, high = wilson_interval(against, taken)
    most = int(wrong.sum())
    return Estimate(*(min(most, rows * share) for share in (against / taken, low, high)))


def _surest(probabilities: Floats) -> Integers:
    """Return the rows of which a model is surest."""
    rows = len(probabilities)
    taken = min(rows, max(FEWEST_SUREST, math.ceil(SUREST * rows)))
    return np.argsort(-probabilities.max(axis=1), kind="stable")[:taken]


def can_judge_classes(given: Integers, probabilities: Floats) -> bool:
    """Return whether a model knows enough of the classes for `wrong_classes` to say anything.

    It must be better than one that knows only how frequent each class is, beyond chance: be right about more
    rows than by the most frequent class, or give the labels more probability (a paired z-test over the rows,
    at 95%). And where it is surest, it must be right more often than not.

    Args:
        given: (rows,) class indices.
        probabilities: (rows, classes).
    """
    rows = len(given)
    right = probabilities.argmax(axis=1) == given
    if right.all():
        return True
    counts = np.bincount(given, minlength=probabilities.shape[1])
    own = np.log(self_confidence(given, probabilities).clip(LEAST_PROBABILITY, 1))
    more_right = right.astype(np.float64) - (given == counts.argmax())
    if not (is_above_zero(more_right) or is_above_zero(own - np.log(counts[given] / rows))):
        return False
    return bool(right[_surest(probabilities)].mean() > 0.5)


def can_judge_numbers(given: Floats, predicted: Floats) -> bool:
    """Return whether predictions are nearer to the numbers than their median is, beyond chance.

    Args:
        given: (rows,).
        predicted: (rows,).
    """
    if not len(given) or np.array_equal(given, predicted):
        return True
    return is_above_zero(np.abs(given - np.median(given)) - np.abs(given - predicted))


def is_above_zero(differences: Floats) -> bool:
    """Return whether the mean of paired differences is above 0, by a z-test at 95%."""
    rows = len(differences)
    if rows < 2:
        return False
    return bool(differences.mean() > Z95 * differences.std(ddof=1) / math.sqrt(rows) + 1e-12)


def wilson_interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95% interval of a share by Wilson (1927, JASA 22)."""
    share = count / of
    centre = share + Z95**2 / (2 * of)
    half = Z95 * math.sqrt(share * (1 - share) / of + Z95**2 / (4 * of**2))
    whole = 1 + Z95**2 / of
    return (0.0 if count == 0 else (centre - half) / whole, 1.0 if count == of else (centre + half) / whole)


def robust_deviations(given: Floats, predicted: Floats) -> Floats:
    """Return how far each number is from its prediction, in robust deviations, with its sign.

    The scale is the mean of two: 1.4826 times the median absolute residual of all rows, and of the rows with
    similar predictions, since large values are often predicted less precisely.

    Args:
        given: (rows,).
        predicted: (rows,).

    Returns:
        (rows,), 0 where the residual is the median residual. Where more than half of the residuals are
        equal, so that there is no scale, others are infinitely far off.
    """
    residuals = np.asarray(given, np.float64) - np.asarray(predicted, np.float64)
    if not len(residuals):
        return residuals
    residuals = residuals - np.median(residuals)
    absolute = np.abs(residuals)
    scale = MAD_TO_DEVIATION * (np.median(absolute) + _local_medians(absolute, predicted)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(absolute == 0, 0.0, residuals / scale)
    return found


def _local_medians(values: Floats, by: Floats) -> Floats:
    """Return the median of the values in a window around each row, (rows,), in the order of `by`."""
    rows = len(values)
    width = min(rows, max(SMALLEST_WINDOW, math.ceil(WINDOW * rows)))
    order = np.argsort(by, kind="stable")
    windows = np.lib.stride_tricks.sliding_window_view(values[order], width)
    count = len(windows)
    step = max(1, width // 20)  # medians of windows that differ in a few rows are nearly the same
    starts = np.unique([*range(0, count, step), count - 1])
    medians = np.median(windows[starts], axis=1)
    found = np.empty(rows)
    found[order] = np.interp(np.arange(rows) - (width - 1) / 2, starts, medians)
    return found


def tail_surprise(deviations: Floats) -> Floats:
    """Return minus the logarithm of the probability of a number at least as far off, by Laplace's law.

    Residuals of networks on real tables had its tails: 0.4% of them were beyond 5 deviations, where the
    normal distribution has one in two million. Its scale is the one with the same median absolute value.

    Args:
        deviations: (rows,).
    """
    found: Floats = np.abs(deviations) * (math.log(2) * MAD_TO_DEVIATION)
    return found


def wrong_numbers(deviations: Floats) -> Estimate:
    """Estimate how many numbers are wrong: those far off, less those that are so by chance.

    Of several distances the one at which most are found. Wrong numbers that are not far off cannot be told
    from others, so that there may be more.

    Args:
        deviations: (rows,), as `robust_deviations` returns them.
    """
    rows = len(deviations)
    found = [Estimate(0.0, 0.0, 0.0)]
    for far in FAR if rows else ():
        beyond = int((np.abs(deviations) > far).sum())
        chance = rows * math.exp(-float(tail_surprise(np.array([far]))[0]))
        low, high = wilson_interval(beyond, rows)
        found.append(Estimate(*(max(0.0, each - chance) for each in (beyond, rows * low, rows * high))))
    return max(found, key=lambda each: (each.number, each.high))
