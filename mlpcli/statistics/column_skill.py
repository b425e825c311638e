"""How well one column alone predicts a target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 32
"""Bins with as many rows each: of a target that is the column, they explain 99.9%."""

MOST_CODES = 64
"""With more distinct values a column is binned; with fewer each value is a bin."""


def column_skill(
    values: NDArray[np.generic], target: NDArray[np.generic], *, classes: bool, seed: int
) -> float:
    """Return how well a column predicts a target, on the half of the rows that was not looked at.

    In each bin of the values the other half's mean, or its most frequent class, is predicted;
    or the target of the nearest value, where that is better (Fix and Hodges 1951). The skill is 1
    for a perfect prediction, 0 for that of a constant: R squared of numbers (Draper and Smith 1998), and of
    classes the share of the errors of the most frequent one that are avoided (Goodman and Kruskal's lambda,
    1954, on held-out rows).

    Args:
        values: (rows,) or (rows, width), the column as numbers; of several, a row is one value.
        target: (rows,), numbers or class indices.
        classes: whether the target is a class.
        seed: of the halves.
    """
    order = np.random.default_rng(seed).permutation(len(target))
    learned, tested = order[: len(order) // 2], order[len(order) // 2 :]
    if not len(learned):
        return 0.0
    given = np.asarray(values, np.float64).reshape(len(target), -1)
    y = np.asarray(target).astype(np.int64 if classes else np.float64)
    bins = _bins(given, learned)
    means: NDArray[np.generic]
    means = (_class_means if classes else _number_means)(bins, y, learned, tested)
    binned = _skill(means, y, learned, tested, classes=classes)
    if given.shape[1] > 1:
        return binned
    near = y[learned][_nearest(given[learned, 0], given[tested, 0])]
    return max(binned, _skill(near, y, learned, tested, classes=classes))


def _nearest(known: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the position of the known value that is nearest to each value."""
    order = np.argsort(known, kind="stable")
    after = np.clip(np.searchsorted(known[order], values), 0, len(known) - 1)
    before = np.maximum(after - 1, 0)
    closer = np.abs(known[order[before]] - values) <= np.abs(known[order[after]] - values)
    return np.asarray(order[np.where(closer, before, after)], np.int64)


def _skill(
    predicted: NDArray[np.generic],
    y: NDArray[np.generic],
    learned: NDArray[np.int64],
    tested: NDArray[np.int64],
    *,
    classes: bool,
) -> float:
    """Return the skill of predictions for the rows that were not looked at."""
    truth = y[tested]
    if classes:
        most = np.bincount(y[learned].astype(np.int64)).argmax()
        wrong, base = float((predicted != truth).mean()), float((truth != most).mean())
    else:
        middle = float(y[learned].astype(np.float64).mean())
        wrong = float(np.square(truth.astype(np.float64) - predicted.astype(np.float64)).sum())
        base = float(np.square(truth.astype(np.float64) - middle).sum())
    return 1 - wrong / base if base > 0 else 0.0


def _bins(values: NDArray[np.float64], learned: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bin of each row."""
    distinct, codes = np.unique(values, axis=0, return_inverse=True)
    if len(distinct) <= MOST_CODES or values.shape[1] > 1:
        return np.asarray(codes.reshape(-1), np.int64)
    edges = np.unique(np.quantile(values[learned, 0], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, values[:, 0], side="right"), np.int64)


def _class_means(
    bins: NDArray[np.int64], y: NDArray[np.generic], learned: NDArray[np.int64], tested: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the most frequent class of the bin of each row that was not looked at."""
    labels = y.astype(np.int64)
    counts = np.zeros((int(bins.max()) + 1, int(labels.max()) + 1))
    np.add.at(counts, (bins[learned], labels[learned]), 1)
    most = int(counts.sum(axis=0).argmax())
    best = np.where(counts.any(axis=1), counts.argmax(axis=1), most)
    return np.asarray(best[bins[tested]], np.int64)


def _number_means(
    bins: NDArray[np.int64], y: NDArray[np.generic], learned: NDArray[np.int64], tested: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean of the bin of each row that was not looked at."""
    count, values = int(bins.max()) + 1, y.astype(np.float64)
    sums = np.bincount(bins[learned], weights=values[learned], minlength=count)
    rows = np.bincount(bins[learned], minlength=count)
    means = np.where(rows > 0, sums / np.maximum(rows, 1), values[learned].mean())
    return np.asarray(means[bins[tested]], np.float64)
