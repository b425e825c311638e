"""A trained model as a SavedModel that plain TensorFlow and TensorFlow Serving load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlpcli.data.dataset import Contract
from mlpcli.files import replacing
from mlpcli.spec.schema import PartSpec
from mlpcli.start import import_keras, quiet_stderr


def to_probabilities(loss: PartSpec, outputs: Any) -> Any:
    """The model's outputs as probabilities where the loss was computed from logits; else unchanged."""
    if not loss.arguments.get("from_logits", False):
        return outputs
    keras = import_keras()
    return keras.ops.sigmoid(outputs) if "Binary" in loss.class_name else keras.ops.softmax(outputs)


def export_saved_model(model: Any, loss: PartSpec, contract: Contract, target: Path) -> None:
    """Write `saved_model/`: `serve(rows)` takes (rows, *shape) in the data's own dtype, or as float32.

    It returns what `predict` returns: probabilities for classes, values for numbers; float32.
    """
    import tensorflow as tf

    keras = import_keras()

    def serve(rows: Any) -> Any:
        return to_probabilities(loss, model(tf.cast(rows, tf.float32), training=False))

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
