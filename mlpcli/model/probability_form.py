"""Which outputs are probabilities, of what, and what may be fitted to them after the training."""

from __future__ import annotations

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.model.default_losses import fold, gives_scores
from mlpcli.spec.schema import ComponentSpec


def has_probabilities(output: Output, loss: ComponentSpec) -> bool:
    """Return whether `predict` writes probabilities for an output: no scores of a hinge loss, no numbers."""
    return output.is_scored and not gives_scores(loss)


def takes_threshold(output: Output, loss: ComponentSpec) -> bool:
    """Return whether an output may have thresholds: it has two classes, or labels."""
    two = output.kind == "labels" or len(output.classes or ()) == 2
    return has_probabilities(output, loss) and two


def takes_intervals(output: Output, loss: ComponentSpec) -> bool:
    """Return whether an output may have intervals, of numbers, or sets, of classes."""
    return output.kind == "numbers" or (has_probabilities(output, loss) and output.kind != "labels")


def is_of_labels(output: Output, loss: ComponentSpec, units: int) -> bool:
    """Return whether each unit's probability is its own, as of a sigmoid, and not one of a distribution."""
    binary = fold(loss.class_name).startswith("binary") or fold(loss.class_name) == "bce"
    return units == 1 or output.kind == "labels" or binary


def of_second_class(values: Array) -> Array:
    """Return the probability of the second of two classes, (...), of one unit or two."""
    return np.asarray(values[..., -1])


def of_every_class(values: Array) -> Array:
    """Return the probability of every class, (..., classes); one unit has that of the second of two."""
    return np.concatenate([1 - values, values], axis=-1) if values.shape[-1] == 1 else values


def in_statistics_form(
    output: Output, loss: ComponentSpec, truth: Array, values: Array, counted: Array | None = None
) -> tuple[Array, Array]:
    """Return truth and probabilities as `statistics/calibration.py` takes them; steps are rows.

    Args:
        output: with classes or labels.
        loss: of the output.
        truth: class indices, (rows, *steps), one-hot rows or labels, (rows, *steps, classes).
        values: (rows, *steps, units), as `final_outputs` returns them.
        counted: (rows,) or (rows, *steps) bool, those that count; None for all.
    """
    units = values.shape[-1]
    if not is_of_labels(output, loss, units):
        found: Array = class_indices(truth).reshape(-1)
    elif output.kind == "classes" or (output.kind == "one_hot" and units == 1):
        found = class_indices(truth).reshape(-1, 1)
    else:
        found = np.asarray(truth).reshape(-1, units).astype(np.int64)
    likely = values.reshape(-1, units)
    if counted is not None:
        kept = along_steps(counted, values.shape[:-1]).reshape(-1)
        found, likely = found[kept], likely[kept]
    return found, likely


def along_steps(counted: Array, shape: tuple[int, ...]) -> Array:
    """Return which rows count as which of their steps do, of the given (rows, *steps)."""
    missing = len(shape) - counted.ndim
    return np.broadcast_to(counted.reshape(*counted.shape, *(1,) * missing), shape)
