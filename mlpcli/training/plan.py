"""What is shown of a model and its data before the first epoch: the plan of a training, and advice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlpcli.data.dataset import Dataset
from mlpcli.runs.results import LayerRow, Plan
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.completed import CompletedSpec

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


def describe(completed: CompletedSpec, dataset: Dataset, model: keras.Model) -> Plan:
    """Return the plan of a training.

    Args:
        completed: The spec.
        dataset: Its data.
        model: Its model, built.
    """
    spec = completed.spec
    if spec.model is not None:
        layers = tuple(_inner_rows(model, spec.model.class_name))
    else:
        classes = {node.name: spec.layers[node.index].class_name for node in spec.graph.nodes}
        order = {node.name: place for place, node in enumerate(spec.graph.nodes)}
        shown = [layer for layer in model.layers if layer.name in order]
        shown.sort(key=lambda layer: order[layer.name])
        layers = tuple(
            LayerRow(layer.name, classes[layer.name], tuple(layer.output.shape), int(layer.count_params()))
            for layer in shown
        )
    return Plan(
        name=spec.name,
        source=dataset.source,
        rows={name: len(split) for name, split in dataset.splits().items()},
        classes=dataset.contract.output.classes,
        layers=layers,
        parameters=int(model.count_params()),
        trainable=sum(math.prod(weight.shape) for weight in model.trainable_weights),
        steps=-(-len(dataset.train) // spec.fit.batch_size),
    )


def note_advice(watcher: Watcher, completed: CompletedSpec, dataset: Dataset, model: keras.Model) -> None:
    """Note the best-practice advice on a spec; `check` gives the reasons.

    Args:
        watcher: Receives a line on each.
        completed: The spec.
        dataset: Its data.
        model: Its model, built.
    """
    from mlpcli.checks.advice import advise

    for item in advise(completed.spec, dataset, model):
        watcher.note(f"advice: {item.headline(completed.text.place(item.path))}")


def _inner_rows(model: keras.Model, class_name: str) -> Iterator[LayerRow]:
    """Yield the layers inside a model of a custom class, by the names of their attributes."""
    from mlpcli.model.subclassed import inner_layers, output_shape

    for layer in model.layers:
        if type(layer).__name__ == class_name:
            names = {id(value): name for name, value in vars(layer).items()}
            for inner in inner_layers(layer):
                name, shape = names.get(id(inner), inner.name), output_shape(inner)
                yield LayerRow(name, type(inner).__name__, shape, int(inner.count_params()))
