"""Targets with a value for each step of a row: each step is encoded as if it were a row, then put back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.readers.row_errors import StepOrigin
from mlpcli.data.scaling import in_precision
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.targets import encode
from mlpcli.data.types import Array, NumberType


def by_step(source_rows: SourceRows) -> SourceRows:
    """Return rows whose messages count the steps of a target, which it holds one below the other."""
    if not source_rows.steps:
        return source_rows
    return replace(source_rows, origin=StepOrigin(source_rows.origin, source_rows.steps))


def source_by_step(source: Source) -> Source:
    """Return the source with such main rows."""
    return replace(source, main=by_step(source.main)) if source.main.steps else source


def in_steps(y: Array, output: Output, steps: tuple[int, ...]) -> tuple[Array, Output]:
    """Return y, (rows * steps, ...), as (rows, *steps, values), and the output with its steps.

    Class indices get an axis of their own: the axes before the last are then always the row and its steps.
    """
    if not steps:
        return y, output
    return y.reshape(-1, *steps, y.shape[-1] if y.ndim > 1 else 1), replace(output, steps=steps)


def encode_rows(rows: SourceRows, output: Output, numbers: NumberType, *, split: str = "") -> Array:
    """Encode an output's target of more rows like that of the training rows, without scaling; see `encode`.

    Raises:
        DataError: a label is none of the output's, or the target has another shape.
    """
    source_rows = rows.for_output(output.name)
    if source_rows.steps != output.steps:
        expected = _shape(output.steps, output.width)
        target = source_rows.target
        given = () if target is None or not isinstance(target, np.ndarray) else target.shape[1:]
        received = _shape(source_rows.steps, given)
        label = source_rows.target_label
        source_rows.origin.refuse(f"{label} must have the shape {expected}, received {received}")
    y, _ = in_steps(encode(by_step(source_rows), output, split=split), output, output.steps)
    return in_precision(y, output, numbers)


def _shape(steps: tuple[int, ...], width: tuple[int, ...]) -> str:
    return "(" + ", ".join(("rows", *map(str, (*steps, *width)))) + ")"
