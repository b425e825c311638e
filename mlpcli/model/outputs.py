"""From a network's outputs to results: probabilities, values in the target's own units, classes."""

from __future__ import annotations

from functools import partial

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.types import Array, Arrays
from mlpcli.keras_import import keras, tf
from mlpcli.model.build import activation_of_logits, output_loss
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.target_scaling import along_curve, curve_of, of_levels
from mlpcli.spec.schema import ComponentSpec, Spec

EVALUATED_ROWS = 4096
"""Rows of a batch of an evaluation."""


def evaluated_rows(spec: Spec, contract: Contract) -> int:
    """Return how many rows are evaluated at once: a batch of the training where a loss compares its rows."""
    compares = any(each.kind == "groups" for each in contract.outputs)
    return spec.fit.batch_size if compares else EVALUATED_ROWS


def predicted_labels(outputs: Array, output: Output) -> Array:
    """Return labels, (rows, ..., labels) int64: 1 where the probability is at least the threshold, else 0.

    Args:
        outputs: probabilities, (rows, ..., labels).
        output: has the thresholds; without any they are 0.5.
    """
    return np.asarray(outputs >= np.asarray(output.thresholds or 0.5, outputs.dtype), dtype=np.int64)


def predicted_classes(outputs: Array, loss: ComponentSpec, output: Output) -> Array:
    """Return class indices, int64: the most likely class, or of two the one on whose side a row is.

    Args:
        outputs: (rows, units) or (rows, *steps, units), as `final_outputs` returns them.
        loss: the output's loss. Without a threshold of the output's, that of a single unit is 0.5 for a
            probability, 0 for the score of a hinge loss or of a perceptron.
        output: has the threshold of two classes, where one was fitted.

    Returns:
        (rows,), or (rows, *steps).
    """
    if output.thresholds:
        second = outputs[..., -1]
        return (second >= np.asarray(output.thresholds[0], second.dtype)).astype(np.int64)
    if outputs.shape[-1] == 1:
        if loss.class_name.lower() == "perceptron":  # a step that returns 0 means the first class
            return (outputs[..., 0] > 0).astype(np.int64)
        middle = 0.0 if gives_scores(loss) else 0.5
        return (outputs[..., 0] >= middle).astype(np.int64)
    return np.asarray(outputs.argmax(axis=-1), dtype=np.int64)


def to_probabilities(loss: ComponentSpec, outputs: tf.Tensor | Array) -> tf.Tensor | Array:
    """Return the outputs as probabilities where the loss was computed from logits; else unchanged."""
    activation = activation_of_logits(loss)
    return getattr(keras.ops, activation)(outputs) if activation else outputs


def final_outputs(spec: Spec, contract: Contract, outputs: tf.Tensor | Arrays) -> tf.Tensor | Arrays:
    """Return results for a network's outputs: probabilities for classes, values in the target's own units.

    Args:
        spec: with its losses filled in.
        contract: the outputs.
        outputs: (rows, ...), or a dict of them by output.

    Returns:
        The results, in the same structure.
    """
    found = {}
    for each in contract.outputs:
        values = outputs[each.name] if each.name else outputs
        values = to_probabilities(output_loss(spec, each.name), values)
        if each.scale is not None:
            values = of_levels(each, values, partial(_in_own_units, each, contract))
        found[each.name] = values
    return found if contract.output.name else found[""]


def _in_own_units(output: Output, contract: Contract, values: tf.Tensor | Array) -> tf.Tensor | Array:
    """Return scaled values, (rows, ..., targets), in the target's own units."""
    scale, offset = (np.asarray(part, contract.numbers) for part in (output.scale, output.offset))
    wide = isinstance(values, np.ndarray) or contract.numbers == "float32"
    curve = curve_of(output)
    if curve is not None and isinstance(values, np.ndarray):
        return output.restore(values)
    values = (values if wide else keras.ops.cast(values, contract.numbers)) * scale + offset
    return values if curve is None else along_curve(values, curve)
