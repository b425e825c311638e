"""Whether probabilities are as often right as they say, and the temperature that makes them so.

Everywhere, `probabilities` are (rows, classes), of which one is true, with `truth` (rows,) of class indices;
or (rows, labels), each true or not by itself, with `truth` (rows, labels) of 0 and 1. The latter is also the
form of two classes by the probability of the second: one column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Whole = NDArray[np.integer]

Of = Literal["most probable", "second", "every label"]
"""Whose probabilities: the most probable class's of each row, the second of two classes', every label's."""

LEAST_OF_ONE = 2.0**-24
"""The distance of the largest float32 below 1 from 1: a sigmoid nearer to 0 or 1 counts as this near."""

LEAST_OF_SEVERAL = float(np.finfo(np.float32).tiny)
"""A softmax below this counts as this."""

COLDEST, HOTTEST = 0.01, 100.0
"""The temperatures among which one is searched."""

BINS = 15
"""Bins of equal width, as in Guo et al. 2017."""

STEPS = 100
CLOSE = 1e-12


def scores_of(truth: Whole, probabilities: Floats) -> Floats:
    """Return what a softmax or a sigmoid makes the probabilities of, float64: logarithms, or log odds."""
    wide = np.asarray(probabilities, np.float64)
    if truth.ndim == 1:
        return np.log(np.maximum(wide, LEAST_OF_SEVERAL))
    wide = np.clip(wide, LEAST_OF_ONE, 1 - LEAST_OF_ONE)
    return np.asarray(np.log(wide) - np.log1p(-wide))


def tempered(truth: Whole, probabilities: Floats, temperature: float) -> Floats:
    """Return probabilities at a temperature, of the type they have; at 1, unchanged.

    Args:
        truth: says by its axes which form the probabilities have; its values do not matter.
        probabilities: as the module says.
        temperature: by which the logarithms, or log odds, are divided: above 1 the result is less certain.
    """
    if temperature == 1.0:
        return probabilities
    found = _distribution(truth, scores_of(truth, probabilities) / temperature)
    return found.astype(np.asarray(probabilities).dtype)


def fit_temperature(truth: Whole, probabilities: Floats) -> float:
    """Return the temperature with the lowest log loss on some rows; it is never worse than 1 there.

    Temperature scaling, one number for all classes or labels, which leaves their order as it is: Guo, Pleiss,
    Sun, Weinberger 2017, "On calibration of modern neural networks", https://arxiv.org/abs/1706.04599. The
    log loss is convex in the inverse of the temperature, and its lowest point is found by Newton's method
    within bounds. Where every row is right, the loss falls for ever as the temperature does, there is no such
    point, and the probabilities stay as they are: 1 is returned. Where they are no better than a guess, it is
    `HOTTEST`.

    Args:
        truth: as the module says.
        probabilities: as the module says.
    """
    scores = scores_of(truth, probabilities)
    slope = _slope_of(truth, scores)
    low, high = 1 / HOTTEST, 1 / COLDEST
    if all_right(truth, probabilities):
        return 1.0
    if slope(low)[0] > 0:
        return HOTTEST
    inverse = 1.0
    for _ in range(STEPS):
        falls, bends = slope(inverse)
        low, high = (low, inverse) if falls > 0 else (inverse, high)
        following = inverse - falls / bends if bends > 0 else 0.0
        if not low < following < high:
            following = (low + high) / 2
        done = abs(following - inverse) <= CLOSE * inverse
        inverse = following
        if done:
            break
    found = float(np.float32(1 / inverse))
    before, after = (log_loss(truth, tempered(truth, probabilities, each)) for each in (1.0, found))
    return found if after < before else 1.0


def all_right(truth: Whole, probabilities: Floats) -> bool:
    """Return whether no class is more probable than the true one of its row, and no label on a wrong side."""
    scores = scores_of(truth, probabilities)
    if truth.ndim == 1:
        own = np.take_along_axis(scores, truth[:, None], axis=1)
        return bool((own >= scores).all())
    return bool((scores * (2 * truth - 1) >= 0).all())


def _slope_of(truth: Whole, scores: Floats) -> Callable[[float], tuple[float, float]]:
    """Return a function from an inverse temperature to the first two derivatives of the log loss."""
    if truth.ndim == 1:
        own = float(np.take_along_axis(scores, truth[:, None], axis=1).mean()) if len(truth) else 0.0

        def of_classes(inverse: float) -> tuple[float, float]:
            likely = _distribution(truth, scores * inverse)
            mean = (likely * scores).sum(axis=1)
            spread = (likely * scores**2).sum(axis=1) - mean**2
            return float(mean.mean()) - own, float(spread.mean())

        return of_classes
    of_truth = float((scores * truth).mean()) if truth.size else 0.0

    def of_labels(inverse: float) -> tuple[float, float]:
        likely = _distribution(truth, scores * inverse)
        spread = likely * (1 - likely) * scores**2
        return float((likely * scores).mean()) - of_truth, float(spread.mean())

    return of_labels


def _distribution(truth: Whole, scores: Floats) -> Floats:
    """Return the softmax of scores, or the sigmoid of each."""
    if truth.ndim == 1:
        powers = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.asarray((1 + np.tanh(scores / 2)) / 2)


def log_loss(truth: Whole, probabilities: Floats) -> float:
    """Return the mean of -log of the probability of what is true, over rows, or over rows and labels."""
    scores = scores_of(truth, probabilities)
    if truth.ndim == 1:
        rows = np.logaddexp.reduce(scores, axis=1) - np.take_along_axis(scores, truth[:, None], axis=1)[:, 0]
        return float(rows.mean())
    return float((np.logaddexp(0, scores) - scores * truth).mean())


def brier_score(truth: Whole, probabilities: Floats) -> float:
    """Return the mean squared distance of probabilities from what is true.

    Brier 1950, "Verification of forecasts expressed in terms of probability". For classes the squares are
    added up, so it is from 0 to 2; for one column, or labels, it is their mean, from 0 to 1, as
    scikit-learn's `brier_score_loss`.
    """
    wide = np.asarray(probabilities, np.float64)
    if truth.ndim == 1:
        own = np.take_along_axis(wide, truth[:, None], axis=1)[:, 0]
        return float(((wide**2).sum(axis=1) - 2 * own + 1).mean())
    return float(((wide - truth) ** 2).mean())


@dataclass(frozen=True)
class Bin:
    """Predictions of about the same probability.

    Attributes:
        predicted: the mean of their probabilities.
        observed: the share of them that is true.
        count: how many there are.
    """

    predicted: float
    observed: float
    count: int


def reliability_curve(truth: Whole, probabilities: Floats) -> tuple[Bin, ...]:
    """Return the bins of equal width that hold predictions, from the least probable.

    Of several classes the most probable of each row counts, as in Guo et al. 2017; of one column, or of
    labels, every probability.
    """
    if truth.ndim == 1:
        chosen = probabilities.argmax(axis=1)
        sure = np.take_along_axis(probabilities, chosen[:, None], axis=1)[:, 0].astype(np.float64)
        right = (chosen == truth).astype(np.float64)
    else:
        sure = np.asarray(probabilities, np.float64).reshape(-1)
        right = np.asarray(truth, np.float64).reshape(-1)
    place = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    predicted = np.bincount(place, sure, BINS) / np.maximum(counts, 1)
    observed = np.bincount(place, right, BINS) / np.maximum(counts, 1)
    return tuple(
        Bin(float(predicted[each]), float(observed[each]), int(counts[each]))
        for each in np.flatnonzero(counts)
    )


def calibration_error(curve: tuple[Bin, ...]) -> float:
    """Return the expected calibration error (ECE): the mean distance of probability and share.

    Naeini, Cooper, Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    total = sum(each.count for each in curve)
    return sum(each.count * abs(each.predicted - each.observed) for each in curve) / max(total, 1)


@dataclass(frozen=True)
class Reliability:
    """How reliable probabilities are on some rows: see the functions of the same names.

    `of` says whose probabilities the bins of the curve hold; see `reliability_curve`.
    """

    ece: float
    brier: float
    log_loss: float
    curve: tuple[Bin, ...]
    of: Of

    def to_json(self) -> dict[str, float]:
        """Return the three numbers."""
        return {"ece": self.ece, "brier": self.brier, "log_loss": self.log_loss}


def measure_reliability(truth: Whole, probabilities: Floats) -> Reliability:
    """Return how reliable probabilities are on some rows, one at least."""
    curve = reliability_curve(truth, probabilities)
    scores = brier_score(truth, probabilities), log_loss(truth, probabilities)
    of: Of = "most probable" if truth.ndim == 1 else "second" if truth.shape[1] == 1 else "every label"
    return Reliability(calibration_error(curve), *scores, curve, of)
