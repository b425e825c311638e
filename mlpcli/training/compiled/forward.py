"""`evaluate` and `predict`: one traced graph per model, run over large batches.

The graph takes any number of rows, so one trace serves every split of the data. XLA does not compile it:
with thousands of rows per step the cost of dispatch is negligible, and compiling would take longer than
the evaluation itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakKeyDictionary, ref

import keras
import numpy as np
import tensorflow as tf

from mlpcli.keras_internals import (
    all_layers,
    as_output,
    compiled_parts,
    logits_of,
    mask_of,
    wrapped_function,
)
from mlpcli.model.correlations import RowCorrelation
from mlpcli.model.member_loss import MemberLoss
from mlpcli.model.metric_wrappers import MetricWrapper
from mlpcli.model.quantile_loss import Quantile
from mlpcli.training.compiled.graph_loop import why_graph
from mlpcli.training.compiled.kept_programs import kept_or_traced, padded
from mlpcli.training.compiled.row_arrays import Arrays, Structure, as_tensor, row_bytes, take_rows
from mlpcli.training.compiled.xla_programs import (
    CannotCompile,
    EpochProgram,
    Logs,
    any_rows,
    compile_epoch,
    fit_logs,
    is_stock,
    skeleton,
    trace_epoch,
)

MOST_ROWS = 4096
BATCH_BYTES = 64 * 2**20
FORWARD = "forward"
WORTH_A_LOOP = 2000  # batches, above which compiling a loop over them takes less time than it saves
BATCH_PRODUCTS = 8e9  # multiplications per batch: about 0.3 s on two cores, so that Ctrl-C is answered

Traced: TypeAlias = Callable[[list[tf.Tensor]], "tf.Tensor | Logs"]
_Graphs: TypeAlias = dict[tuple[object, ...], tuple[tuple[object, ...], Traced]]
_graphs: WeakKeyDictionary[keras.Model, _Graphs] = WeakKeyDictionary()


def evaluate(model: keras.Model, data: Arrays, *, batch_size: int = 32) -> dict[str, float]:
    """Return the loss and metrics on some rows, as `model.evaluate(return_dict=True)` does.

    Args:
        model: The compiled model.
        data: The rows.
        batch_size: Rows of a batch, where the results depend on it.
    """
    return Evaluator(model, data, batch_size=batch_size).run(keras.callbacks.CallbackList([], model=model))


def predict(model: keras.Model, x: Structure, *, batch_size: int | None = None) -> Structure:
    """Return the model's outputs for some rows, (rows, ...), in the structure of its outputs.

    Args:
        model: The model.
        x: (rows, ...) array, or a dict, list or tuple of them.
        batch_size: Rows at a time; by default as many as time and memory suggest.
    """
    leaves = keras.tree.flatten(x)
    rows = Arrays(x).rows
    at_once = batch_size or rows_at_once(model, leaves)
    function = _trace(model, "predict_step", (x,))
    outputs: list[np.ndarray] = []
    structure: tf.Tensor = None
    for first in range(0, max(rows, 1), at_once):
        span = slice(first, min(first + at_once, rows))
        structure = function([as_tensor(take_rows(leaf, span)) for leaf in leaves])
        arrays = [tensor.numpy() for tensor in keras.tree.flatten(structure)]
        if not outputs:
            outputs = [np.empty((rows, *array.shape[1:]), array.dtype) for array in arrays]
        for output, array in zip(outputs, arrays, strict=True):
            output[span] = array
    packed: Structure = keras.tree.pack_sequence_as(structure, outputs)
    return packed


@dataclass(frozen=True)
class Outputs:
    """What a network gives for some rows, with what losses and metrics find attached to its outputs.

    Attributes:
        values: (rows, ...) arrays in the structure of its outputs.
        logits: For each output, in flat order, what its softmax or sigmoid was computed from; or None.
        masks: For each output which steps count, bool; or None.
    """

    values: Structure
    logits: tuple[np.ndarray | None, ...]
    masks: tuple[np.ndarray | None, ...]

    def take(self, place: int, rows: np.ndarray) -> tf.Tensor:
        """Return some rows of an output, by its place in flat order, as losses and metrics take them."""
        parts = (keras.tree.flatten(self.values)[place], self.logits[place], self.masks[place])
        values, logits, mask = (None if each is None else tf.constant(each[rows]) for each in parts)
        return as_output(values, logits, mask)


def run_network(model: keras.Model, x: Structure) -> Outputs:
    """Return the model's outputs for some rows, with their logits and masks; see `predict`."""
    leaves = keras.tree.flatten(x)
    rows, at_once = Arrays(x).rows, rows_at_once(model, leaves)
    function = _trace(model, FORWARD, (x,))
    whole: list[np.ndarray | None] = []
    structure: tf.Tensor = None
    for first in range(0, max(rows, 1), at_once):
        span = slice(first, min(first + at_once, rows))
        structure, *attached = function([as_tensor(take_rows(leaf, span)) for leaf in leaves])
        tensors = [*keras.tree.flatten(structure), *(each for group in attached for each in group)]
        arrays = [None if each is None else each.numpy() for each in tensors]
        if not whole:
            whole = [
                None if each is None else np.empty((rows, *each.shape[1:]), each.dtype) for each in arrays
            ]
        for output, array in zip(whole, arrays, strict=True):
            if output is not None:
                output[span] = array
    count = len(whole) // 3
    values = keras.tree.pack_sequence_as(structure, whole[:count])
    return Outputs(values, tuple(whole[count : 2 * count]), tuple(whole[2 * count :]))


def batch_rows(model: keras.Model, data: Arrays, *, batch_size: int) -> int:
    """Return how many rows `evaluate` takes at once."""
    return rows_at_once(model, data.leaves()) if batches_do_not_matter(model) else batch_size


class Evaluator:
    """Evaluates the same rows repeatedly, as validation does."""

    def __init__(
        self,
        model: keras.Model,
        data: Arrays,
        *,
        batch_size: int,
        each_batch: bool = False,
        times: int = 1,
        xla: bool | None = None,
    ) -> None:
        """Choose the batches and trace what runs them.

        Args:
            model: The compiled model.
            data: The rows.
            batch_size: Rows of a batch, where the results depend on it.
            each_batch: Call the callbacks' hooks at every batch of `batch_size`. Otherwise larger
                batches are used where the results do not depend on their size.
            times: How often `run` will be called; many small batches are worth a loop.
            xla: Compile that loop by XLA; by default where no layer is slow in it.
        """
        self.model, self.data, self.each_batch = model, data, each_batch
        larger = not each_batch and batches_do_not_matter(model)
        self.at_once = rows_at_once(model, data.leaves()) if larger else batch_size
        self.firsts = range(0, data.rows, self.at_once)
        self.batches: dict[int, list[tf.Tensor]] = {}
        self.keeps_batches = row_bytes(data.leaves()) * data.rows <= BATCH_BYTES
        self.xla = why_graph(model) is None if xla is None else xla
        self.loop: EpochProgram | None = None
        self.function: Traced | None = None
        if self.keeps_batches and not (larger or each_batch) and len(self.firsts) * times > WORTH_A_LOOP:
            self._compile_loop()

    def trace(self) -> None:
        """Trace now what `run` would trace: `_trace` keeps it."""
        if self.loop is None or self.data.rows % self.at_once:
            _trace(self.model, "test_step", self.data.structure())

    def run(self, events: keras.callbacks.CallbackList) -> Logs:
        """Return plain logs; call the callbacks as `model.evaluate` does."""
        self.model.stop_evaluating = False
        events.on_test_begin()
        self.model.reset_metrics()
        logs = plain_logs(self._run_batches(events))
        events.on_test_end(logs)
        return logs

    def _run_batches(self, events: keras.callbacks.CallbackList) -> Logs:
        logs: Logs = {}
        looped = 0
        if self.loop is not None:
            looped = self.data.rows // self.at_once
            logs = self.loop(self.whole, tf.zeros([0], tf.int32), tf.constant(0), tf.constant(looped))
        for step, first in enumerate(self.firsts[looped:], looped):
            self.function = self.function or _trace(self.model, "test_step", self.data.structure())
            if self.each_batch:
                events.on_test_batch_begin(step)
            logs = self.function(self._batch(first))
            if self.each_batch:
                events.on_test_batch_end(step, logs)
            if self.model.stop_evaluating:
                break
        return logs

    def _compile_loop(self) -> None:
        structure = padded(self.data.structure(), "validation")
        self.whole = [as_tensor(leaf) for leaf in keras.tree.flatten(structure)]
        try:
            size, xla = self.at_once, self.xla
            loop, new = kept_or_traced(
                self.model,
                structure,
                ("test", size, xla),
                0,
                lambda: trace_epoch(self.model, structure, 0, batch_size=size, step="test_step", xla=xla),
            )
            if xla and new:
                compile_epoch(loop, self.whole, tf.zeros([0], tf.int32))
        except CannotCompile:
            return  # the graph of `_trace` gives the same, only slower
        self.loop = loop

    def _batch(self, first: int) -> list[tf.Tensor]:
        if first in self.batches:
            return self.batches[first]
        span = slice(first, min(first + self.at_once, self.data.rows))
        batch = [as_tensor(take_rows(leaf, span)) for leaf in self.data.leaves()]
        if self.keeps_batches:
            self.batches[first] = batch
        return batch


def plain_logs(logs: Logs) -> Logs:
    """Return logs as Keras passes them to callbacks: sorted, flat, single numbers as Python floats."""
    plain: Logs = {}
    for name, value in sorted(logs.items()):
        if isinstance(value, dict):
            plain |= plain_logs(value)
        else:
            array = np.asarray(value)
            plain[name] = float(array) if array.ndim == 0 else array
    return plain


def rows_at_once(model: keras.Model, leaves: list[np.ndarray]) -> int:
    """Return a number of rows for which a batch's activations and time stay small."""
    outputs = [getattr(layer, "output", None) for layer in all_layers(model, include_self=False)]
    tensors = [tensor for tensor in keras.tree.flatten(outputs) if tensor is not None]
    values = sum(float(np.prod([size or 1 for size in tensor.shape[1:]])) for tensor in tensors)
    weights = float(model.count_params()) if model.built else 1e6
    by_bytes = BATCH_BYTES / max(4 * values + row_bytes(leaves), 1)
    return int(max(32, min(MOST_ROWS, by_bytes, BATCH_PRODUCTS / max(weights, 1))))


def batches_do_not_matter(model: keras.Model) -> bool:
    """Return whether evaluation gives the same numbers for any batch size.

    True where loss and metrics are Keras's own and average over rows. A user's own function may average over
    batches, and Keras averages the losses of single outputs over batches.
    """
    if not is_stock(model, "test_step", "compute_loss", "compute_metrics"):
        return False
    losses = [loss for loss in keras.tree.flatten(model.loss) if loss is not None]
    losses = [loss.loss if isinstance(loss, MemberLoss) else loss for loss in losses]
    if len(losses) > 1:
        return False
    metrics = [each for metric in model.metrics for each in getattr(metric, "metrics", None) or [metric]]
    extra = any(getattr(layer, "activity_regularizer", None) for layer in all_layers(model))
    return (
        not extra
        and all(_averages_rows(loss) for loss in losses)
        and all(is_keras(metric) for metric in metrics)
    )


def _averages_rows(loss: object) -> bool:
    if isinstance(loss, str):
        return loss.lower() != "circle"
    if isinstance(loss, keras.losses.Circle):
        return False  # it compares the rows of a batch
    of_rows = isinstance(loss, Quantile) or is_keras(loss)
    return of_rows and getattr(loss, "reduction", "sum_over_batch_size") == "sum_over_batch_size"


def is_keras(component: object) -> bool:
    """Return whether a loss or a metric is Keras's own, or one of ours, around which we may have put ours.

    Args:
        component: The loss or the metric.
    """
    while isinstance(component, MetricWrapper):
        component = component.metric
    if isinstance(component, RowCorrelation):
        return True  # of all rows
    function = wrapped_function(component)
    modules = [
        getattr(component, "__module__", None) or "",
        getattr(function, "__module__", None) or "keras.",
    ]
    return all(str(module).startswith("keras.") for module in modules)


def _trace(model: keras.Model, step: str, structure: Structure) -> Traced:
    """Return a model's traced step for any number of rows, cached as long as both live."""
    shape, signature = skeleton(structure), any_rows(structure)
    key = (step, repr(shape), tuple(signature))
    # `compile` creates a new loss and new metrics: a graph of the old ones must not be used again.
    components = compiled_parts(model)
    graphs = _graphs.setdefault(model, {})
    if key in graphs and all(a is b for a, b in zip(graphs[key][0], components, strict=True)):
        return graphs[key][1]
    owner = ref(model)  # a strong reference would never free the model

    def run(leaves: list[tf.Tensor]) -> tf.Tensor | Logs:
        alive = owner()
        method = "predict_step" if step == FORWARD else step
        result = getattr(alive, method)(keras.tree.pack_sequence_as(shape, leaves))
        if step == FORWARD:
            flat = keras.tree.flatten(result)
            return result, [logits_of(each) for each in flat], [mask_of(each) for each in flat]
        return result if step == "predict_step" else fit_logs(alive, result)

    function: Traced = tf.function(run, autograph=False).get_concrete_function(signature)
    graphs[key] = (components, function)
    return function
