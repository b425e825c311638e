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
        order = generator.permutation(len(rows))
        return rows[order[taken:]], rows[order[:taken]]
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])
    staying = _share(counts, len(rows) - taken, generator)
    taking = _share(counts - staying, taken, generator)
    stay, take = [], []
    for places, first, second in zip(by_class, staying, taking, strict=True):
        order = places[generator.permutation(len(places))]
        stay.append(order[:first])
        take.append(order[first : first + second])
    return rows[generator.permutation(np.concatenate(stay))], rows[
        generator.permutation(np.concatenate(take))
    ]


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
