"""A function of tensors as a graph without variables, from which converters start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.export.coded_network import CodedNetwork
from mlpcli.export.converting import quiet_converters
from mlpcli.keras_import import tf
from mlpcli.model.plain_normal import by_arithmetic
from mlpcli.tensorflow_internals import freeze_variables

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef


@dataclass(frozen=True)
class FrozenGraph:
    """A graph, in which weights are constants.

    Attributes:
        graph: TensorFlow's GraphDef.
        inputs: the tensor of each input, by its name.
        outputs: the tensor of each result, by its name.
    """

    graph: GraphDef
    inputs: dict[str, str]
    outputs: dict[str, str]


def freeze(coded: CodedNetwork) -> FrozenGraph:
    """Trace a network's function and replace its variables with their values."""
    names: list[str] = []

    def in_order(*tensors: tf.Tensor) -> list[tf.Tensor]:
        found = coded.function(*tensors)
        names[:] = found
        return [tf.identity(each) for each in found.values()]

    with by_arithmetic():
        traced = tf.function(in_order, autograph=False).get_concrete_function(*coded.specs)
    with quiet_converters():  # it cannot write down tables of texts for a graph without, and says so
        frozen = freeze_variables(traced)
    inputs = {name: f"input_{place}:0" for place, (name, _, _) in enumerate(coded.signature)}
    outputs = dict(zip(names, (tensor.name for tensor in frozen.outputs), strict=True))
    return FrozenGraph(frozen.graph.as_graph_def(), inputs, outputs)


def narrowed(frozen: FrozenGraph) -> FrozenGraph:
    """Return a graph with float32 wherever the given one has float64."""
    double, single = tf.float64.as_datatype_enum, tf.float32.as_datatype_enum
    graph = type(frozen.graph)()
    graph.CopyFrom(frozen.graph)
    for node in [*graph.node, *(each for function in graph.library.function for each in function.node_def)]:
        for attribute in node.attr.values():
            if attribute.type == double:
                attribute.type = single
            for place, kind in enumerate(attribute.list.type):
                if kind == double:
                    attribute.list.type[place] = single
            if attribute.HasField("tensor") and attribute.tensor.dtype == double:
                values = tf.make_ndarray(attribute.tensor)
                attribute.tensor.CopyFrom(tf.make_tensor_proto(values.astype(np.float32)))
    for function in graph.library.function:
        for argument in [*function.signature.input_arg, *function.signature.output_arg]:
            if argument.type == double:
                argument.type = single
    return replace(frozen, graph=graph)


def save_graph(frozen: FrozenGraph, names: Sequence[str], folder: Path) -> None:
    """Write a graph as a SavedModel, whose function `serving_default` has inputs and results by name.

    Args:
        frozen: the graph.
        names: of its inputs, as Python allows them.
        folder: to write.
    """
    tensors = [*frozen.inputs.values()]
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(frozen.graph, name=""), [])
    pruned = wrapped.prune(tensors, dict(frozen.outputs))
    specs = [
        tf.TensorSpec(each.shape, each.dtype, name=name)
        for each, name in zip(pruned.inputs, names, strict=True)
    ]
    module = tf.Module()
    module.graph = pruned
    module.serve = tf.function(lambda *given: pruned(*given), input_signature=specs)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
