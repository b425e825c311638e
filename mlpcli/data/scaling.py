"""Scale numeric targets to a range that the network reaches, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.types import Array, NumberType
from mlpcli.errors import Problem, SpecError


def scale_outputs(
    outputs: tuple[Output, ...], targets: Mapping[str, Array], scaling: str, symmetric: Collection[str]
) -> tuple[Output, ...]:
    """Return the outputs, those whose targets are numbers with scale and offset; classes stay as they are.

    Args:
        outputs: all of them.
        targets: of the training rows, by output, in their own units.
        scaling: `minmax` or `standardize`.
        symmetric: the outputs whose values are from -1 to 1.

    Raises:
        SpecError: no target is a number.
    """
    if all(output.kind != "numbers" for output in outputs):
        holds = "this one holds classes" if len(outputs) == 1 else "these hold classes"
        rule, path = f"is for a target of numbers, {holds}", ("dataset", "target_scaling")
        raise SpecError(Problem(rule, path=path, received=scaling, hint="remove it"))
    return tuple(
        _learn_scaling(each, targets[each.name], scaling, each.name in symmetric)
        if each.kind == "numbers"
        else each
        for each in outputs
    )


def _learn_scaling(output: Output, y: Array, scaling: str, symmetric: bool) -> Output:
    """Return the output with the scale and offset of each target column, learned from the training rows.

    Args:
        output: the target that is scaled.
        y: (rows,), (rows, targets) or (rows, *steps, targets), in the target's own units.
        scaling: `minmax` scales the rows to 0..1, or to -1..1 if `symmetric`; `standardize` to mean 0 and
            standard deviation 1.
        symmetric: whether the output's values are from -1 to 1.

    Returns:
        The output with scale and offset.
    """
    columns = np.asarray(y, np.float64).reshape(-1, y.shape[-1] if y.ndim > 1 else 1)
    if scaling == "standardize":
        scale, offset = columns.std(axis=0), columns.mean(axis=0)
    else:
        low, high = columns.min(axis=0), columns.max(axis=0)
        scale, offset = ((high - low) / 2, (high + low) / 2) if symmetric else (high - low, low)
    scale = np.where(scale > 0, scale, 1.0)  # a constant target is not scaled
    return replace(output, scale=tuple(map(float, scale)), offset=tuple(map(float, offset)))


def in_precision(y: Array, output: Output, numbers: NumberType) -> Array:
    """Return a target as a run keeps it until it is scaled: as it was read, or rounded to float32."""
    return y.astype(np.float32) if numbers == "float32" and output.kind == "numbers" else y


def scale_target(y: Array, output: Output) -> Array:
    """Return a target in its own units as the network learns it: class indices, labels, or scaled float32."""
    if output.kind in ("classes", "groups", "sequences"):
        return y
    if output.scale is None or output.offset is None:
        return np.asarray(y, np.float32)
    scaled = (y - np.asarray(output.offset)) / np.asarray(output.scale)
    return np.asarray(scaled, np.float32).reshape(y.shape)
