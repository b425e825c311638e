"""What lies inside a network: its embeddings, and what its output layer reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlpcli.keras_import import keras
from mlpcli.keras_internals import all_layers, graph_nodes, producer

Reads = Mapping[int, Sequence[keras.KerasTensor]]
"""What each operation of a network reads, by its identity."""


def embedding_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a network whose weights are a vector for each category."""
    return [each for each in all_layers(model) if isinstance(each, keras.layers.Embedding)]


def last_hidden(model: keras.Model) -> keras.KerasTensor | None:
    """Return what the layer of a network's first output reads; None where no layer comes before that one.

    Layers without weights between it and the output, such as a softmax of its own, count with it.
    """
    reads: dict[int, Sequence[keras.KerasTensor]] = {}
    for node in graph_nodes(model):
        reads.setdefault(id(node.operation), node.input_tensors)
    tensor = keras.tree.flatten(model.output)[0]
    while True:
        operation = producer(tensor)
        sources = reads.get(id(operation), [])
        if not sources:
            return None
        tensor = sources[0]
        if _has_weights(operation):
            break
    return tensor if any(_has_weights(each) for each in _before(tensor, reads)) else None


def _has_weights(operation: object) -> bool:
    """Return whether an operation has weights that are trained; Normalization's are learned before."""
    return bool(getattr(operation, "weights", None)) and not isinstance(operation, keras.layers.Normalization)


def _before(tensor: keras.KerasTensor, reads: Reads) -> Iterator[object]:
    """Yield the operations that lead to a tensor."""
    waiting, seen = [tensor], set()
    while waiting:
        operation = producer(waiting.pop())
        if id(operation) not in seen:
            seen.add(id(operation))
            waiting += reads.get(id(operation), [])
            yield operation
