"""Cut rows in folds, each of which is held out once: stratified, by whole groups, or by time.

The folds are scikit-learn's `StratifiedKFold` and `KFold` with `shuffle=True`, row for row, and those of
`TimeSeriesSplit` but for equal times; importing scikit-learn takes longer than all of this.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlpcli.data.group_split import group_counts
from mlpcli.data.split_columns import SplitColumn
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath, Problem, SpecError

PATH: KeyPath = ("dataset", "fold")

NEVER = 0
"""The fold of rows that are trained on in every fold."""


class Folds(NamedTuple):
    """In which fold each row is held out.

    Attributes:
        numbers: (rows,) int64, from 1; `NEVER` for a row that is never held out.
        in_time: a fold is trained on the rows before it only, not on those of all other folds.
    """

    numbers: Array
    in_time: bool = False

    def take(self, number: int) -> tuple[Array, Array]:
        """Return the positions of the rows that a fold leaves for training, and of those it holds out.

        Args:
            number: of the fold, from 1.
        """
        training = self.numbers < number if self.in_time else self.numbers != number
        return np.flatnonzero(training), np.flatnonzero(self.numbers == number)


def cut_folds(
    rows: Array, of: int, *, seed: int, labels: Array | None = None, column: SplitColumn | None = None
) -> Folds:
    """Cut rows in folds: by the column that divides them, else stratified where they have classes.

    Args:
        rows: (rows,) int64, positions in the source.
        of: how many folds.
        seed: of the random choice.
        labels: (rows,) class indices of these rows, or bins of their targets; None to ignore classes.
        column: of groups or times of all rows; None for none.

    Raises:
        SpecError: there are too few rows, groups or times for as many folds.
    """
    if column is not None and column.sort != "split":
        return _folds_by(column, column.values[rows], of, seed, labels)
    if labels is None:
        folds = plain_folds(len(rows), of, seed=seed)
    else:
        folds = stratified_folds(labels, of, seed=seed)
    if len(np.unique(folds.numbers[folds.numbers != NEVER])) < of:
        rule = f"cuts {len(rows):,} rows in {of} folds, and leaves some without a row"
        raise SpecError(Problem(rule, path=PATH, received=of, hint="take fewer folds"))
    return folds


def _folds_by(column: SplitColumn, values: Array, of: int, seed: int, labels: Array | None) -> Folds:
    """Cut rows in folds by the groups or times of a column."""
    in_time = column.sort == "time"
    found = time_folds(values, of) if in_time else grouped_folds(values, of, seed=seed, labels=labels)
    if found is None:
        count, what = len(np.unique(values)), "times" if in_time else "groups"
        rule = f"cuts the {count:,} {what} of column {column.name!r} in {of} folds, which are too many"
        raise SpecError(Problem(rule, path=PATH, received=of, hint="take fewer folds"))
    return found


def plain_folds(rows: int, of: int, *, seed: int) -> Folds:
    """Cut rows in folds of equal size, as `KFold(of, shuffle=True, random_state=seed)` does.

    Args:
        rows: how many.
        of: how many folds, at most as many.
        seed: from 0 to 2**32 - 1.
    """
    order = np.arange(rows)
    np.random.RandomState(seed).shuffle(order)
    numbers = np.empty(rows, np.int64)
    numbers[order] = np.repeat(np.arange(1, of + 1), [rows // of + (fold < rows % of) for fold in range(of)])
    return Folds(numbers)


def stratified_folds(labels: Array, of: int, *, seed: int) -> Folds:
    """Cut rows so that each fold has its share of every class, as `StratifiedKFold` does with a shuffle.

    A class with a single row is never held out, since no other row of it could be trained on; with such
    classes the others are cut as if these were not there.

    Args:
        labels: (rows,) class indices.
        of: how many folds, at most as many as rows.
        seed: from 0 to 2**32 - 1.
    """
    _, first, places = np.unique(labels, return_index=True, return_inverse=True)
    single = np.bincount(places) == 1
    several = np.flatnonzero(~single[places])
    numbers = np.full(len(labels), NEVER)
    if not len(several):
        return plain_folds(len(labels), of, seed=seed)
    _, classes = np.unique(first[places[several]], return_inverse=True)  # classes in the order of the rows
    count = int(classes.max()) + 1
    ordered = np.sort(classes)
    shares = np.array([np.bincount(ordered[fold::of], minlength=count) for fold in range(of)])
    generator = np.random.RandomState(seed)
    for code in range(count):
        of_class = np.arange(1, of + 1).repeat(shares[:, code])
        generator.shuffle(of_class)
        numbers[several[classes == code]] = of_class
    return Folds(numbers)


def grouped_folds(groups: Array, of: int, *, seed: int, labels: Array | None = None) -> Folds | None:
    """Cut rows so that no group is in two folds, and folds have about as many rows, and of each class.

    Groups are placed from the largest to the smallest, those of one size in a random order; each goes to the
    fold with the fewest rows, in all and of the classes that the group has (compare `StratifiedGroupKFold`).

    Args:
        groups: (rows,) int64.
        of: how many folds.
        seed: of the random order, from 0 to 2**32 - 1.
        labels: (rows,) class indices; None to ignore classes.

    Returns:
        The folds; None where there are fewer groups than folds.
    """
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < of:
        return None
    counts = group_counts(codes, len(names), labels)
    order = np.random.RandomState(seed).permutation(len(names))
    order = order[np.argsort(-counts[order, 0], kind="stable")]
    weights = counts.sum(axis=0) ** -2.0
    weights[1:] /= max(1, len(weights) - 1)  # all classes together count as much as the number of rows
    sums = np.zeros((of, counts.shape[1]))
    fold_of = np.empty(len(names), np.int64)
    for group in order:  # the least growth of the sum of squares, which is least where folds are equal
        fold = int((sums @ (weights * counts[group])).argmin())
        sums[fold] += counts[group]
        fold_of[group] = fold + 1
    return Folds(fold_of[codes])


def time_folds(times: Array, of: int) -> Folds | None:
    """Cut rows in blocks of time, as `TimeSeriesSplit(of)` does: each is later than all that it trains on.

    The rows before the first block are never held out. Rows of the same time are in one block.

    Args:
        times: (rows,) of numbers that can be ordered.
        of: how many blocks are held out.

    Returns:
        The folds; None where there are too few distinct times.
    """
    ordered = np.sort(times)
    size = len(ordered) // (of + 1)
    if not size:
        return None
    cuts = [_between_times(ordered, len(ordered) - (of - block) * size) for block in range(of)]
    if cuts[0] == 0 or (np.diff([*cuts, len(ordered)]) <= 0).any():
        return None
    return Folds(np.searchsorted(ordered[cuts], times, side="right").astype(np.int64), in_time=True)


def _between_times(ordered: Array, cut: int) -> int:
    """Return the place nearest to a cut at which another time begins; 0 where there is none."""
    before = int(np.searchsorted(ordered, ordered[cut], side="left"))
    after = int(np.searchsorted(ordered, ordered[cut], side="right"))
    return before if cut - before <= after - cut or after == len(ordered) else after
