"""The memory that a network needs, checked before it is allocated.

TensorFlow allocates whatever it is asked for, and the system kills a process that takes too much: after
`units: 1000000000` no error message would be left to read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.errors import Problem, SpecError
from mlpcli.machine import format_bytes, memory_bytes
from mlpcli.spec.layer_graph import Graph

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

FLOAT_BYTES = 4
"""Bytes of a weight or of an output value."""


@contextmanager
def bounded_weights(saved: Path | None = None) -> Iterator[None]:
    """Raise MemoryError before a layer creates weights that, with their gradients, do not fit in memory.

    Keras can neither report a layer's number of weights nor call us before it creates them.

    Args:
        saved: The file that the weights are read from, which cannot hold more weights than bytes.
    """
    from mlpcli.keras_import import keras

    layer_class = keras.layers.Layer
    add_weight, limit = layer_class.add_weight, _available() / (2 * FLOAT_BYTES)
    held = math.inf if saved is None else saved.stat().st_size
    created = 0

    def bounded(
        self: keras.layers.Layer, shape: tuple[int | None, ...] | None = None, *args: object, **kwargs: object
    ) -> keras.Variable:
        nonlocal created
        created += math.prod(size or 1 for size in shape or ())
        if created > held:
            raise MemoryError(f"the network would have more parameters than {saved} holds")
        if created > limit:
            raise MemoryError(
                f"the network would have {created:,} parameters; "
                f"at most {limit:,.0f} fit in memory with their gradients"
            )
        return add_weight(self, shape, *args, **kwargs)

    layer_class.add_weight = bounded
    try:
        yield
    finally:
        layer_class.add_weight = add_weight


def check_batch(model: keras.Model, graph: Graph, rows: int) -> None:
    """Check that memory holds the outputs of every single layer for one batch.

    Args:
        model: the built network.
        graph: its layers, as the spec has them.
        rows: rows of a batch.

    Raises:
        SpecError: a layer's outputs do not fit; the path is the layer's.
    """
    from mlpcli.keras_import import keras

    available = _available()
    for node in graph.nodes:
        outputs = keras.tree.flatten(model.get_layer(node.name).output)
        values = sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in outputs)
        needed = rows * FLOAT_BYTES * values
        if needed > available:
            rule = f"the outputs of a batch of {rows:,} rows take {format_bytes(needed)} of memory"
            hint = f"the machine has {format_bytes(available)}: make the layer or fit.batch_size smaller"
            raise SpecError(Problem(rule, path=("layers", node.index), hint=hint))


def _available() -> float:
    """Return the machine's memory in bytes, infinite where it is not known."""
    return memory_bytes() or math.inf
