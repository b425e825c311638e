"""How well scores rank rows: the curves over all thresholds, and the areas under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RankingCurves:
    """The curves of one class against the rest, a point for each threshold from the highest score down.

    Attributes:
        thresholds: (points,), a row is of the class where its score is at least this; the first is infinite.
        false_positive_rate: (points,), the share of other rows that are taken for the class.
        recall: (points,), the share of the class's rows that are found; the true positive rate.
        precision: (points,), the share of rows taken for the class that are of it; 1 where none is.
        taken: (points,), the share of all rows that are taken for the class.
        roc_area: the area under recall by false positive rate; NaN without rows of both kinds.
        average_precision: the sum of precision by steps of recall; NaN without rows of the class.
        prevalence: the share of rows of the class.
    """

    thresholds: Floats
    false_positive_rate: Floats
    recall: Floats
    precision: Floats
    taken: Floats
    roc_area: float
    average_precision: float
    prevalence: float


def ranking_curves(truth: NDArray[np.bool_], scores: Floats, weights: Floats | None = None) -> RankingCurves:
    """Return the curves of scores, as scikit-learn's `roc_curve` and `precision_recall_curve` do.

    Rows with equal scores are one point, so that ties count as one half in the area under the ROC curve.

    Args:
        truth: (rows,) whether a row is of the class.
        scores: (rows,) higher where the model is surer that it is.
        weights: (rows,) the weight of each row; None where all count equally.
    """
    weight = np.ones(len(truth)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(-scores, kind="stable")
    ordered = np.asarray(scores, np.float64)[order]
    last = np.flatnonzero(np.diff(ordered, append=-np.inf))  # of each run of equal scores
    positive = np.cumsum(np.where(truth[order], weight[order], 0.0))[last]
    negative = np.cumsum(np.where(truth[order], 0.0, weight[order]))[last]
    positive, negative = (np.concatenate([[0.0], each]) for each in (positive, negative))
    every, other = (each[-1] if len(each) > 1 else 0.0 for each in (positive, negative))
    recall = positive / every if every else np.full(len(positive), np.nan)
    rate = negative / other if other else np.full(len(negative), np.nan)
    found = positive + negative
    precision = np.divide(positive, found, out=np.ones(len(found)), where=found > 0)
    return RankingCurves(
        thresholds=np.concatenate([[np.inf], ordered[last]]),
        false_positive_rate=rate,
        recall=recall,
        precision=precision,
        taken=found / found[-1] if found[-1] else found,
        roc_area=float(np.trapezoid(recall, rate)),
        average_precision=float((np.diff(recall) * precision[1:]).sum()) if every else np.nan,
        prevalence=float(every / found[-1]) if found[-1] else np.nan,
    )


def at_threshold(curves: RankingCurves, threshold: float) -> int:
    """Return the point of a threshold: the last at which every score taken is at least the threshold."""
    return int(np.searchsorted(-curves.thresholds, -threshold, side="right")) - 1
