"""The loss of each single training step, for the learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from mlpcli.training.compiled.graph_loop import why_graph
from mlpcli.training.compiled.randomness import same_numbers_as_fit
from mlpcli.training.compiled.row_arrays import Arrays, Structure, as_tensor, epoch_order, take_rows
from mlpcli.training.compiled.xla_programs import CannotCompile, check_can_compile, skeleton

CHUNK_STEPS = 25

# (leaves, order, start, stop) -> losses of the steps start <= step < stop, padded to CHUNK_STEPS.
LossProgram: TypeAlias = Callable[[list[tf.Tensor], tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def step_losses(
    model: keras.Model, train: Arrays, *, batch_size: int, steps: int, seed: int
) -> Iterator[np.ndarray]:
    """Train for some steps; yield the losses of the next few steps, (n,) float64, as they are done.

    Each epoch has its order of rows; the short last batches are left out. The steps run as one XLA program,
    or as a graph where XLA cannot run the model.

    Args:
        model: The compiled model.
        train: The training rows.
        batch_size: Rows of a step, at most those of `train`.
        steps: The number of steps.
        seed: Of the orders of rows.

    Raises:
        CannotCompile: The model's own `train_step` returns no loss.
    """
    rows = train.rows
    wanted = _order(seed, rows, batch_size, steps)
    leaves = list(train.leaves())
    if len(wanted) < rows:  # rows may be many, and in files: only those of the steps are read
        used, wanted = np.unique(wanted, return_inverse=True)
        leaves = [take_rows(leaf, used) for leaf in leaves]
    order = tf.constant(wanted.astype("int32"))
    leaves = [as_tensor(leaf) for leaf in leaves]
    program = _program(model, train.structure(), batch_size)
    for first in range(0, steps, CHUNK_STEPS):
        count = min(CHUNK_STEPS, steps - first)
        losses = program(leaves, order, tf.constant(first), tf.constant(first + count))
        yield losses.numpy()[:count].astype(np.float64)


def _order(seed: int, rows: int, batch_size: int, steps: int) -> np.ndarray:
    """Return the rows of all steps in their order, (steps * batch_size,) int."""
    whole = rows // batch_size * batch_size
    epochs = -(-steps * batch_size // whole)
    orders = [epoch_order(seed, epoch, rows)[:whole] for epoch in range(epochs)]
    return np.concatenate(orders)[: steps * batch_size]


def _program(model: keras.Model, structure: Structure, batch_size: int) -> LossProgram:
    """Return the program, compiled by XLA where that is possible and no layer is slow in it."""
    try:
        if (why := why_graph(model)) is not None:
            raise CannotCompile(why)
        check_can_compile(model, keras.tree.flatten(structure))
        program = _trace(model, structure, batch_size, compiled=True)
        _run_nothing(program, structure, compiled=True)
        return program
    except (CannotCompile, tf.errors.OpError, TypeError, ValueError, NotImplementedError):
        program = _trace(model, structure, batch_size, compiled=False)
        _run_nothing(program, structure, compiled=False)
        return program


def _run_nothing(program: LossProgram, structure: Structure, *, compiled: bool) -> None:
    """Trace and compile by running zero steps."""
    leaves = [as_tensor(leaf) for leaf in keras.tree.flatten(structure)]
    nothing = tf.constant(0)
    with same_numbers_as_fit() if compiled else nullcontext():
        program(leaves, tf.zeros([0], tf.int32), nothing, nothing)


def _trace(model: keras.Model, structure: Structure, batch_size: int, *, compiled: bool) -> LossProgram:
    shape = skeleton(structure)

    def run(leaves: list[tf.Tensor], order: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        def body(step: tf.Tensor, losses: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = tf.slice(order, [step * batch_size], [batch_size])
            batch = keras.tree.pack_sequence_as(shape, [tf.gather(leaf, rows) for leaf in leaves])
            model.reset_metrics()  # the logs are then those of this step alone
            logs = model.train_step(batch)
            if "loss" not in logs:
                raise CannotCompile("the model's train_step returns no loss")
            loss = tf.reshape(tf.cast(logs["loss"], tf.float32), [1])
            return step + 1, tf.tensor_scatter_nd_update(losses, [[step - start]], loss)

        _, losses = tf.while_loop(
            lambda step, _: step < stop, body, (start, tf.zeros([CHUNK_STEPS], tf.float32))
        )
        return losses

    number = tf.TensorSpec([], tf.int32)
    leaves = [
        tf.TensorSpec([None, *leaf.shape[1:]], as_tensor(leaf[:1]).dtype)
        for leaf in keras.tree.flatten(structure)
    ]
    signature = [leaves, tf.TensorSpec([None], tf.int32), number, number]
    program: LossProgram = tf.function(run, input_signature=signature, jit_compile=compiled, autograph=False)
    return program
