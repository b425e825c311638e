"""A layer that does not fit what comes before it is reported in our words, at the argument that is wrong."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlpcli.errors import SpecError
from mlpcli.keras_import import keras
from mlpcli.model.call_layer import call_layer
from mlpcli.model.components import make_instance
from mlpcli.model.shape_refusals import fitting
from mlpcli.spec import keras_signatures
from mlpcli.spec.component_rules import forbidden
from mlpcli.spec.layer_graph import Node
from mlpcli.spec.schema import ComponentSpec
from tests.conftest import Result
from tests.keras_walk import accepted, sample

Shapes = Sequence[tuple[int, ...]]

OF_KERAS = re.compile(
    r"ndim|KerasTensor|None|index out of|input_shape|must be called on|incompatible with|deserialized|"
    r"argument:|Received|fully-defined|compute_output"
)
"""What Keras's sentences hold, and ours do not."""


def _refusal(name: str, arguments: Mapping[str, Any], shapes: Shapes) -> str:
    """What a layer is refused with on tensors of some shapes; an empty text where it fits."""
    component = ComponentSpec(class_name=name, arguments=dict(arguments))
    path, many = ("layers", 0), len(shapes) > 1
    node = cast(Node, SimpleNamespace(many=many, name="x"))
    try:
        layer = make_instance("layers", name, component.arguments, (*path, name))
        assert isinstance(layer, keras.layers.Layer)
        with fitting(layer, shapes, component, path, "", many=many), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call_layer(layer, [keras.Input(shape) for shape in shapes], node)
    except SpecError as error:
        (problem,) = error.problems
        return problem.headline()
    return ""


LSTM = {"LSTM": {"units": 2}}
CONV: dict[str, Any] = {"filters": 4, "kernel_size": 2}
STEP = "does not fit a step of what comes before it, of shape"
HERE = "does not fit what comes before it, of shape"

# class, arguments, shapes of rows, message
REFUSED: list[tuple[str, dict[str, Any], Shapes, str]] = [
    (
        "Reshape",
        {"target_shape": [3, 3]},
        [(4,)],
        ".target_shape: " + HERE + " (rows, 4), received [3, 3]; a row has 4 values",
    ),
    ("Reshape", {"target_shape": [-1, 3]}, [(4,)], "a row has 4 values, which 3 does not divide"),
    (
        "TimeDistributed",
        {"layer": {"Reshape": {"target_shape": [3, 3]}}},
        [(5, 4)],
        ".layer.Reshape.target_shape: " + STEP + " (4), received [3, 3]; a step has 4 values",
    ),
    (
        "TimeDistributed",
        {"layer": LSTM},
        [(5, 4)],
        ".layer.LSTM: " + STEP + " (4): it takes rows of 2 axes (steps, values); put Reshape: {"
        "target_shape: [5, 4, 1]} before the TimeDistributed",
    ),
    (
        "TimeDistributed",
        {"layer": {"Conv1D": CONV | {"kernel_size": 9}}},
        [(5, 8, 1)],
        "Conv1D.kernel_size: leaves nothing of a step",
    ),
    (
        "TimeDistributed",
        {"layer": "Flatten"},
        [(5,)],
        "TimeDistributed: " + HERE + " (rows, 5): it takes rows of steps",
    ),
    (
        "TimeDistributed",
        {"layer": {"GRUCell": {"units": 2}}},
        [(5, 4)],
        ".layer: is a recurrent cell, which an RNN calls",
    ),
    ("SpectralNormalization", {"layer": "Flatten"}, [(5,)], ".layer: Flatten has no weights to normalize"),
    (
        "Pipeline",
        {"layers": ["Flatten", {"Conv2D": CONV}]},
        [(5, 4)],
        ".layers[1].Conv2D: " + HERE + " (rows, 20)",
    ),
    (
        "Bidirectional",
        {"layer": {"Dense": {"units": 2}}},
        [(5, 4)],
        "Bidirectional.layer: must be a recurrent layer, received 'Dense'",
    ),
    (
        "Bidirectional",
        {"layer": LSTM, "backward_layer": LSTM},
        [(5, 4)],
        ".backward_layer: must read the steps in the other order",
    ),
    (
        "Bidirectional",
        {"layer": LSTM},
        [(5,)],
        "Bidirectional: " + HERE + " (rows, 5): it takes rows of 2 axes",
    ),
    (
        "RNN",
        {"cell": {"Dense": {"units": 3}}},
        [(5, 4)],
        "RNN.cell: must be a recurrent cell, received 'Dense'",
    ),
    (
        "RNN",
        {"cell": {"LSTMCell": {"units": 3}}},
        [(5,)],
        "RNN: " + HERE + " (rows, 5): it takes rows of 2 axes",
    ),
    ("Concatenate", {}, [(4, 3), (5, 4)], "along all axes but -1 they must have the same sizes"),
    (
        "Concatenate",
        {"axis": 5},
        [(4,), (4,)],
        "Concatenate.axis: " + HERE + " (rows, 4), (rows, 4), received 5",
    ),
    ("Add", {}, [(4,), (3,)], "the layers that it joins must have the same shape"),
    ("Add", {}, [(4,)], "joins several layers, here is 1; name them: from: [a, b]"),
    ("Subtract", {}, [(4,)] * 3, "reads 2 layers, here are 3"),
    ("Dot", {"axes": 1}, [(4,), (3,)], "Dot.axes: "),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2}, [(4, 3)], "reads 2 or 3 layers"),
    ("Dense", {"units": 2}, [(4,), (4,)], "reads 1 layer, here are 2"),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": [None, 3]}, [(4,)], "EinsumDense.equation: "),
    (
        "Conv2D",
        CONV | {"groups": 2},
        [(4, 4, 3)],
        "Conv2D.groups: " + HERE + " (rows, 4, 4, 3), received 2; a row has 3 channels: groups can be 1, 3",
    ),
    ("GroupNormalization", {"groups": 3}, [(4,)], "groups can be 1, 2, 4"),
    (
        "BatchNormalization",
        {"axis": 3},
        [(4,)],
        "BatchNormalization.axis: " + HERE + " (rows, 4), received 3; a row has one axis: write -1",
    ),
    ("PReLU", {"shared_axes": [3]}, [(4, 5)], "a row has 2 axes: write 1 to 2, or -1 for the last"),
    ("Normalization", {"mean": [1, 2, 3], "variance": [1, 1, 1]}, [(4,)], "Normalization.mean: "),
    ("Resizing", {"height": 2, "width": 2}, [(4,)], "it takes rows of 3 axes (height, width, channels)"),
    ("Conv2D", CONV | {"data_format": "channels_first"}, [(4, 4)], "3 axes (channels, height, width)"),
]


@pytest.mark.parametrize(("name", "arguments", "shapes", "message"), REFUSED)
def test_what_does_not_fit_is_said_at_its_argument_and_without_keras(
    name: str, arguments: dict[str, Any], shapes: Shapes, message: str
) -> None:
    refusal = _refusal(name, arguments, shapes)
    assert message in refusal
    assert not OF_KERAS.search(refusal)


FITS: list[tuple[str, dict[str, Any], Shapes]] = [
    ("TimeDistributed", {"layer": {"Dense": {"units": 2}}}, [(5, 4)]),
    ("Bidirectional", {"layer": LSTM}, [(5, 4)]),
    (
        "Bidirectional",
        {"layer": LSTM, "backward_layer": {"LSTM": {"units": 2, "go_backwards": True}}},
        [(5, 4)],
    ),
    ("RNN", {"cell": [{"LSTMCell": {"units": 3}}, {"GRUCell": {"units": 3}}]}, [(5, 4)]),
    ("RandomFlip", {}, [(8, 8, 3)]),
    ("Concatenate", {"axis": 1}, [(4, 3), (5, 3)]),
    ("GroupNormalization", {"groups": 2}, [(4,)]),
]


@pytest.mark.parametrize(("name", "arguments", "shapes"), FITS)
def test_what_fits_is_not_refused(name: str, arguments: dict[str, Any], shapes: Shapes) -> None:
    assert _refusal(name, arguments, shapes) == ""


def _layers() -> Iterator[str]:
    for name in keras_signatures.class_names("layers"):
        if not forbidden("layers", name) and accepted("layers", name, sample("layers", name)):
            yield name


@pytest.mark.slow
def test_no_layer_on_rows_of_other_axes_shows_what_keras_says() -> None:
    leaks = {}
    for name in _layers():
        if name.endswith(("Cell", "Cells")):  # refused before it is built
            continue
        for shape in ((1,), (5, 4), (4, 4, 3)):
            refusal = _refusal(name, sample("layers", name), [shape])
            if OF_KERAS.search(refusal):
                leaks[name] = refusal
    assert leaks == {}


def test_a_layer_inside_another_has_its_own_place(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text(
        "dataset: {name: iris}\nloss: sparse_categorical_crossentropy\nlayers:\n"
        "  - Reshape: {target_shape: [2, 2]}\n"
        "  - TimeDistributed: {layer: {Reshape: {target_shape: [3]}}}\n"
        "  - Flatten\n  - Dense: {units: 3, activation: softmax}\n"
    )
    error = mlpcli("check", spec).err
    assert ":5:55 layers[1].TimeDistributed.layer.Reshape.target_shape: " + STEP in error
    assert len(re.findall(r"s\.yaml:", error)) == 1
