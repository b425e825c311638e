"""Each output of a built model beside its target, its layer, its loss and its metrics, for the checks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlpcli.data.dataset import Dataset, Output
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath
from mlpcli.model.activation_range import OutputRange, find_output_range, units_path
from mlpcli.model.default_losses import fold
from mlpcli.model.model import output_loss, output_metrics
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.plugins import KERAS
from mlpcli.spec.schema import ComponentSpec


@dataclass(frozen=True)
class OutputView:
    """One output as the checks see it.

    output: its target. path: of its layer in the spec. units_path: of its number of units.
    loss, loss_path; metrics: its loss and metrics, with their places.
    shape: of one row of the output. output_range: what its values may be, None where it cannot be told.
    targets: y of every split, the training rows first, as the loss sees it.
    """

    output: Output
    path: KeyPath
    units_path: KeyPath
    loss: ComponentSpec
    loss_path: KeyPath
    metrics: tuple[tuple[KeyPath, ComponentSpec], ...]
    shape: tuple[int, ...]
    output_range: OutputRange | None
    targets: tuple[Array, ...]

    @property
    def units(self) -> int:
        """Values of one row."""
        return math.prod(self.shape)

    @property
    def classes(self) -> int:
        """How many classes or labels the target has."""
        return len(self.output.classes or ())

    @cached_property
    def span(self) -> tuple[float, float]:
        """The least and the greatest target, as the loss sees them; where they are scaled, of the training
        rows, by which they were, alone.
        """
        return _span(self.targets[:1] if self.output.scale is not None else self.targets)

    @cached_property
    def own_span(self) -> tuple[float, float]:
        """The least and the greatest target in its own units, as metrics see them."""
        return _span(tuple(self.output.restore(each) for each in self.targets))

    @cached_property
    def is_binary(self) -> bool:
        """Whether the target, in its own units, is 0 or 1 throughout."""
        return all(bool(np.isin(self.output.restore(each), (0, 1)).all()) for each in self.targets)

    def has_zero(self, *, own_units: bool) -> bool:
        """Whether a target is 0, or so near that it makes no difference to a float32."""
        seen = (self.output.restore(each) for each in self.targets) if own_units else self.targets
        return any(bool((np.abs(each) < 1e-7).any()) for each in seen)

    @cached_property
    def has_one_each(self) -> bool:
        """Whether every row of a target of several columns has a single 1."""
        return all(bool((each.sum(axis=-1) == 1).all()) for each in self.targets)


def _span(arrays: tuple[Array, ...]) -> tuple[float, float]:
    return min(float(each.min()) for each in arrays), max(float(each.max()) for each in arrays)


def output_views(model: Any, loaded: LoadedSpec, dataset: Dataset) -> Iterator[OutputView]:
    """Every output of the model; the place of a loss that was chosen is that of the output's units."""
    spec = loaded.spec
    graph = spec.graph
    places = {node.name: node.index for node in graph.nodes}
    for output in dataset.contract.outputs:
        name = output.name or graph.outputs[0]
        tensor = model.output[output.name] if output.name else model.output
        inside: KeyPath = ("layers",) if spec.model is None else ("model",)
        known = name in places
        units = units_path(spec, graph, name) if known else inside
        loss_path: KeyPath = ("loss", output.name) if isinstance(spec.loss, dict) else ("loss",)
        yield OutputView(
            output=output,
            path=("layers", places[name]) if known else inside,
            units_path=units,
            loss=output_loss(spec, output.name),
            loss_path=loss_path if loaded.text.data.get("loss") is not None else units,
            metrics=tuple(output_metrics(spec, output.name)),
            shape=tuple(tensor.shape[1:]),
            output_range=find_output_range(model, spec, graph, name) if known else None,
            targets=tuple(
                split.y[output.name] if output.name else split.y for split in dataset.splits().values()
            ),
        )


ALIASES = {
    "bce": "binarycrossentropy",
    "kld": "kldivergence",
    "mae": "meanabsoluteerror",
    "mape": "meanabsolutepercentageerror",
    "mse": "meansquarederror",
    "msle": "meansquaredlogarithmicerror",
    "logcosherror": "logcosh",
    "acc": "accuracy",
}


def canonical(part: ComponentSpec, namespace: str) -> str:
    """One spelling for the names of a loss or metric of Keras's or ours, empty for a plug-in's.

    `mse`, `MSE`, `mean_squared_error` and `MeanSquaredError` are all `meansquarederror`.
    """
    name = part.class_name
    if name not in KERAS.class_names(namespace) and name not in KERAS.short_names(namespace):
        return ""
    folded = fold(name)
    return ALIASES.get(folded, folded)
