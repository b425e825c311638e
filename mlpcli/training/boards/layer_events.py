"""The graph of a network for TensorBoard: a node for each layer, or for each operation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from tensorboard.compat.proto import event_pb2, graph_pb2

from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import graph_nodes, producer


def layer_graph(model: keras.Model) -> event_pb2.Event:
    """Return the layers of a functional model, and which reads which, as an event for the Graphs tab.

    Keras's own form of it, the model as JSON, is not used: TensorBoard fails on arguments of layers that are
    no tensors, and loses inputs that are passed by name.
    """
    graph, names = graph_pb2.GraphDef(), node_names([each.name for each in model.operations])
    reads: dict[int, list[str]] = {}
    for node in graph_nodes(model):
        for tensor in node.input_tensors:
            source = names[producer(tensor).name]
            if source not in reads.setdefault(id(node.operation), []):
                reads[id(node.operation)].append(source)
    for operation in model.operations:
        node = graph.node.add()
        node.name, node.op = names[operation.name], type(operation).__name__
        node.input.extend(reads.get(id(operation), []))
        _describe(node, operation)
    return event_pb2.Event(graph_def=graph.SerializeToString())


def node_names(names: Sequence[str]) -> dict[str, str]:
    """Return names of layers as TensorFlow takes those of nodes, no two alike; `/` would make groups of them.

    Args:
        names: of the layers, no two alike.
    """
    found: dict[str, str] = {}
    for name in names:
        bare = re.sub(r"[^A-Za-z0-9_.\\-]", "_", name)
        stem = bare if re.match(r"[A-Za-z0-9.]", bare) else f"layer{bare}"
        taken = {*found.values(), *(each for each in names if each != name)}
        numbered = (f"{stem}_{number}" for number in itertools.count(2))
        found[name] = next(each for each in itertools.chain([stem], numbered) if each not in taken)
    return found


def _describe(node: graph_pb2.NodeDef, operation: keras.Operation) -> None:
    """Add what a click on the node shows: the shapes of the outputs, the parameters, the activation."""
    for tensor in keras.tree.flatten(operation.output):
        shape = node.attr["_output_shapes"].list.shape.add()
        for size in tensor.shape:
            shape.dim.add().size = -1 if size is None else size
    if hasattr(operation, "count_params"):
        node.attr["parameters"].i = int(operation.count_params())
    activation = getattr(getattr(operation, "activation", None), "__name__", "")
    if activation:
        node.attr["activation"].s = activation.encode()
    inner = [each.name for each in getattr(operation, "layers", None) or ()]
    if inner:
        node.attr["layers"].s = ", ".join(inner).encode()


def operation_graph(model: keras.Model) -> event_pb2.Event:
    """Return TensorFlow's operations of a forward pass, as an event for the Graphs tab."""
    shapes = keras.tree.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), model.input)
    forward = tf.function(lambda rows: model(rows, training=False), autograph=False)
    graph = forward.get_concrete_function(shapes).graph.as_graph_def(add_shapes=True)
    return event_pb2.Event(graph_def=graph.SerializeToString())
