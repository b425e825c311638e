"""Intervals of numbers and sets of classes: computed from an output's values and what was fitted for it.

With arrays for `predict` and `evaluate`; with tensors, by the same arithmetic, for the SavedModel.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.interval_curve import ends_of_columns, from_even, to_even
from mlpcli.data.quantiles import from_log, to_log
from mlpcli.data.types import Array
from mlpcli.keras_import import keras, tf
from mlpcli.model.normal_values import from_normal, to_normal
from mlpcli.model.outputs import predicted_classes
from mlpcli.model.probability_form import of_every_class
from mlpcli.spec.schema import ComponentSpec
from mlpcli.statistics.conformal import class_sets

A = TypeVar("A")

SEPARATOR = ";"
"""Between the names of a set."""


def ends_of(output: Output, values: A) -> tuple[A, A]:
    """Return between which values an output says that a target is: the outer quantiles, or twice the value.

    Args:
        output: of numbers.
        values: (rows, *steps, targets), or (rows, *steps, targets * levels) of quantiles.
    """
    count = len(output.levels)
    if not count:
        return values, values
    return values[..., ::count], values[..., count - 1 :: count]  # type: ignore[index]


def bounds_of_values(output: Output, values: Array) -> tuple[Array, Array]:
    """Return the lower and the upper end of each target's interval.

    Args:
        output: of numbers, with intervals.
        values: (rows, *steps, targets) in the target's own units; of quantiles, those of each target.

    Returns:
        Both (rows, *steps, targets), of the type of the values.
    """
    found = output.intervals
    assert found is not None
    lower, upper = (to_even(output, np.asarray(each, np.float64)) for each in ends_of(output, values))
    bounds = np.reshape(np.array(found.bounds), lower.shape[1:])
    low, high = (from_even(output, each) for each in (lower - bounds, upper + bounds))
    return np.minimum(low, high).astype(values.dtype), np.maximum(low, high).astype(values.dtype)


def tensors_of_bounds(output: Output, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the same as `bounds_of_values`, of tensors."""
    found = output.intervals
    assert found is not None
    ops = keras.ops
    lower, upper = (_tensor_to_even(output, ops.cast(each, "float64")) for each in ends_of(output, values))
    bounds = np.reshape(np.array(found.bounds), tuple(lower.shape[1:]))
    low, high = (_tensor_from_even(output, each) for each in (lower - bounds, upper + bounds))
    return ops.cast(ops.minimum(low, high), values.dtype), ops.cast(ops.maximum(low, high), values.dtype)


def _tensor_to_even(output: Output, own: tf.Tensor) -> tf.Tensor:
    """Return `to_even` of predictions, which are within the range of the training rows."""
    ops = keras.ops
    if output.log is not None:
        own = to_log(ops, own - np.array(output.log))
    if output.quantiles is not None:
        shape = (-1, *own.shape[1:])
        own = ops.reshape(to_normal(ops.reshape(own, (-1, own.shape[-1])), output.quantiles), shape)
    return own


def _tensor_from_even(output: Output, even: tf.Tensor) -> tf.Tensor:
    """Return `from_even`."""
    ops = keras.ops
    if output.quantiles is not None:
        low, high, steep_low, steep_high = ends_of_columns(output.quantiles)
        inside = from_normal(even, output.quantiles)
        even = inside + ops.minimum(even - low, 0) * steep_low + ops.maximum(even - high, 0) * steep_high
    if output.log is not None:
        even = from_log(ops, even) + np.array(output.log)
    return even


def sets_of_classes(output: Output, values: Array, loss: ComponentSpec) -> Array:
    """Return which classes are in the set of each row, (rows, *steps, classes) bool.

    Args:
        output: of classes, with intervals.
        values: (rows, *steps, units), as `final_outputs` returns them.
        loss: of the output.
    """
    found = output.intervals
    assert found is not None
    least = np.reshape(np.array(found.bounds), output.steps).astype(values.dtype)
    return class_sets(of_every_class(values), least, predicted_classes(values, loss, output))


def tensor_of_sets(output: Output, likely: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Return the names of each row's set as `set_texts` writes them, (rows, *steps) of texts.

    Args:
        output: of classes, with intervals.
        likely: the probability of every class, (rows, *steps, classes).
        predicted: the index of the predicted class, (rows, *steps).
    """
    inside = tensor_in_sets(output, likely, predicted)
    form = SetForm.of(output.classes or ())
    names = tf.constant([f"{name}{form.between}" for name in form.names])
    joined = tf.strings.reduce_join(tf.where(inside, names, ""), axis=-1)
    ends = tf.strings.length(joined) - len(form.between.encode())
    return tf.strings.join([form.before, tf.strings.substr(joined, tf.zeros_like(ends), ends), form.after])


def tensor_in_sets(output: Output, likely: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Return which classes are in each row's set, (rows, *steps, classes) bool; see `tensor_of_sets`."""
    found = output.intervals
    assert found is not None
    least = np.reshape(np.array(found.bounds), (*output.steps, 1))
    ops = keras.ops
    chosen = ops.one_hot(predicted, len(output.classes or ()), dtype="bool")
    kind = keras.backend.standardize_dtype(likely.dtype)
    return ops.logical_or(likely >= least.astype(kind), chosen)


class SetForm:
    """How a set of classes is written: `setosa;virginica`, or as a JSON list if a name has the separator."""

    def __init__(self, names: Sequence[str], before: str, between: str, after: str) -> None:
        self.names, self.before, self.between, self.after = list(names), before, between, after

    @classmethod
    def of(cls, classes: Sequence[str]) -> SetForm:
        """Return the form for an output's classes."""
        if any(SEPARATOR in name for name in classes):
            return cls([json.dumps(name, ensure_ascii=False) for name in classes], "[", ", ", "]")
        return cls(classes, "", SEPARATOR, "")

    def text(self, inside: Array) -> str:
        """Return a set as text, given which classes are in it, (classes,) bool."""
        names = self.between.join(name for name, there in zip(self.names, inside, strict=True) if there)
        return f"{self.before}{names}{self.after}"


def class_name_of(output: Output) -> str:
    """Return what the column of an output's predicted class is named after."""
    return output.name or output.target[0]


def bound_count(output: Output) -> int:
    """Return how many bounds an output's intervals have: for each step, and of numbers for each target."""
    return math.prod(output.steps) * (math.prod(output.width) if output.kind == "numbers" else 1)
