"""The memory that a network needs, checked before it is allocated.

TensorFlow allocates whatever it is asked for, and the system kills a process that takes too much: after
`units: 1000000000` no error message would be left to read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.machine import format_bytes, memory_bytes
from mlpcli.printable import counted
from mlpcli.spec.layer_graph import Graph

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

FLOAT_BYTES = 4
"""Bytes of a weight or of an output value."""

LARGE = 20_000_000
"""Weights of a network, or of one of its arrays, beyond which `check` does not fill them."""

_unfilled: ContextVar[bool] = ContextVar("unfilled", default=False)


@contextmanager
def unfilled_weights() -> Iterator[None]:
    """Give large arrays of weights one value, for a check that trains nothing.

    An orthogonal matrix of 10,000 rows takes minutes, and a hundred million random numbers take seconds.
    """
    token = _unfilled.set(True)
    try:
        yield
    finally:
        _unfilled.reset(token)


def is_unfilled(parameters: int) -> bool:
    """Return whether a network of this size is only checked, and its optimizer's arrays are not created."""
    return _unfilled.get() and parameters > LARGE


def optimizer_arrays(optimizer: keras.optimizers.Optimizer) -> int:
    """Return how many arrays of a weight's size an optimizer that is not built yet keeps for each."""
    from mlpcli.keras_import import keras

    shape = (3, 5)
    copy = type(optimizer).from_config(optimizer.get_config())
    copy.build([keras.Variable(keras.ops.zeros(shape), name="probe")])
    return sum(tuple(variable.shape) == shape for variable in copy.variables)


@contextmanager
def bounded_weights(saved: Path | None = None, *, kept: int = 0) -> Iterator[None]:
    """Raise MemoryError before a layer creates weights that do not fit in memory for a training.

    Keras can neither report a layer's number of weights nor call us before it creates them.

    Args:
        saved: The file that the weights are read from, which cannot hold more weights than bytes.
        kept: The arrays that the optimizer keeps for each weight, beside its gradient.
    """
    from mlpcli.keras_import import keras

    layer_class = keras.layers.Layer
    add_weight, limit = layer_class.add_weight, _available() / ((2 + kept) * FLOAT_BYTES)
    with_what = "their gradients" + (" and the optimizer's state" if kept else "")
    held = math.inf if saved is None else saved.stat().st_size
    created = 0

    def bounded(
        self: keras.layers.Layer, shape: tuple[int | None, ...] | None = None, *args: object, **kwargs: object
    ) -> keras.Variable:
        nonlocal created
        size = math.prod(each or 1 for each in shape or ())
        created += size
        if created > held:
            raise MemoryError(f"the network would have more parameters than {saved} holds")
        if created > limit:
            raise MemoryError(
                f"the network would have {counted(created, 'parameter')}; "
                f"at most {limit:,.0f} fit in memory with {with_what}"
            )
        if _unfilled.get() and size > LARGE // 10:
            args, kwargs = args[1:], kwargs | {"initializer": keras.initializers.Constant(1e-3)}
        return add_weight(self, shape, *args, **kwargs)

    layer_class.add_weight = bounded
    try:
        yield
    finally:
        layer_class.add_weight = add_weight


def check_outputs(
    layer: keras.layers.Layer, below: Sequence[keras.KerasTensor], rows: int, path: KeyPath
) -> None:
    """Check that memory holds a layer's outputs of one batch, before the layer creates its weights.

    Args:
        layer: the layer, not called yet.
        below: what it will be called on.
        rows: rows of a batch.
        path: of the layer.

    Raises:
        SpecError: they do not fit.
    """
    from mlpcli.keras_import import keras

    try:
        shapes = [tuple(tensor.shape) for tensor in below]
        found = layer.compute_output_shape(shapes[0] if len(shapes) == 1 else shapes)
    except Exception:  # a custom layer need not have this method; and it may not fit, which its call says
        return
    sizes = [each for each in keras.tree.flatten(found) if each is not None]
    if not isinstance(found, tuple) or not all(isinstance(each, int) for each in sizes):
        return
    available, needed = _available(), rows * FLOAT_BYTES * math.prod(sizes)
    if needed > available:
        rule = f"the outputs of a batch of {counted(rows, 'row')} take {format_bytes(needed)} of memory"
        hint = f"the machine has {format_bytes(available)}: make the layer or fit.batch_size smaller"
        raise SpecError(Problem(rule, path=path, hint=hint))


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
            rule = f"the outputs of a batch of {counted(rows, 'row')} take {format_bytes(needed)} of memory"
            hint = f"the machine has {format_bytes(available)}: make the layer or fit.batch_size smaller"
            raise SpecError(Problem(rule, path=("layers", node.index), hint=hint))


def _available() -> float:
    """Return the machine's memory in bytes, infinite where it is not known."""
    return memory_bytes() or math.inf
