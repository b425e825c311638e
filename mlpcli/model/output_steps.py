"""Whether a network gives values for each step of a row, found in the spec before the data are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlpcli.spec.layer_graph import Graph
from mlpcli.spec.schema import LayerSpec, Spec
from mlpcli.spec.values import Value

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
"""Layers of a value for each step where `return_sequences` is set, and otherwise of one for each row."""

FLAT = ("Flatten", "CategoryEncoding", "Hashing", "HashedCrossing")
"""Layers after which a row is a list of numbers."""


MOST_AXES = 6
"""The most axes of rows that are looked at, with that of the rows themselves: more than any layer takes."""


def axes_with_steps(spec: Spec) -> tuple[int, ...]:
    """Return the numbers of axes of the rows for which every output has a value for each step of a row.

    Args:
        spec: the spec; the outputs of a model class are unknown, and count as values of a row.
    """
    if spec.model is not None:
        return ()
    return tuple(axes for axes in range(2, MOST_AXES + 1) if _gives_steps(spec.graph, spec.layers, axes))


def _gives_steps(graph: Graph, layers: Sequence[LayerSpec], axes: int) -> bool:
    found = dict.fromkeys(graph.inputs, axes)
    for node in graph.nodes:
        layer = layers[node.index]
        found[node.name] = _axes(layer.class_name, layer.arguments, found.get(node.sources[0], axes))
    return all(found[name] == 3 for name in graph.outputs)


def _axes(class_name: str, arguments: Mapping[str, Value], axes: int) -> int:
    if class_name in ("Bidirectional", "TimeDistributed"):
        return _of_wrapper(class_name, arguments.get("layer"), axes)
    if class_name.startswith("ConvLSTM"):
        return axes if arguments.get("return_sequences") is True else axes - 1
    if class_name in RECURRENT:
        return 3 if arguments.get("return_sequences") is True else 2
    if class_name in FLAT or (class_name.startswith("Global") and arguments.get("keepdims") is not True):
        return 2
    if class_name == "Reshape":
        shape = arguments.get("target_shape")
        return len(shape) + 1 if isinstance(shape, list) else axes
    if class_name in ("Embedding", "ReversibleEmbedding"):
        return axes + 1
    return 3 if class_name == "RepeatVector" else axes


def _of_wrapper(class_name: str, inner: Value | None, axes: int) -> int:
    """Return the axes after a layer that is around another; `TimeDistributed` applies it to each step."""
    if isinstance(inner, str):
        inner = {inner: {}}
    if not isinstance(inner, Mapping) or len(inner) != 1:
        return axes
    name, arguments = next(iter(inner.items()))
    given = arguments if isinstance(arguments, Mapping) else {}
    if class_name == "TimeDistributed":
        return _axes(name, given, axes - 1) + 1
    return _axes(name, given, axes)
