"""Calls of layers on the symbolic tensors of a network."""

from __future__ import annotations

import inspect

from mlpcli.keras_import import keras
from mlpcli.keras_internals import keeping_producers
from mlpcli.model.id_names import STRICT_ID_LAYERS
from mlpcli.spec.layer_graph import Node


def call_layer(layer: keras.layers.Layer, below: list[keras.KerasTensor], node: Node) -> keras.KerasTensor:
    """Return the output of a layer.

    `Equalization` says that its output is its input, the same tensor, and would be left out of the network.
    A layer that does so is called by a `Pipeline` of the same name.

    Args:
        layer: the layer.
        below: what it reads.
        node: its place in the graph.
    """
    below = [_as_whole(layer, tensor) for tensor in below]
    with keeping_producers(below):
        output = _call(layer, below, node)
    if any(found is tensor for found in keras.tree.flatten(output) for tensor in below):
        return _call(keras.layers.Pipeline([layer], name=layer.name), below, node)
    return output


def _as_whole(layer: keras.layers.Layer, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Return a tensor of floats as whole numbers for a layer that Keras lets read only those."""
    needs = type(layer).__name__ in STRICT_ID_LAYERS and type(layer).__module__.startswith("keras.")
    if needs and str(tensor.dtype).startswith(("float", "bfloat")):
        return keras.ops.cast(tensor, "int64")
    return tensor


def _call(layer: keras.layers.Layer, below: list[keras.KerasTensor], node: Node) -> keras.KerasTensor:
    """Call a layer on what it reads: one list where it takes `inputs`, else one argument each."""
    if not node.many:
        return layer(below[0])
    first = next(iter(inspect.signature(layer.call).parameters), "inputs")
    merges = len(below) > 1 or "Merge" in {base.__name__ for base in type(layer).__mro__}
    if first in ("inputs", "args"):
        return layer(below if merges else below[0])
    return layer(*below)
