"""What the values of encoded rows are: of a raw column, or an image; read them, put others in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.types import Array, Arrays
from mlpcli.statistics.drift import mid_ranks

LEAST_SIDE = 5
"""Rows and columns from which on an array is taken for an image."""


def is_image(contract: Contract) -> bool:
    """Return whether the rows of a run are images: of rows, columns and perhaps 1, 3 or 4 channels."""
    if contract.inputs or contract.preprocessor is not None:
        return False
    return _is_image(contract.shape, np.dtype(contract.dtype))


def images_of(x: object, rows: Array) -> Array | None:
    """Return some rows as images, (rows, height, width[, channels]); None where they are none.

    Args:
        x: rows, or a dict of them by input.
        rows: their positions.
    """
    if not isinstance(x, np.ndarray) or not _is_image(x.shape[1:], x.dtype):
        return None
    return np.asarray(x[rows])


def _is_image(shape: Sequence[int], dtype: np.dtype[Any]) -> bool:
    """Return whether values of some shape are an image; ids of tokens, which are int64, are none."""
    if len(shape) not in (2, 3) or dtype == np.int64:
        return False
    return min(shape[:2]) >= LEAST_SIDE and (len(shape) == 2 or shape[2] in (1, 3, 4))


def column_places(contract: Contract) -> dict[str, tuple[int, ...]]:
    """Return, by raw column, the positions of its values in a flat row; none where rows are no flat rows.

    Args:
        contract: of a run. Columns of an array without names are called by their number.
    """
    preprocessor = contract.preprocessor
    if isinstance(preprocessor, StackedPreprocessor):
        return {
            name: tuple(
                start + place
                for start, member in zip(preprocessor.starts, preprocessor.members, strict=True)
                if name in member.spans
                for place in member.spans[name]
            )
            for name in preprocessor.names
        }
    if preprocessor is not None:
        return {name: tuple(span) for name, span in preprocessor.spans.items()}
    if len(contract.shape) != 1:
        return {}
    names = contract.features or [f"column {place}" for place in range(contract.shape[0])]
    return {name: (place,) for place, name in enumerate(names)}


def places_beside_images(contract: Contract) -> dict[str, tuple[int, ...]]:
    """Return what `column_places` returns, without columns of images, whose values each say little."""
    images = () if contract.preprocessor is None else contract.preprocessor.images
    names = {each.name for each in images}
    return {name: places for name, places in column_places(contract).items() if name not in names}


def values_at(x: Arrays, contract: Contract, places: Sequence[int]) -> Array:
    """Return the values of rows at some positions of a flat row, (rows, places).

    Args:
        x: (rows, width), or by input where inputs have names.
        contract: of the run.
        places: the positions. One that no input reads is 0.
    """
    if not isinstance(x, dict):
        return np.asarray(x)[:, list(places)]
    rows = len(next(iter(x.values())))
    found = np.zeros((rows, len(places)), np.float32)
    for each in contract.inputs:
        values = _flat(x[each.name])
        own = _own_places(each.columns, values.shape[1], places)
        columns, wanted = zip(*own, strict=True) if own else ((), ())
        found[:, list(wanted)] = values[:, list(columns)]
    return found


def with_values(x: Arrays, contract: Contract, places: Sequence[int], values: Array) -> Arrays:
    """Return a copy of rows with other values at some positions.

    Args:
        x: (rows, width), or by input where inputs have names.
        contract: of the run.
        places: the positions.
        values: (rows, places) or (places,).
    """
    if not isinstance(x, dict):
        changed = np.array(x)
        changed[:, list(places)] = values
        return changed
    values = np.broadcast_to(values, (len(next(iter(x.values()))), len(places)))
    by_input: dict[str, Array] = {}
    for each in contract.inputs:
        flat = _flat(x[each.name])
        own = _own_places(each.columns, flat.shape[1], places)
        if own:
            columns, wanted = zip(*own, strict=True)
            flat = np.array(flat)
            flat[:, list(columns)] = values[:, list(wanted)]
        by_input[each.name] = flat.reshape(x[each.name].shape)
    return by_input


def _flat(values: Array) -> Array:
    """Return what an input takes of rows, (rows, values); an image is its values one after the other."""
    return values if values.ndim == 2 else values.reshape(len(values), -1)


def places_read(contract: Contract) -> set[int]:
    """Return the positions of a flat row that the network reads: with named inputs not always all."""
    if not contract.inputs:
        return {*range(contract.shape[0])}
    wholes = (range(contract.shape[0]) if each.columns is None else each.columns for each in contract.inputs)
    return {place for columns in wholes for place in columns}


def _own_places(columns: Sequence[int] | None, width: int, places: Sequence[int]) -> list[tuple[int, int]]:
    """Return the columns of an input that are among some positions, each with its number there."""
    own = list(columns) if columns is not None else list(range(width))
    order = {place: number for number, place in enumerate(places)}
    return [(column, order[place]) for column, place in enumerate(own) if place in order]


def correlated_groups(x: Array, places: Mapping[str, tuple[int, ...]], least: float) -> list[tuple[str, ...]]:
    """Return the groups of columns that are correlated, directly or by others; single ones are left out.

    Two columns are correlated where any of their encoded values are, by the absolute value of Spearman's rank
    correlation.

    Args:
        x: (rows, width), flat.
        places: by column, the positions of its values.
        least: the correlation from which on two columns belong together.
    """
    wanted = sorted({place for each in places.values() for place in each})
    x, order = x[:, wanted], {place: number for number, place in enumerate(wanted)}
    places = {name: tuple(order[place] for place in each) for name, each in places.items()}
    ranks = np.stack([mid_ranks(values) for values in x.T], axis=1)
    centred = ranks - ranks.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    centred = centred / np.where(length > 0, length, 1.0)
    strength = np.abs(centred.T @ centred)
    names = list(places)
    group = {name: name for name in names}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for first, one in enumerate(names):
        for other in names[first + 1 :]:
            pairs = strength[np.ix_(places[one], places[other])]
            if pairs.size and pairs.max() >= least:
                group[root(other)] = root(one)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(root(name), []).append(name)
    return [tuple(each) for each in found.values() if len(each) > 1]
