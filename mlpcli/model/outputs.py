"""From a network's outputs to what is handed out: probabilities, values in their own units, classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.types import Array
from mlpcli.keras_import import import_keras
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.model import output_loss
from mlpcli.spec.schema import ComponentSpec, Spec


def predicted_labels(outputs: Array) -> Array:
    """Which labels a row has, (rows, labels) int64 of 0 and 1: those of a probability of one half or more."""
    return np.asarray(outputs >= 0.5, dtype=np.int64)


def predicted_classes(outputs: Array, loss: ComponentSpec) -> Array:
    """Class indices, (rows,) int64: the most likely of several, or a single unit against its middle.

    The middle is one half for a probability; for the score of a hinge loss or of a perceptron it is 0.
    """
    if outputs.shape[-1] == 1:
        if loss.class_name.lower() == "perceptron":  # a step that gives 0 is on the first class's side
            return (outputs[:, 0] > 0).astype(np.int64)
        middle = 0.0 if gives_scores(loss) else 0.5
        return (outputs[:, 0] >= middle).astype(np.int64)
    return np.asarray(outputs.argmax(axis=-1), dtype=np.int64)


def to_probabilities(loss: ComponentSpec, outputs: Any) -> Any:
    """The model's outputs as probabilities where the loss was computed from logits; else unchanged."""
    if not loss.arguments.get("from_logits", False):
        return outputs
    keras = import_keras()
    return keras.ops.sigmoid(outputs) if "Binary" in loss.class_name else keras.ops.softmax(outputs)


def final_outputs(spec: Spec, contract: Contract, outputs: Any) -> Any:
    """What is handed out for the network's outputs: probabilities for classes, values in their own units.

    outputs: (rows, ...), or a dict of them by output; the same comes back.
    """
    found = {}
    for each in contract.outputs:
        values = outputs[each.name] if each.name else outputs
        values = to_probabilities(output_loss(spec, each.name), values)
        if each.scale is not None and each.offset is not None:
            values = values * np.asarray(each.scale, np.float32) + np.asarray(each.offset, np.float32)
        found[each.name] = values
    return found if contract.output.name else found[""]
