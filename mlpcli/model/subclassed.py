"""A `keras.Model` subclass from a plug-in as the network of a spec.

An instance of it is called like a layer between the spec's inputs and outputs, so that everything around it
(checks, the compiled loop, saving, serving) sees a model of known inputs and outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlpcli.data.types import Arrays
from mlpcli.errors import KeyPath, Problem, SpecError, listing
from mlpcli.keras_import import import_keras
from mlpcli.keras_internals import all_layers, build_shapes
from mlpcli.model.components import make_class, plain_reason, refusals
from mlpcli.model.plugins import Plugins
from mlpcli.spec.layer_graph import Graph
from mlpcli.spec.schema import ComponentSpec

PATH: KeyPath = ("model",)
BATCH_ROWS = 100_000
"""Rows at a time through a model whose layers learn from them."""

OWN_LOOP = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "compile", "fit")
"""Methods that the loop around the network would never call."""


def needs_adapting(layer: Any) -> bool:
    """Whether a layer learns from data, as Normalization does, and was not told what it would learn."""
    if not hasattr(layer, "adapt") or not hasattr(layer, "get_config"):
        return False
    config = layer.get_config()
    given = ("mean", "vocabulary", "bin_boundaries")
    return all(config.get(key) is None for key in given)


def build_class(
    part: ComponentSpec, inputs: dict[str, Any], graph: Graph, rows: Arrays | None, plugins: Plugins
) -> dict[str, Any]:
    """The outputs, by name, of a model class on symbolic inputs; its layers learn from the training rows.

    Its `call(self, inputs)` is given the only input, or a tuple of the named inputs in the spec's order;
    one whose arguments have the inputs' names is given each by its name. It returns one tensor for each
    output: alone, in the spec's order, or in a dict by name. A method `adapt(self, inputs)` is called with
    the training rows instead of adapting the layers inside.

    Raises:
        SpecError: the class refuses its arguments or the inputs, or returns other outputs than the spec has.
    """
    keras = import_keras()
    model = make_class("models", part.class_name, part.arguments, (*PATH, part.class_name), plugins)
    _check_stock(model, part)
    if rows is not None:
        with refusals(PATH, "cannot learn from the training rows"):
            _adapt(model, graph, rows)
    shapes = ", ".join(str(tuple(tensor.shape[1:])) for tensor in inputs.values())
    with refusals(PATH, f"{part.class_name} cannot be called on inputs of shape {shapes}"):
        outputs = _call(model, graph, inputs)
    _check_saving(model, part)
    named = _by_name(outputs, graph, part)
    # Layers with the outputs' names, in float32: losses and probabilities need the digits.
    return {name: keras.layers.Identity(name=name, dtype="float32")(value) for name, value in named.items()}


def inner_layers(model: Any) -> list[Any]:
    """The layers directly inside a model, without its inputs."""
    return [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]


def output_shape(layer: Any) -> tuple[int | None, ...]:
    """The shape of a built layer's output, rows first; empty where Keras cannot tell."""
    shapes = build_shapes(layer)
    try:
        found = layer.compute_output_shape(*shapes.values())
    except Exception:  # a layer of one's own need not have this method
        return ()
    return tuple(found) if all(isinstance(size, int | None) for size in found) else ()


def _check_stock(model: Any, part: ComponentSpec) -> None:
    keras = import_keras()
    if not isinstance(model, keras.Model):
        rule = f"must be a keras.Model, {part.class_name} is not"
        raise SpecError(Problem(rule, path=PATH, received=part.class_name))
    own = [name for name in OWN_LOOP if getattr(type(model), name) is not getattr(keras.Model, name)]
    if own and not isinstance(model, keras.Sequential):
        rule = f"{part.class_name} has {listing(own)} of its own, which would never be called"
        hint = "leave the training to the spec: loss, metrics, optimizer, callbacks"
        raise SpecError(Problem(rule, path=PATH, hint=hint))


def _check_saving(model: Any, part: ComponentSpec) -> None:
    """A model that cannot be saved should not be trained first."""
    keras = import_keras()
    try:
        keras.saving.serialize_keras_object(model)
    except Exception as error:
        hint = "give it a get_config that returns the arguments of its __init__"
        rule = f"{part.class_name} cannot be saved: {plain_reason(error)}"
        raise SpecError(Problem(rule, path=PATH, hint=hint)) from error


def _call(model: Any, graph: Graph, inputs: dict[str, Any]) -> Any:
    """The model on its inputs, symbols or arrays, by name in the graph's order."""
    if not graph.inputs:
        return model(next(iter(inputs.values())))
    inputs = {name: inputs[name] for name in graph.inputs}
    taken = [name for name in inspect.signature(model.call).parameters if name not in ("training", "mask")]
    if set(inputs) <= set(taken):
        return model(**inputs)
    return model(tuple(inputs.values()))


def _by_name(outputs: Any, graph: Graph, part: ComponentSpec) -> dict[str, Any]:
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
    rule = f"{part.class_name} returns {received}, the spec has {listing(names)}"
    hint = "name every output in dataset.target, loss or metrics"
    raise SpecError(Problem(rule, path=PATH, hint=hint))


class _Reached(BaseException):
    """A layer that must learn first has been reached; not an error, so that Keras does not dress it up."""


def _adapt(model: Any, graph: Graph, rows: Arrays) -> None:
    """Let the layers inside learn, in the order in which rows reach them, from what reaches them."""
    named = rows if isinstance(rows, dict) else {"": rows}
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
    model: Any, graph: Graph, rows: dict[str, Any], waiting: list[Any]
) -> tuple[Any, np.ndarray[Any, Any]] | None:
    """The first of the waiting layers that rows reach, and everything that reaches it."""
    caught: list[tuple[Any, Any]] = []
    with _catching(waiting, caught):
        for piece in _pieces(rows):
            try:
                _call(model, graph, piece)
            except _Reached:
                continue
            return None
    return caught[0][0], np.concatenate([np.asarray(values) for _, values in caught])


def _pieces(rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    keras = import_keras()
    count = len(next(iter(rows.values())))
    for start in range(0, count, BATCH_ROWS):
        span = slice(start, start + BATCH_ROWS)
        yield {
            name: keras.ops.convert_to_tensor(np.asarray(values[span], np.float32))
            for name, values in rows.items()
        }


@contextmanager
def _catching(layers: list[Any], caught: list[tuple[Any, Any]]) -> Iterator[None]:
    """Inside, calling one of the layers notes what it was called with and goes no further."""

    import tensorflow as tf

    def catcher(layer: Any) -> Any:
        original = layer.call

        def call(values: Any, *rest: Any, **named: Any) -> Any:
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
