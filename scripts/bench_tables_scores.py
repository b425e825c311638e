"""Scores for bench_tables.py: errors of predictions, lower is better, also on resampled test rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from scripts.bench_tables_data import REGRESSION, Codes, Floats

RESAMPLES = 2_000
CHUNK_CELLS = 2_000_000
"""Weights that are in memory at a time."""


def score(task: str, truth: Floats | Codes, predictions: Floats) -> dict[str, float]:
    """Return the errors of predictions, the one that is compared first.

    Args:
        task: classification or regression.
        truth: (rows,), numbers or classes.
        predictions: (rows,), or probabilities (rows, classes).
    """
    once = np.ones((1, len(truth)))
    if task == REGRESSION:
        squares = float(np.sqrt(np.mean((predictions - truth) ** 2)))
        return {"nrmse": float(errors(task, truth, predictions, once)[0]), "rmse": squares}
    codes = truth.astype(np.int64)
    clipped = np.clip(predictions, 1e-7, 1.0)
    clipped /= clipped.sum(axis=1, keepdims=True)
    return {
        "1-auc": float(errors(task, truth, predictions, once)[0]),
        "log_loss": float(-np.log(clipped[np.arange(len(codes)), codes]).mean()),
        "error": float((predictions.argmax(axis=1) != codes).mean()),
    }


def errors(task: str, truth: Floats | Codes, predictions: Floats, weights: Floats) -> Floats:
    """Return the compared error under each row of weights: (samples, rows) -> (samples,).

    Numbers: the root of the mean squared error over the deviation of the targets. Classes: 1 - AUC; with more
    than two, the mean over the classes, each against the rest, without those that a sample has none of.
    """
    if task == REGRESSION:
        total = weights.sum(axis=1)
        squares = weights @ (predictions - truth) ** 2 / total
        centred = truth - truth.mean()  # for the digits' sake
        mean = weights @ centred / total
        return np.asarray(np.sqrt(squares / (weights @ centred**2 / total - mean**2)))
    if predictions.shape[1] == 2:
        return 1 - weighted_auc(predictions[:, 1], truth == 1, weights)
    aucs = [weighted_auc(predictions[:, each], truth == each, weights) for each in np.unique(truth)]
    return np.asarray(1 - np.nanmean(aucs, axis=0))


def weighted_auc(scores: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the area under the ROC curve under each row of weights; NaN where a side has no weight.

    Args:
        scores: (rows,), higher for the positive class.
        positive: (rows,).
        weights: (samples, rows).
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    weights = weights[:, order]
    up = np.add.reduceat(weights * positive[order], starts, axis=1)
    down = np.add.reduceat(weights * ~positive[order], starts, axis=1)
    below = np.cumsum(down, axis=1) - down / 2  # a tie counts half
    pairs = up.sum(axis=1) * down.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((up * below).sum(axis=1) / np.where(pairs > 0, pairs, np.nan))


def resampled(
    table: str, split: int, task: str, truth: Floats | Codes, predictions: Floats, samples: int = RESAMPLES
) -> Floats:
    """Return the compared error on resampled test rows, the same rows for every contestant of a fold."""
    found = [errors(task, truth, predictions, each) for each in _weights(table, split, len(truth), samples)]
    return np.concatenate(found)


def _weights(table: str, split: int, rows: int, samples: int) -> Iterator[Floats]:
    """Yield how often each row is drawn: (some samples, rows), in all as many as asked for."""
    draw = np.random.default_rng([split, zlib.crc32(table.encode())])
    most = max(1, CHUNK_CELLS // rows)
    for first in range(0, samples, most):
        count = min(most, samples - first)
        drawn = draw.integers(rows, size=(count, rows)) + rows * np.arange(count)[:, None]
        yield np.bincount(drawn.reshape(-1), minlength=count * rows).reshape(count, rows).astype(np.float64)
