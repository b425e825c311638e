"""The gradients of a step on their way between workers: one vector to be summed, and slices to be collected.

The gradient of a table that is read by position, as that of an embedding, has a value for each place of the
batch where an entry occurs: `tf.IndexedSlices`. Keras's optimizers square and clip these values before they
add those of an entry, so the update depends on each of them. They are therefore not summed over the workers,
but put one behind the other, as they would be for the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from mlpcli.keras_import import keras, tf

Gradient: TypeAlias = "tf.Tensor | tf.IndexedSlices"


class Packed(NamedTuple):
    """The gradients of some rows.

    Attributes:
        vector: (values,) float32, the dense ones, one behind the other.
        indices: of each table the entries, (places,) int.
        values: of each table (places, ...) float32.
    """

    vector: tf.Tensor
    indices: list[tf.Tensor]
    values: list[tf.Tensor]


class Layout:
    """What the gradients of a network are: dense, slices of a table, or None.

    Attributes:
        variables: What is trained.
        size: Of the vector.
        tables: The variables whose gradients are slices.
    """

    def __init__(self, gradients: Sequence[Gradient | None], variables: Sequence[keras.Variable]) -> None:
        """Take the kinds from a traced step."""
        self.variables = list(variables)
        self.kinds = [_kind(gradient) for gradient in gradients]
        pairs = list(zip(self.kinds, self.variables, strict=True))
        self.tables = [variable for kind, variable in pairs if kind == "slices"]
        # The sizes are those of the weights: of members, the shapes of gradients are not known in a trace.
        self._sizes = [int(np.prod(variable.shape)) for kind, variable in pairs if kind == "dense"]
        self.size = sum(self._sizes)

    def pack(self, gradients: Sequence[Gradient | None], share: tf.Tensor) -> Packed:
        """Return traced gradients as they travel.

        Args:
            gradients: Of a mean over some rows.
            share: By how much these rows count in the mean over the batch.

        Raises:
            TypeError: They are of other kinds than in the step before.
        """
        if [_kind(gradient) for gradient in gradients] != self.kinds:
            raise TypeError("train_step gives gradients of other kinds for a short batch")
        dense = [_float32(each) for each in gradients if _kind(each) == "dense"]
        flat = [tf.reshape(each, [size]) for each, size in zip(dense, self._sizes, strict=True)]
        slices = [each for each in gradients if isinstance(each, tf.IndexedSlices)]
        values = [
            tf.reshape(_float32(each.values), [-1, *table.shape[1:]]) * share
            for each, table in zip(slices, self.tables, strict=True)
        ]
        vector = tf.concat(flat, 0) * share if flat else tf.zeros([0])
        return Packed(vector, [tf.reshape(each.indices, [-1]) for each in slices], values)

    def unpack(self, packed: Packed) -> list[Gradient | None]:
        """Return the gradients of the whole batch, as one process has them."""
        dense = iter(tf.split(packed.vector, self._sizes) if self._sizes else [])
        slices = zip(packed.indices, packed.values, strict=True)
        found: list[Gradient | None] = []
        for kind, variable in zip(self.kinds, self.variables, strict=True):
            if kind == "none":
                found.append(None)
            elif kind == "dense":
                found.append(tf.cast(tf.reshape(next(dense), variable.shape), variable.dtype))
            else:
                indices, values = next(slices)
                shape = tf.constant(list(variable.shape), tf.int32)
                found.append(tf.IndexedSlices(tf.cast(values, variable.dtype), indices, shape))
        return found


def _kind(gradient: Gradient | None) -> str:
    if gradient is None:
        return "none"
    return "slices" if isinstance(gradient, tf.IndexedSlices) else "dense"


def _float32(tensor: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(tensor), tf.float32)
