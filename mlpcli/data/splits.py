"""How many rows each split takes, and the random ones: as `train_test_split` does, or the last rows."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from mlpcli.data.label_keys import label_number
from mlpcli.data.random_split import can_stratify, random_split, sparse_split
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.printable import counted
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.split_forms import SPLITS, SplitBy

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2
LARGE_ROWS = 50_000
LARGE_VALIDATION_FRACTION = 0.1
"""From this many training rows on, a tenth of them is enough for validation."""

FEWER_CLASSES = "pool rare classes with target_min_count, add rows, or write {last: N}"


@dataclass(frozen=True)
class InColumn:
    """The rows for which a column of the table, `dataset.split`, names a split."""

    column: str


Amount = float | int | SplitBy | InColumn
"""A fraction or a number of rows, the last rows, rows by a column, or those that a column names."""

SplitAmounts = dict[str, Amount | str | None]
"""The amount of `test` and `validation`, or the path of a file; None for no such split."""


def test_amount(spec: DatasetSpec, *, own: bool, named: Collection[str]) -> Amount | str | None:
    """Return the amount of the test split; None for no split, or if the source has its own.

    Args:
        spec: the `dataset` section.
        own: whether the source has its own test split.
        named: the splits that rows of the column `dataset.split` name.

    Returns:
        The amount, or the path of a file.

    Raises:
        SpecError: the spec defines a test split, but the source has its own.
    """
    if spec.split is not None:
        return _in_column(spec, "test", named)
    if "test" not in spec.model_fields_set:
        return None if own else _alike(spec.validation, TEST_FRACTION)
    if own and spec.test is not None:
        hint = "remove it, or write test: null to go without"
        raise SpecError(Problem("this dataset has its own test split", path=("dataset", "test"), hint=hint))
    return spec.test


def validation_amount(spec: DatasetSpec, rows: int, named: Collection[str]) -> Amount | str | None:
    """Return the amount of the validation split, of `rows` training rows; None for no split.

    Args:
        spec: the `dataset` section.
        rows: that are left for training and validation.
        named: the splits that rows of the column `dataset.split` name.

    Raises:
        SpecError: the spec defines a validation split, but the column has one.
    """
    if spec.split is not None:
        return _in_column(spec, "validation", named)
    if "validation" not in spec.model_fields_set:
        share = LARGE_VALIDATION_FRACTION if rows >= LARGE_ROWS else VALIDATION_FRACTION
        return _alike(spec.test, share)
    return spec.validation


def without_validation(spec: DatasetSpec) -> DatasetSpec:
    """Return a `dataset` section without the validation split that is taken off the training rows.

    One that is a file, or whose rows a column names, is kept; the test split is the same.

    Args:
        spec: the section.
    """
    named = spec.split is not None and "validation" not in spec.model_fields_set
    if named or isinstance(spec.validation, str):
        return spec
    changes: dict[str, object] = {"validation": None}
    if isinstance(spec.validation, SplitBy) and spec.split is None and "test" not in spec.model_fields_set:
        changes["test"] = _alike(spec.validation, TEST_FRACTION)
    return spec.model_copy(update=changes)


def place_of(spec: DatasetSpec, split: str) -> KeyPath:
    """Return the path in a spec of what says how a split is made: another split's, where it is made alike."""
    others = (each for each in SPLITS if each != split and each in spec.model_fields_set)
    return ("dataset", split if split in spec.model_fields_set else next(others, split))


def _in_column(spec: DatasetSpec, split: str, named: Collection[str]) -> Amount | str | None:
    """Return the amount of a split of a dataset whose column names the split of each row."""
    assert spec.split is not None
    amount: Amount | str | None = getattr(spec, split)
    if split not in named:
        return amount
    if split not in spec.model_fields_set:
        return InColumn(spec.split)
    if amount is not None:
        rule = f"cannot be set, column {spec.split!r} has rows of this split"
        hint = "remove it, or write null to train on these rows too"
        raise SpecError(Problem(rule, path=("dataset", split), received=_plain(amount), hint=hint))
    return None


def _alike(other: object, share: float) -> Amount:
    """Return the amount of a split that the spec leaves out: by a column, if the other split is by one."""
    if not isinstance(other, SplitBy) or other.by is None:
        return share
    return SplitBy(last=share, by=other.by) if other.share is None else SplitBy(share=share, by=other.by)


def _plain(amount: object) -> object:
    return amount.plain() if isinstance(amount, SplitBy) else amount


def split_rows(
    rows: Array, amount: Amount, *, split: str, seed: int, labels: Array | None, names: tuple[str, ...] = ()
) -> tuple[Array, Array]:
    """Split row positions in two.

    A fraction or a number takes the rows of `train_test_split(x, y, test_size=amount, random_state=seed,
    stratify=y)`, without `stratify` if `labels` is None; `{last: N}` takes the last N in their order. Where
    classes are too rare for `stratify`, a row of each stays.

    Args:
        rows: (rows,) int64, positions in the source.
        amount: of the rows to take.
        split: the name of the split that takes them.
        seed: of the random choice.
        labels: (rows,) class indices of these rows; None to ignore classes.
        names: of the classes.

    Returns:
        The positions that stay, and those that are taken.

    Raises:
        SpecError: there are too few rows, in all or of one class.
    """
    taken = count_some(amount, len(rows), split)
    if is_last(amount):
        return rows[:-taken], rows[-taken:]
    if labels is None or can_stratify(labels, taken):
        return random_split(rows, taken, seed=seed, labels=labels)
    _check_classes(labels, taken, split, names)
    return sparse_split(rows, taken, seed=seed, labels=labels)


def count_some(amount: Amount, rows: int, split: str) -> int:
    """Return how many of some rows an amount is: neither none nor all.

    Raises:
        SpecError: it would be.
    """
    taken = count_rows(amount, rows)
    if not 0 < taken < rows:
        rule = f"takes {taken:,} of {counted(rows, 'row')} and leaves none to train on"
        hint = f"write {split}: null to go without"
        raise SpecError(Problem(rule, path=("dataset", split), hint=hint))
    return taken


def is_sparse(amount: Amount, labels: Array | None) -> bool:
    """Return whether classes are too rare for each to be on both sides of a split in its share."""
    if labels is None or is_last(amount):
        return False
    return not can_stratify(labels, count_rows(amount, len(labels)))


def is_last(amount: object) -> bool:
    """Return whether an amount is the last rows, in the order of the file."""
    return isinstance(amount, SplitBy) and amount.last is not None and amount.by is None


def count_rows(amount: Amount, rows: int) -> int:
    """Return how many of some rows an amount is."""
    assert not isinstance(amount, InColumn)
    if isinstance(amount, SplitBy):
        amount = amount.rows
    return math.ceil(amount * rows) if isinstance(amount, float) else amount


def _numbers_for_classes(present: int, rows: int) -> Problem:
    """Return the problem of a loss for classes with a target of nearly as many numbers as rows."""
    rule = f"is for classes, the target has {counted(present, 'distinct label')} in {counted(rows, 'row')}"
    hint = f"they are numbers: use a loss such as mse; or {FEWER_CLASSES}"
    return Problem(rule, path=("loss",), hint=hint)


def _check_classes(labels: Array, taken: int, split: str, names: tuple[str, ...]) -> None:
    """Check that the classes look like classes, and that a row of each can stay."""
    path = ("dataset", split)
    counts = np.bincount(labels, minlength=len(names))
    present, rows = int((counts > 0).sum()), len(labels)
    numeric = all(label_number(name) is not None for name in names)
    if numeric and (counts == 1).any() and (present == rows or present > max(10, rows // 5)):
        raise SpecError(_numbers_for_classes(present, rows))
    if taken > rows - present:
        sizes = f"{rows - taken:,} and {taken:,}"
        rule = f"splits {rows:,} rows into {sizes}, too few to train on each of {present:,} classes"
        hint = f"take another fraction, {FEWER_CLASSES}"
        raise SpecError(Problem(rule, path=path, hint=hint))
