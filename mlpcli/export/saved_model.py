"""A trained model as a SavedModel that plain TensorFlow and TensorFlow Serving load."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.levels import median_of
from mlpcli.export.image_graph import decode_images
from mlpcli.export.signature_names import rename_inputs, traced_names
from mlpcli.files import replacing
from mlpcli.keras_import import keras, quiet_stderr, tf
from mlpcli.model.build import output_loss
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.outputs import final_outputs
from mlpcli.model.prediction_bounds import tensor_in_sets, tensor_of_sets, tensors_of_bounds
from mlpcli.model.raw_column_network import build_preprocessing
from mlpcli.spec.schema import ComponentSpec, Spec

Tensors = dict[str, "tf.Tensor"]
"""Tensors by the name of their column, input or output."""


def take_inputs(contract: Contract, rows: tf.Tensor) -> tf.Tensor | Tensors:
    """Return rows, (rows, *shape), in the structure the network takes: unchanged, or a dict by input."""
    if not contract.inputs:
        return rows
    return {
        each.name: rows if each.columns is None else tf.gather(rows, [*each.columns], axis=1)
        for each in contract.inputs
    }


def export_saved_model(model: keras.Model, spec: Spec, contract: Contract, target: Path) -> None:
    """Write a model as a SavedModel: float32 unless said otherwise, values of a scaled target float64.

    Its function `serve(rows)` takes (rows, *shape) in the data's own dtype; with uint8 data `serve_float32`
    takes them as float32, and where rows are image files, `serve_bytes` takes the bytes of each. For a table
    `serve` takes the raw columns instead: see `serve_columns`. It returns what `predict` returns:
    probabilities for classes, values for numbers, a dict by output where there are several; with intervals, a
    dict by name as for a table. Named inputs are cut from the whole rows inside.

    Args:
        model: the network, whose targets may be scaled.
        spec: the run's spec.
        contract: what the rows look like.
        target: the folder.
    """

    def serve(rows: tf.Tensor) -> tf.Tensor | Tensors:
        values = rows if contract.dtype == "int64" else tf.cast(rows, tf.float32)
        inputs = take_inputs(contract, values)
        outputs = final_outputs(spec, contract, model(inputs, training=False))
        if all(each.intervals is None for each in contract.outputs):
            return outputs
        return named_outputs(spec, contract, outputs, table=False)

    # A model's variables must be reachable from the archive; tracking the model does that.
    archive = keras.export.ExportArchive()
    archive.track(model)
    if contract.preprocessor is not None:
        function, signature, preprocessing = serve_columns(model, spec, contract)
        archive.track(preprocessing)  # and so must its tables be
        archive.add_endpoint("serve", function, input_signature=[signature])
        if images := {contract.preprocessor.served[each.name]: each for each in contract.preprocessor.images}:
            archive.add_endpoint(
                "serve_bytes",
                lambda columns: function(_decoded(columns, images)),
                input_signature=[_of_files(signature, images)],
            )
    else:
        rows = tf.TensorSpec((None, *contract.shape), contract.dtype, name="rows")
        archive.add_endpoint("serve", serve, input_signature=[rows])
        if contract.dtype == "uint8":
            floats = tf.TensorSpec((None, *contract.shape), "float32", name="rows")
            archive.add_endpoint("serve_float32", serve, input_signature=[floats])
        if (reading := contract.image) is not None:
            files = tf.TensorSpec((None,), tf.string, name="image_bytes")
            archive.add_endpoint(
                "serve_bytes",
                lambda contents: serve(decode_images(contents, reading)),
                input_signature=[files],
            )
    with replacing(target) as path, quiet_stderr():
        archive.write_out(str(path), verbose=False)
        if contract.preprocessor is not None:
            rename_inputs(path, contract.preprocessor.served)


def serve_columns(
    model: keras.Model, spec: Spec, contract: Contract
) -> tuple[Callable[[Tensors], Tensors], dict[str, tf.TensorSpec], keras.Model]:
    """Build what a table's SavedModel serves.

    The function takes a dict of the raw columns, (rows,) each, by their served names: strings, where "" is a
    gap, or float64 (float32 in a run of version 0.1), where NaN is; images (rows, height, width, channels),
    uint8. It returns a dict: for classes `label`
    (string) and `probabilities`, (rows, classes); for numbers `value`, (rows, targets), in the target's own
    units, and for quantiles, of which `value` is the median, `quantiles`, (rows, targets * levels). With
    intervals there are also `low` and `high`, or `set` (string). With several outputs the names begin with
    the output's: `main_value`.

    Args:
        model: the network.
        spec: the run's spec.
        contract: what the rows look like, with a preprocessor.

    Returns:
        The function, its signature, and the preprocessing model inside.
    """
    preprocessor = contract.preprocessor
    assert preprocessor is not None
    preprocessing = build_preprocessing(preprocessor, contract.inputs)
    encoders = {preprocessor.served[each.name]: each for each in preprocessor.encoders}
    traced = traced_names(preprocessor.served)
    signature = {
        name: tf.TensorSpec((None, *each.shape), tf.uint8, name=traced[each.name])
        if isinstance(each, ImageEncoder)
        else tf.TensorSpec(
            (None,),
            tf.string if each.text else preprocessor.dialect.numbers,
            name=traced[each.name],
        )
        for name, each in encoders.items()
    }

    def serve(columns: Tensors) -> Tensors:
        raw = [
            tf.strings.strip(columns[name]) if each.text else columns[name] for name, each in encoders.items()
        ]
        outputs = final_outputs(spec, contract, model(preprocessing(raw), training=False))
        return named_outputs(spec, contract, outputs, table=True)

    return serve, signature, preprocessing


def _of_files(
    signature: Mapping[str, tf.TensorSpec], images: Mapping[str, ImageEncoder]
) -> dict[str, tf.TensorSpec]:
    """Return a signature of raw columns in which images are the bytes of files, (rows,) strings."""
    return {
        name: tf.TensorSpec((None,), tf.string, name=each.name) if name in images else each
        for name, each in signature.items()
    }


def _decoded(columns: Tensors, images: Mapping[str, ImageEncoder]) -> Tensors:
    """Return raw columns with pixels in place of the bytes of files."""
    return columns | {name: decode_images(columns[name], each.reading) for name, each in images.items()}


def named_outputs(
    spec: Spec, contract: Contract, outputs: tf.Tensor | Tensors, *, table: bool, texts: bool = True
) -> Tensors:
    """Return every output's tensors by name; with several outputs the names begin with the output's.

    Args:
        spec: the run's spec.
        contract: of the outputs.
        outputs: as `final_outputs` returns them.
        table: see `served_output`.
        texts: see `served_output`.
    """
    named: Tensors = {}
    for each in contract.outputs:
        values = outputs[each.name] if each.name else outputs
        stem = f"{each.name}_" if each.name else ""
        found = served_output(each, values, output_loss(spec, each.name), table=table, texts=texts)
        named |= {stem + name: tensor for name, tensor in found.items()}
    return named


def served_output(
    output: Output, values: tf.Tensor, loss: ComponentSpec, *, table: bool = True, texts: bool = True
) -> Tensors:
    """Return one output's tensors by name, as `predict` writes them in columns.

    Args:
        output: what the output predicts.
        values: (rows, *steps, units), as `final_outputs` returns them.
        loss: the output's loss.
        table: whether numbers are (rows, targets), as for a table, which has no steps.
        texts: whether classes are named; else `index` is the position of the class, (rows, *steps) int32, and
            `in_set` says which classes are in the set, (rows, *steps, classes) bool.
    """
    if output.kind == "labels":
        return {"probabilities": values}
    if output.kind == "groups":
        return {"embedding": values}
    if output.classes is None:
        found = {"value": values}
        if output.levels:
            found = {"value": median_of(values, output.levels), "quantiles": values}
        if output.intervals is not None:
            found |= dict(zip(("low", "high"), tensors_of_bounds(output, values), strict=True))
        return {name: _flat(each) for name, each in found.items()} if table else found
    scores = gives_scores(loss) and values.shape[-1] == 1
    index = _predicted(output, values, loss)
    if values.shape[-1] == 1 and not scores:
        values = keras.ops.concatenate([1.0 - values, values], axis=-1)
    found = {"score" if scores else "probabilities": values}
    if not texts:
        found["index"] = keras.ops.cast(index, "int32")
        return (
            found if output.intervals is None else found | {"in_set": tensor_in_sets(output, values, index)}
        )
    found["label"] = tf.gather(tf.constant(list(output.classes)), index)
    return found if output.intervals is None else found | {"set": tensor_of_sets(output, values, index)}


def _flat(values: tf.Tensor) -> tf.Tensor:
    """Return values as (rows, values per row)."""
    return keras.ops.reshape(values, (-1, math.prod(values.shape[1:])))


def _predicted(output: Output, values: tf.Tensor, loss: ComponentSpec) -> tf.Tensor:
    """Return the index of each predicted class, (rows, *steps), as `predicted_classes` does."""
    ops = keras.ops
    if output.thresholds:
        kind = keras.backend.standardize_dtype(values.dtype)
        return ops.cast(values[..., -1] >= np.asarray(output.thresholds[0], kind), "int32")
    if values.shape[-1] > 1:
        symbolic = isinstance(values, keras.KerasTensor)  # of which Keras's has an operation of XLA's alone
        return ops.argmax(values, axis=-1) if symbolic else tf.argmax(values, axis=-1)
    if loss.class_name.lower() == "perceptron":
        return ops.cast(values[..., 0] > 0.0, "int32")
    return ops.cast(values[..., 0] >= (0.0 if gives_scores(loss) else 0.5), "int32")
