"""The programs of a worker: the gradients of its share of a batch, and the update by the sums of all workers.

They are the two halves of the model's own train step, cut where the optimizer is given the gradients. Between
them the gradients leave TensorFlow, as one vector, to be summed over the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol

import numpy as np

from mlpcli.keras_import import keras, tf
from mlpcli.training.compiled.graph_loop import Traced, slow_operation
from mlpcli.training.compiled.loop import Loop
from mlpcli.training.compiled.program_cache import compile_with_cache
from mlpcli.training.compiled.randomness import same_numbers_as_fit, same_python_draws
from mlpcli.training.compiled.row_arrays import Structure, tensor_dtype
from mlpcli.training.compiled.xla_programs import (
    CannotCompile,
    any_rows,
    build_variables,
    check_can_compile,
    plain_reason,
    skeleton,
)


class Program(Traced, Protocol):
    """A traced program.

    Attributes:
        variables: Those that it uses.
        structured_outputs: Its result, as symbols.
        structured_input_signature: Its arguments, likewise.
    """

    variables: Sequence[tf.Variable]
    structured_outputs: tf.Tensor
    structured_input_signature: tuple[tuple[tf.TensorSpec, ...], dict[str, tf.TensorSpec]]

    def __call__(self, *arguments: object) -> tf.Tensor:
        """Run it."""


class SharedPrograms:
    """The two halves of a step.

    Attributes:
        gradients: (leaves, rows) -> the gradients of some of the rows, times their share of the batch: one
            vector. (rows,) int32 are positions in the leaves.
        of_batch: (leaves, share) -> the same for all rows of the leaves, of any number.
        update: makes the update by such a vector.
        size: of the vector.
        xla: XLA compiles `gradients` and `update`.
    """

    def __init__(
        self, model: keras.Model, structure: Structure, *, rows: int, share: float, seed: int, loop: Loop
    ) -> None:
        """Trace the programs.

        Args:
            model: The compiled model.
            structure: The training rows as `train_step` takes them; only shapes and dtypes count.
            rows: Of this worker in a full batch.
            share: By how much the mean over these rows counts in that over the batch.
            seed: Of the random numbers that Python draws while it traces.
            loop: Compile by XLA, or not.

        Raises:
            CannotCompile: The model cannot be trained so; or XLA would be slow, and is not `willing`.
        """
        self.model, self.xla = model, loop.xla
        check_can_compile(model, keras.tree.flatten(structure), xla=loop.xla)
        build_variables(model, structure)
        self._trace(structure, rows, share, seed)
        if loop.xla and not loop.willing and (slow := slow_operation(self.gradients)) is not None:
            raise CannotCompile(f"XLA is slow at {slow}")

    def _trace(self, structure: Structure, rows: int, share: float, seed: int) -> None:
        shape = skeleton(structure)
        leaves = [tf.TensorSpec(leaf.shape, tensor_dtype(leaf)) for leaf in keras.tree.flatten(structure)]

        def gradients(leaves: list[tf.Tensor], chosen: tf.Tensor) -> tf.Tensor:
            taken = [tf.gather(leaf, chosen) for leaf in leaves]
            unknown = [
                tf.raw_ops.PlaceholderWithDefault(input=each, shape=[None, *each.shape[1:]]) for each in taken
            ]
            return self._vector(keras.tree.pack_sequence_as(shape, unknown), tf.constant(share, tf.float32))

        def of_batch(leaves: list[tf.Tensor], share: tf.Tensor) -> tf.Tensor:
            return self._vector(keras.tree.pack_sequence_as(shape, leaves), share)

        try:
            with same_python_draws(seed):
                with same_numbers_as_fit() if self.xla else nullcontext():
                    self.gradients = _traced(gradients, self.xla, leaves, tf.TensorSpec([rows], tf.int32))
                self.size = sum(self._sizes())
                one = tf.TensorSpec([], tf.float32)
                self.of_batch = _traced(of_batch, False, any_rows(structure), one)
            self.update = _traced(self._update, self.xla, tf.TensorSpec([self.size], tf.float32))
        except Exception as error:
            raise CannotCompile(plain_reason(error)) from error

    def _vector(self, batch: Structure, share: tf.Tensor) -> tf.Tensor:
        """Run the model's train step up to its update; return all gradients in one vector."""
        with captured_gradients(self.model.optimizer) as captured:
            self.model.train_step(batch)
        if len(captured) != 1:
            raise TypeError(f"train_step updates the weights {len(captured)} times, not once")
        self._variables = captured[0][1]
        self._present = [gradient is not None for gradient in captured[0][0]]
        given = [each for each in captured[0][0] if each is not None]
        flat = [  # the sizes are those of the weights: of members, the shapes of gradients are not known here
            tf.reshape(tf.cast(tf.convert_to_tensor(each), tf.float32), [size])
            for each, size in zip(given, self._sizes(), strict=True)
        ]
        return tf.concat(flat, 0) * share if flat else tf.zeros([0])

    def _sizes(self) -> list[int]:
        """Return the number of values of each gradient in the vector."""
        return [
            int(np.prod(variable.shape))
            for variable, there in zip(self._variables, self._present, strict=True)
            if there
        ]

    def _update(self, vector: tf.Tensor) -> tf.Tensor:
        """Give the optimizer the gradients of the whole batch."""
        sizes = self._sizes()
        parts = iter(tf.split(vector, sizes) if sizes else [])
        gradients = [
            tf.cast(tf.reshape(next(parts), variable.shape), variable.dtype) if there else None
            for variable, there in zip(self._variables, self._present, strict=True)
        ]
        self.model.optimizer.apply(gradients, self._variables)
        return tf.constant(0)  # XLA wants a result

    def try_step(self, leaves: list[tf.Tensor]) -> None:
        """Compile by running a step, which finds out what cannot run; then restore every variable.

        Args:
            leaves: The training rows.

        Raises:
            CannotCompile: XLA, or TensorFlow, cannot run an operation.
        """
        model, chosen = self.model, self.gradients.structured_input_signature[0][1]
        used = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
        found = [each.value if isinstance(each, keras.Variable) else each for each in used]
        found += [*self.gradients.variables, *self.update.variables]
        variables = list({id(each): each for each in found}.values())
        before = [each.read_value() for each in variables]
        compile_here = compile_with_cache if self.xla else lambda run: run()
        try:
            compile_here(lambda: self.gradients(leaves, tf.zeros(chosen.shape, tf.int32)))
            compile_here(lambda: self.update(tf.zeros([self.size])))
        except tf.errors.OpError as error:
            raise CannotCompile(plain_reason(error)) from error
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)


def _traced(function: Callable[..., tf.Tensor], xla: bool, *signature: object) -> Program:
    program = tf.function(function, jit_compile=xla or None, autograph=False)
    traced: Program = program.get_concrete_function(*signature)
    return traced


@contextmanager
def captured_gradients(
    optimizer: keras.optimizers.Optimizer,
) -> Iterator[list[tuple[Sequence[tf.Tensor | None], list[keras.Variable]]]]:
    """Collect the gradients that an optimizer is given while a step is traced, instead of applying them.

    Args:
        optimizer: The model's.
    """
    found: list[tuple[Sequence[tf.Tensor | None], list[keras.Variable]]] = []

    def apply(
        gradients: Sequence[tf.Tensor | None], trainable_variables: Sequence[keras.Variable] | None = None
    ) -> None:
        found.append((list(gradients), list(trainable_variables or optimizer.variables)))

    optimizer.apply = apply
    try:
        yield found
    finally:
        del optimizer.apply
