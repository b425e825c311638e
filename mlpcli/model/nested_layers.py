"""Layers inside others that would learn from the training rows, which only a layer of its own can."""

from __future__ import annotations

from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.keras_import import keras
from mlpcli.keras_internals import all_layers
from mlpcli.model.subclassed import needs_adapting
from mlpcli.spec.schema import ComponentSpec
from mlpcli.spec.values import Value


def check_inner_layers(layer: keras.layers.Layer, component: ComponentSpec, path: KeyPath) -> None:
    """Check that no layer inside one of Keras's waits for rows to learn from: none would reach it.

    Args:
        layer: such as a TimeDistributed or a Pipeline; a plug-in's own has its ways.
        component: the layer in the spec.
        path: its place.

    Raises:
        SpecError: a layer inside has an `adapt` method, and no statistics.
    """
    if not type(layer).__module__.startswith("keras."):
        return
    for inner in all_layers(layer, include_self=False):
        if needs_adapting(inner):
            name = type(inner).__name__
            rule = f"{name} inside {component.class_name} learns nothing from the training rows"
            hint = f"write it as a layer of its own, above: - {name}; or give it its statistics"
            place = _place_of(name, component.arguments, (*path, component.class_name)) or path
            raise SpecError(Problem(rule, path=place, received=name, hint=hint))


def _place_of(name: str, value: Value, path: KeyPath) -> KeyPath | None:
    """Return the place of the first component of a class inside a value."""
    if value == name:
        return path
    if isinstance(value, dict) and name in value:
        return (*path, name)
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_place_of(name, inner, (*path, key)) for key, inner in items)
    return next((place for place in found if place is not None), None)
