"""The outputs of a network's hidden layers, of any kind of network: by watching the calls of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.data.types import Array
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import all_layers


@dataclass(frozen=True)
class HiddenLayer:
    """What a hidden layer says of some rows.

    Attributes:
        name: of the layer, and of what follows it unit by unit: an activation, a normalization.
        outputs: (rows, units) float32.
    """

    name: str
    outputs: Array


@dataclass
class _Call:
    """A call of a layer: what it was given and what it returned, tensors of TensorFlow."""

    layer: keras.layers.Layer
    given: object
    returned: Any


def hidden_outputs(model: keras.Model, x: Array) -> list[HiddenLayer]:
    """Return the outputs of the hidden layers of a network, in the order of their calls.

    A hidden layer is one with a matrix of weights and an output of (rows, units), but not the last of them.
    Layers that follow it unit by unit, such as an activation or a normalization, belong to it: the outputs
    are those after them. What a network of its own class computes between its layers is not seen, nor is what
    it computes in a `tf.function` of its own.

    Args:
        model: of one input and one output; Sequential, functional or of a class of its own.
        x: (rows, ...) rows, as the network takes them.
    """
    calls: list[_Call] = []
    with ExitStack() as watched:
        for layer in all_layers(model, include_self=False):
            if len(all_layers(layer)) == 1:
                watched.enter_context(_watching(layer, calls))
        model(keras.ops.convert_to_tensor(x), training=False)
    return [HiddenLayer(name, values) for name, values in _hidden(calls)]


@contextmanager
def _watching(layer: keras.layers.Layer, calls: list[_Call]) -> Iterator[None]:
    """Note every call of a layer."""
    call: Callable[..., object] = layer.call

    def noted(*args: object, **settings: object) -> object:
        returned = call(*args, **settings)
        if not any(map(tf.is_symbolic_tensor, keras.tree.flatten(returned))):  # as inside a `tf.function`
            calls.append(_Call(layer, args[0] if args else None, returned))
        return returned

    object.__setattr__(layer, "call", noted)  # Keras's own would track it
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


def _hidden(calls: list[_Call]) -> Iterator[tuple[str, Array]]:
    """Yield name and outputs of each hidden layer."""
    starts = [place for place, each in enumerate(calls) if _has_matrix(each) and _is_flat(each)]
    for place in starts[:-1]:
        end, names = calls[place], [calls[place].layer.name]
        activation = getattr(calls[place].layer, "activation", None)
        named = getattr(activation, "__name__", "linear")
        names += [named] if named != "linear" else []
        for each in calls[place + 1 :]:
            if each.given is end.returned and not _has_matrix(each) and _same_shape(each, end):
                end = each
                names += [_kind(each.layer)] if _changes(each.layer) else []
        yield ", ".join(names), np.asarray(keras.ops.convert_to_numpy(end.returned), np.float32)


def _has_matrix(call: _Call) -> bool:
    """Return whether a layer has a matrix of weights, trained or frozen."""
    return any(len(each.shape) >= 2 for each in call.layer.weights)


def _is_flat(call: _Call) -> bool:
    return len(getattr(call.returned, "shape", ())) == 2


def _same_shape(call: _Call, before: _Call) -> bool:
    return bool(getattr(call.returned, "shape", None) == before.returned.shape)


def _kind(layer: keras.layers.Layer) -> str:
    """Return the activation of an activation layer, else the class of a layer."""
    if isinstance(layer, keras.layers.Activation):
        return str(getattr(layer.activation, "__name__", layer.name))
    return type(layer).__name__


def _changes(layer: keras.layers.Layer) -> bool:
    """Return whether a layer changes rows that are predicted."""
    kinds = (keras.layers.Dropout, keras.layers.GaussianNoise, keras.layers.GaussianDropout)
    return not isinstance(layer, (*kinds, keras.layers.AlphaDropout, keras.layers.ActivityRegularization))
