"""Let a layer with an `adapt` method learn from rows; from those in files, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlpcli.data.named_arrays import rows_of
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.types import Array, Arrays
from mlpcli.keras_import import keras, tf

ADAPT_ROWS = 100_000
"""Rows per call of the layers below one that is adapted."""

SAMPLE_ROWS = 100_000
"""Rows of files from which a layer learns that takes them all at once."""


def adapt_to(layer: keras.layers.Layer, rows: Array | StoredArray) -> None:
    """Let a layer learn from rows that reach it as they are.

    Args:
        layer: with an `adapt` method.
        rows: (rows, ...).
    """

    def pieces() -> Iterator[Array]:
        for start in range(0, len(rows), ADAPT_ROWS):
            yield rows[start : start + ADAPT_ROWS]

    if not isinstance(rows, StoredArray) or rows.fits:
        layer.adapt(np.asarray(rows))
    else:
        _adapt_in_parts(layer, pieces, rows.shape[1:], len(rows))


def adapt_behind(layer: keras.layers.Layer, lower: keras.Model, rows: Arrays) -> None:
    """Let a layer learn from rows as they are after the layers below it.

    Args:
        layer: with an `adapt` method.
        lower: the network up to the layer.
        rows: as the network takes them.
    """
    first = next(iter(rows.values())) if isinstance(rows, dict) else rows

    def pieces() -> Iterator[Array]:
        for start in range(0, len(first), ADAPT_ROWS):
            yield lower(rows_of(rows, slice(start, start + ADAPT_ROWS)), training=False).numpy()

    if not isinstance(first, StoredArray) or first.fits:
        layer.adapt(np.concatenate(list(pieces())))
    else:
        _adapt_in_parts(layer, pieces, tuple(lower.output.shape[1:]), len(first))


def _adapt_in_parts(
    layer: keras.layers.Layer, pieces: Callable[[], Iterator[Array]], shape: tuple[int, ...], count: int
) -> None:
    """Let a layer learn from pieces: Keras's own from all of them, another from evenly spaced rows."""
    if isinstance(layer, keras.layers.Normalization | keras.layers.Discretization):
        batch = tf.TensorSpec((None, *shape), tf.float32)
        layer.adapt(tf.data.Dataset.from_generator(pieces, output_signature=batch))
        return
    step = max(1, count // SAMPLE_ROWS)
    layer.adapt(np.concatenate([piece[::step] for piece in pieces()]))
