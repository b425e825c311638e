"""Areas under curves, from counts at thresholds: Keras's formulas, for many resamples at once.

Every array is (..., thresholds) float64: `tp` and `fp` count the rows above each threshold, `fn` and `tn`
those that are not. The formulas are those of `keras.metrics.AUC` and its relatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def ratio(part: Array, whole: Array) -> Array:
    """Return part / whole, and 0 where the whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole != 0))


@dataclass(frozen=True)
class Counts:
    """Rows by truth and prediction at each threshold, (..., thresholds) float64: `tp` the true positives."""

    tp: Array
    fp: Array
    tn: Array
    fn: Array

    @property
    def recall(self) -> Array:
        """The share of the positive rows that is found."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> Array:
        """The share of the found rows that is positive."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def specificity(self) -> Array:
        """The share of the negative rows that is not found."""
        return ratio(self.tn, self.tn + self.fp)

    @property
    def rows(self) -> Array:
        """How many rows there are."""
        return np.asarray(self.tp + self.fp + self.tn + self.fn)


def best_where(constrained: Array, least: float, dependent: Array) -> Array:
    """Return the largest of some values at the thresholds where others are large enough; 0 where none is.

    Args:
        constrained: (..., thresholds), what must be large enough.
        least: How large.
        dependent: (..., thresholds), the values.
    """
    return np.asarray(
        np.where(constrained.astype(np.float32) >= np.float32(least), dependent, 0.0).max(
            axis=-1, initial=0.0
        )
    )


def area(counts: Counts, curve: str, summation: str) -> Array:
    """Return the area under a curve, (...).

    Args:
        counts: At thresholds from below 0 to above 1.
        curve: `ROC`, `PR` or `PRGAIN`.
        summation: `interpolation`, `minoring` or `majoring`.
    """
    if curve == "PR" and summation == "interpolation":
        return _interpolated_precision(counts)
    if curve == "ROC":
        x, y = ratio(counts.fp, counts.fp + counts.tn), counts.recall
    elif curve == "PR":
        x, y = counts.recall, counts.precision
    else:
        x, y = _gains(counts)
    left, right = y[..., :-1], y[..., 1:]
    heights = {"minoring": np.minimum, "majoring": np.maximum}.get(summation, _middle)(left, right)
    return np.asarray(((x[..., :-1] - x[..., 1:]) * heights).sum(axis=-1))


def _middle(left: Array, right: Array) -> Array:
    return np.asarray((left + right) / 2)


def _gains(counts: Counts) -> tuple[Array, Array]:
    """Return recall gain and precision gain (Flach and Kull, Precision-Recall-Gain Curves, 2015)."""
    scale = ratio(counts.tp + counts.fn, counts.tn + counts.fp)
    none = counts.tp == 0
    recall = np.where(none, 0.0, 1 - scale * ratio(counts.fn, counts.tp))
    precision = np.where(none, 1.0, 1 - scale * ratio(counts.fp, counts.tp))
    return np.maximum(recall, 0.0), precision


def _interpolated_precision(counts: Counts) -> Array:
    """Return the area under precision and recall with interpolated counts (Davis and Goadrich, 2006)."""
    tp, found = counts.tp, counts.tp + counts.fp
    gained = tp[..., :-1] - tp[..., 1:]
    slope = ratio(gained, np.maximum(found[..., :-1] - found[..., 1:], 0))
    intercept = tp[..., 1:] - slope * found[..., 1:]
    both = (found[..., :-1] > 0) & (found[..., 1:] > 0)
    steps = np.where(both, ratio(found[..., :-1], found[..., 1:]), 1.0)
    positives = np.maximum(tp[..., 1:] + counts.fn[..., 1:], 0)
    return np.asarray(ratio(slope * (gained + intercept * np.log(steps)), positives).sum(axis=-1))
