"""The gradients of the loss on one fixed batch, computed without leaving a trace in the training."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from mlpcli.data.dataset import Split
from mlpcli.data.types import Array
from mlpcli.keras_import import keras, tf
from mlpcli.training.compiled.row_arrays import Arrays, as_tensor


def spread_rows(count: int, most: int) -> Array:
    """Return the positions of at most `most` of `count` rows, evenly spread, as if rows were sorted."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def gradients_of(model: keras.Model, split: Split, rows: Array) -> dict[str, Array]:
    """Return the gradient of the loss by each trainable variable, by the variable's path.

    As a step of the training computes it: dropout drops, and the batch's own statistics normalize it. Nothing
    that this changes stays: Keras's scope keeps new values of variables (moving averages, random generators,
    metrics) to itself, and the generators of Python and NumPy, which plug-ins may use, are set back.

    Args:
        model: compiled.
        split: the rows to choose from.
        rows: (batch,) positions in it.
    """
    whole = Arrays(split.x, split.y, split.weights).structure()
    batch = keras.tree.map_structure(lambda array: as_tensor(array[rows]), whole)
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    variables = model.trainable_variables
    watched = [tf.convert_to_tensor(variable.value) for variable in variables]
    # Regularizers look weights up in the scope, so it has to hold them.
    scope = keras.StatelessScope(list(zip(variables, watched, strict=True)), collect_losses=True)
    with _generators_kept(), tf.GradientTape() as tape, scope:
        tape.watch(watched)
        outputs = model(x, training=True)
        loss = model.compute_loss(x, y, outputs, weights, training=True)
    found = tape.gradient(loss, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return {
        variable.path: tf.convert_to_tensor(each).numpy().astype(np.float32)
        for variable, each in zip(variables, found, strict=True)
    }


def gradient_norms(gradients: Mapping[str, Array]) -> dict[str, float]:
    """Return the Euclidean norm of each layer's gradients, by its path, and of all under an empty one."""
    squares: dict[str, float] = {"": 0.0}
    for path, values in gradients.items():
        layer = path.rpartition("/")[0] or path
        square = float(np.square(values, dtype=np.float64).sum())
        squares[layer] = squares.get(layer, 0.0) + square
        squares[""] += square
    return {layer: float(np.sqrt(square)) for layer, square in squares.items()}


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Set Python's and NumPy's random generators back at the end."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
