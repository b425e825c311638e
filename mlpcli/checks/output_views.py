"""Each output of a built model with its target, its layer, its loss and its metrics, for the checks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Dataset, Output
from mlpcli.data.stored.stored_array import StoredArray, blocks_of
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath
from mlpcli.model.activation_range import OutputRange, find_output_range, units_path
from mlpcli.model.build import output_loss, output_metrics
from mlpcli.model.default_losses import fold
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.member_axis import member_outputs
from mlpcli.spec.plugins import KERAS
from mlpcli.spec.schema import ComponentSpec

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


@dataclass(frozen=True)
class Targets:
    """The targets of some splits, of which those in files are read some rows at a time.

    Attributes:
        arrays: y of each split.
    """

    arrays: Sequence[Array | StoredArray]

    def __iter__(self) -> Iterator[Array]:
        for array in self.arrays:
            yield from blocks_of(array)

    @property
    def width(self) -> int:
        """The number of values of a row."""
        first = self.arrays[0]
        return int(first.shape[-1]) if first.ndim > 1 else 1


@dataclass(frozen=True)
class OutputView:
    """One output as the checks see it.

    Attributes:
        output: its target.
        path: the place of its layer in the spec.
        units_path: the place of its number of units.
        loss: its loss.
        loss_path: the place of its loss.
        metrics: its metrics, each with its place.
        shape: of one row of the output.
        output_range: the values it can take, None where they are unknown.
        targets: y of every split, the training rows first, as the loss sees it.
        of_members: it is the mean of the predictions of members.
    """

    output: Output
    path: KeyPath
    units_path: KeyPath
    loss: ComponentSpec
    loss_path: KeyPath
    metrics: tuple[tuple[KeyPath, ComponentSpec], ...]
    shape: tuple[int, ...]
    output_range: OutputRange | None
    targets: Targets
    of_members: bool = False

    @property
    def has_steps(self) -> bool:
        """Whether the output has only a few distinct values, as with `heaviside`."""
        return self.output_range is not None and self.output_range.steps

    @property
    def units(self) -> int:
        """Values per row, or per step where each step has a target."""
        return self.shape[-1] if self.output.steps else math.prod(self.shape)

    @property
    def classes(self) -> int:
        """The number of classes or labels of the target."""
        return len(self.output.classes or ())

    @cached_property
    def span(self) -> tuple[float, float]:
        """The least and the greatest target, as the loss sees them.

        Where targets are scaled, only the training rows count, since the scale was computed from them.
        """
        return _span(self.targets if self.output.scale is None else Targets(self.targets.arrays[:1]))

    @cached_property
    def own_span(self) -> tuple[float, float]:
        """The least and the greatest target in its own units, as metrics see them."""
        return _span(self.output.restore(each, truth=True) for each in self.targets)

    @cached_property
    def is_binary(self) -> bool:
        """Whether every target, in its own units, is 0 or 1."""
        own = (np.asarray(self.output.restore(each, truth=True), np.float32) for each in self.targets)
        return all(bool(np.isin(each, (0, 1)).all()) for each in own)

    def has_zero(self, *, own_units: bool) -> bool:
        """Return whether a target is 0, or too close to 0 for float32 to tell."""
        seen = (self.output.restore(each, truth=True) for each in self.targets) if own_units else self.targets
        return any(bool((np.abs(each) < 1e-7).any()) for each in seen)

    @cached_property
    def has_one_each(self) -> bool:
        """Whether every row of a target with several columns has exactly one 1."""
        return all(bool((each.sum(axis=-1) == 1).all()) for each in self.targets)


def _span(arrays: Iterable[Array]) -> tuple[float, float]:
    ends = [(float(each.min()), float(each.max())) for each in arrays]
    return min(low for low, _ in ends), max(high for _, high in ends)


def output_views(model: keras.Model, loaded: LoadedSpec, dataset: Dataset) -> Iterator[OutputView]:
    """Yield every output of the model; a loss that was chosen has the place of the output's units."""
    spec = loaded.spec
    graph = spec.graph
    places = {node.name: node.index for node in graph.nodes}
    means = member_outputs(spec)
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
            targets=Targets(
                [split.y[output.name] if output.name else split.y for split in dataset.splits().values()]
            ),
            of_members=name in means and type(model.get_layer(name)).__module__.startswith("mlpcli."),
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


def canonical(component: ComponentSpec, namespace: str) -> str:
    """Return one spelling for the names of a loss or metric of Keras or ours, empty for a plug-in's.

    `mse`, `MSE`, `mean_squared_error` and `MeanSquaredError` are all `meansquarederror`.
    """
    name = component.class_name
    if name not in KERAS.class_names(namespace) and name not in KERAS.short_names(namespace):
        return ""
    folded = fold(name)
    return ALIASES.get(folded, folded)
