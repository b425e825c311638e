"""The loss and the metrics of a model on some rows, as what each row adds to them.

`row_metrics` needs the rows and the network's outputs for them. What it returns gives, for any of the rows,
their addends, and for sums of addends the value that Keras would give for those rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.checks.log_names import metric_names
from mlpcli.data.dataset import Split
from mlpcli.data.named_arrays import of_name
from mlpcli.data.stored.sampled_rows import is_stored
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.types import Array
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import compiled_losses
from mlpcli.machine import format_bytes
from mlpcli.model.loss_addends import inner_loss, loss_addends
from mlpcli.model.row_addends import NotOfRows, addends_of, every_row
from mlpcli.statistics.bootstrap import GROUPS, dealt_sums, group_sizes
from mlpcli.statistics.curves import ratio
from mlpcli.training import compiled

LEAST_MEMORY = 16 << 20
"""Outputs that take no more than this are always in memory."""

Tensor = Any
"""A tensor of TensorFlow, which has no types."""

Addend = Callable[[Array], Array]


@dataclass(frozen=True)
class RowMetric:
    """A loss or a metric on some rows, as sums over them.

    Attributes:
        names: Of its values, as `evaluate` and `metrics.json` have them; several for one of each class or
            threshold.
        output: The output that it measures; empty where there is one, and for the loss over all outputs.
        rows: How many rows there are.
        addends: From positions of rows, (some,) int, to what each adds, (some, addends) float64.
        values: From sums of addends, (..., addends), to values, (..., names). The loss is
            that of the rows, without what regularisation adds to it.
        support: From sums to how many rows each value is of, at most, and 0 where it is not defined; see
            `Addends`.
        is_mean: Whether each row adds a numerator and a denominator, `addends[:, 0]` and `addends[:, 1]`,
            whose sums' ratio is the value or, for a root of a mean, its square.
        is_share: Whether it is the share of rows that are right.
    """

    names: tuple[str, ...]
    output: str
    rows: int
    addends: Addend
    values: Callable[[Array], Array]
    support: Callable[[Array], Array]
    is_mean: bool = False
    is_share: bool = False

    def drawn(self, sums: Array) -> Array:
        """Return the values of draws of the rows, NaN where a draw does not define them.

        Args:
            sums: (draws, addends).
        """
        return np.where(self.support(sums) > 0, self.values(sums), np.nan)

    def sums(self, seed: int, groups: int = GROUPS) -> Array:
        """Return the addends of each row, or with more rows than `groups` of each random group of them.

        The groups depend on the seed and the number of rows alone: two models that are measured on the same
        rows have the same. How many rows each has: `group_sizes`.

        Args:
            seed: Of the groups.
            groups: How many.

        Returns:
            (rows or groups, addends) float64.
        """
        return dealt_sums(self.addends, self.rows, seed, groups)

    def group_sizes(self, groups: int = GROUPS) -> Array:
        """Return the number of rows of each of the `sums`, (rows or groups,)."""
        return group_sizes(self.rows, groups)


@dataclass(frozen=True)
class MeasuredRows:
    """Rows, and what a network gives for them.

    Attributes:
        split: The rows with their targets and weights.
        outputs: Of the network.
        batch_rows: How many rows `evaluate` takes at once: some values of Keras's depend on it.
    """

    split: Split
    outputs: compiled.Outputs
    batch_rows: int

    def take(self, output: str, rows: Array) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return targets, outputs and weights of some rows, as losses and metrics take them.

        Args:
            output: Its name; empty for the only one.
            rows: (some,) int positions.
        """
        values = self.outputs.values
        names = sorted(values) if isinstance(values, dict) else [""]
        place = names.index(output) if output else 0
        name = names[place]
        truth, weights = of_name(self.split.y, name), of_name(self.split.weights, name)
        given = None if weights is None else tf.constant(compiled.take_rows(weights, rows))
        return tf.constant(compiled.take_rows(truth, rows)), self.outputs.take(place, rows), given

    def rows_of_batch(self) -> Array:
        """Return for each row how many rows its batch has, (rows,)."""
        count, size = len(self.split), self.batch_rows
        found = np.full(count, min(size, count), np.float64)
        if rest := count % size:
            found[-rest:] = rest
        return found


def measure_rows(model: keras.Model, split: Split, *, batch_size: int) -> MeasuredRows:
    """Run a network on some rows.

    Args:
        model: The compiled model.
        split: The rows.
        batch_size: Of the evaluation, where its results depend on it.
    """
    if is_stored(split):  # groups of rows are drawn from all over them
        y, weights = (keras.tree.map_structure(_in_memory, each) for each in (split.y, split.weights))
        split = Split(split.x, y, split.rows, weights)
    data = compiled.Arrays(split.x, split.y, split.weights)
    at_once = compiled.batch_rows(model, data, batch_size=batch_size)
    return MeasuredRows(split, compiled.run_network(model, split.x), at_once)


def _in_memory(array: Array | StoredArray | None) -> Array | None:
    return None if array is None else compiled.take_rows(array, slice(None))


def why_not_measured(model: keras.Model, split: Split, memory: int | None) -> str:
    """Return why what a network gives for some rows cannot be in memory; empty if it can.

    Args:
        model: The compiled model.
        split: The rows.
        memory: The bytes that rows in files may take; None where all are in memory.
    """
    if memory is None or not is_stored(split):
        return ""
    values = sum(
        math.prod(size or 1 for size in each.shape[1:]) for each in keras.tree.flatten(model.outputs)
    )
    targets = sum(each.nbytes for each in keras.tree.flatten((split.y, split.weights)) if each is not None)
    needed = 8 * values * len(split) + targets  # the outputs, and the logits behind them
    if needed <= max(memory, LEAST_MEMORY):
        return ""
    size, most = format_bytes(needed), format_bytes(memory)
    return f"the outputs of {len(split):,} rows take {size} of memory, and fit.memory is {most}"


def row_metrics(model: keras.Model, measured: MeasuredRows) -> tuple[list[RowMetric], dict[str, str]]:
    """Return the loss and metrics of a model that are sums over rows, and why the others are none.

    Args:
        model: Compiled, and evaluated at least once, so that its metrics exist.
        measured: The rows.

    Returns:
        The metrics in the order of their values, and by name of the others the reason.
    """
    found = row_losses(model, measured)
    reasons: dict[str, str] = {}
    for output, metric, names in metric_names(model):
        try:
            found.append(_metric(metric, output, tuple(names), measured))
        except NotOfRows as error:
            reasons |= dict.fromkeys(names, str(error))
    return found, reasons


def _metric(
    metric: keras.metrics.Metric, output: str, names: tuple[str, ...], measured: MeasuredRows
) -> RowMetric:
    made = addends_of(metric)

    def addends(rows: Array) -> Array:
        y_true, y_pred, _ = measured.take(output, rows)
        found = made.of_rows(y_true, y_pred, None)  # Keras weighs losses, not the `metrics` of `compile`
        if len(found) % len(rows):
            raise NotOfRows(f"it gives {len(found)} values for {len(rows)} rows")
        return np.asarray(found.reshape(len(rows), -1, found.shape[1]).sum(axis=1))  # the steps of each row

    count = len(measured.split)
    return RowMetric(names, output, count, addends, made.values, made.support, made.is_mean, made.is_share)


def row_losses(model: keras.Model, measured: MeasuredRows) -> list[RowMetric]:
    """Return the loss over all outputs, and of several outputs that of each.

    Args:
        model: Compiled, its losses built.
        measured: The rows.
    """
    losses = compiled_losses(model)
    in_batch = measured.rows_of_batch()
    batches = int(np.ceil(len(measured.split) / measured.batch_rows))
    one_each: list[Addend] = [
        _loss_addend(loss, output if len(losses) > 1 else "", measured, in_batch)
        for output, loss, _ in losses
    ]
    weights = np.array([1.0 if weight is None else float(weight) for _, _, weight in losses])

    def addends(rows: Array) -> Array:
        return np.concatenate([each(rows) for each in one_each], axis=1)

    def total(sums: Array) -> Array:
        return np.asarray((ratio(sums[..., ::2], sums[..., 1::2]) * weights).sum(axis=-1))[..., None]

    def support(sums: Array) -> Array:
        return every_row((sums[..., 1::2] != 0).all(axis=-1, keepdims=True))

    count = len(measured.split)
    whole = RowMetric(("loss",), "", count, addends, total, support, is_mean=len(losses) == 1)
    if len(losses) == 1:
        return [whole]
    # Keras averages the loss of a single output over batches, whatever their number of rows.
    share = count / (batches * in_batch)
    return [whole] + [
        RowMetric((f"{output}_loss",), output, count, _scaled(each, share), _ratio, support, is_mean=True)
        for (output, _, _), each in zip(losses, one_each, strict=True)
    ]


def _loss_addend(loss: keras.losses.Loss, output: str, measured: MeasuredRows, in_batch: Array) -> Addend:
    def addend(rows: Array) -> Array:
        found = loss_addends(loss, *measured.take(output, rows))
        if inner_loss(loss).reduction == "sum":  # over a batch, and the mean over the batches
            found[:, 0] *= in_batch[rows]
        return found

    return addend


def _scaled(addend: Addend, factors: Array) -> Addend:
    def scaled(rows: Array) -> Array:
        found = addend(rows)
        found[:, 0] *= factors[rows]
        return found

    return scaled


def _ratio(sums: Array) -> Array:
    return ratio(sums[..., 0], sums[..., 1])[..., None]
