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
    """Return how well the values of a column predict a target, on the half of the rows not looked at.

    In each bin of the values the other half's mean, or its most frequent class, is predicted. The skill is 1
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
    bins = _bins(np.asarray(values, np.float64).reshape(len(target), -1), order[: len(order) // 2])
    learned, tested = order[: len(order) // 2], order[len(order) // 2 :]
    y = np.asarray(target)
    if classes:
        return _class_skill(bins, y.astype(np.int64), learned, tested)
    return _number_skill(bins, y.astype(np.float64), learned, tested)


def _bins(values: NDArray[np.float64], learned: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bin of each row."""
    distinct, codes = np.unique(values, axis=0, return_inverse=True)
    if len(distinct) <= MOST_CODES or values.shape[1] > 1:
        return np.asarray(codes.reshape(-1), np.int64)
    edges = np.unique(np.quantile(values[learned, 0], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, values[:, 0], side="right"), np.int64)


def _class_skill(
    bins: NDArray[np.int64], y: NDArray[np.int64], learned: NDArray[np.int64], tested: NDArray[np.int64]
) -> float:
    counts = np.zeros((int(bins.max()) + 1, int(y.max()) + 1))
    np.add.at(counts, (bins[learned], y[learned]), 1)
    most = int(counts.sum(axis=0).argmax())
    best = np.where(counts.any(axis=1), counts.argmax(axis=1), most)
    wrong, base = (best[bins[tested]] != y[tested]).mean(), (y[tested] != most).mean()
    return float(1 - wrong / base) if base > 0 else 0.0


def _number_skill(
    bins: NDArray[np.int64], y: NDArray[np.float64], learned: NDArray[np.int64], tested: NDArray[np.int64]
) -> float:
    count = int(bins.max()) + 1
    sums = np.bincount(bins[learned], weights=y[learned], minlength=count)
    rows = np.bincount(bins[learned], minlength=count)
    middle = y[learned].mean()
    means = np.where(rows > 0, sums / np.maximum(rows, 1), middle)
    whole = np.square(y[tested] - middle).sum()
    return float(1 - np.square(y[tested] - means[bins[tested]]).sum() / whole) if whole > 0 else 0.0
