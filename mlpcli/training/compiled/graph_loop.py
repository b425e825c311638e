"""The loop over steps as a graph without XLA: which models it suits, and whether a model can run in it.

XLA's convolutions and max pooling are several times slower on a CPU than TensorFlow's own (oneDNN); all
else is faster in XLA. The rule depends on the layers and operations of the network alone, not on a
measurement or the machine, so that a spec has the same engine, and the same numbers, everywhere.
"""

from __future__ import annotations

import re
from typing import Protocol

import keras
import tensorflow as tf

from mlpcli.keras_internals import all_layers
from mlpcli.training.compiled.xla_programs import CannotCompile, EpochProgram, plain_reason


class Traced(Protocol):
    """A traced program; `graph` has its operations."""

    graph: tf.Graph


SLOW_LAYER = re.compile(r"Conv|^Max(Pooling|Pool)")
SLOW_OPERATION = re.compile(r"Conv[123]D|DepthwiseConv2d|MaxPool")
"""The names of Keras's layers, and of TensorFlow's operations, that are slower in XLA than outside it."""


def why_graph(model: keras.Model) -> str | None:
    """Return why a model's layers are better trained outside XLA; None where they are not.

    Args:
        model: The model.
    """
    kinds = tuple(getattr(keras.layers, name) for name in dir(keras.layers) if SLOW_LAYER.search(name))
    for layer in all_layers(model, include_self=False):
        label = f"{layer.name} ({type(layer).__name__})"
        if isinstance(layer, kinds):
            return f"XLA is slow at {label}"
        # Recurrent layers are so marked for the sake of cuDNN, which a loop without a GPU never meets.
        if not layer.supports_jit and not isinstance(layer, keras.layers.RNN):
            return f"Keras marks {label} as not for XLA"
    return None


def slow_operation(program: Traced) -> str | None:
    """Return the first operation of a traced program that XLA runs slower than TensorFlow; None without one.

    Layers of a plug-in, and some of Keras's such as `STFTSpectrogram`, convolve without a layer of that name.

    Args:
        program: The program.
    """
    graph = program.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    slow = next((node for node in nodes if SLOW_OPERATION.match(node.op)), None)
    return None if slow is None else f"{slow.op} in {slow.name.removeprefix('while/')}"


def try_step(model: keras.Model, program: EpochProgram, leaves: list[tf.Tensor], order: tf.Tensor) -> None:
    """Run the first step of a graph, which finds out what it cannot run; then restore every variable.

    Args:
        model: The compiled model.
        program: Its traced program.
        leaves: Its data.
        order: The order of rows.

    Raises:
        CannotCompile: TensorFlow has no kernel for an operation.
    """
    found = [*program.variables, *model.variables, *model.metrics_variables]
    found += model.optimizer.variables if model.optimizer is not None else []
    variables = list({id(plain): plain for plain in map(_plain, found)}.values())
    before = [variable.read_value() for variable in variables]
    try:
        program(leaves, order, tf.constant(0), tf.constant(1))
    except tf.errors.OpError as error:
        raise CannotCompile(plain_reason(error)) from error
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _plain(variable: keras.Variable | tf.Variable) -> tf.Variable:
    """Return TensorFlow's variable of one of Keras's."""
    return variable.value if isinstance(variable, keras.Variable) else variable
