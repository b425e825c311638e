"""The random splits of scikit-learn's `train_test_split`, row for row, without importing scikit-learn.

That import takes more than a second, about as long as reading and splitting 10 million rows.
"""

from __future__ import annotations

import numpy as np

from mlpcli.data.types import Array


def random_split(rows: Array, taken: int, *, seed: int, labels: Array | None) -> tuple[Array, Array]:
    """Split rows as `train_test_split(rows, test_size=taken, random_state=seed, stratify=labels)` does.

    Args:
        rows: (rows,), what is split.
        taken: how many rows are taken.
        seed: of the random choice, from 0 to 2**32 - 1.
        labels: (rows,) class indices, each of two rows or more; None to ignore classes.

    Returns:
        The rows that stay, and those that are taken.
    """
    generator = np.random.RandomState(seed)
    if labels is None:
        order = _permutation(generator, len(rows), rows.dtype)
        return rows[order[taken:]], rows[order[:taken]]
    by_class = _places_by_class(labels, rows.dtype)
    counts = np.array([len(places) for places in by_class])
    staying = _share(counts, len(rows) - taken, generator)
    taking = _share(counts - staying, taken, generator)
    stay, take = [], []
    for places, first, second in zip(by_class, staying, taking, strict=True):
        order = places[_permutation(generator, len(places), rows.dtype)]
        stay.append(order[:first])
        take.append(order[first : first + second])
    return rows[generator.permutation(np.concatenate(stay))], rows[
        generator.permutation(np.concatenate(take))
    ]


FEW_CLASSES = 16
"""Up to this many, the rows of each are found one class after the other, which needs less memory."""


def _places_by_class(labels: Array, dtype: np.dtype) -> list[Array]:
    """Return the places of the rows of each class that has any, in rising order."""
    present = np.flatnonzero(counts_of(labels)) if labels.dtype == np.int32 else np.unique(labels)
    if len(present) <= FEW_CLASSES:
        return [np.flatnonzero(labels == each).astype(dtype) for each in present]
    order = np.argsort(labels, kind="stable").astype(dtype)
    ends = np.searchsorted(labels[order], present[1:])
    return list(np.split(order, ends))


def _permutation(generator: np.random.RandomState, count: int, dtype: np.dtype) -> Array:
    """Return `generator.permutation(count)`, of a type that may need half the memory."""
    order = np.arange(count, dtype=dtype)
    generator.shuffle(order)
    return order


def counts_of(labels: Array) -> Array:
    """Return how often each whole number from 0 occurs; of many, without a copy of them all."""
    if labels.dtype != np.int32 or not len(labels):
        return np.bincount(labels)
    blocks = (labels[start : start + BLOCK_ROWS] for start in range(0, len(labels), BLOCK_ROWS))
    top = int(labels.max()) + 1
    found: Array = np.sum([np.bincount(block, minlength=top) for block in blocks], axis=0)
    return found


BLOCK_ROWS = 1 << 20


def _share(counts: Array, drawn: int, generator: np.random.RandomState) -> Array:
    """Return how many rows of each class are drawn: in proportion, ties of the last ones broken at random.

    Args:
        counts: (classes,), the rows of each class.
        drawn: how many rows are drawn in all.
        generator: breaks the ties.
    """
    exact = counts / counts.sum() * drawn
    found = np.floor(exact)
    missing = int(drawn - found.sum())
    rests = exact - found
    for rest in np.sort(np.unique(rests))[::-1]:
        if missing <= 0:
            break
        (tied,) = np.where(rests == rest)
        added = min(len(tied), missing)
        found[generator.choice(tied, size=added, replace=False)] += 1
        missing -= added
    shares: Array = found.astype(int)
    return shares


def can_stratify(labels: Array, taken: int) -> bool:
    """Return whether each class has two rows, and each side of a split room for every class."""
    if labels.dtype == np.int32:
        counts = counts_of(labels)
        counts = counts[counts > 0]
    else:
        counts = np.unique(labels, return_counts=True)[1]
    return bool(counts.min() >= 2) and min(taken, len(labels) - taken) >= len(counts)


def sparse_split(rows: Array, taken: int, *, seed: int, labels: Array) -> tuple[Array, Array]:
    """Split rows whose classes are too rare for `random_split`: of each class, a row stays.

    The others are taken evenly: ordered by class, every so many-th is taken, so that a class gives its
    share to within one row.

    Args:
        rows: (rows,), what is split.
        taken: how many rows are taken; at most the rows less the classes.
        seed: of the random choice, from 0 to 2**32 - 1.
        labels: (rows,) class indices.

    Returns:
        The rows that stay, and those that are taken.
    """
    generator = np.random.RandomState(seed)
    shuffled = generator.permutation(len(rows))
    _, first = np.unique(labels[shuffled], return_index=True)
    free = np.delete(shuffled, first)
    free = free[np.argsort(labels[free], kind="stable")]
    picked = np.floor((generator.uniform() + np.arange(taken)) * len(free) / taken).astype(np.int64)
    take = free[picked]
    stay = np.setdiff1d(np.arange(len(rows)), take)
    return rows[generator.permutation(stay)], rows[generator.permutation(take)]
