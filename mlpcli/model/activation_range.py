"""The range of an output's values, found by measuring its activation rather than from a list of names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.types import Array
from mlpcli.errors import KeyPath
from mlpcli.spec.layer_graph import Graph, Node
from mlpcli.spec.schema import Spec

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

HUGE = 50.0
"""A value beyond this counts as unbounded: the largest bound of Keras's activations is 6."""

ACTIVATED = ("Dense", "NTKDense", "EinsumDense", "Activation", "MemberDense")
FUNCTIONS = ("ReLU", "LeakyReLU", "ELU", "Softmax")
"""Layers that end with an activation (convolutions do too), and layers that are one."""

PASSING = (
    *("Flatten", "Reshape", "Permute", "Identity", "RepeatVector", "ActivityRegularization"),
    "MemberMean",
)
"""Layers that output the values they receive, or means of them; so does every kind of dropout."""

NORMALIZING = (
    *("BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization"),
    *("Scale", "ParametricActivation"),
)
"""Layers whose outputs may be any number."""


@dataclass(frozen=True)
class OutputRange:
    """The values that an output can take.

    Attributes:
        low: the lower bound, -inf where there is none.
        high: the upper bound, inf where there is none.
        name: what sets the bounds: an activation or a layer's class.
        path: the place in the spec of what sets them.
        sums_to_one: the values of a row are probabilities of mutually exclusive classes.
        steps: there are only a few distinct values, as with `heaviside`.
    """

    low: float
    high: float
    name: str
    path: KeyPath
    sums_to_one: bool = False
    steps: bool = False

    @property
    def is_probability(self) -> bool:
        """Whether every value lies between 0 and 1."""
        return self.low >= 0.0 and self.high <= 1.0

    def holds(self, low: float, high: float) -> bool:
        """Return whether the interval from `low` to `high` lies within this range, up to rounding."""
        slack = 1e-4 * max(1.0, abs(low), abs(high))
        return self.low - slack <= low and high <= self.high + slack


def passes_values(class_name: str) -> bool:
    """Return whether a layer outputs the values it receives, apart from noise during training."""
    return class_name in PASSING or "Dropout" in class_name


def find_output_range(model: keras.Model, spec: Spec, graph: Graph, name: str) -> OutputRange | None:
    """Return the range of a layer's values, or None where it is unknown."""
    nodes = {node.name: node for node in graph.nodes}
    return _layer_range(model, spec, nodes, nodes.get(name))


def _layer_range(
    model: keras.Model, spec: Spec, nodes: dict[str, Node], node: Node | None
) -> OutputRange | None:
    if node is None:
        return None
    from mlpcli.keras_import import keras

    layer, component = model.get_layer(node.name), spec.layers[node.index]
    kind = component.class_name
    path: KeyPath = ("layers", node.index)
    if not type(layer).__module__.startswith(("keras.", "mlpcli.")):
        return None  # a plug-in's, which may do anything with its activation
    if kind in ACTIVATED or "Conv" in kind:
        owner = type(layer.activation) if isinstance(layer.activation, keras.Layer) else layer.activation
        if owner.__module__.split(".")[0] not in ("keras", "mlpcli"):
            return None
        at = (*path, kind, "activation") if "activation" in component.arguments else path
        try:
            return measure_range(layer.activation, at)
        except TypeError:  # `threshold` needs more than values: the trial batch reports it
            return None
    if kind in FUNCTIONS:
        return replace(measure_range(layer, path), name=kind)
    if kind in NORMALIZING:
        return OutputRange(-math.inf, math.inf, kind, path)
    below = nodes.get(node.sources[0]) if len(node.sources) == 1 else None
    if passes_values(kind):
        return _layer_range(model, spec, nodes, below)
    if kind == "Rescaling" and np.ndim(layer.scale) == np.ndim(layer.offset) == 0:
        found = _layer_range(model, spec, nodes, below)
        return _rescaled(found, float(layer.scale), float(layer.offset), path) if found else None
    return None


def _rescaled(below: OutputRange, scale: float, offset: float, path: KeyPath) -> OutputRange:
    if scale == 0.0:
        return OutputRange(offset, offset, "Rescaling", path)
    ends = sorted((below.low * scale + offset, below.high * scale + offset))
    return OutputRange(ends[0], ends[1], f"{below.name} with Rescaling", path, steps=below.steps)


def measure_range(function: Callable[[keras.KerasTensor], keras.KerasTensor], path: KeyPath) -> OutputRange:
    """Return the range of an activation, measured on a wide grid of inputs."""
    from mlpcli.keras_import import keras

    tensor = keras.ops.convert_to_tensor(_grid())
    values = keras.ops.convert_to_numpy(keras.ops.cast(function(tensor), "float32"))
    found = values[~np.isnan(values)]
    low, high = _whole(float(found.min())), _whole(float(found.max()))
    name = getattr(function, "__name__", None) or type(function).__name__
    one = values.shape[-1] == 2 and bool(np.allclose(values.sum(axis=-1), 1.0, atol=1e-4))
    return OutputRange(
        low if low > -HUGE else -math.inf,
        high if high < HUGE else math.inf,
        str(name),
        path,
        sums_to_one=one and low >= 0.0,
        steps=len(np.unique(found)) <= 3,
    )


def _whole(value: float) -> float:
    """Return a bound without its rounding error."""
    return float(round(value)) if math.isfinite(value) and abs(value - round(value)) < 2e-3 else value


@cache
def _grid() -> Array:
    """Return input pairs, (rows, 2) float32: each value with its opposite, itself, and a much larger one."""
    near = np.linspace(-6.0, 6.0, 241)
    far = np.geomspace(6.5, 1e3, 40)
    line = np.concatenate([-far, near, far]).astype(np.float32)
    others = (-line, line, np.full_like(line, 100.0))
    return np.concatenate([np.stack([line, other], axis=1) for other in others])


def units_path(spec: Spec, graph: Graph, name: str) -> KeyPath:
    """Return the place of an output's number of units: the argument that sets it, or else the layer."""
    nodes = {node.name: node for node in graph.nodes}
    node: Node | None = nodes[name]
    last: KeyPath = ("layers", nodes[name].index)
    while node is not None:
        component = spec.layers[node.index]
        if "units" in component.arguments:
            return ("layers", node.index, component.class_name, "units")
        kind = component.class_name
        passes = passes_values(kind) or kind in (*FUNCTIONS, *NORMALIZING, "Activation", "Rescaling", "PReLU")
        if not passes or kind in ("Flatten", "Reshape", "RepeatVector"):
            return last
        node = nodes.get(node.sources[0]) if len(node.sources) == 1 else None
    return last
