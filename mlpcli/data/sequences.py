"""Targets of labels in an order, whose times are not known: (rows, labels), with 0s behind the last label."""

from __future__ import annotations

import numpy as np

from mlpcli.data.labels import Labels
from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors, raise_row_errors
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.sources.source_rows import SourceRows
from mlpcli.data.types import Array


def as_sequences(source_rows: SourceRows) -> Array:
    """Return a target of sequences of labels, (rows, labels) int64.

    Args:
        source_rows: with the target, (rows, labels) whole numbers: labels of at least 1, then 0s.

    Raises:
        DataError: the target has another shape, or a number is no such label.
    """
    target, what = source_rows.target, source_rows.target_label
    if target is None or isinstance(target, Labels) or target.ndim != 2 or source_rows.steps:
        hint = "CTC takes labels, whole numbers from 1 on, and 0s behind the last one of a row"
        source_rows.origin.refuse(
            f"{what} must have the shape (rows, labels), with several labels", hint=hint
        )
    wrong = (target < 0) | (target != np.floor(target)) | (target >= 2**31)
    late = np.zeros_like(wrong)
    late[:, 1:] = (target[:, :-1] == 0) & (target[:, 1:] != 0)
    errors = RowErrors()
    for found, rule in (
        (wrong, "must be a whole number: a label of at least 1, or 0 behind the last label"),
        (late & ~wrong, "must be 0, as the number before it is: 0s stand behind the last label"),
    ):
        described = [
            RowError(row, f"{what} at [{place}]", rule, float(target[row, place]))
            for row, place in np.argwhere(found)[:MAX_DESCRIBED].tolist()
        ]
        errors.add(described, int(found.sum()))
    raise_row_errors(source_rows.origin, errors)
    return target.astype(np.int64)


def needed_steps(y: Array) -> Array:
    """Return the fewest steps, (rows,), in which sequences fit: equal neighbours need a step between them."""
    repeats = (y[:, 1:] == y[:, :-1]) & (y[:, 1:] != 0)
    steps: Array = (y != 0).sum(axis=1) + repeats.sum(axis=1)
    return steps


def decode(outputs: Array) -> list[str]:
    """Return the likeliest labels of each row as text, as in `2 1 1`: equal neighbours once, 0 is left out.

    Args:
        outputs: (rows, steps, units).
    """
    best = outputs.argmax(axis=-1)
    kept = best != 0
    kept[:, 1:] &= best[:, 1:] != best[:, :-1]
    return [" ".join(map(str, row[keep].tolist())) for row, keep in zip(best, kept, strict=True)]
