"""The programs of a worker: the gradients of its share of a batch, and the update by the sums of all workers.

They are the two halves of the model's own train step, cut where the optimizer is given the gradients. Between
them the gradients leave TensorFlow, as one vector, to be summed over the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol

from mlpcli.keras_import import keras, tf
from mlpcli.training.compiled.fit_settings import Loop
from mlpcli.training.compiled.graph_loop import Traced, slow_operation
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
from mlpcli.training.replicas.gradients import Layout, Packed


class Program(Traced, Protocol):
    """A traced program.

    Attributes:
        variables: Those that it uses.
        structured_outputs: Its result, as symbols.
        structured_input_signature: Its arguments, likewise.
    """

    variables: Sequence[tf.Variable]
    structured_outputs: Packed
    structured_input_signature: tuple[tuple[tf.TensorSpec, ...], dict[str, tf.TensorSpec]]

    def __call__(self, *arguments: object) -> Packed:
        """Run it."""


class SharedPrograms:
    """The two halves of a step.

    Attributes:
        gradients: (leaves, rows) -> the gradients of some of the rows, times their share of the batch.
            (rows,) int32 are positions in the leaves.
        of_batch: (leaves, share) -> the same for all rows of the leaves, of any number.
        xla: XLA compiles `gradients`, and `update` for full batches.
    """

    def __init__(
        self, model: keras.Model, structure: Structure, *, rows: int, batch_size: int, seed: int, loop: Loop
    ) -> None:
        """Trace the programs.

        Args:
            model: The compiled model.
            structure: The training rows as `train_step` takes them; only shapes and dtypes count.
            rows: Of this worker in a full batch.
            batch_size: Of all workers.
            seed: Of the random numbers that Python draws while it traces.
            loop: Compile by XLA, or not.

        Raises:
            CannotCompile: The model cannot be trained so; or XLA would be slow, and is not `willing`.
        """
        self.model, self.xla, self.batch_size = model, loop.xla, batch_size
        self._layouts: list[Layout] = []
        self._short_update: Program | None = None
        check_can_compile(model, keras.tree.flatten(structure), xla=loop.xla)
        build_variables(model, structure)
        self._trace(structure, rows, rows / batch_size, seed)
        if loop.xla and not loop.willing and (slow := slow_operation(self.gradients)) is not None:
            raise CannotCompile(f"XLA is slow at {slow}")

    @property
    def layout(self) -> Layout:
        """What the gradients are."""
        return self._layouts[0]

    def _trace(self, structure: Structure, rows: int, share: float, seed: int) -> None:
        shape = skeleton(structure)
        leaves = [tf.TensorSpec(leaf.shape, tensor_dtype(leaf)) for leaf in keras.tree.flatten(structure)]

        def gradients(leaves: list[tf.Tensor], chosen: tf.Tensor) -> Packed:
            taken = [tf.gather(leaf, chosen) for leaf in leaves]
            unknown = [
                tf.raw_ops.PlaceholderWithDefault(input=each, shape=[None, *each.shape[1:]]) for each in taken
            ]
            return self._packed(keras.tree.pack_sequence_as(shape, unknown), tf.constant(share, tf.float32))

        def of_batch(leaves: list[tf.Tensor], share: tf.Tensor) -> Packed:
            return self._packed(keras.tree.pack_sequence_as(shape, leaves), share)

        try:
            with same_python_draws(seed):
                with same_numbers_as_fit() if self.xla else nullcontext():
                    self.gradients = _traced(gradients, self.xla, leaves, tf.TensorSpec([rows], tf.int32))
                one = tf.TensorSpec([], tf.float32)
                self.of_batch = _traced(of_batch, False, any_rows(structure), one)
            self._update = self._traced_update(self.xla)
        except Exception as error:
            raise CannotCompile(plain_reason(error)) from error

    def _packed(self, batch: Structure, share: tf.Tensor) -> Packed:
        """Run the model's train step up to its update; return all gradients."""
        with captured_gradients(self.model.optimizer) as captured:
            self.model.train_step(batch)
        if len(captured) != 1:
            raise TypeError(f"train_step updates the weights {len(captured)} times, not once")
        gradients, variables = captured[0]
        if not self._layouts:
            self._layouts.append(Layout(gradients, variables))
        return self.layout.pack(gradients, share)

    def _traced_update(self, xla: bool) -> Program:
        """Return the program that gives the optimizer the gradients of the whole batch."""
        layout = self.layout

        def update(vector: tf.Tensor, indices: list[tf.Tensor], values: list[tf.Tensor]) -> tf.Tensor:
            gradients = layout.unpack(Packed(vector, indices, values))
            self.model.optimizer.apply(gradients, layout.variables)
            return tf.constant(0)  # XLA wants a result

        vector = tf.TensorSpec([layout.size], tf.float32)
        indices = [tf.TensorSpec([None], each.dtype) for each in self.gradients.structured_outputs.indices]
        values = [tf.TensorSpec([None, *table.shape[1:]], tf.float32) for table in layout.tables]
        return _traced(update, xla, vector, indices, values)

    def update(self, whole: Packed, *, short: bool) -> None:
        """Make the update by the gradients of the whole batch.

        Args:
            whole: Of all workers: the sums of their vectors, and the slices of all.
            short: The batch is the short last one. XLA would compile the update again for fewer slices.
        """
        if short and self.xla and self.layout.tables:
            self._short_update = self._short_update or self._traced_update(False)
            self._short_update(*whole)
        else:
            self._update(*whole)

    def nothing(self) -> Packed:
        """Return the gradients of no rows."""
        indices = [tf.zeros([0], each.dtype) for each in self.gradients.structured_outputs.indices]
        values = [tf.zeros([0, *table.shape[1:]]) for table in self.layout.tables]
        return Packed(tf.zeros([self.layout.size]), indices, values)

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
        found += [*self.gradients.variables, *self._update.variables]
        variables = list({id(each): each for each in found}.values())
        before = [each.read_value() for each in variables]
        compile_here = compile_with_cache if self.xla else lambda compiling: compiling()
        try:
            run: list[Packed] = []
            compile_here(lambda: run.append(self.gradients(leaves, tf.zeros(chosen.shape, tf.int32))))
            whole = _repeated(run[-1], self.batch_size, int(chosen.shape[0]))
            compile_here(lambda: self._update(*whole))
        except tf.errors.OpError as error:
            raise CannotCompile(plain_reason(error)) from error
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)


def _repeated(own: Packed, batch_size: int, rows: int) -> Packed:
    """Return as many slices as a whole batch has: XLA compiles a program for their number."""
    places = [len(each) * batch_size // rows for each in own.indices]
    indices = [tf.zeros([size], each.dtype) for size, each in zip(places, own.indices, strict=True)]
    values = [tf.zeros([size, *each.shape[1:]]) for size, each in zip(places, own.values, strict=True)]
    return Packed(tf.zeros_like(own.vector), indices, values)


def _traced(function: Callable[..., object], xla: bool, *signature: object) -> Program:
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
