"""Divide rows by whole groups, by time, and by the quantiles of numbers: pure functions of arrays.

scikit-learn's `GroupShuffleSplit` takes a share of the groups, not of the rows, and knows no classes; its
`StratifiedGroupKFold` makes folds, not a share.
"""

from __future__ import annotations

import numpy as np

from mlpcli.data.types import Array

MOST_TRIED = 5_000
"""Groups that are tried one by one; of more groups, the first ones are taken as they are drawn."""

DRAWN = 0.8
"""Of many groups: the share of the wanted rows that is taken as it is drawn."""

MOST_COUNTS = 20_000_000
"""Numbers in the table of groups and classes; where it would be larger, classes are ignored."""

SWEEPS = 3
BINS = 10


def take_groups(
    groups: Array, taken: int, *, seed: int, labels: Array | None, keep: bool = True
) -> Array | None:
    """Take whole groups at random, so that their rows are near a number, and near that share of each class.

    Groups are tried in a random order, and taken where that brings the rows, and the rows of each class,
    nearer to what is wanted; then those are taken or returned that bring them nearer still. At least one
    group, and a row of each class, stays.

    Args:
        groups: (rows,) int64, the group of each row.
        taken: how many rows are wanted.
        seed: of the random order, from 0 to 2**32 - 1.
        labels: (rows,) class indices; None to ignore classes.
        keep: whether a row of each class stays.

    Returns:
        (rows,) bool, the rows that are taken; None where no group can be taken.
    """
    names, codes = np.unique(groups, return_inverse=True)
    counts = group_counts(codes, len(names), labels)
    order = np.random.RandomState(seed).permutation(len(names))
    picker = _Picker(counts, taken / len(groups), kept=None if keep else 1)
    tried = order
    if len(order) > MOST_TRIED:
        drawn = int(np.searchsorted(np.cumsum(counts[order, 0]), DRAWN * taken))
        picker.take_all(order[:drawn])
        tried = order[drawn : drawn + MOST_TRIED]
    for _ in range(SWEEPS):
        if not sum(picker.toggle(int(group)) for group in tried):
            break
    if not picker.mask.any():
        picker.take_nearest()
    return picker.mask[codes] if picker.mask.any() else None


def group_counts(codes: Array, groups: int, labels: Array | None) -> Array:
    """Return (groups, 1 + classes) float64: the rows of each group, in all and of each class."""
    sizes = np.bincount(codes, minlength=groups)[:, None].astype(np.float64)
    if labels is None:
        return sizes
    _, classes = np.unique(labels, return_inverse=True)
    count = int(classes.max()) + 1
    if count == 1 or groups * count > MOST_COUNTS:
        return sizes
    table = np.bincount(codes * count + classes, minlength=groups * count).reshape(groups, count)
    return np.hstack([sizes, table])


class _Picker:
    """Groups that are taken, and how far their rows are from what is wanted."""

    def __init__(self, counts: Array, share: float, kept: int | None) -> None:
        self.counts, self.totals = counts, counts.sum(axis=0)
        self.kept = slice(kept)  # the columns of which not all rows can be taken
        self.wanted = self.totals * share
        classes = counts.shape[1] - 1
        self.weights = 1 / self.totals
        if classes:
            self.weights[1:] /= classes  # all classes together count as much as the number of rows
        self.mask = np.zeros(len(counts), bool)
        self.sum = np.zeros(counts.shape[1])

    def take_all(self, groups: Array) -> None:
        """Take groups; of those that hold all rows of a class, the last one is not taken."""
        self.mask[groups] = True
        self.sum = self.counts[self.mask].sum(axis=0)
        for column in np.flatnonzero(self._all_taken(self.sum)):
            holders = groups[(self.counts[groups, column] > 0) & self.mask[groups]]
            if self.sum[column] == self.totals[column] and len(holders):
                self.mask[holders[-1]] = False
                self.sum -= self.counts[holders[-1]]

    def toggle(self, group: int) -> bool:
        """Take a group, or return it, if the rows are nearer to what is wanted then."""
        change = -self.counts[group] if self.mask[group] else self.counts[group]
        nearer = float((self.weights * change * (2 * (self.sum - self.wanted) + change)).sum()) < -1e-9
        if not nearer or (not self.mask[group] and self._all_taken(self.sum + change).any()):
            return False
        self.mask[group] = not self.mask[group]
        self.sum += change
        return True

    def _all_taken(self, counts: Array) -> Array:
        """Return whether nothing stays, in all or of a class."""
        taken: Array = counts[..., self.kept] == self.totals[self.kept]
        return taken

    def take_nearest(self) -> None:
        """Take the one group whose rows are nearest to what is wanted, if any leaves each class a row."""
        distances = ((self.counts - self.wanted) ** 2 * self.weights).sum(axis=1)
        distances[self._all_taken(self.counts).any(axis=1)] = np.inf
        nearest = int(distances.argmin())
        self.mask[nearest] = bool(np.isfinite(distances[nearest]))


def take_latest(times: Array, taken: int) -> Array | None:
    """Take the latest rows; rows of the same time are on one side, that which is nearer to the number.

    Args:
        times: (rows,) of numbers that can be ordered.
        taken: how many rows are wanted, from 1 to the rows less one.

    Returns:
        (rows,) bool, the rows that are taken; None where all rows have the same time.
    """
    ordered = np.sort(times)
    cut = len(ordered) - taken
    first = int(np.searchsorted(ordered, ordered[cut], side="left"))
    after = int(np.searchsorted(ordered, ordered[cut], side="right"))
    choices = [place for place in (first, after) if 0 < place < len(ordered)]
    if not choices:
        return None
    start = min(choices, key=lambda place: abs(place - cut))
    latest: Array = times >= ordered[start]
    return latest


def quantile_bins(values: Array, taken: int) -> Array:
    """Return the bin of each number, by which a split is stratified: up to ten bins of about equal rows.

    Args:
        values: (rows,) of numbers; equal ones are in one bin.
        taken: how many rows the split takes: each side has room for every bin.

    Returns:
        (rows,) int64.
    """
    bins = bin_count(len(values), taken)
    places = np.searchsorted(np.sort(values), values, side="left")
    found: Array = places * bins // len(values)
    return found


def bin_count(rows: int, taken: int) -> int:
    """Return in how many bins some rows are, of which a split takes a part."""
    return max(1, min(BINS, taken, rows - taken, rows // 2))
