"""Whether the ids in the data are those that the layers of a network take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Dataset, Split
from mlpcli.errors import KeyPath, Problem
from mlpcli.model.id_layers import IdLayer, id_layers
from mlpcli.spec.schema import Spec

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


def id_problems(model: keras.Model, spec: Spec, dataset: Dataset) -> list[Problem]:
    """Return a problem for each layer that would read a number that is none of its ids.

    Args:
        model: the network.
        spec: its spec.
        dataset: the rows of every split.
    """
    layers = id_layers(model, spec)
    return [problem for layer in layers for problem in _layer_problems(layer, spec, dataset)]


def _layer_problems(layer: IdLayer, spec: Spec, dataset: Dataset) -> Iterator[Problem]:
    for split in dataset.splits().values():
        bad = layer.is_bad(split.x)
        rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
        if len(rows):
            yield _problem(layer, spec, split, rows.tolist(), dataset.source)
            return


def _problem(layer: IdLayer, spec: Spec, split: Split, rows: list[int], source: str) -> Problem:
    component = spec.layers[layer.index]
    path: KeyPath = ("layers", layer.index, component.class_name)
    values = np.concatenate([np.ravel(layer.values(split.x, row)) for row in rows[:1000]])
    good = (values >= 0) & (values < layer.count) & (np.floor(values) == values)
    first = values[~good][0].item()
    shown = f"{int(first):,}" if float(first).is_integer() else f"{first:.6g}"
    hint = "map the numbers to ids first, with Hashing, IntegerLookup or Discretization"
    if not (values < 0).any() and bool((np.floor(values) == values).all()):
        hint = f"set {layer.argument} above the largest id"
    row = int(split.rows[rows[0]]) + 1
    rule = f"takes ids from 0 to {layer.count - 1:,}, row {row:,} of {source} has {shown}"
    if layer.argument in component.arguments:
        return Problem(rule, path=(*path, layer.argument), received=layer.count, hint=hint)
    return Problem(rule, path=path, hint=hint)
