"""The columns of a prediction: the names and the values that are written for a network's outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.levels import level_name, median_place, rising
from mlpcli.data.sequences import decode
from mlpcli.data.types import Array
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.outputs import predicted_classes, predicted_labels
from mlpcli.model.prediction_bounds import (
    SetForm,
    bounds_of_values,
    class_name_of,
    sets_of_classes,
)
from mlpcli.spec.schema import ComponentSpec

if TYPE_CHECKING:
    import pyarrow as pa

RESOLUTION = 1e-9
"""Of a scaled target's standard deviation or range: more than the network's float32 resolves."""


def without_idle_digits(values: Array, output: Output) -> Array:
    """Return values of a scaled target without the digits that float64 has and the network does not.

    So 2.0631423 is written, and not 2.063142299652099; 1700000123.047 keeps all of its digits.
    """
    if values.dtype != np.float64 or output.scale is None:
        return values
    columns, levels = values.reshape(-1, values.shape[-1]).copy(), max(1, len(output.levels))
    for place in range(columns.shape[1]):
        step = output.unit_sizes(columns[:, place], place // levels)
        with np.errstate(invalid="ignore"):  # a row without a prediction is NaN
            powers = np.floor(np.log10(RESOLUTION * step))
        for power in np.unique(powers[np.abs(powers) < 200]):  # else the power of ten would overflow
            rows = powers == power
            columns[rows, place] = np.round(columns[rows, place], -int(power))
    columns = rising(np, columns, levels) if output.levels else columns
    return columns.reshape(values.shape)


def flat_values(values: Array) -> Array:
    """Return values as (rows, values per row)."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _names(names: Sequence[str], index: Array) -> pa.Array:
    """Return each row's name, given its index, (rows,) int."""
    import pyarrow as pa

    indices = pa.array(index.astype(np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names))).cast("string")


def prediction_columns(output: Output, values: Array, loss: ComponentSpec) -> dict[str, Array | pa.Array]:
    """Return the columns of one output: `predicted_price`, `probability_rose`.

    The columns of a named output, one of several, include its name; those of a step its place:
    `predicted_price_0` for the first, `probability_rose_0`.
    """
    if output.steps:
        found: dict[str, Array | pa.Array] = {}
        for step in np.ndindex(*output.steps):
            of_step = prediction_columns(output.of_step(step), values[:, *step], loss)
            found |= {"_".join((name, *map(str, step))): column for name, column in of_step.items()}
        return found
    if output.kind in ("groups", "sequences"):
        return _plain_columns(output, values)
    if output.kind == "labels":
        return _label_columns(output, values)
    return _class_columns(output, values, loss) if output.classes else _value_columns(output, values)


def _class_columns(output: Output, values: Array, loss: ComponentSpec) -> dict[str, Array | pa.Array]:
    assert output.classes is not None
    label = f"predicted_{class_name_of(output)}"
    chosen = predicted_classes(values, loss, output)
    columns: dict[str, Array | pa.Array] = {label: _names(output.classes, chosen)}
    stem = f"{output.name}_" if output.name else ""
    if gives_scores(loss) and values.shape[1] == 1:
        return columns | {f"{stem}score": values[:, 0]}
    if values.shape[1] == 1:  # one unit gives the second class's probability
        values = np.concatenate([1.0 - values, values], axis=1)
    columns |= {f"{stem}probability_{name}": values[:, i] for i, name in enumerate(output.classes)}
    return columns if output.intervals is None else columns | _set_columns(output, values, loss)


def _set_columns(output: Output, values: Array, loss: ComponentSpec) -> dict[str, Array | pa.Array]:
    """Return the names of each row's set in one cell, `species_set`, and how many they are."""
    sets, name = sets_of_classes(output, values, loss), class_name_of(output)
    different, index = np.unique(sets, axis=0, return_inverse=True)
    form = SetForm.of(output.classes or ())
    texts = [form.text(each) for each in different]
    return {f"{name}_set": _names(texts, index.reshape(-1)), f"{name}_set_size": sets.sum(axis=1)}


def _label_columns(output: Output, values: Array) -> dict[str, Array | pa.Array]:
    """Return the labels joined in one cell for a separated target, else a column of 0 or 1 for each label."""
    assert output.classes is not None
    stem = f"{output.name}_" if output.name else ""
    chosen = predicted_labels(values, output)
    probability = {f"{stem}probability_{name}": values[:, i] for i, name in enumerate(output.classes)}
    if output.separator is None:
        found = {f"{stem}predicted_{name}": chosen[:, i] for i, name in enumerate(output.classes)}
        return found | probability
    names = np.asarray(output.classes, dtype=object)
    sets, index = np.unique(chosen, axis=0, return_inverse=True)
    joined = [output.separator.join(names[row == 1]) for row in sets]
    return {f"predicted_{output.name or output.target[0]}": _names(joined, index.reshape(-1))} | probability


def _plain_columns(output: Output, values: Array) -> dict[str, Array | pa.Array]:
    """Return the numbers of an embedding; or the labels of a sequence, then the numbers of each step."""
    stem = f"{output.name}_" if output.name else ""
    if output.kind == "groups":
        return {f"{stem}embedding_{index}": values[:, index] for index in range(values.shape[1])}
    import pyarrow as pa

    found: dict[str, Array | pa.Array] = {f"{stem}predicted_labels": pa.array(decode(values), pa.string())}
    return found | {
        f"{stem}logit_{unit}_{step}": values[:, step, unit] for step, unit in np.ndindex(*values.shape[1:])
    }


def _value_columns(output: Output, values: Array) -> dict[str, Array | pa.Array]:
    """Return the value of each target; of quantiles the median, then each of them: `price_q05`."""
    names, values, levels = output.number_names, flat_values(values), output.levels
    if values.shape[1] != len(names) * max(1, len(levels)):
        return {f"predicted_output_{index}": values[:, index] for index in range(values.shape[1])}
    found: dict[str, Array | pa.Array] = {}
    for index, name in enumerate(names):
        if not levels:
            found[f"predicted_{name}"] = values[:, index]
            continue
        own = values[:, index * len(levels) :][:, : len(levels)]
        found[f"predicted_{name}"] = own[:, median_place(levels)]
        found |= {f"{name}_{level_name(level)}": own[:, place] for place, level in enumerate(levels)}
    return found if output.intervals is None else found | _bound_columns(output, values)


def _bound_columns(output: Output, values: Array) -> dict[str, Array | pa.Array]:
    """Return the ends of each target's interval: `price_low`, `price_high`."""
    plain = replace(output, levels=())  # a bound for each target, not for each quantile
    low, high = (without_idle_digits(each, plain) for each in bounds_of_values(output, values))
    found: dict[str, Array | pa.Array] = {}
    for index, name in enumerate(output.number_names):
        found |= {f"{name}_low": low[:, index], f"{name}_high": high[:, index]}
    return found


def plain_outputs(output: Output, values: Array, loss: ComponentSpec) -> Array:
    """Return the numbers of `.npy`: the values, and behind them the bounds or the sets, where there are any.

    Args:
        output: the output.
        values: (rows, *steps, units).
        loss: of the output.

    Returns:
        (rows, *steps, numbers): for numbers the lower and the upper bound of each target behind its values,
        for classes 1 for each class in the set and 0 for others behind the probabilities.
    """
    if output.intervals is None:
        return values
    if output.kind != "numbers":
        sets = sets_of_classes(output, values, loss)
        return np.concatenate([values, sets.astype(values.dtype)], axis=-1)
    bounds = np.stack(bounds_of_values(output, values), axis=-1)
    numbers = math.prod(bounds.shape[values.ndim - 1 :])  # there may be no row
    return np.concatenate([values, bounds.reshape(*values.shape[:-1], numbers)], axis=-1)
