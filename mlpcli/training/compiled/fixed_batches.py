"""Predictions of very many rows: by XLA, in batches that all have the same number of rows.

`predict` takes any number of rows, which XLA does not: it compiles for one shape. Where hundreds of thousands
of rows follow, as those of an explanation, the last batch is filled up instead, and what XLA saves, above
all the passes over memory between matrix products, is worth the seconds that it takes to compile.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from mlpcli.training.compiled.forward import predict, rows_at_once
from mlpcli.training.compiled.graph_loop import slow_operation, why_graph
from mlpcli.training.compiled.row_arrays import Arrays, Structure, as_tensor, take_rows
from mlpcli.training.compiled.xla_programs import CannotCompile, check_can_compile, plain_reason

BATCH = 2048
"""Rows of a batch at most: with more the values between two layers leave the processor's cache."""

_Program = Callable[[list[tf.Tensor]], list[tf.Tensor]]


class FixedBatches:
    """Predicts rows with one model; compiled once, with the first rows."""

    def __init__(self, model: keras.Model) -> None:
        """Take a model.

        Args:
            model: Gives the same for a row whatever the other rows of its batch are.
        """
        self.model = model
        self.at_once = BATCH
        self._program: _Program | None = None
        self._cannot = why_graph(model) is not None
        self._skeleton: Structure | None = None

    def predict(self, x: Structure) -> Structure:
        """Return the model's outputs for some rows, as `compiled.predict` does.

        Args:
            x: (rows, ...) array, or a dict, list or tuple of them; in each call of the same shapes but for
                the rows.
        """
        rows = Arrays(x).rows
        if self._program is None and not self._cannot and rows:
            try:
                self._compile(x)
            except CannotCompile:
                self._cannot = True
        if self._program is None or not rows:
            return predict(self.model, x, batch_size=rows_at_once(self.model, keras.tree.flatten(x)))
        leaves = keras.tree.flatten(x)
        outputs: list[np.ndarray] = []
        for first in range(0, rows, self.at_once):
            span = slice(first, min(first + self.at_once, rows))
            batch = [as_tensor(take_rows(leaf, span, self.at_once)) for leaf in leaves]
            arrays = [tensor.numpy() for tensor in self._program(batch)]
            if not outputs:
                outputs = [np.empty((rows, *array.shape[1:]), array.dtype) for array in arrays]
            for output, array in zip(outputs, arrays, strict=True):
                output[span] = array[: span.stop - span.start]
        packed: Structure = keras.tree.pack_sequence_as(self._skeleton, outputs)
        return packed

    def _compile(self, x: Structure) -> None:
        """Compile the model for one shape, and run it once.

        Raises:
            CannotCompile: XLA cannot, or is slow at it.
        """
        leaves = keras.tree.flatten(x)
        check_can_compile(self.model, leaves)
        self.at_once = min(BATCH, rows_at_once(self.model, leaves))
        model = self.model
        made: list[Structure] = []

        def run(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
            found = model.predict_step((keras.tree.pack_sequence_as(x, tensors),))
            made.append(keras.tree.map_structure(lambda _: 0, found))
            leaves: list[tf.Tensor] = keras.tree.flatten(found)
            return leaves

        batch = [as_tensor(take_rows(leaf, slice(self.at_once), self.at_once)) for leaf in leaves]
        signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in batch]
        try:
            program = tf.function(run, jit_compile=True, autograph=False).get_concrete_function(signature)
            if (slow := slow_operation(program)) is not None:
                raise CannotCompile(f"XLA is slow at {slow}")
            program(batch)
        except CannotCompile:
            raise
        except Exception as error:
            raise CannotCompile(plain_reason(error)) from error
        self._skeleton, self._program = made[-1], program
