"""Fewer training rows, chosen so that more of them hold the fewer ones too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpcli.data.types import Array


@dataclass(frozen=True)
class TrainingRows:
    """Some of a dataset's training rows; its other splits stay as they are.

    The target is scaled as for all training rows, so that losses of different numbers of rows compare.

    Attributes:
        number: how many; of whole groups, about as many.
        seed: of the choice. Of two numbers with the same seed, the smaller one's rows are among the other's.
    """

    number: int
    seed: int


def nested_rows(
    number: int, *, seed: int, labels: Array | None = None, groups: Array | None = None, rows: int
) -> Array:
    """Return positions of some rows, in their order: of each class its share, and a row at least.

    Args:
        number: how many rows.
        seed: of the choice.
        labels: (rows,) class indices; None for a target without classes.
        groups: (rows,) int64, groups that are taken whole; None for rows on their own.
        rows: how many there are to choose from.
    """
    random = np.random.default_rng(seed)
    if groups is not None:
        return _whole_groups(number, groups, labels, random)
    if labels is None:
        return np.sort(random.permutation(rows)[:number])
    order = random.permutation(rows)
    classes, codes, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
    place = np.empty(rows, np.int64)  # of each row within its class
    for code in range(len(classes)):
        place[codes == code] = np.arange(counts[code])
    turn = (place + random.uniform(size=len(classes))[codes]) / counts[codes]
    turn[place == 0] -= 2.0  # before all others
    return np.sort(order[np.argsort(turn, kind="stable")[:number]])


def _whole_groups(number: int, groups: Array, labels: Array | None, random: np.random.Generator) -> Array:
    """Return the rows of so many groups that their number is nearest, those first that hold a new class."""
    names, codes = np.unique(groups, return_inverse=True)
    order = random.permutation(len(names))
    if labels is not None:
        rank = np.empty(len(names), np.int64)
        rank[order] = np.arange(len(names))
        first = {codes[labels == each][rank[codes[labels == each]].argmin()] for each in np.unique(labels)}
        order = np.array(sorted(order, key=lambda group: (group not in first, rank[group])))
    sums = np.cumsum(np.bincount(codes)[order])
    count = int(np.abs(sums - number).argmin()) + 1
    return np.flatnonzero(np.isin(codes, order[:count]))
