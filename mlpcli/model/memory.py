"""What a network needs of the machine's memory, asked about before it is taken.

TensorFlow takes what it is asked to take, and the system ends a process that took too much: no error could
tell of `units: 1000000000` afterwards.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlpcli.errors import Problem, SpecError
from mlpcli.keras_import import import_keras
from mlpcli.spec.layer_graph import Graph

FLOAT = 4
"""Bytes of a weight or an output."""


def memory_bytes() -> float:
    """The machine's memory, without what it swaps; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf


@contextmanager
def bounded_weights() -> Iterator[None]:
    """Layers built inside raise MemoryError before they make weights that memory cannot hold with gradients.

    Keras has no way to ask a layer for its number of weights without making them, nor to be asked before.
    """
    layer_class = import_keras().layers.Layer
    add_weight, most = layer_class.add_weight, memory_bytes() / (2 * FLOAT)
    made = 0

    def bounded(self: Any, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made += math.prod(size or 1 for size in shape or ())
        if made > most:
            raise MemoryError(
                f"the network would have {made:,} parameters; memory holds {most:,.0f} with their gradients"
            )
        return add_weight(self, shape, *args, **kwargs)

    layer_class.add_weight = bounded
    try:
        yield
    finally:
        layer_class.add_weight = add_weight


def check_batch(model: Any, graph: Graph, rows: int) -> None:
    """Refuse a batch whose outputs of a single layer memory does not hold.

    Raises:
        SpecError: told at the layer.
    """
    keras = import_keras()
    most = memory_bytes()
    for node in graph.nodes:
        outputs = keras.tree.flatten(model.get_layer(node.name).output)
        size = rows * FLOAT * sum(math.prod(part or 1 for part in tensor.shape[1:]) for tensor in outputs)
        if size > most:
            rule = f"the outputs of a batch of {rows:,} rows take {size / 2**30:,.0f} GB of memory"
            hint = f"there are {most / 2**30:,.0f} GB: make the layer or fit.batch_size smaller"
            raise SpecError(Problem(rule, path=("layers", node.index), hint=hint))
