"""The probability from which the second of two classes, or a label, is predicted: chosen on known rows.

Every threshold that makes a difference is tried, in one pass over the sorted probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpcli.statistics.curves import Counts, ratio

Floats = NDArray[np.floating]
Whole = NDArray[np.integer]

SAME = 1e-12
"""Values that differ by no more are the same."""


Objective = Callable[[Counts], Floats]
"""What a threshold is good for: (thresholds,) numbers, of which the greatest is best."""


METRICS: dict[str, Objective] = {
    "accuracy": lambda at: ratio(at.tp + at.tn, at.rows),
    "balanced_accuracy": lambda at: (at.recall + at.specificity) / 2,
    "f1": lambda at: ratio(2 * at.tp, 2 * at.tp + at.fp + at.fn),
    "precision": lambda at: at.precision,
    "recall": lambda at: at.recall,
    "youden": lambda at: at.recall + at.specificity - 1,
}
"""By scikit-learn's names; Youden's J is sensitivity + specificity - 1 (Youden 1950)."""


def at_least(objective: Objective, *, precision: float = 0.0, recall: float = 0.0) -> Objective:
    """Return the objective where precision and recall are no less than these; below, how near they come."""

    def bounded(at: Counts) -> Floats:
        short = np.maximum(precision - at.precision, 0) + np.maximum(recall - at.recall, 0)
        return np.asarray(np.where(short <= SAME, objective(at), -1 - short))

    return bounded


def by_cost(cost: Sequence[Sequence[float]]) -> Objective:
    """Return less the mean cost of a row.

    For probabilities that are right it is the rule of Elkan 2001, "The foundations of cost-sensitive
    learning"; here the cost of the given rows counts, whatever their probabilities.

    Args:
        cost: of each true class (rows) and each predicted class (columns).
    """
    (right_first, wrong_first), (wrong_second, right_second) = cost

    def less_cost(at: Counts) -> Floats:
        first = right_first * at.tn + wrong_first * at.fp
        second = wrong_second * at.fn + right_second * at.tp
        return np.asarray(-(first + second) / at.rows)

    return less_cost


@dataclass(frozen=True)
class Choice:
    """A threshold, a float32 number, and what it reaches on the rows on which it was chosen."""

    threshold: float
    value: float


def choose_threshold(truth: Whole, probabilities: Floats, objective: Objective) -> Choice:
    """Return the best threshold t: a row is of the second class if its probability is at least t.

    All thresholds between two neighbouring probabilities are the same on these rows. Of all that are best,
    the middle of the widest such range is taken: it is as far as can be from rows that would change sides.

    Args:
        truth: (rows,) of 0 and 1, one row at least.
        probabilities: (rows,) of the second class.
        objective: of `METRICS`, `by_cost` or `at_least`.
    """
    values, place = np.unique(np.asarray(probabilities, np.float32), return_inverse=True)
    positive = np.bincount(place.reshape(-1), truth, len(values))
    every = np.bincount(place.reshape(-1), minlength=len(values)).astype(np.float64)
    above, all_above = (np.append(np.cumsum(each[::-1])[::-1], 0.0) for each in (positive, every))
    rows, positives = float(len(truth)), float(truth.sum())
    wrong = all_above - above
    at = Counts(tp=above, fp=wrong, tn=rows - positives - wrong, fn=positives - above)
    found = objective(at)
    best = np.flatnonzero(found >= found.max() - SAME)
    starts = best[np.append(True, np.diff(best) > 1)]
    ends = best[np.append(np.diff(best) > 1, True)]
    edges = np.concatenate([[0.0], values.astype(np.float64), [_above(float(values[-1]))]])
    low, high = edges[starts], edges[ends + 1]  # t is above the one, and not above the other
    widest = int(np.argmax(high - low))
    return Choice(_middle(float(low[widest]), float(high[widest])), float(found.max()))


def _above(highest: float) -> float:
    """Return what no row reaches: 1, or if a row has that, the next number."""
    return 1.0 if highest < 1 else float(np.nextafter(np.float32(highest), np.float32(2)))


def _middle(low: float, high: float) -> float:
    """Return the float32 in the middle; above `low`, unless that is 0, and not above `high`."""
    middle = float(np.float32((low + high) / 2))
    return middle if low < middle <= high else high


def mean_cost(known: Whole, likely: Floats, threshold: float, cost: Sequence[Sequence[float]]) -> float:
    """Return the mean cost of a row where the second class is predicted from a probability on.

    Args:
        known: (rows,) 0 or 1.
        likely: (rows,) the probability of 1.
        threshold: from which 1 is predicted.
        cost: of each true class (rows) and each predicted class (columns).
    """
    if not len(known):
        return float("nan")
    predicted = (likely >= threshold).astype(np.int64)
    return float(np.asarray(cost, np.float64)[known, predicted].mean())


def scores_at(known: Whole, likely: Floats, threshold: float) -> dict[str, float]:
    """Return precision, recall and F1 of the second class where it is predicted from a probability on.

    A share of no rows is 0, as scikit-learn has it. `rows` is how many rows are of the class.

    Args:
        known: (rows,) 0 or 1.
        likely: (rows,) the probability of 1.
        threshold: from which 1 is predicted.
    """
    real, found = known == 1, likely >= threshold
    both, rows, named = (float(each.sum()) for each in (real & found, real, found))
    shares = {"precision": (both, named), "recall": (both, rows), "f1": (2 * both, rows + named)}
    return {name: part / whole if whole else 0.0 for name, (part, whole) in shares.items()} | {
        "rows": int(rows)
    }
