"""Scale numeric targets to a range that the network reaches, and back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.quantiles import Quantiles, to_log
from mlpcli.data.types import Array, NumberType
from mlpcli.errors import Problem, SpecError
from mlpcli.spec.features import TargetScalingSpec


def scale_outputs(
    outputs: tuple[Output, ...],
    targets: Mapping[str, Array],
    scaling: TargetScalingSpec,
    symmetric: Collection[str],
) -> tuple[Output, ...]:
    """Return the outputs, those whose targets are numbers with scale and offset; classes stay as they are.

    Args:
        outputs: all of them.
        targets: of the training rows, by output, in their own units.
        scaling: the method, and whether predictions are clipped.
        symmetric: the outputs whose values are from -1 to 1.

    Raises:
        SpecError: no target is a number.
    """
    if all(output.kind != "numbers" for output in outputs):
        holds = "this one holds classes" if len(outputs) == 1 else "these hold classes"
        rule, path = f"is for a target of numbers, {holds}", ("dataset", "target_scaling")
        raise SpecError(Problem(rule, path=path, received=scaling.plain(), hint="remove it"))
    return tuple(
        _learn_scaling(each, targets[each.name], scaling, each.name in symmetric)
        if each.kind == "numbers"
        else each
        for each in outputs
    )


MOST_QUANTILES = 1000
"""The most quantiles of a target: more than of a column, since predictions come back from them."""


def _learn_scaling(output: Output, y: Array, scaling: TargetScalingSpec, symmetric: bool) -> Output:
    """Return the output with the scale and offset of each target column, learned from the training rows.

    Args:
        output: the target that is scaled.
        y: (rows,), (rows, targets) or (rows, *steps, targets), in the target's own units.
        scaling: `minmax` scales the rows to 0..1, or to -1..1 if `symmetric`; `standardize` to mean 0 and
            standard deviation 1; `log` does so with the logarithm; `quantile` with the normal values of the
            quantiles.
        symmetric: whether the output's values are from -1 to 1.

    Returns:
        The output with scale and offset.
    """
    columns = np.asarray(y, np.float64).reshape(-1, y.shape[-1] if y.ndim > 1 else 1)
    if scaling.clip:
        output = replace(output, limits=tuple((float(low), float(high)) for low, high in _ranges(columns)))
    if scaling.method == "log":
        output = replace(output, log=tuple(min(float(low), 0.0) for low, _ in _ranges(columns)))
        columns = to_log(np, columns - np.asarray(output.log))
    if scaling.method == "quantile":
        rows = len(columns)
        count, margin = max(2, min(rows, MOST_QUANTILES)), 0.5 / max(2, rows)
        made = tuple(Quantiles.of(column, count, margin) for column in columns.T)
        scale, offset = np.ones(len(made)), np.zeros(len(made))
        output = replace(output, quantiles=made)
    elif scaling.method in ("standardize", "log"):
        scale, offset = columns.std(axis=0), columns.mean(axis=0)
    else:
        low, high = columns.min(axis=0), columns.max(axis=0)
        scale, offset = ((high - low) / 2, (high + low) / 2) if symmetric else (high - low, low)
    scale = np.where(scale > 0, scale, 1.0)  # a constant target is not scaled
    return replace(output, scale=tuple(map(float, scale)), offset=tuple(map(float, offset)))


def _ranges(columns: Array) -> Iterator[tuple[float, float]]:
    """Yield the lowest and the highest value of each column."""
    yield from zip(columns.min(axis=0).tolist(), columns.max(axis=0).tolist(), strict=True)


def in_precision(y: Array, output: Output, numbers: NumberType) -> Array:
    """Return a target as a run keeps it until it is scaled: as it was read, or rounded to float32."""
    return y.astype(np.float32) if numbers == "float32" and output.kind == "numbers" else y


def scale_target(y: Array, output: Output) -> Array:
    """Return a target in its own units as the network learns it: class indices, labels, or scaled float32."""
    if output.kind in ("classes", "groups", "sequences"):
        return y
    if output.scale is None or output.offset is None:
        return np.asarray(y, np.float32)
    own = np.asarray(y)
    if output.log is not None:
        own = to_log(np, own - np.asarray(output.log))
    if output.quantiles is not None:
        columns = own.reshape(-1, len(output.quantiles)).T
        found = [
            each.to_normal_and_beyond(column) for each, column in zip(output.quantiles, columns, strict=True)
        ]
        own = np.stack(found, axis=-1).reshape(y.shape)
    scaled = (own - np.asarray(output.offset)) / np.asarray(output.scale)
    return np.asarray(scaled, np.float32).reshape(y.shape)
