"""Rows to train, validation and test split: scikit-learn's `train_test_split`, the last rows, or none."""

from __future__ import annotations

import math

import numpy as np

from mlpcli.data.types import Array
from mlpcli.errors import Problem, SpecError, listing
from mlpcli.spec.schema import DatasetSpec, Last

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2
LARGE_ROWS = 50_000
LARGE_VALIDATION_FRACTION = 0.1
"""With this many training rows, a tenth of them tells as much as a fifth of fewer."""

Amount = float | int | Last


def test_amount(spec: DatasetSpec, *, own: bool) -> Amount | str | None:
    """What to take for the test split; None for none, or when the source brings its `own`.

    Raises:
        SpecError: a test split is asked for that the source brings already.
    """
    if "test" not in spec.model_fields_set:
        return None if own else TEST_FRACTION
    if own and spec.test is not None:
        hint = "remove it, or write test: null to go without"
        raise SpecError(
            Problem("this dataset brings its own test split", path=("dataset", "test"), hint=hint)
        )
    return spec.test


def validation_amount(spec: DatasetSpec, rows: int) -> Amount | str | None:
    """What to take of `rows` training rows for the validation split; None for none."""
    if "validation" not in spec.model_fields_set:
        return LARGE_VALIDATION_FRACTION if rows >= LARGE_ROWS else VALIDATION_FRACTION
    return spec.validation


def split_rows(
    rows: Array, amount: Amount, *, split: str, seed: int, labels: Array | None, names: tuple[str, ...] = ()
) -> tuple[Array, Array]:
    """Split row positions in two: those that stay, and those that `amount` takes.

    A fraction or a number gives the rows of `train_test_split(x, y, test_size=amount, random_state=seed,
    stratify=y)`, without `stratify` when `labels` is None; `{last: N}` the last N in their order.

    Args:
        rows: (rows,) int64, positions in the source.
        labels: (rows,) class indices of these rows, named by `names`.

    Raises:
        SpecError: too few rows, in all or of one class.
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
    from sklearn.model_selection import train_test_split

    stay, take = train_test_split(rows, test_size=amount, random_state=seed, stratify=labels)
    return stay, take


def _count(amount: Amount, rows: int) -> int:
    if isinstance(amount, Last):
        return amount.last
    return math.ceil(amount * rows) if isinstance(amount, float) else amount


def _check_classes(labels: Array, taken: int, split: str, names: tuple[str, ...]) -> None:
    """What scikit-learn needs to give each side its share of every class."""
    path = ("dataset", split)
    counts = np.bincount(labels, minlength=len(names))
    rare = [f"{name!r} has {count}" for name, count in zip(names, counts, strict=True) if count == 1]
    present = int((counts > 0).sum())
    if rare:
        rule = (
            f"each class needs 2 rows to be split by class, of {len(labels):,} rows class {listing(rare, 5)}"
        )
        hint = "join rare classes, add rows, or write {last: N}"
        if present == len(labels) or present > max(10, len(labels) // 5):
            hint = f"{present:,} different labels look like numbers: use a loss such as mse; or {hint}"
        raise SpecError(Problem(rule, path=path, hint=hint))
    if min(taken, len(labels) - taken) < present:
        sizes = f"{len(labels) - taken:,} and {taken:,}"
        rule = f"splits {len(labels):,} rows into {sizes}, too few for {present} classes"
        raise SpecError(Problem(rule, path=path, hint="take another share, or write {last: N}"))
