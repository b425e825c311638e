"""Take the rows of a split off the others: at random, the last ones, or by a column of the table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.group_split import quantile_bins, take_groups, take_latest
from mlpcli.data.split_columns import SplitColumn, SplitColumns, divided_by
from mlpcli.data.splits import Amount, InColumn, count_some, is_sparse, split_rows
from mlpcli.data.targets import class_indices, stratified_by
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.printable import counted
from mlpcli.spec.split_forms import SplitBy

ZEROS = re.compile(r"(?<=:\d\d)\.0+(?!\d)")
"""A fraction of a second that is 0, as Parquet files write it."""

FAR = 0.25
"""A share of rows that is further than this from the share that was asked for, relative to it, is noted."""


@dataclass(frozen=True)
class Division:
    """The rows that stay, and those that are taken.

    Attributes:
        stay: (rows,) int64.
        taken: (rows,) int64.
        notes: what to know of them.
        sparse: whether classes were too rare for each to be on both sides in its share.
    """

    stay: Array
    taken: Array
    notes: tuple[str, ...] = ()
    sparse: bool = False


def divide(
    rows: Array,
    amount: Amount,
    *,
    split: str,
    seed: int,
    outputs: Sequence[Output],
    y: Mapping[str, Array],
    columns: SplitColumns,
    path: KeyPath,
) -> Division:
    """Take the rows of a split.

    Args:
        rows: (rows,) int64, positions among the main rows.
        amount: of the split.
        split: its name.
        seed: of the random choice.
        outputs: the targets, by which a random choice is stratified.
        y: the target of each output, of all main rows.
        columns: of the source.
        path: of the amount in the spec.

    Raises:
        SpecError: there are too few rows, classes, groups or times.
    """
    names: tuple[str, ...] = ()
    named = stratified_by(outputs)
    labels = stratified_by_quantile(amount, split, outputs, y, rows)
    if labels is None and named is not None:
        labels, names = class_indices(y[named.name])[rows], named.classes or ()
    found = divide_rows(rows, amount, columns, split=split, seed=seed, labels=labels, path=path)
    if found is not None:
        return found
    sparse = is_sparse(amount, labels)
    stay, taken = split_rows(rows, amount, split=split, seed=seed, labels=labels, names=names)
    return Division(stay, taken, sparse=sparse)


def stratified_by_quantile(
    amount: Amount, split: str, outputs: Sequence[Output], y: Mapping[str, Array], rows: Array
) -> Array | None:
    """Return the bins of the first target of numbers, by which a split is stratified on request.

    Args:
        amount: of the split.
        split: its name.
        outputs: the targets.
        y: the target of each output, of all rows.
        rows: (rows,), positions of those that are split.

    Returns:
        (rows,) int64; None where the split does not ask for it.

    Raises:
        SpecError: the target holds classes.
    """
    if not isinstance(amount, SplitBy) or amount.stratify is None:
        return None
    numbers = next((each for each in outputs if each.kind == "numbers"), None)
    if numbers is None:
        rule = "is for a target of numbers; splits of classes are stratified without it"
        path = ("dataset", split, "stratify")
        raise SpecError(Problem(rule, path=path, received=amount.stratify, hint="remove it"))
    values = y[numbers.name][rows]
    return quantile_bins(values.reshape(len(values), -1)[:, 0], count_some(amount, len(rows), split))


def divide_rows(
    rows: Array,
    amount: Amount,
    columns: SplitColumns,
    *,
    split: str,
    seed: int,
    labels: Array | None,
    path: KeyPath = (),
) -> Division | None:
    """Take the rows of a split by a column.

    Args:
        rows: (rows,) int64, positions among the main rows.
        amount: of the split.
        columns: of the source.
        split: the name of the split.
        seed: of the random choice of groups.
        labels: (rows,) class indices of these rows, or bins of their targets; None to ignore classes.
        path: of the amount in the spec.

    Returns:
        The rows; None for a split that goes by no column.

    Raises:
        SpecError: there are too few groups or times, or a group cannot leave each class a row.
    """
    if isinstance(amount, InColumn):
        return _by_name(rows, columns[amount.column, "split"], split)
    named = divided_by(amount)
    if named is None:
        return None
    column, taken = columns[named], count_some(amount, len(rows), split)
    values = column.values[rows]
    if column.sort == "group":
        mask = _take_groups(column, values, taken, split, seed, labels, path, keep=not _by_quantile(amount))
        notes = _group_notes(column, values, mask, taken, split)
    else:
        mask = _take_latest(column, values, taken, split, path)
        notes = _time_notes(column, values, mask, taken, split)
    return Division(rows[~mask], rows[mask], (*column.notes, *notes))


def _by_name(rows: Array, column: SplitColumn, split: str) -> Division:
    mask = column.values[rows] == column.texts.index(split)
    return Division(rows[~mask], rows[mask])


def _by_quantile(amount: Amount) -> bool:
    return isinstance(amount, SplitBy) and amount.stratify is not None


def _take_groups(
    column: SplitColumn,
    values: Array,
    taken: int,
    split: str,
    seed: int,
    labels: Array | None,
    path: KeyPath,
    *,
    keep: bool,
) -> Array:
    path, name = (*path, "by"), column.name
    present = np.unique(values)
    if len(present) < 2:
        left = (
            f"the {counted(len(values), 'row')} that are left have"
            if len(column.texts) > 1
            else "the rows have"
        )
        rule = f"needs a group for {split} and one to train on, {left} one ({column.texts[present[0]]!r})"
        hint = f"divide them by another column, or write {split}: null"
        raise SpecError(Problem(rule, path=path, received=name, hint=hint))
    mask = take_groups(values, taken, seed=seed, labels=labels, keep=keep)
    if mask is None:
        rule = "has no group that leaves each class a row to train on"
        hint = "divide the rows by another column, or pool rare classes with target_min_count"
        raise SpecError(Problem(rule, path=path, received=name, hint=hint))
    return mask


def _group_notes(column: SplitColumn, values: Array, mask: Array, taken: int, split: str) -> tuple[str, ...]:
    """Return how many groups a split has, and why its share of the rows is not as asked for."""
    groups, sizes = np.unique(values, return_counts=True)
    found, there = int(mask.sum()), len(np.unique(values[mask]))
    share = f"{counted(found, 'row')}, {found / len(mask):.1%}"
    note = f"{split}: {there:,} of {counted(len(groups), 'group')} of column {column.name!r} ({share})"
    if abs(found - taken) > FAR * taken:
        largest = int(sizes.argmax())
        size = f"{column.texts[groups[largest]]!r} with {sizes[largest] / len(mask):.1%} of them"
        note += f" instead of {taken / len(mask):.1%}: groups are whole, the largest is {size}"
    return (note,)


def _take_latest(column: SplitColumn, values: Array, taken: int, split: str, path: KeyPath) -> Array:
    mask = take_latest(values, taken)
    if mask is None:
        rule = f"needs two different times, the {len(values):,} rows have one ({column.texts[values[0]]!r})"
        hint = f"order them by another column, or write {split}: null"
        raise SpecError(Problem(rule, path=(*path, "by"), received=column.name, hint=hint))
    return mask


def _time_notes(column: SplitColumn, values: Array, mask: Array, taken: int, split: str) -> tuple[str, ...]:
    """Return when a split begins and ends, and that rows of the same time were kept together."""
    found = int(mask.sum())
    ends = (values[mask].min(), values[mask].max(), values[~mask].max())
    first, last, before = (ZEROS.sub("", column.texts[int(each)]) for each in ends)
    note = (
        f"{split}: {counted(found, 'row')} with column {column.name!r} from {first} to {last}, after {before}"
    )
    if abs(found - taken) > FAR * taken:
        note += f"; {taken:,} were asked for, and rows of the same time are on one side"
    return (note,)
