"""Spec to Keras model: classes are looked up in Keras itself, and Keras's objections get their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlpcli.data.dataset import Array, Dataset
from mlpcli.engine.parts import make_class, make_part, plain_reason, refusals
from mlpcli.engine.plugins import NONE, Plugins
from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.spec.schema import PartSpec, Spec
from mlpcli.start import import_keras

__all__ = ["build_model", "compile_model", "make_part", "plain_reason"]

ADAPT_ROWS = 100_000
"""Rows at a time through the layers below one that is adapted."""


def build_model(spec: Spec, dataset: Dataset, plugins: Plugins = NONE) -> Any:
    """The compiled `keras.Model` of a spec; its input is one row of `dataset` (float32 inside).

    Layers with an `adapt` method (Normalization, Discretization) learn from the training rows alone.

    Raises:
        SpecError: Keras refuses a layer, an argument's value, or a shape; every refused part is told.
    """
    keras = import_keras()
    keras.utils.clear_session()
    with _precision(spec.fit.precision):
        return _build_model(spec, dataset, plugins)


def _build_model(spec: Spec, dataset: Dataset, plugins: Plugins) -> Any:
    keras = import_keras()
    keras.utils.set_random_seed(spec.seed)
    layers = _make_layers(spec, plugins)
    inputs = keras.Input(dataset.contract.shape, name="input")
    outputs = inputs
    for index, layer in enumerate(layers):
        path: KeyPath = ("layers", index)
        if _needs_adapting(layer):
            with refusals(path, "cannot learn from the training rows"):
                _adapt(layer, inputs, outputs, dataset.train.x)
        with refusals(
            path, f"does not fit what comes before it, of shape {_shape(outputs)}", _shape_hint(outputs)
        ):
            outputs = layer(outputs)
    model = keras.Model(inputs, outputs, name=_identifier(spec.name))
    compile_model(model, spec, plugins)
    return model


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Layers made inside have this dtype policy."""
    keras = import_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compile_model(model: Any, spec: Spec, plugins: Plugins = NONE) -> None:
    """Give the model its loss, optimizer and metrics.

    Raises:
        SpecError: Keras refuses one of them.
    """
    problems: list[Problem] = []
    made: dict[KeyPath, Any] = {}
    wanted: list[tuple[KeyPath, PartSpec, str]] = [
        (("loss",), spec.loss, "losses"),
        (("optimizer",), spec.optimizer, "optimizers"),
        *((("metrics", index), metric, "metrics") for index, metric in enumerate(spec.metrics)),
    ]
    for path, part, namespace in wanted:
        try:
            made[path] = make_part(part, namespace, path, plugins)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    metrics = [value for path, value in made.items() if path[0] == "metrics"]
    model.compile(loss=made["loss",], optimizer=made["optimizer",], metrics=metrics)


def _make_layers(spec: Spec, plugins: Plugins) -> list[Any]:
    """Every layer of the stack; all that Keras refuses come in one error."""
    problems: list[Problem] = []
    layers = []
    for index, part in enumerate(spec.layers):
        own: dict[str, Any] = {"name": part.name} if part.name else {}
        if index == len(spec.layers) - 1 and spec.fit.precision != "float32":
            own |= {
                "dtype": part.arguments.get("dtype", "float32")
            }  # losses and probabilities need the digits
        path: KeyPath = ("layers", index, part.class_name)
        try:
            layers.append(make_class("layers", part.class_name, part.arguments | own, path, plugins))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    return layers


def _needs_adapting(layer: Any) -> bool:
    if not hasattr(layer, "adapt"):
        return False
    config = layer.get_config()
    given = ("mean", "vocabulary", "bin_boundaries")
    return all(config.get(key) is None for key in given)


def _adapt(layer: Any, inputs: Any, below: Any, rows: Array) -> None:
    """Let a layer learn from the training rows as they look after the layers below it."""
    if below is inputs:
        layer.adapt(rows)
        return
    keras = import_keras()
    lower = keras.Model(inputs, below)
    pieces = [
        lower(rows[start : start + ADAPT_ROWS], training=False).numpy()
        for start in range(0, len(rows), ADAPT_ROWS)
    ]
    layer.adapt(np.concatenate(pieces))


def _shape(tensor: Any) -> str:
    shape = getattr(tensor, "shape", None)
    if shape is None:
        return "several tensors"
    return "(" + ", ".join("rows" if size is None else str(size) for size in shape) + ")"


def _shape_hint(tensor: Any) -> str:
    rank = len(getattr(tensor, "shape", ()) or ())
    return "put Flatten before it" if rank > 2 else ""


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
