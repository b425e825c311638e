"""A network whose probabilities are calibrated: its temperature as layers at the end."""

from __future__ import annotations

from mlpcli.data.dataset import Contract, Output
from mlpcli.keras_import import keras
from mlpcli.model.build import activation_of_logits, output_loss
from mlpcli.model.probability_form import is_of_labels
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.statistics.calibration import LEAST_OF_ONE, LEAST_OF_SEVERAL


def with_temperature(model: keras.Model, spec: Spec, contract: Contract) -> keras.Model:
    """Return the network with its outputs at the temperatures of the contract; itself where there are none.

    The layers are Keras's own, so the saved network is loaded without mlpcli. Logits are divided by the
    temperature; of probabilities the logarithms, or the log odds, are.

    Args:
        model: the network, not compiled; it is shared by the new one.
        spec: with its losses filled in.
        contract: the outputs.
    """
    if all(each.fitted is None or each.fitted.temperature == 1.0 for each in contract.outputs):
        return model
    taken = {layer.name for layer in model.layers}
    found = {}
    for each in contract.outputs:
        tensor = model.output[each.name] if each.name else model.output
        if each.fitted is not None and each.fitted.temperature != 1.0:
            loss = output_loss(spec, each.name)
            tensor = _at_temperature(tensor, each, loss, each.fitted.temperature, taken)
        found[each.name] = tensor
    outputs = found if contract.output.name else found[""]
    calibrated = keras.Model(model.input, outputs, name=model.name)
    calibrated.output_names = list(model.output_names)  # by which Keras names losses
    return calibrated


def _at_temperature(
    tensor: keras.KerasTensor, output: Output, loss: ComponentSpec, temperature: float, taken: set[str]
) -> keras.KerasTensor:
    """Return one output, (rows, ..., units), at a temperature; the names of its layers are not yet taken."""
    ops = keras.ops
    if activation_of_logits(loss):
        return ops.divide(tensor, temperature)
    likely = ops.cast(tensor, "float32")
    if is_of_labels(output, loss, tensor.shape[-1]):
        likely = ops.clip(likely, LEAST_OF_ONE, 1 - LEAST_OF_ONE)
        scores, activation = ops.subtract(ops.log(likely), ops.log1p(ops.negative(likely))), "sigmoid"
    else:
        scores, activation = ops.log(ops.maximum(likely, LEAST_OF_SEVERAL)), "softmax"
    name = f"{output.name or 'output'}_calibrated"
    while name in taken:
        name += "_"
    taken.add(name)
    # The layer, not the operation: losses look for the logits that it attaches to its output.
    return keras.layers.Activation(activation, name=name, dtype="float32")(ops.divide(scores, temperature))
