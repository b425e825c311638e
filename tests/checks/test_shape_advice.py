"""What is put before a layer whose input has the wrong number of axes."""

from __future__ import annotations

import re

import pytest

from mlpcli.keras_import import keras
from mlpcli.model.shape_advice import shape_hint

CONV: dict[str, object] = {"filters": 2, "kernel_size": 3}

ELSE = "; or set padding: same, or shrink less above"

# class, arguments, shape of a row, class above, advice
ADVICE: list[tuple[str, dict[str, object], tuple[int, ...], str, str]] = [
    ("Conv2D", CONV, (28, 28), "", "put Reshape: {target_shape: [28, 28, 1]} before it"),
    ("Conv2D", CONV, (28, 28), "Rescaling", "put Reshape: {target_shape: [28, 28, 1]} before it"),
    (
        "Conv2D",
        {**CONV, "data_format": "channels_first"},
        (28, 28),
        "",
        "put Reshape: {target_shape: [1, 28, 28]} before it",
    ),
    ("SeparableConv2D", CONV, (8, 8), "", "put Reshape: {target_shape: [8, 8, 1]} before it"),
    ("Conv2DTranspose", CONV, (8, 8), "", "put Reshape: {target_shape: [8, 8, 1]} before it"),
    ("MaxPooling2D", {}, (8, 8), "", "put Reshape: {target_shape: [8, 8, 1]} before it"),
    ("Conv2D", CONV, (784,), "", "if a row is an image, put Reshape: {target_shape: [28, 28, 1]} before it"),
    ("Conv2D", CONV, (3072,), "", "if a row is an image, put Reshape: {target_shape: [32, 32, 3]} before it"),
    ("Conv2D", CONV, (7,), "", "a row of 7 values is no image: use Dense"),
    ("Conv2D", CONV, (192,), "Flatten", "remove the Flatten before it: Conv2D takes rows of 3 axes"),
    ("Conv1D", CONV, (6,), "", "put Reshape: {target_shape: [6, 1]} before it"),
    ("Conv1D", CONV, (8, 8, 3), "", "use Conv2D"),
    ("Conv3D", CONV, (8, 8), "", "use Conv2D after Reshape: {target_shape: [8, 8, 1]}"),
    ("LSTM", {"units": 2}, (6,), "", "put Reshape: {target_shape: [6, 1]} before it"),
    ("GRU", {"units": 2}, (8, 8, 3), "", "put Reshape: {target_shape: [8, 24]} before it"),
    (
        "Reshape",
        {"target_shape": (7, 7)},
        (8, 8, 3),
        "",
        "a row has 8 x 8 x 3 = 192 values: the product of target_shape must be the same",
    ),
    ("Conv2D", {"filters": 2, "kernel_size": 9}, (8, 8, 3), "", "kernel_size can be at most 8 here" + ELSE),
    (
        "Conv2D",
        {"filters": 2, "kernel_size": [3, 9]},
        (5, 8, 3),
        "",
        "kernel_size can be at most [5, 8] here" + ELSE,
    ),
    ("Conv2D", {"filters": 2, "kernel_size": 9, "padding": "same"}, (8, 8, 3), "", ""),
    (
        "Conv2D",
        {**CONV, "data_format": "channels_first"},
        (3, 2, 2),
        "",
        "kernel_size can be at most 2 here" + ELSE,
    ),
    (
        "Conv1D",
        {**CONV, "dilation_rate": 4},
        (8, 3),
        "",
        "kernel_size can be at most 2 here at dilation_rate 4" + ELSE,
    ),
    ("Conv1D", {**CONV, "padding": "causal"}, (2, 3), "", ""),
    ("SeparableConv1D", CONV, (2, 3), "", "kernel_size can be at most 2 here" + ELSE),
    ("DepthwiseConv2D", {"kernel_size": 3}, (2, 2, 3), "", "kernel_size can be at most 2 here" + ELSE),
    ("ConvLSTM1D", CONV, (9, 2, 3), "", "kernel_size can be at most 2 here" + ELSE),
    (
        "Cropping1D",
        {"cropping": 4},
        (8, 3),
        "",
        "it cuts off 8 of 8: both ends together can be at most 7 here",
    ),
    (
        "Cropping2D",
        {"cropping": [[1, 1], [5, 4]]},
        (4, 8, 3),
        "",
        "it cuts off 9 of 8: both ends together can be at most [3, 7] here",
    ),
    (
        "Cropping3D",
        {"cropping": 1, "data_format": "channels_first"},
        (3, 2, 9, 2),
        "",
        "it cuts off 2 of 2 and 2 of 2: both ends together can be at most [1, 8, 1] here",
    ),
    ("Cropping2D", {"cropping": 1}, (3, 3, 1), "", ""),
    ("MaxPooling1D", {"pool_size": 4}, (3, 2), "", "pool_size can be at most 3 here" + ELSE),
    ("AveragePooling3D", {"pool_size": 2}, (1, 1, 1, 2), "", "pool_size can be at most 1 here" + ELSE),
    ("MaxPooling2D", {"pool_size": 2}, (2, 2, 2), "", ""),
    ("LSTM", {"units": 2}, (10, 4), "", ""),
    ("Dense", {"units": 2}, (10, 4), "", ""),
]


@pytest.mark.parametrize(("name", "arguments", "shape", "above", "advice"), ADVICE)
def test_a_layer_of_other_axes_gets_what_helps(
    name: str, arguments: dict[str, object], shape: tuple[int, ...], above: str, advice: str
) -> None:
    assert shape_hint(getattr(keras.layers, name)(**arguments), shape, above) == advice


@pytest.mark.parametrize("name", ["Conv2D", "Conv1D", "LSTM"])
def test_the_advice_works(name: str) -> None:
    _, arguments, shape, _, advice = next(each for each in ADVICE if each[0] == name)
    target = [int(size) for size in re.findall(r"[0-9]+", advice)]
    layer = getattr(keras.layers, name)(**arguments)
    assert layer(keras.layers.Reshape(target)(keras.Input(shape))).shape[0] is None
