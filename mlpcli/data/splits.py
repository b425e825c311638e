"""Split rows for training, validation and testing: as `train_test_split` does, or the last rows."""

from __future__ import annotations

import math

import numpy as np

from mlpcli.data.random_split import random_split
from mlpcli.data.types import Array
from mlpcli.errors import Problem, SpecError, listing
from mlpcli.spec.schema import DatasetSpec, Last

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2
LARGE_ROWS = 50_000
LARGE_VALIDATION_FRACTION = 0.1
"""From this many training rows on, a tenth of them is enough for validation."""

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
    stratify=y)`, without `stratify` if `labels` is None; `{last: N}` takes the last N in their order.

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
    if labels is not None:
        _check_classes(labels, taken, split, names)
    return random_split(rows, taken, seed=seed, labels=labels)


def _count(amount: Amount, rows: int) -> int:
    if isinstance(amount, Last):
        return amount.last
    return math.ceil(amount * rows) if isinstance(amount, float) else amount


def _check_classes(labels: Array, taken: int, split: str, names: tuple[str, ...]) -> None:
    """Check that there are enough rows of every class for both sides."""
    path = ("dataset", split)
    counts = np.bincount(labels, minlength=len(names))
    rare = [f"{name!r} has {count}" for name, count in zip(names, counts, strict=True) if count == 1]
    present = int((counts > 0).sum())
    if rare:
        rule = (
            f"each class needs 2 rows to be split by class, of {len(labels):,} rows class {listing(rare, 5)}"
        )
        hint = "merge rare classes, add rows, or write {last: N}"
        if present == len(labels) or present > max(10, len(labels) // 5):
            hint = f"{present:,} distinct labels look like numbers: use a loss such as mse; or {hint}"
        raise SpecError(Problem(rule, path=path, hint=hint))
    if min(taken, len(labels) - taken) < present:
        sizes = f"{len(labels) - taken:,} and {taken:,}"
        rule = f"splits {len(labels):,} rows into {sizes}, too few for {present} classes"
        raise SpecError(Problem(rule, path=path, hint="take another fraction, or write {last: N}"))
