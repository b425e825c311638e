"""The classes of Keras that read ids, whole numbers that stand for something."""

from __future__ import annotations

from mlpcli.spec.layer_graph import ONLY_INPUT
from mlpcli.spec.schema import Spec

STRICT_ID_LAYERS = ("Hashing", "HashedCrossing", "IntegerLookup")
"""Layers of Keras that fail on floats, even on whole ones."""

ID_COUNTS = {"Embedding": "input_dim", "ReversibleEmbedding": "input_dim", "CategoryEncoding": "num_tokens"}
"""Layers that take ids from 0 to below the value of an argument."""


def reads_ids(spec: Spec) -> bool:
    """Return whether every layer that reads an input of the network directly takes ids."""
    if spec.model is not None:
        return False
    graph = spec.graph
    inputs = {*(graph.inputs or ()), ONLY_INPUT}
    readers = [
        spec.layers[node.index].class_name for node in graph.nodes if inputs.intersection(node.sources)
    ]
    return bool(readers) and all(name in (*STRICT_ID_LAYERS, *ID_COUNTS) for name in readers)
