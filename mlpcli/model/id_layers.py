"""Layers that read ids: which numbers they take, and the rows that hold others.

TensorFlow answers an id beyond an `Embedding` with an error that names no row, with the last vector, or with
zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.named_arrays import of_name, rows_of
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.stored.stored_array import blocks_of
from mlpcli.data.types import Array, Arrays
from mlpcli.keras_import import keras
from mlpcli.model.id_names import ID_COUNTS
from mlpcli.spec.layer_graph import Graph
from mlpcli.spec.schema import Spec

BATCH_ROWS = 8192


@dataclass(frozen=True)
class IdLayer:
    """A layer of a built network that takes ids.

    Attributes:
        index: its position in the spec's list of layers.
        name: its name.
        argument: the argument that bounds the ids.
        count: its value; ids are from 0 to below it.
        source: the input that it reads; empty if other layers are in between.
        reach: the network from the inputs to what the layer reads.
    """

    index: int
    name: str
    argument: str
    count: int
    source: str
    reach: keras.Model

    def is_bad(self, x: Arrays) -> Array:
        """Return for each value that reaches the layer whether it is no id, (rows, ...) bool.

        Args:
            x: rows as the network takes them.
        """
        if self.source:
            values = of_name(x, self.source)
            return np.concatenate([_outside(block, self.count) for block in blocks_of(values)])
        count = len(next(iter(x.values())) if isinstance(x, dict) else x)
        pieces = []
        for start in range(0, count, BATCH_ROWS):
            piece = rows_of(x, slice(start, start + BATCH_ROWS))
            found = keras.ops.convert_to_numpy(self.reach(piece, training=False))
            pieces.append(_outside(found, self.count))
        return np.concatenate(pieces) if pieces else np.zeros((0, 1), bool)

    def values(self, x: Arrays, row: int) -> Array:
        """Return what reaches the layer from one row, (...)."""
        if self.source:
            return np.asarray(of_name(x, self.source)[row])
        one = rows_of(x, slice(row, row + 1))
        reached = keras.ops.convert_to_numpy(self.reach(one, training=False))
        return np.asarray(reached[0])


def _outside(values: Array, count: int) -> Array:
    bad: Array = (values < 0) | (values >= count)
    if values.dtype.kind == "f":
        bad |= np.floor(values) != values
    return bad


def id_layers(model: keras.Model, spec: Spec) -> list[IdLayer]:
    """Return the layers of a built network that take ids, also inside a wrapper such as TimeDistributed."""
    if spec.model is not None:
        return []
    return list(_id_layers(model, spec, spec.graph))


def _id_layers(model: keras.Model, spec: Spec, graph: Graph) -> Iterator[IdLayer]:
    inputs = {id(tensor): tensor.name for tensor in model.inputs}
    for node in graph.nodes:
        class_name = spec.layers[node.index].class_name
        outer = inner = None
        if class_name in ID_COUNTS or "layer" in spec.layers[node.index].arguments:
            outer = model.get_layer(node.name)
            inner = outer if class_name in ID_COUNTS else getattr(outer, "layer", None)
        argument = ID_COUNTS.get(type(inner).__name__)
        if outer is None or argument is None:
            continue
        tensor = keras.tree.flatten(outer.input)[0]
        source = inputs.get(id(tensor), "")
        reach = model if source else keras.Model(model.input, tensor)
        yield IdLayer(node.index, node.name, argument, int(getattr(inner, argument)), source, reach)


def row_errors(layers: list[IdLayer], x: Arrays, contract: Contract) -> list[RowError]:
    """Return an error for each row with a number that is no id of a layer.

    Args:
        layers: those of the network.
        x: rows as the network takes them.
        contract: of the network, which names the columns.
    """
    found: dict[int, RowError] = {}
    for layer in layers:
        bad = layer.is_bad(x)
        bad = bad.reshape(len(bad), -1)
        for row in np.flatnonzero(bad.any(axis=1)).tolist():
            place = int(np.argmax(bad[row]))
            received = np.ravel(layer.values(x, row))[place].item()
            rule = f"must be a whole number from 0 to {layer.count - 1:,}"
            hint = f"layer {layer.name!r} has {layer.argument}: {layer.count}"
            received = int(received) if float(received).is_integer() else received
            found.setdefault(row, RowError(row, _location(layer, place, contract), rule, received, hint))
    return [found[row] for row in sorted(found)]


def _location(layer: IdLayer, place: int, contract: Contract) -> str:
    """Return where in a row a value is: its column, or its position in the array."""
    if not layer.source:
        return f"what reaches layer {layer.name!r}"
    columns = next((each.columns for each in contract.inputs if each.name == layer.source), None)
    position = columns[place] if columns is not None else place
    if contract.preprocessor is not None:
        for name, span in contract.preprocessor.spans.items():
            if position in span:
                return f"column {name!r}"
    if position < len(contract.features):
        return f"column {contract.features[position]!r}"
    shape = contract.shape if columns is None else (len(columns),)
    index = [int(each) for each in np.unravel_index(place, shape)] if columns is None else [position]
    return f"array 'x' at {index}"
