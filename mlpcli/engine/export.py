"""A trained model as a SavedModel that plain TensorFlow and TensorFlow Serving load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.engine.models import output_loss
from mlpcli.files import replacing
from mlpcli.spec.schema import PartSpec, Spec
from mlpcli.start import import_keras, quiet_stderr


def to_probabilities(loss: PartSpec, outputs: Any) -> Any:
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


def take_inputs(contract: Contract, rows: Any) -> Any:
    """Tensor rows, (rows, *shape), as the network takes them: as they are, or a dict by input."""
    import tensorflow as tf

    if not contract.inputs:
        return rows
    return {
        each.name: rows if each.columns is None else tf.gather(rows, list(each.columns), axis=1)
        for each in contract.inputs
    }


def export_saved_model(model: Any, spec: Spec, contract: Contract, target: Path) -> None:
    """Write `saved_model/`: `serve(rows)` takes (rows, *shape) in the data's own dtype, or as float32.

    It returns what `predict` returns: probabilities for classes, values for numbers; float32, a dict by
    output where there are several. Named inputs are cut from the whole rows inside.
    """
    import tensorflow as tf

    keras = import_keras()

    def serve(rows: Any) -> Any:
        inputs = take_inputs(contract, tf.cast(rows, tf.float32))
        return final_outputs(spec, contract, model(inputs, training=False))

    # A model's variables must be reachable from the archive; tracking the model does that.
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = tf.TensorSpec((None, *contract.shape), contract.dtype, name="rows")
    archive.add_endpoint("serve", serve, input_signature=[signature])
    if contract.dtype != "float32":
        floats = tf.TensorSpec((None, *contract.shape), "float32", name="rows")
        archive.add_endpoint("serve_float32", serve, input_signature=[floats])
    with replacing(target) as path, quiet_stderr():
        archive.write_out(str(path), verbose=False)
