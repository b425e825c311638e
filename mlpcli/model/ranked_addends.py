"""What each row adds to a metric of counts at thresholds: precision, recall, areas under curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.statistics.curves import Counts, area, best_where

Tensor = Any
"""A tensor of TensorFlow, which has no types."""

COUNTED: dict[Any, Callable[[Counts], Array]] = {
    keras.metrics.TruePositives: lambda counts: counts.tp,
    keras.metrics.TrueNegatives: lambda counts: counts.tn,
    keras.metrics.FalsePositives: lambda counts: counts.fp,
    keras.metrics.FalseNegatives: lambda counts: counts.fn,
    keras.metrics.Precision: lambda counts: counts.precision,
    keras.metrics.Recall: lambda counts: counts.recall,
}
"""Metrics with a value for each of their thresholds."""

BEST: dict[Any, Callable[[Counts, float], Array]] = {
    keras.metrics.SensitivityAtSpecificity: lambda c, least: best_where(c.specificity, least, c.recall),
    keras.metrics.SpecificityAtSensitivity: lambda c, least: best_where(c.recall, least, c.specificity),
    keras.metrics.PrecisionAtRecall: lambda c, least: best_where(c.recall, least, c.precision),
    keras.metrics.RecallAtPrecision: lambda c, least: best_where(c.precision, least, c.recall),
}
"""Metrics of the best threshold."""

RANKED = (*COUNTED, *BEST, keras.metrics.AUC)

LEAST = -1e10
"""What Keras puts in the place of the outputs that are not among the `top_k` largest."""


@dataclass(frozen=True)
class RankedAddends:
    """See `Addends`."""

    of_rows: Callable[[Tensor, Tensor, Tensor | None], Array]
    values: Callable[[Array], Array]
    support: Callable[[Array], Array]


def ranked_addends(metric: keras.metrics.Metric) -> RankedAddends:
    """Return what rows add to such a metric: how many labels lie between two of its thresholds.

    The addends are (2, thresholds + 1, columns), flat: for negative and for positive labels, and below the
    first threshold, then above each but not above the next; the columns are the labels of a `multi_label`
    AUC.
    """
    thresholds = np.asarray(metric.thresholds, np.float64)
    order = np.argsort(thresholds, kind="stable")
    by_label = bool(getattr(metric, "multi_label", False))

    def of_rows(y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Array:
        real, outputs = _labels_and_outputs(metric, y_true, y_pred)
        rows = len(real)
        place = _place(outputs, thresholds[order])
        weight = np.ones(real.shape)
        if weights is not None:
            weight = weight * np.asarray(keras.ops.convert_to_numpy(weights)).reshape(rows, -1)
        if (label_weights := getattr(metric, "label_weights", None)) is not None and not by_label:
            weight = weight * np.asarray(keras.ops.convert_to_numpy(label_weights))
        column = np.broadcast_to(np.arange(real.shape[1]) if by_label else 0, real.shape)
        parts = np.zeros((rows, 2, len(thresholds) + 1, real.shape[1] if by_label else 1))
        row = np.broadcast_to(np.arange(rows)[:, None], real.shape)
        np.add.at(parts, (row, real.astype(np.int64), place, column), weight)
        return parts.reshape(rows, -1)

    def counts_of(sums: Array) -> Counts:
        cells = sums.reshape(*sums.shape[:-1], 2, len(thresholds) + 1, -1)
        whole = cells.sum(axis=-2)
        above = np.cumsum(cells[..., :0:-1, :], axis=-2)[..., ::-1, :]
        above = np.take(above, np.argsort(order, kind="stable"), axis=-2)
        rest = whole[..., None, :] - above
        # (..., thresholds, columns) to (..., columns, thresholds)
        fp, tp, tn, fn = (
            np.swapaxes(each, -1, -2)
            for each in (above[..., 0, :, :], above[..., 1, :, :], rest[..., 0, :, :], rest[..., 1, :, :])
        )
        return Counts(tp, fp, tn, fn)

    def values(sums: Array) -> Array:
        return _values(metric, counts_of(sums))

    def support(sums: Array) -> Array:
        return _support(metric, counts_of(sums))

    return RankedAddends(of_rows, values, support)


def _support(metric: keras.metrics.Metric, counts: Counts) -> Array:
    """Return of how many rows each value is, (..., values): of an area as many as the rarer label has."""
    positive, negative = counts.tp + counts.fn, counts.tn + counts.fp
    if isinstance(metric, keras.metrics.Precision):
        return np.asarray((counts.tp + counts.fp)[..., 0, :])
    if isinstance(metric, keras.metrics.Recall):
        return np.asarray(positive[..., 0, :])
    if isinstance(metric, tuple(COUNTED)):
        return np.full(counts.tp[..., 0, :].shape, np.inf)
    rarer = np.minimum(positive, negative).min(axis=-1)  # (..., columns)
    return np.asarray(rarer if isinstance(metric, tuple(BEST)) else rarer.min(axis=-1, keepdims=True))


def _values(metric: keras.metrics.Metric, counts: Counts) -> Array:
    """Return the values of a metric, (..., values), for counts, (..., columns, thresholds)."""
    for kind, of_counts in COUNTED.items():
        if isinstance(metric, kind):
            return of_counts(counts)[..., 0, :]
    for kind, best in BEST.items():
        if isinstance(metric, kind):
            return best(counts, metric.value)
    found = area(counts, metric.curve.value, metric.summation_method.value)  # (..., columns)
    if not metric.multi_label or metric.label_weights is None:
        return np.asarray(found.mean(axis=-1, keepdims=True))
    weights = np.asarray(keras.ops.convert_to_numpy(metric.label_weights), np.float64)
    return np.asarray((found * weights).sum(axis=-1, keepdims=True) / weights.sum())


def _labels_and_outputs(metric: keras.metrics.Metric, y_true: Tensor, y_pred: Tensor) -> tuple[Array, Array]:
    """Return labels, bool, and outputs, float32, (rows, labels) each, as the metric compares them."""
    if isinstance(metric, keras.metrics.AUC) and metric.get_config()["from_logits"]:
        y_pred = keras.activations.sigmoid(y_pred)
    real, outputs = (np.asarray(keras.ops.convert_to_numpy(each), np.float32) for each in (y_true, y_pred))
    real = real.reshape(outputs.shape) if real.size == outputs.size else real
    top, class_id = getattr(metric, "top_k", None), getattr(metric, "class_id", None)
    if top is not None:
        largest = np.argsort(-outputs, axis=-1, kind="stable")[..., :top]
        kept = np.zeros(outputs.shape, bool)
        np.put_along_axis(kept, largest, True, axis=-1)
        outputs = np.where(kept, outputs, np.float32(LEAST))
    if class_id is not None:
        real, outputs = real[..., class_id, None], outputs[..., class_id, None]
    rows = len(outputs)
    return real.astype(bool).reshape(rows, -1), outputs.reshape(rows, -1)


def _place(outputs: Array, thresholds: Array) -> Array:
    """Return above how many thresholds each output is, as Keras counts them.

    Of thresholds at equal distances Keras multiplies where it compares with others: the last digit may
    decide.

    Args:
        outputs: (rows, labels) float32.
        thresholds: (thresholds,) in ascending order.
    """
    count = len(thresholds)
    even = np.arange(count, dtype=np.float32) / max(count - 1, 1)
    if count < 3 or not np.allclose(thresholds, even, atol=keras.config.epsilon()):
        return np.searchsorted(thresholds.astype(np.float32), outputs, side="left")
    place = np.ceil(np.clip(outputs, 0, 1) * np.float32(count - 1))
    beyond = thresholds[0] < 0 or thresholds[-1] > 1
    return np.asarray(np.maximum(place, 1) if beyond else place, np.int64)
