"""Components as a newcomer writes them, as calls, lists, by other names: each is corrected to YAML."""

from __future__ import annotations

import pytest

from mlpcli.spec.other_names import CROSSENTROPY
from tests.spec.meant import DENSE, GOOD, Replaced, assert_corrected, load_corrected, refusals

REPLACED: Replaced = {
    "lr": ("learning_rate", "lr", "7:20 optimizer.Adam.lr", "learning_rate: 0.01"),
    "lr of another optimizer": (
        "Adam: {learning_rate",
        "RMSprop: {lr",
        "7:23 optimizer.RMSprop.lr",
        "learning_rate: 0.01",
    ),
    "beta1": ("{learning_rate: 0.01", "{beta1: 0.8", "7:20 optimizer.Adam.beta1", "beta_1: 0.8"),
    "decay": (
        "0.01}",
        "0.01, decay: 0.001}",
        "7:41 optimizer.Adam.decay",
        "learning_rate: {InverseTimeDecay: {initial_learning_rate: 0.01, decay_steps: 1, decay_rate: 0.001}}",
    ),
    "neurons": ("units: 8", "neurons: 8", "4:13 layers[1].Dense.neurons", "units: 8"),
    "the only unknown for the only missing": ("units: 8", "k: 8", "4:13 layers[1].Dense.k", "units: 8"),
    "no space after the colon": ("units: 8", "units:8", "4:13 layers[1].Dense.units:8", "units: 8"),
    "a call": (DENSE, "Dense(16, relu)", "4:5 layers[1]", "Dense: {units: 16, activation: relu}"),
    "a call with names": (
        DENSE,
        "keras.layers.Dense(units=16, activation='relu', input_shape=(4,))",
        "4:5 layers[1]",
        "Dense: {units: 16, activation: relu}",
    ),
    "a call of tuples": (
        DENSE,
        "Conv2D(32, (3, 3), padding='same')",
        "4:5 layers[1]",
        "Conv2D: {filters: 32, kernel_size: [3, 3], padding: same}",
    ),
    "a call of calls": (
        DENSE,
        "Dense(8, kernel_regularizer=l2(0.01), activation=tf.nn.relu)",
        "4:5 layers[1]",
        "Dense: {units: 8, kernel_regularizer: {L2: {l2: 0.01}}, activation: relu}",
    ),
    "a call without arguments": (DENSE, "Flatten()", "4:5 layers[1]", "Flatten"),
    "a number as arguments": (DENSE, "Dense: 16", "4:5 layers[1]", "Dense: {units: 16}"),
    "a list as arguments": (
        DENSE,
        "Dense: [16, relu]",
        "4:5 layers[1]",
        "Dense: {units: 16, activation: relu}",
    ),
    "arguments without names": (
        DENSE,
        "Dense: {16, relu}",
        "4:5 layers[1]",
        "Dense: {units: 16, activation: relu}",
    ),
    "arguments beside the class": (
        DENSE,
        "Dense:\n    units: 8\n    activation: relu\n    name: first",
        "4:5 layers[1]",
        "{Dense: {units: 8, activation: relu}, name: first}",
    ),
    "a type": (
        DENSE,
        "{type: Dense, units: 8, activation: relu}",
        "4:5 layers[1]",
        "Dense: {units: 8, activation: relu}",
    ),
    "a class as its name": (
        DENSE,
        "{name: dense, units: 8, activation: relu}",
        "4:5 layers[1]",
        "Dense: {units: 8, activation: relu}",
    ),
    "an activation before a width": (
        DENSE,
        "Dense: [relu, units=8]",
        "4:5 layers[1]",
        "Dense: {activation: relu, units: 8}",
    ),
    "Keras's own form": (
        DENSE,
        "{class_name: Dense, config: {units: 8}}",
        "4:5 layers[1]",
        "Dense: {units: 8}",
    ),
    "small letters": (DENSE, "dense: {units: 8}", "4:5 layers[1]", "Dense: {units: 8}"),
    "a number as layer": (DENSE, "16", "4:5 layers[1]", "Dense: {units: 16}"),
    "an activation's class": ("relu}", "ReLU}", "4:35 layers[1].Dense.activation", "relu"),
    "an activation's call": ("relu}", "ReLU()}", "4:35 layers[1].Dense.activation", "activation: relu"),
    "a regularizer's number": (
        "activation: relu",
        "kernel_regularizer: 0.01",
        "4:43 layers[1].Dense.kernel_regularizer",
        "kernel_regularizer: {L2: {l2: 0.01}}",
    ),
    "a regularizer's call": (
        "activation: relu",
        "kernel_regularizer: l2(0.01)",
        "4:43 layers[1].Dense.kernel_regularizer",
        "kernel_regularizer: {L2: {l2: 0.01}}",
    ),
    "an optimizer's call": (
        "{Adam: {learning_rate: 0.01}}",
        "adam(0.05)",
        "7:12 optimizer",
        "optimizer: {Adam: {learning_rate: 0.05}}",
    ),
    "an optimizer's short name": (
        "Adam:",
        "adam:",
        "7:12 optimizer",
        "optimizer: {Adam: {learning_rate: 0.01}}",
    ),
    "an optimizer's rate": (
        "{learning_rate: 0.01}",
        "0.05",
        "7:12 optimizer",
        "optimizer: {Adam: {learning_rate: 0.05}}",
    ),
    "an optimizer's name": (
        "{Adam: {learning_rate: 0.01}}",
        "{name: sgd, lr: 0.1, momentum: 0.9}",
        "7:12 optimizer",
        "optimizer: {SGD: {learning_rate: 0.1, momentum: 0.9}}",
    ),
    "one metric": ("[accuracy]", "acc", "8:10 metrics", "metrics: [acc]"),
    "another word for a metric": ("[accuracy]", "[f1]", "8:11 metrics[0]", "f1_score"),
    "another word for a loss": (
        "sparse_categorical_crossentropy",
        "cce",
        "6:7 loss",
        "categorical_crossentropy",
    ),
    "a list of one loss": (
        "sparse_categorical_crossentropy",
        "[sparse_categorical_crossentropy]",
        "6:7 loss",
        "loss: sparse_categorical_crossentropy",
    ),
    "a loss's argument beside it": (
        "sparse_categorical_crossentropy",
        "{SparseCategoricalCrossentropy: , from_logits: true}",
        "6:7 loss",
        "loss: {SparseCategoricalCrossentropy: {from_logits: true}}",
    ),
    "a call in a flow mapping": (
        "learning_rate: 0.01",
        "learning_rate: ExponentialDecay(0.1, 100, 0.9)",
        "7:35 optimizer.Adam.learning_rate",
        "learning_rate: {ExponentialDecay: {initial_learning_rate: 0.1, decay_steps: 100, decay_rate: 0.9}}",
    ),
    "a shape as arguments": (DENSE, "Reshape: [2, 2]", "4:5 layers[1]", "Reshape: {target_shape: [2, 2]}"),
    "metrics by name": ("[accuracy]", "{accuracy: true}", "8:10 metrics", "metrics: [accuracy]"),
    "one metric by name": (
        "[accuracy]",
        "{AUC: {curve: PR}}",
        "8:10 metrics",
        "metrics: [AUC: {curve: PR}]",
    ),
    "no arguments of a short name": ("[accuracy]", "[accuracy: {}]", "8:11 metrics[0]", "accuracy"),
    "a loss's name": (
        "sparse_categorical_crossentropy",
        "{type: mse}",
        "6:7 loss",
        "loss: mse",
    ),
    "a loss of PyTorch": (
        "sparse_categorical_crossentropy",
        "nn.CrossEntropyLoss()",
        "6:7 loss",
        CROSSENTROPY.removeprefix("write "),
    ),
    "an optimizer and its arguments in a list": (
        "{Adam: {learning_rate: 0.01}}",
        "[Adam, {learning_rate: 0.1}]",
        "7:12 optimizer",
        "optimizer: {Adam: {learning_rate: 0.1}}",
    ),
    "betas": (
        "learning_rate: 0.01",
        "betas: [0.8, 0.9]",
        "7:20 optimizer.Adam.betas",
        "beta_1: 0.8, beta_2: 0.9",
    ),
    "arguments as a call has them": (
        DENSE,
        "Dense: units=8, activation=relu",
        "4:5 layers[1]",
        "Dense: {units: 8, activation: relu}",
    ),
    "a list with a name in it": (
        DENSE,
        "LSTM: [8, return_sequences=True]",
        "4:5 layers[1]",
        "LSTM: {units: 8, return_sequences: true}",
    ),
    "a tuple as arguments": (
        DENSE,
        "MaxPool2D: (2, 2)",
        "4:5 layers[1]",
        "MaxPool2D: {pool_size: [2, 2]}",
    ),
    "a call as arguments": (
        DENSE,
        "Bidirectional: LSTM(8)",
        "4:5 layers[1]",
        "Bidirectional: {layer: {LSTM: {units: 8}}}",
    ),
    "a layer in a layer": (
        DENSE,
        "TimeDistributed: {Dense: {units: 3}}",
        "4:23 layers[1].TimeDistributed.Dense",
        "layer: {Dense: {units: 3}}",
    ),
    "true": (DENSE, "Flatten: true", "4:5 layers[1]", "Flatten"),
    "an activation with arguments": (
        "relu}",
        "LeakyReLU(0.1)}",
        "4:35 layers[1].Dense.activation",
        "activation: {LeakyReLU: {negative_slope: 0.1}}",
    ),
    "a value that is not enough": (
        DENSE,
        "Conv2D: 32",
        "4:13 layers[1].Conv2D",
        "{Conv2D: {filters: ..., kernel_size: ...}}",
    ),
    "a number as a name": (DENSE, "Dense: {8: relu}", "4:13 layers[1].Dense.8", "units: 8"),
}

SHORTENED = {"a call in a flow mapping", "a loss of PyTorch", "betas", "a value that is not enough"}
"""Whose corrections are several, have gaps, or stand for a text that YAML reads as something else."""


@pytest.mark.parametrize("name", REPLACED)
def test_a_component_in_another_form_is_corrected(name: str) -> None:
    assert_corrected(*REPLACED[name])


@pytest.mark.parametrize("name", [name for name in REPLACED if name not in SHORTENED])
def test_the_correction_is_a_spec(name: str) -> None:
    right, wrong, place, written = REPLACED[name]
    load_corrected(GOOD.replace(right, wrong, 1), place, written)


def test_a_loss_called_crossentropy_may_be_three() -> None:
    (said,) = refusals(GOOD.replace("sparse_categorical_crossentropy", "cross_entropy"))
    for name in ("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"):
        assert name in said
