"""Split-conformal prediction: intervals of numbers and sets of classes that hold the truth as often as said.

From Vovk, Gammerman, Shafer 2005, "Algorithmic learning in a random world", and Lei, G'Sell, Rinaldo,
Tibshirani, Wasserman 2018, "Distribution-free predictive inference for regression",
https://arxiv.org/abs/1604.04173. If the rows on which the bounds are computed and a new row are exchangeable,
and the model has seen none of them, the new row's truth is inside with a probability of at least the level,
whatever the model and the data are: on the average over such rows, not for each kind of row.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Whole = NDArray[np.integer]

ROUNDING = 1e-9
"""A level of 0.9 of 9 rows and one more is the 9th, although 10 * 0.9 may be a little more than 9."""

SLACK = 1e-6
"""Bounds are wider by this share, more than the rounding of float32, so that a row at a bound is inside."""


def rank_of(rows: int, level: float) -> int:
    """Return which of the sorted scores of some rows is the bound, from 1: ceil((rows + 1) * level)."""
    return math.ceil((rows + 1) * level - ROUNDING)


def rows_needed(level: float) -> int:
    """Return the fewest rows of which one has such a score: with fewer, an interval would be infinite."""
    rows = max(1, math.floor(level / (1 - level)) - 1)
    while rank_of(rows, level) > rows:
        rows += 1
    return rows


def score_bound(scores: Floats, level: float) -> Floats:
    """Return the bound that a new row's score does not exceed with a probability of at least the level.

    Args:
        scores: (rows, ...), how far each row's truth is from its prediction.
        level: between 0 and 1.

    Returns:
        (...) float64.

    Raises:
        ValueError: there are fewer than `rows_needed(level)` rows.
    """
    found = _ranked(scores, level)
    return np.asarray(found + SLACK * np.abs(found))


def _ranked(scores: Floats, level: float) -> Floats:
    """Return the score of the rank that a level needs."""
    rank = rank_of(len(scores), level)
    if rank > len(scores):
        raise ValueError(f"{len(scores)} rows are too few for a level of {level}")
    return np.asarray(np.partition(np.asarray(scores, np.float64), rank - 1, axis=0)[rank - 1])


def least_probability(own: Floats, level: float) -> float:
    """Return from which probability on a class is in a row's set.

    The score of a row is the probability of its true class: the least ambiguous sets at a level, of Sadinle,
    Lei, Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels",
    https://arxiv.org/abs/1609.00451. No other choice has smaller sets on the average if the probabilities are
    right. Adaptive sets (Romano, Sesia, Candes 2020) are larger, and need chance to be exact.

    Args:
        own: (rows,) the probability of each row's true class.
        level: between 0 and 1.

    Raises:
        ValueError: there are fewer than `rows_needed(level)` rows.
    """
    return float(-_ranked(-np.asarray(own, np.float64), level)) * (1 - SLACK)


def class_sets(probabilities: Floats, least: float | Floats, predicted: Whole) -> NDArray[np.bool_]:
    """Return which classes are in each row's set: the probable ones, and always the predicted one.

    Args:
        probabilities: (..., classes).
        least: from `least_probability`, for all of them or for each step.
        predicted: (...) the index of the predicted class; a set with it holds the truth no less often.

    Returns:
        (..., classes) bool.
    """
    chosen = np.arange(probabilities.shape[-1]) == predicted[..., None]
    return np.asarray((probabilities >= np.asarray(least)[..., None]) | chosen)


def interval_scores(truth: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """Return the share of rows inside their intervals, and the mean width of these."""
    inside = (low <= truth) & (truth <= high)
    return float(inside.mean()), float((high - low).mean())


def set_scores(truth: Whole, sets: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the share of rows whose class is in their set, and the mean number of classes in a set."""
    inside = np.take_along_axis(sets, truth[..., None], axis=-1)
    return float(inside.mean()), float(sets.sum(axis=-1).mean())
