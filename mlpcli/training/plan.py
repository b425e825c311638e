"""The plan of a training: what is shown of a model and its data before the first epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlpcli.data.dataset import Dataset
from mlpcli.runs.results import LayerRow, Plan
from mlpcli.spec.load import LoadedSpec


def describe(loaded: LoadedSpec, dataset: Dataset, model: Any) -> Plan:
    """The plan of a training, from the built model."""
    if loaded.spec.model is not None:
        layers = tuple(_inner_rows(model, loaded.spec.model.class_name))
    else:
        order = {node.name: place for place, node in enumerate(loaded.spec.graph.nodes)}
        shown = sorted(
            (layer for layer in model.layers if layer.name in order), key=lambda each: order[each.name]
        )
        layers = tuple(
            LayerRow(layer.name, type(layer).__name__, tuple(layer.output.shape), int(layer.count_params()))
            for layer in shown
        )
    rows = {name: len(split) for name, split in dataset.splits().items()}
    trainable = sum(int(weight.numpy().size) for weight in model.trainable_weights)
    steps = -(-len(dataset.train) // loaded.spec.fit.batch_size)
    classes = dataset.contract.output.classes
    return Plan(
        loaded.spec.name, dataset.source, rows, classes, layers, int(model.count_params()), trainable, steps
    )


def _inner_rows(model: Any, class_name: str) -> Iterator[LayerRow]:
    """The layers inside a model of a class of one's own, by the names of their attributes."""
    from mlpcli.model.subclassed import inner_layers, output_shape

    for layer in model.layers:
        if type(layer).__name__ == class_name:
            names = {id(value): name for name, value in vars(layer).items()}
            for inner in inner_layers(layer):
                shape = output_shape(inner)
                yield LayerRow(
                    names.get(id(inner), inner.name), type(inner).__name__, shape, int(inner.count_params())
                )
