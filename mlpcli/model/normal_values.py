"""Numbers to a normal distribution by quantiles, and back, as Keras operations; see `data/quantiles.py`.

A fixed number of operations, whatever the number of columns: the model is loaded without mlpcli, and the way
back is part of the metrics in the compiled training loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlpcli.data.quantiles import LEAST_SHARE, Quantiles, ranks, shares
from mlpcli.keras_import import keras
from mlpcli.model import plain_normal

ops = keras.ops
ROOT = np.float64(math.sqrt(2))


def to_normal(values: keras.KerasTensor, columns: Sequence[Quantiles]) -> keras.KerasTensor:
    """Return numbers as values of a normal distribution.

    Args:
        values: (rows, columns) float64.
        columns: the quantiles of each column, equally many and with the same margin.
    """
    count, margin = len(columns[0].values), columns[0].margin
    starts = count * np.arange(len(columns), dtype=np.int32)
    # A sum with a tensor makes the table one constant of the model, not one for each time that it is read.
    table = ops.add(np.concatenate([each.table for each in columns]), ops.sum(ops.zeros_like(values)))
    place = _last_not_above(values, table, starts, count)
    if plain_normal.by_arithmetic_alone():
        return plain_normal.to_normal(values, columns, table, place)
    lower = ops.take(table, place + starts)
    upper = ops.take(table, ops.minimum(place + 1, count - 1) + starts)
    first = place
    firsts = np.concatenate([each.firsts for each in columns]).astype(np.int32)
    if (firsts != np.tile(np.arange(count), len(columns))).any():
        first = ops.take(firsts, place + starts)
    place, first = (ops.cast(each, "float64") for each in (place, first))
    share = shares(ops, values, place, lower, upper, first, count - 1)
    share = margin + (1 - 2 * margin) * share if margin else share
    below = ops.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)
    return ops.multiply(ops.erfinv(2 * below - 1), ROOT)


def _last_not_above(
    values: keras.KerasTensor, table: keras.KerasTensor, starts: np.ndarray, count: int
) -> keras.KerasTensor:
    """Return the position of the last of a column's quantiles that is not above each number; at least 0.

    By halving: Keras searches in a single column at a time.
    """
    place = ops.zeros_like(values, dtype="int32")
    left = count
    while left > 1:
        half = left // 2
        middle = ops.take(table, place + (starts + half).astype(np.int32))
        place = ops.where(ops.less_equal(middle, values), place + half, place)
        left -= half
    return place


def from_normal(values: keras.KerasTensor, columns: Sequence[Quantiles]) -> keras.KerasTensor:
    """Return the numbers that have some normal values; within the range of the training rows.

    Args:
        values: (rows, ..., columns) float64; (rows,) for a single column.
        columns: the quantiles of each column, equally many and with the same margin.
    """
    if plain_normal.by_arithmetic_alone():
        return plain_normal.from_normal(values, columns)
    count = len(columns[0].values)
    starts = count * np.arange(len(columns), dtype=np.int32)
    table = np.concatenate([each.table for each in columns])
    below = (1 + ops.erf(values / ROOT)) / 2
    rank = ranks(ops, below, columns[0].margin, count - 1)
    place = ops.minimum(ops.floor(rank), count - 2)
    index = ops.cast(place, "int32") + starts
    lower, step = ops.take(table, index), ops.take(np.append(np.diff(table), 0.0), index)
    return lower + (rank - place) * step
