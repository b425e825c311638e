"""The compiled programs: a model's own train step in a loop over batches, compiled by XLA or as a graph.

The graph loop is the same loop without XLA: each operation is TensorFlow's own kernel. It runs what XLA
cannot, and what TensorFlow's kernels (oneDNN's convolutions) do faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Protocol, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.keras_internals import compiled_parts, distribution
from mlpcli.training.compiled.program_cache import compile_with_cache
from mlpcli.training.compiled.randomness import same_numbers_as_fit
from mlpcli.training.compiled.row_arrays import Structure, tensor_dtype

Logs: TypeAlias = dict[str, tf.Tensor]
"""Loss and metrics by name: tensors, or numbers once they were computed."""

Skeleton: TypeAlias = "int | Mapping[str, Skeleton] | Sequence[Skeleton]"
"""A structure of arrays with a 0 for each."""

Step = Callable[[Structure], Logs]
# (leaves, order, start, stop) -> logs: run the steps start <= step < stop.
EpochLoop = Callable[[list[tf.Tensor], tf.Tensor, tf.Tensor, tf.Tensor], Logs]
# (leaves) -> logs: one step on these rows.
StepProgram = Callable[[list[tf.Tensor]], Logs]


class EpochProgram(Protocol):
    """A traced `EpochLoop`.

    Attributes:
        graph: Its operations.
        variables: Those that it uses.
    """

    graph: tf.Graph
    variables: Sequence[tf.Variable]

    def __call__(
        self, leaves: list[tf.Tensor], order: tf.Tensor, start: tf.Tensor, stop: tf.Tensor, /
    ) -> Logs:
        """Run the steps start <= step < stop."""


class CannotCompile(Exception):
    """The model cannot train in this kind of loop; it was not changed.

    Attributes:
        reason: One plain line with the cause.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_can_compile(model: keras.Model, leaves: Sequence[np.ndarray], *, xla: bool = True) -> None:
    """Check for what is known to fail, before anything is traced.

    Args:
        model: The compiled model.
        leaves: Its data.
        xla: By XLA; otherwise as a graph.

    Raises:
        CannotCompile: The model or the data cannot be compiled.
    """
    if model.run_eagerly or tf.config.functions_run_eagerly():
        raise CannotCompile("run_eagerly asks for Python steps, which cannot be compiled")
    if strategy := distribution(model):
        raise CannotCompile(f"the model was created under a distribution strategy ({strategy})")
    for leaf in leaves:
        if not isinstance(leaf, np.ndarray | StoredArray):
            raise CannotCompile(f"every input must be an array, received {type(leaf).__name__}")
        if leaf.dtype.kind not in "fiub":
            raise CannotCompile(f"{'XLA' if xla else 'the graph loop'} has no {leaf.dtype} values")


def trace_epoch(
    model: keras.Model,
    structure: Structure,
    order_rows: int,
    *,
    batch_size: int,
    step: str = "train_step",
    xla: bool = True,
) -> EpochProgram:
    """Trace the program that loops a step of the model over full batches.

    The number of steps is an argument of the program, so one compilation serves any chunk.

    Args:
        model: The compiled model.
        structure: Arrays as `train_step` takes them, (rows, ...) each; only shapes and dtypes count.
        order_rows: Length of the `order` argument, rows in int32; 0 for data that is in order.
        batch_size: Rows of a step.
        step: The model's method.
        xla: Compile it by XLA; otherwise it is a graph.

    Raises:
        CannotCompile: That fails; the model's variables have the same values as before.
    """
    leaves = keras.tree.flatten(structure)
    signature = [tf.TensorSpec(leaf.shape, tensor_dtype(leaf)) for leaf in leaves]
    order = tf.TensorSpec([order_rows], tf.int32)
    number = tf.TensorSpec([], tf.int32)
    run = getattr(model, step)
    try:
        build_variables(model, structure)
        carried = None if is_stock(model, step, "compute_metrics") else _carried_logs(model, run, structure)
        epoch = _epoch_loop(model, run, skeleton(structure), batch_size, carried, order_rows > 0)
        program = tf.function(epoch, jit_compile=xla or None, autograph=False)
        with same_numbers_as_fit() if xla else nullcontext():
            traced: EpochProgram = program.get_concrete_function(signature, order, number, number)
            return traced
    except Exception as error:
        raise CannotCompile(plain_reason(error)) from error


def build_variables(model: keras.Model, structure: Structure) -> None:
    """Create the variables of losses, metrics and optimizer now, as the first trace would.

    TensorFlow discards a trace that creates variables, and repeats it.
    """
    if not (model.built and getattr(model, "outputs", None) and is_stock(model, "train_step")):
        return

    def symbol(leaf: np.ndarray) -> keras.KerasTensor:
        return keras.KerasTensor((None, *leaf.shape[1:]), str(tensor_dtype(leaf)))

    x, y, _ = keras.utils.unpack_x_y_sample_weight(keras.tree.map_structure(symbol, structure))
    outputs = model.compute_output_spec(x)
    loss, metrics, _ = compiled_parts(model)
    for component in (metrics, loss):
        if component is not None and not component.built:
            component.build(y, outputs)
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_weights)


def compile_epoch(program: EpochProgram, leaves: list[tf.Tensor], order: tf.Tensor) -> None:
    """Compile by XLA or take from the cache, by running zero steps, which changes no variable.

    Args:
        program: The traced program.
        leaves: Its data.
        order: The order of rows.

    Raises:
        CannotCompile: XLA refuses the program.
    """
    nothing = tf.constant(0)
    try:
        compile_with_cache(lambda: program(leaves, order, nothing, nothing))
    except tf.errors.OpError as error:
        raise CannotCompile(plain_reason(error)) from error


def trace_step(model: keras.Model, structure: Structure) -> StepProgram:
    """Trace one training step on any number of rows, for the short last batch.

    It stays outside XLA: compiling a second copy of the step costs more than a thousand epochs gain.

    Args:
        model: The compiled model.
        structure: Arrays as `train_step` takes them; only shapes and dtypes count.

    Raises:
        CannotCompile: That fails.
    """
    shape = skeleton(structure)

    def one_step(leaves: list[tf.Tensor]) -> Logs:
        return fit_logs(model, model.train_step(keras.tree.pack_sequence_as(shape, leaves)))

    try:
        function = tf.function(one_step, autograph=False)
        traced: StepProgram = function.get_concrete_function(any_rows(structure))
        return traced
    except Exception as error:
        raise CannotCompile(plain_reason(error)) from error


def is_stock(model: keras.Model, *methods: str) -> bool:
    """Return whether a model's class does not override these methods of Keras's.

    Args:
        model: The model.
        methods: Their names.
    """
    return all(getattr(type(model), name) is getattr(keras.Model, name) for name in methods)


def skeleton(structure: Structure) -> Skeleton:
    """Return the structure without its arrays, for closures that must not keep them alive."""
    shape: Skeleton = keras.tree.map_structure(lambda _: 0, structure)
    return shape


def any_rows(structure: Structure) -> list[tf.TensorSpec]:
    """Return the specs of a structure's arrays for any number of rows."""
    leaves = keras.tree.flatten(structure)
    return [tf.TensorSpec([None, *leaf.shape[1:]], tensor_dtype(leaf)) for leaf in leaves]


def _epoch_loop(
    model: keras.Model, run: Step, shape: Skeleton, batch_size: int, carried: Logs | None, gather: bool
) -> EpochLoop:
    """Return the loop as a function to trace.

    Args:
        model: The compiled model.
        run: The step.
        shape: The structure that the step takes.
        batch_size: Rows of a step.
        carried: Specs of the step's logs; None where the model's metrics are the logs.
        gather: Take the rows in the order of an argument.
    """

    def take(leaves: list[tf.Tensor], order: tf.Tensor, step: tf.Tensor) -> list[tf.Tensor]:
        rows = (order if gather else leaves[0]).shape[0]
        first = tf.minimum(step * batch_size, rows - batch_size)  # after the last step, any rows will do
        if not gather:
            return [_rows(leaf, first, batch_size) for leaf in leaves]
        rows = tf.slice(order, [first], [batch_size])
        return [tf.gather(leaf, rows) for leaf in leaves]

    def take_first(leaves: list[tf.Tensor], order: tf.Tensor, step: tf.Tensor) -> list[tf.Tensor]:
        # Outside a loop, XLA would compile a slice again for each position that it begins at.
        rows = step * batch_size + tf.range(batch_size)
        return [tf.gather(leaf, tf.gather(order, rows) if gather else rows) for leaf in leaves]

    def epoch(leaves: list[tf.Tensor], order: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> Logs:
        def body(
            step: tf.Tensor, taken: list[tf.Tensor], logs: Logs
        ) -> tuple[tf.Tensor, list[tf.Tensor], Logs]:
            # The next batch depends on nothing in this step: an idle core fetches it meanwhile.
            coming = take(leaves, order, step + 1)
            new = run(keras.tree.pack_sequence_as(shape, [_of_any_length(batch) for batch in taken]))
            return step + 1, coming, ({} if carried is None else new)

        zeros = keras.tree.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), carried or {})
        begin = (start, take_first(leaves, order, start), zeros)
        _, _, logs = tf.while_loop(lambda step, taken, logs: step < stop, body, begin)
        result: Logs = model.get_metrics_result() if carried is None else logs
        return result

    return epoch


def _rows(leaf: tf.Tensor, first: tf.Tensor, count: int) -> tf.Tensor:
    rest = leaf.shape[1:]
    return tf.slice(leaf, [first, *[0] * len(rest)], [count, *rest])


def _of_any_length(batch: tf.Tensor) -> tf.Tensor:
    """Return the batch with a number of rows that Python does not know, as inside `fit`.

    Keras would use a known number: it would weight the mean of an output's loss by it.
    """
    return tf.raw_ops.PlaceholderWithDefault(input=batch, shape=[None, *batch.shape[1:]])


def _carried_logs(model: keras.Model, run: Step, structure: Structure) -> Logs | None:
    """Return the specs of the logs of a user's own step; None where the model's metrics are the logs.

    As in `fit`, the metrics are preferred where they have the same names.
    """
    shape, pack = skeleton(structure), keras.tree.pack_sequence_as
    probe = tf.function(lambda leaves: run(pack(shape, leaves)), autograph=False)
    logs = probe.get_concrete_function(any_rows(structure)).structured_outputs
    if not isinstance(logs, dict):
        raise TypeError(f"a step must return a dict of logs, received {type(logs).__name__}")
    return None if set(logs) == set(model.get_metrics_result()) else logs


def fit_logs(model: keras.Model, logs: Logs) -> Logs:
    """Return the metrics where a step's logs have their names, else the logs, as `fit` does.

    Args:
        model: The compiled model.
        logs: The step's logs.
    """
    metrics: Logs = model.get_metrics_result()
    return metrics if set(metrics) == set(logs) else logs


def plain_reason(error: BaseException) -> str:
    """Return one plain line for an error of TensorFlow's, whose text may be pages long.

    Args:
        error: The error.
    """
    text = str(error)
    missing = re.search(r"on XLA_\w+: (\w+) \((?:.*?node \{*(?:node )?([\w/.-]+))?", text, re.DOTALL)
    if missing:
        where = f" (in {missing[2]})" if missing[2] else ""
        return f"XLA cannot run the operation {missing[1]}{where}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else 'no message'}"
