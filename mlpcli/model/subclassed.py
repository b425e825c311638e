"""A `keras.Model` subclass from a plug-in as the network of a spec.

An instance of it is called like a layer between the spec's inputs and outputs, so that everything around it
(checks, the compiled loop, saving, serving) sees a model with known inputs and outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Union

import numpy as np

from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import KeyPath, Problem, SpecError, listing
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import all_layers, build_shapes
from mlpcli.model.components import make_instance, plain_reason, refusals
from mlpcli.model.plugins import Plugins
from mlpcli.spec.layer_graph import Graph
from mlpcli.spec.schema import ComponentSpec

PATH: KeyPath = ("model",)

Tensors = dict[str, "keras.KerasTensor"]
Outputs = Union["keras.KerasTensor", list["keras.KerasTensor"], tuple["keras.KerasTensor", ...], Tensors]
Call = tuple["keras.layers.Layer", "tf.Tensor"]
BATCH_ROWS = 100_000
"""Rows per call of a model whose layers learn from them."""

OWN_LOOP = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "compile", "fit")
"""Methods that would never be called: training is done on the network around the model."""


def needs_adapting(layer: keras.layers.Layer) -> bool:
    """Return whether a layer learns from data, as Normalization does, and was not given its statistics."""
    if not hasattr(layer, "adapt") or not hasattr(layer, "get_config"):
        return False
    config = layer.get_config()
    given = ("mean", "vocabulary", "bin_boundaries")
    return all(config.get(key) is None for key in given)


def build_class(
    component: ComponentSpec, inputs: Tensors, graph: Graph, rows: Arrays | None, plugins: Plugins
) -> Tensors:
    """Return the outputs, by name, of a model class called on symbolic inputs.

    Its `call(self, inputs)` receives the only input, or a tuple of the named inputs in the spec's order; if
    its arguments have the inputs' names, each is passed by name. It returns one tensor for each output:
    alone, in the spec's order, or in a dict by name. If it has a method `adapt(self, inputs)`, that is
    called with the training rows; otherwise the layers inside are adapted.

    Args:
        component: the class and its arguments.
        inputs: symbolic inputs by name.
        graph: the spec's inputs and outputs.
        rows: training rows to learn from, or None.
        plugins: the plug-ins that define the class.

    Raises:
        SpecError: the class rejects its arguments or the inputs, or returns other outputs than the spec has.
    """
    model = make_instance(
        "models", component.class_name, component.arguments, (*PATH, component.class_name), plugins
    )
    _check_stock(model, component)
    if rows is not None:
        with refusals(PATH, "cannot learn from the training rows"):
            _adapt(model, graph, rows)
    shapes = ", ".join(str(tuple(tensor.shape[1:])) for tensor in inputs.values())
    with refusals(PATH, f"{component.class_name} cannot be called on inputs of shape {shapes}"):
        outputs = _call(model, graph, inputs)
    _check_saving(model, component)
    named = _by_name(outputs, graph, component)
    # Layers with the outputs' names, in float32: losses and probabilities need the digits.
    return {name: keras.layers.Identity(name=name, dtype="float32")(value) for name, value in named.items()}


def inner_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers directly inside a model, without its inputs."""
    return [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]


def output_shape(layer: keras.layers.Layer) -> tuple[int | None, ...]:
    """Return the shape of a built layer's output, rows first; empty where Keras cannot compute it."""
    shapes = build_shapes(layer)
    try:
        found = layer.compute_output_shape(*shapes.values())
    except Exception:  # a custom layer need not have this method
        return ()
    return tuple(found) if all(isinstance(size, int | None) for size in found) else ()


def _check_stock(model: object, component: ComponentSpec) -> None:
    if not isinstance(model, keras.Model):
        rule = f"must be a keras.Model, {component.class_name} is not"
        raise SpecError(Problem(rule, path=PATH, received=component.class_name))
    own = [name for name in OWN_LOOP if getattr(type(model), name) is not getattr(keras.Model, name)]
    if own and not isinstance(model, keras.Sequential):
        rule = f"{component.class_name} defines {listing(own)}, which would never be called"
        hint = "leave the training to the spec: loss, metrics, optimizer, callbacks"
        raise SpecError(Problem(rule, path=PATH, hint=hint))


def _check_saving(model: keras.Model, component: ComponentSpec) -> None:
    """Check that a model can be saved, before it is trained."""
    try:
        keras.saving.serialize_keras_object(model)
    except Exception as error:
        hint = "give it a get_config that returns the arguments of its __init__"
        rule = f"{component.class_name} cannot be saved: {plain_reason(error)}"
        raise SpecError(Problem(rule, path=PATH, hint=hint)) from error


def _call(model: keras.Model, graph: Graph, inputs: Tensors) -> Outputs:
    """Call the model on its inputs, symbols or arrays, by name in the graph's order."""
    if not graph.inputs:
        return model(next(iter(inputs.values())))
    inputs = {name: inputs[name] for name in graph.inputs}
    taken = [name for name in inspect.signature(model.call).parameters if name not in ("training", "mask")]
    if set(inputs) <= set(taken):
        return model(**inputs)
    return model(tuple(inputs.values()))


def _by_name(outputs: Outputs, graph: Graph, component: ComponentSpec) -> Tensors:
    names = graph.outputs
    if isinstance(outputs, dict):
        received = listing(map(str, outputs))
        if set(outputs) == set(names):
            return {name: outputs[name] for name in names}
    else:
        several = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        received = "1 output" if len(several) == 1 else f"{len(several)} outputs"
        if len(several) == len(names):
            return dict(zip(names, several, strict=True))
    rule = f"{component.class_name} returns {received}, the spec has {listing(names)}"
    hint = "name every output in dataset.target, loss or metrics"
    raise SpecError(Problem(rule, path=PATH, hint=hint))


class _Reached(BaseException):
    """A layer that must learn first was called; not an Exception, so that Keras does not wrap it."""


def _adapt(model: keras.Model, graph: Graph, rows: Arrays) -> None:
    """Let the layers inside learn, in the order in which rows reach them, from what reaches them."""
    named = rows if isinstance(rows, dict) else {"": rows}
    if any(isinstance(each, StoredArray) and not each.fits for each in named.values()):
        rule = "has layers that learn from all rows, which are in files"
        hint = "give fit.memory more than the rows take"
        raise SpecError(Problem(rule, path=PATH, hint=hint))
    if own := getattr(model, "adapt", None):
        own(tuple(named[name] for name in graph.inputs) if graph.inputs else named[""])
        return
    waiting = [layer for layer in all_layers(model, include_self=False) if needs_adapting(layer)]
    while waiting:
        reached = _first_reached(model, graph, named, waiting)
        if reached is None:
            return  # those left are never called
        layer, values = reached
        layer.adapt(values)
        waiting.remove(layer)


def _first_reached(
    model: keras.Model, graph: Graph, rows: dict[str, Array], waiting: list[keras.layers.Layer]
) -> tuple[keras.layers.Layer, Array] | None:
    """Return the first of the waiting layers that rows reach, and everything that reaches it."""
    caught: list[Call] = []
    with _catching(waiting, caught):
        for piece in _pieces(rows):
            try:
                _call(model, graph, piece)
            except _Reached:
                continue
            return None
    return caught[0][0], np.concatenate([np.asarray(values) for _, values in caught])


def _pieces(rows: dict[str, Array]) -> Iterator[Tensors]:
    count = len(next(iter(rows.values())))
    for start in range(0, count, BATCH_ROWS):
        span = slice(start, start + BATCH_ROWS)
        yield {
            name: keras.ops.convert_to_tensor(np.asarray(values[span], np.float32))
            for name, values in rows.items()
        }


@contextmanager
def _catching(layers: list[keras.layers.Layer], caught: list[Call]) -> Iterator[None]:
    """Record what any of the layers is called with, and stop the call there."""

    def catcher(layer: keras.layers.Layer) -> Callable[..., tf.Tensor]:
        original = layer.call

        def call(values: tf.Tensor, *rest: object, **named: object) -> tf.Tensor:
            if not tf.executing_eagerly():  # Keras looks for shapes, to build what was not built yet
                return original(values, *rest, **named)
            caught.append((layer, values))
            raise _Reached

        return call

    for layer in layers:
        layer.__dict__["call"] = catcher(layer)  # past Keras's own __setattr__, which would track it
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["call"]
