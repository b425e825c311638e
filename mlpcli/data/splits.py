"""Split rows for training, validation and testing: as `train_test_split` does, or the last rows."""

from __future__ import annotations

import math

import numpy as np

from mlpcli.data.label_keys import label_number
from mlpcli.data.random_split import can_stratify, random_split, sparse_split
from mlpcli.data.types import Array
from mlpcli.errors import Problem, SpecError
from mlpcli.spec.schema import DatasetSpec, Last

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2
LARGE_ROWS = 50_000
LARGE_VALIDATION_FRACTION = 0.1
"""From this many training rows on, a tenth of them is enough for validation."""

FEWER_CLASSES = "pool rare classes with target_min_count, add rows, or write {last: N}"

Amount = float | int | Last
"""A fraction or a number of rows, or the last rows."""

SplitAmounts = dict[str, Amount | str | None]
"""The amount of `test` and `validation`, or the path of a file; None for no such split."""


def test_amount(spec: DatasetSpec, *, own: bool) -> Amount | str | None:
    """Return the amount of the test split; None for no split, or if the source has its own.

    Args:
        spec: the `dataset` section.
        own: whether the source has its own test split.

    Returns:
        The amount, or the path of a file.

    Raises:
        SpecError: the spec defines a test split, but the source has its own.
    """
    if "test" not in spec.model_fields_set:
        return None if own else TEST_FRACTION
    if own and spec.test is not None:
        hint = "remove it, or write test: null to go without"
        raise SpecError(Problem("this dataset has its own test split", path=("dataset", "test"), hint=hint))
    return spec.test


def validation_amount(spec: DatasetSpec, rows: int) -> Amount | str | None:
    """Return the amount of the validation split, of `rows` training rows; None for no split."""
    if "validation" not in spec.model_fields_set:
        return LARGE_VALIDATION_FRACTION if rows >= LARGE_ROWS else VALIDATION_FRACTION
    return spec.validation


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
    taken = _count(amount, len(rows))
    if not 0 < taken < len(rows):
        rule = f"takes {taken:,} of {len(rows):,} rows and leaves none to train on"
        hint = f"write {split}: null to go without"
        raise SpecError(Problem(rule, path=("dataset", split), hint=hint))
    if isinstance(amount, Last):
        return rows[:-taken], rows[-taken:]
    if labels is None or can_stratify(labels, taken):
        return random_split(rows, taken, seed=seed, labels=labels)
    _check_classes(labels, taken, split, names)
    return sparse_split(rows, taken, seed=seed, labels=labels)


def is_sparse(amount: Amount, labels: Array | None) -> bool:
    """Return whether classes are too rare for each to be on both sides of a split in its share."""
    if labels is None or isinstance(amount, Last):
        return False
    return not can_stratify(labels, _count(amount, len(labels)))


def _count(amount: Amount, rows: int) -> int:
    if isinstance(amount, Last):
        return amount.last
    return math.ceil(amount * rows) if isinstance(amount, float) else amount


def _numbers_for_classes(present: int, rows: int) -> Problem:
    """Return the problem of a loss for classes with a target of nearly as many numbers as rows."""
    rule = f"is for classes, the target has {present:,} distinct labels in {rows:,} rows"
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
        rule = f"splits {rows:,} rows into {sizes}, too few to train on each of {present} classes"
        hint = f"take another fraction, {FEWER_CLASSES}"
        raise SpecError(Problem(rule, path=path, hint=hint))
