"""Between which values an output lies, found by measuring its activation rather than by a list of names."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from mlpcli.data.types import Array
from mlpcli.errors import KeyPath
from mlpcli.keras_import import import_keras
from mlpcli.spec.layer_graph import Graph, Node
from mlpcli.spec.schema import Spec

HUGE = 50.0
"""A value beyond this is taken for no bound at all: the greatest that Keras's activations have is 6."""

ACTIVATED = ("Dense", "EinsumDense", "Activation")
FUNCTIONS = ("ReLU", "LeakyReLU", "ELU", "Softmax")
"""Layers that end with an activation, convolutions beside them, and layers that are one."""

PASSING = ("Flatten", "Reshape", "Permute", "Identity", "RepeatVector", "ActivityRegularization")
"""Layers whose outputs are the values that they read, and all kinds of dropout beside them."""

NORMALIZING = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization")
"""Layers whose outputs may be any number."""


@dataclass(frozen=True)
class OutputRange:
    """The values that an output may have.

    low, high: its bounds, infinite where there is none.
    name: what sets them, an activation or a layer's class.
    path: of what sets them in the spec.
    sums_to_one: the values of a row are probabilities of classes that exclude each other.
    steps: there are only a few values, as of `heaviside`.
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
        """Whether the values from `low` to `high` are among these, up to rounding."""
        slack = 1e-4 * max(1.0, abs(low), abs(high))
        return self.low - slack <= low and high <= self.high + slack


def passes_values(class_name: str) -> bool:
    """Whether the outputs of a layer are the values that it reads, a training's noise aside."""
    return class_name in PASSING or "Dropout" in class_name


def find_output_range(model: Any, spec: Spec, graph: Graph, name: str) -> OutputRange | None:
    """What the values of a layer may be, or None where it cannot be told."""
    nodes = {node.name: node for node in graph.nodes}
    return _layer_range(model, spec, nodes, nodes.get(name))


def _layer_range(model: Any, spec: Spec, nodes: dict[str, Node], node: Node | None) -> OutputRange | None:
    if node is None:
        return None
    keras = import_keras()
    layer, part = model.get_layer(node.name), spec.layers[node.index]
    kind = part.class_name
    path: KeyPath = ("layers", node.index)
    if not type(layer).__module__.startswith("keras."):
        return None  # a plug-in's, which may do anything with its activation
    if kind in ACTIVATED or "Conv" in kind:
        owner = type(layer.activation) if isinstance(layer.activation, keras.Layer) else layer.activation
        if owner.__module__.split(".")[0] not in ("keras", "mlpcli"):
            return None
        at = (*path, kind, "activation") if "activation" in part.arguments else path
        try:
            return measured(layer.activation, at)
        except TypeError:  # `threshold` needs more than values: the layer fails, and a batch tells of it
            return None
    if kind in FUNCTIONS:
        return replace(measured(layer, path), name=kind)
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


def measured(function: Any, path: KeyPath) -> OutputRange:
    """The output range of an activation, from its values over a wide grid."""
    keras = import_keras()
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
    """A bound without what rounding has put to it."""
    return float(round(value)) if math.isfinite(value) and abs(value - round(value)) < 2e-3 else value


@cache
def _grid() -> Array:
    """Pairs, (rows, 2): every value with its opposite, with itself, and with one much larger."""
    near = np.linspace(-6.0, 6.0, 241)
    far = np.geomspace(6.5, 1e3, 40)
    line = np.concatenate([-far, near, far]).astype(np.float32)
    others = (-line, line, np.full_like(line, 100.0))
    return np.concatenate([np.stack([line, other], axis=1) for other in others])


def units_path(spec: Spec, graph: Graph, name: str) -> KeyPath:
    """The place of the number of units of an output: an argument of the layer that sets it, or that layer."""
    nodes = {node.name: node for node in graph.nodes}
    node: Node | None = nodes[name]
    last: KeyPath = ("layers", nodes[name].index)
    while node is not None:
        part = spec.layers[node.index]
        if "units" in part.arguments:
            return ("layers", node.index, part.class_name, "units")
        kind = part.class_name
        passes = passes_values(kind) or kind in (*FUNCTIONS, *NORMALIZING, "Activation", "Rescaling", "PReLU")
        if not passes or kind in ("Flatten", "Reshape", "RepeatVector"):
            return last
        node = nodes.get(node.sources[0]) if len(node.sources) == 1 else None
    return last
