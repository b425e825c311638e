"""Fewer training rows, chosen so that more of them hold the fewer ones too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.types import Array


@dataclass(frozen=True)
class TrainingRows:
    """Some of a dataset's training rows; its other splits stay as they are.

    The target is scaled as for all training rows, so that losses of different numbers of rows compare.

    Attributes:
        number: how many; of whole groups, about as many, and more where these leave a class out.
        seed: of the choice. Of two numbers with the same seed, the smaller one's rows are among the other's.
    """

    number: int
    seed: int


def nested_rows(
    number: int,
    *,
    seed: int,
    labels: Array | None = None,
    also: Sequence[Array] = (),
    groups: Array | None = None,
    rows: int,
) -> Array:
    """Return positions of some rows, in their order: of each class its share, and a row at least.

    Args:
        number: how many rows. Of whole groups it may be more, so that there is a row of each class.
        seed: of the choice.
        labels: (rows,) class indices; None for a target without classes.
        also: (rows,) class indices of further targets, of which each has a row if the number allows.
        groups: (rows,) int64, groups that are taken whole; None for rows on their own.
        rows: how many there are to choose from.
    """
    random = np.random.default_rng(seed)
    targets = [*([] if labels is None else [labels]), *also]
    if groups is not None:
        return _whole_groups(number, groups, targets, random)
    order = random.permutation(rows)
    turn = np.arange(rows) / rows
    if labels is not None:
        classes, codes, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
        place = np.empty(rows, np.int64)  # of each row within its class
        for code in range(len(classes)):
            place[codes == code] = np.arange(counts[code])
        turn = (place + random.uniform(size=len(classes))[codes]) / counts[codes]
        turn[place == 0] -= 2.0  # before all others
    for target in also:
        ordered = target[order]
        names, first = np.unique(ordered, return_index=True)
        turn[first[~np.isin(names, ordered[turn < 0])]] -= 1.0
    return np.sort(order[np.argsort(turn, kind="stable")[:number]])


def _whole_groups(number: int, groups: Array, targets: Sequence[Array], random: np.random.Generator) -> Array:
    """Return the rows of so many groups that their number is nearest, and that there is one of each class."""
    names, codes = np.unique(groups, return_inverse=True)
    order = random.permutation(len(names))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    is_first = np.zeros(len(names), bool)  # groups that hold a class which none of the others has
    for target in targets:
        for each in np.unique(target):
            holders = codes[target == each]
            if not is_first[holders].any():
                is_first[holders[rank[holders].argmin()]] = True
    order = np.lexsort((rank, ~is_first))
    sums = np.cumsum(np.bincount(codes)[order])
    count = max(int(np.abs(sums - number).argmin()) + 1, int(is_first.sum()))
    return np.flatnonzero(np.isin(codes, order[:count]))
