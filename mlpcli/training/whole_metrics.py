"""Losses and metrics that are no sums over rows, computed again for whole draws of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mlpcli.checks.log_names import metric_names
from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.keras_internals import compiled_losses
from mlpcli.training.row_metrics import MeasuredRows
from mlpcli.training.undefined_metrics import why_undefined

RESAMPLES = 200
"""Draws of such a metric: each costs an evaluation."""

WholeMetric = Callable[[Array], Array]
"""From positions of rows, (some,) int, to the values over these rows, (values,); NaN for none."""


def whole_metrics(model: keras.Model, measured: MeasuredRows) -> dict[tuple[str, ...], WholeMetric]:
    """Return what computes each loss and metric of a model over some of the rows, by its values' names."""
    found = {tuple(names): _metric(metric, output, measured) for output, metric, names in metric_names(model)}
    losses = compiled_losses(model)
    names = ("loss",) if len(losses) == 1 else ("loss", *(f"{output}_loss" for output, _, _ in losses))
    return found | {(name,): _loss(model, measured, place) for place, name in enumerate(names)}


def _metric(metric: keras.metrics.Metric, output: str, measured: MeasuredRows) -> WholeMetric:
    def value(rows: Array) -> Array:
        metric.reset_state()
        for batch in _batches(rows, measured.batch_rows):
            y_true, y_pred, _ = measured.take(output, batch)
            metric.update_state(y_true, y_pred)
        values = np.array(_numbers(metric.result()))  # before the reset: it may be a variable
        metric.reset_state()
        y_true, y_pred, _ = measured.take(output, rows)
        undefined = np.array(why_undefined(metric, y_true, y_pred, len(values))) != ""
        return np.where(undefined, np.nan, values)

    return value


def _numbers(result: object) -> list[float]:
    """Return the values of a metric's result, in the order of their names."""
    if isinstance(result, Mapping):
        return [number for each in result.values() for number in _numbers(each)]
    return [float(keras.ops.convert_to_numpy(result))]


def _loss(model: keras.Model, measured: MeasuredRows, place: int) -> WholeMetric:
    """Return what computes the loss over all outputs, for place 0, or that of one output, from 1."""
    losses = compiled_losses(model)
    several = len(losses) > 1

    def of_batch(batch: Array) -> float:
        parts = []
        for output, loss, weight in losses if place == 0 else losses[place - 1 : place]:
            y_true, y_pred, given = measured.take(output if several else "", batch)
            value = float(loss(y_true, y_pred, given))
            parts.append(value * (1.0 if weight is None or place else float(weight)))
        return sum(parts)

    def value(rows: Array) -> Array:
        batches = _batches(rows, measured.batch_rows)
        sizes = None if place else [len(batch) for batch in batches]  # as Keras averages them
        return np.array([np.average([of_batch(batch) for batch in batches], weights=sizes)])

    return value


def _batches(rows: Array, size: int) -> list[Array]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def resample_whole(metric: WholeMetric, rows: int, seed: int) -> Array:
    """Return the values of a metric over draws of as many rows as there are, (resamples, values)."""
    random = np.random.default_rng([seed % 2**63, 3])
    return np.stack([metric(random.integers(0, rows, rows)) for _ in range(RESAMPLES)])
