"""What each row adds to a metric: all of Keras's that are functions of sums over rows, as those sums.

A metric of Keras's keeps sums in its variables and makes its value of them. Here the sums are kept for each
row, so that the value over any draw of the rows is a matrix product and that function. Whether it is the
metric's own value is checked where it is used: a plug-in's metric may look like one of these and be another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.keras_internals import mask_of
from mlpcli.model.correlations import RowCorrelation
from mlpcli.model.metric_wrappers import MetricWrapper
from mlpcli.model.ranked_addends import RANKED, ranked_addends
from mlpcli.statistics.curves import ratio

Tensor = Any
"""A tensor of TensorFlow, which has no types."""

SHARES = (
    keras.metrics.Accuracy,
    keras.metrics.BinaryAccuracy,
    keras.metrics.CategoricalAccuracy,
    keras.metrics.SparseCategoricalAccuracy,
    keras.metrics.TopKCategoricalAccuracy,
    keras.metrics.SparseTopKCategoricalAccuracy,
)
"""Metrics of rows that are right or wrong."""

SAME = 1e-12
"""The share of the squares of values that are the same which rounding leaves of their variance, at most."""

OVERLAPS = (keras.metrics.IoU, keras.metrics.MeanIoU)


class NotOfRows(Exception):
    """A metric is no function of sums over rows; the text says why."""


@dataclass(frozen=True)
class Addends:
    """What rows add to one metric, and the metric's values.

    Attributes:
        of_rows: From targets, outputs and weights, (rows * steps, ...) each or None, to what each of them
            adds, (rows * steps, addends) float64.
        values: From sums, (..., addends), to the metric's values, (..., values); those that are not defined
            are what Keras makes of them.
        support: From sums to how many rows or steps each value is of, at most: of a recall the positive ones.
            0 where it is not defined, infinite where all rows count.
        is_mean: Whether the two addends are a numerator and a denominator, and the value their ratio or a
            function of it that grows with it.
        is_share: Whether it is the share of rows that are right.
    """

    of_rows: Callable[[Tensor, Tensor, Tensor | None], Array]
    values: Callable[[Array], Array]
    support: Callable[[Array], Array]
    is_mean: bool = False
    is_share: bool = False


def every_row(is_defined: Array | np.bool) -> Array:
    """Return the support of values of all rows, where they are defined."""
    return np.where(is_defined, np.inf, 0.0)


def addends_of(metric: keras.metrics.Metric) -> Addends:
    """Return what rows add to a metric, which may be wrapped, and how its values follow from the sums.

    Raises:
        NotOfRows: It is none of Keras's that are sums over rows.
    """
    inner = metric
    while isinstance(inner, MetricWrapper):
        inner = inner.metric
    found = _of_inner(inner)

    def of_rows(y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Array:
        each = metric
        while isinstance(each, MetricWrapper):
            y_true, y_pred, weights = each.convert(y_true, y_pred, weights)
            each = each.metric
        return found.of_rows(y_true, y_pred, weights)

    return replace(found, of_rows=of_rows)


def _of_inner(metric: keras.metrics.Metric) -> Addends:
    if isinstance(metric, keras.metrics.Mean) and type(metric) is not keras.metrics.Mean:
        return _mean(metric)
    if isinstance(metric, RANKED):
        found = ranked_addends(metric)
        return Addends(found.of_rows, found.values, found.support)
    if isinstance(metric, keras.metrics.FBetaScore):
        return _f_score(metric)
    if isinstance(metric, OVERLAPS):
        return _overlap(metric)
    if isinstance(metric, keras.metrics.R2Score) and not metric.num_regressors:
        return _r2(metric)
    if isinstance(metric, RowCorrelation):
        return _correlation(metric)
    raise NotOfRows(f"{type(metric).__name__} is not known to be made of sums over rows")


def plain(tensor: Tensor, dtype: DTypeLike = np.float64) -> Array:
    """Return a tensor as a NumPy array."""
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype)


def _mean(metric: keras.metrics.Mean) -> Addends:
    """Return numerator and denominator of a mean over rows; of the root of one for `RootMeanSquaredError`."""
    root = isinstance(metric, keras.metrics.RootMeanSquaredError)

    def of_rows(y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Array:
        found: list[Array] = []

        class Recorder(keras.metrics.Mean):  # type: ignore[misc]
            """Below a class of means: keeps what each row adds instead of adding it."""

            def update_state(self, values: Tensor, sample_weight: Tensor | None = None) -> None:
                found.append(_samplewise(values, sample_weight, self.dtype))

        own = type(metric)
        recording = type(own.__name__, (own, Recorder), {})
        object.__setattr__(metric, "__class__", recording)
        try:
            metric.update_state(y_true, y_pred, weights)
        finally:
            object.__setattr__(metric, "__class__", own)
        return np.asarray(sum(found[1:], start=found[0]))

    def values(sums: Array) -> Array:
        mean = ratio(sums[..., 0], sums[..., 1])
        return np.asarray(np.sqrt(mean) if root else mean)[..., None]

    def support(sums: Array) -> Array:
        return every_row(sums[..., 1:2] != 0)

    return Addends(of_rows, values, support, is_mean=True, is_share=isinstance(metric, SHARES))


def _samplewise(values: Tensor, weights: Tensor | None, dtype: str) -> Array:
    """Return what rows add to a mean: (rows, 2), weighted values and weights, as `keras.metrics.Mean` does.

    Raises:
        NotOfRows: There is one value for all rows.
    """
    mask = mask_of(values)
    array = plain(keras.ops.cast(values, dtype))
    if not array.ndim:
        raise NotOfRows("it gives one value for a whole batch, not one for each row")
    if weights is None:
        means = array.reshape(len(array), -1).mean(axis=1)
        return np.stack([means, np.ones(len(array))], axis=1)
    weight = plain(keras.ops.cast(weights, dtype))
    if mask is not None:
        weight = weight * plain(mask)
    array, weight = same_rank(array, weight)
    if array.ndim > weight.ndim:
        array = array.mean(axis=tuple(range(weight.ndim, array.ndim)))
    weight = np.broadcast_to(weight, array.shape)
    parts = [each.reshape(len(array), -1).mean(axis=1) for each in (array * weight, weight)]
    return np.stack(parts, axis=1)


def same_rank(one: Array, other: Array) -> tuple[Array, Array]:
    """Return two arrays with as many axes, where one of them has a last axis of 1 that the other lacks."""
    if one.ndim == other.ndim + 1 and one.shape[-1] == 1:
        return (one, other[:, None]) if other.ndim == 1 else (one[..., 0], other)
    if other.ndim == one.ndim + 1 and other.shape[-1] == 1:
        return (one[:, None], other) if one.ndim == 1 else (one, other[..., 0])
    return one, other


def _f_score(metric: keras.metrics.FBetaScore) -> Addends:
    """Return true positives, found rows and positive rows of each class."""

    def of_rows(y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Array:
        outputs = plain(keras.ops.cast(y_pred, metric.dtype), metric.dtype)
        if metric.threshold is None:
            found = (outputs >= outputs.max(axis=-1, keepdims=True)) & (np.abs(outputs) > 1e-9)
        else:
            found = outputs > metric.threshold
        real = plain(y_true).reshape(outputs.shape)
        parts = np.concatenate([found * real, found, real], axis=1)
        return parts if weights is None else parts * plain(weights).reshape(-1, 1)

    def values(sums: Array) -> Array:
        tiny = keras.config.epsilon()
        tp, found, real = (each.astype(np.float64) for each in np.split(sums, 3, axis=-1))
        if metric.average == "micro":
            tp, found, real = (each.sum(axis=-1, keepdims=True) for each in (tp, found, real))
        precision, recall = tp / (found + tiny), tp / (real + tiny)
        score = precision * recall / (metric.beta**2 * precision + recall + tiny) * (1 + metric.beta**2)
        if metric.average == "weighted":
            whole = real.sum(axis=-1, keepdims=True) + tiny
            return np.asarray((score * real).sum(axis=-1, keepdims=True) / whole)
        return score if metric.average is None else np.asarray(score.mean(axis=-1, keepdims=True))

    def support(sums: Array) -> Array:
        real = np.split(sums, 3, axis=-1)[2]
        if metric.average is None:
            return real
        found = real.min(axis=-1, keepdims=True) if metric.average == "macro" else real.sum(-1, keepdims=True)
        return np.asarray(found)

    return Addends(of_rows, values, support)


def _overlap(metric: keras.metrics.IoU) -> Addends:
    """Return, of each class, rows that both have, rows of the class, and rows predicted as it."""
    count = metric.num_classes

    def of_rows(y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Array:
        if isinstance(metric, keras.metrics.BinaryIoU):
            y_pred = keras.ops.cast(keras.ops.cast(y_pred, "float32") >= metric.threshold, metric.dtype)
        real, found = (
            plain(each if sparse else keras.ops.argmax(each, axis=metric.axis), np.int64)
            for each, sparse in ((y_true, metric.sparse_y_true), (y_pred, metric.sparse_y_pred))
        )
        rows = len(real)
        real, found = real.reshape(rows, -1), found.reshape(rows, -1)
        counts = (real >= 0) & (real < count) & (found >= 0) & (found < count)
        if metric.ignore_class is not None:
            counts &= real != metric.ignore_class
        weight = counts.astype(np.float64)
        if weights is not None:
            weight = weight * plain(weights).reshape(rows, -1)
        classes = np.arange(count)
        is_real, is_found = (each[..., None] == classes for each in (real, found))
        whole = [(mark * weight[..., None]).sum(axis=1) for mark in (is_real & is_found, is_real, is_found)]
        return np.concatenate(whole, axis=1)

    def values(sums: Array) -> Array:
        both, real, found = (each[..., metric.target_class_ids] for each in np.split(sums, 3, axis=-1))
        union = real + found - both
        tiny = keras.config.epsilon()
        overlap = np.where(union > 1e-9, both / (union + tiny), 0.0).sum(axis=-1, keepdims=True)
        return np.asarray(overlap / ((union > 1e-9).sum(axis=-1, keepdims=True) + tiny))

    def support(sums: Array) -> Array:
        _, real, found = (each[..., metric.target_class_ids] for each in np.split(sums, 3, axis=-1))
        return every_row((real + found).sum(axis=-1, keepdims=True) > 0)

    return Addends(of_rows, values, support)


class _Centre:
    """A constant for each column near its values, so that sums of squares keep their digits."""

    def __init__(self) -> None:
        self.of_columns: Array | None = None

    def shift(self, values: Array) -> Array:
        """Return values, (rows, columns), less the constants: the means of the first rows that came."""
        if self.of_columns is None:
            self.of_columns = values.mean(axis=0)
        return np.asarray(values - self.of_columns)


def _r2(metric: keras.metrics.R2Score) -> Addends:
    """Return of each column sums of targets and of their squares, squared errors and weights."""
    centre = _Centre()

    def of_rows(y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Array:
        truth, outputs = same_rank(plain(y_true), plain(y_pred))
        weight = np.ones((len(truth), 1)) if weights is None else plain(weights).reshape(-1, 1)
        near = centre.shift(truth)
        weight = np.broadcast_to(weight, truth.shape)
        parts = [near * weight, near**2 * weight, (truth - outputs) ** 2 * weight, weight]
        return np.concatenate(parts, axis=1)

    def values(sums: Array) -> Array:
        total, squares, errors, count = np.split(sums, 4, axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = squares - total * (total / count)
            scores = 1 - errors / spread
            scores = np.where(np.isinf(scores), 0.0, scores)
            if metric.class_aggregation == "variance_weighted_average":
                weighted = (spread * scores).sum(axis=-1, keepdims=True)
                return np.asarray(weighted / spread.sum(axis=-1, keepdims=True))
        if metric.class_aggregation == "uniform_average":
            return np.asarray(scores.mean(axis=-1, keepdims=True))
        return scores

    def support(sums: Array) -> Array:
        total, squares, _, count = np.split(sums, 4, axis=-1)
        varies = _varies(total, squares, count)
        if metric.class_aggregation is None:
            return every_row(varies)
        return every_row(np.all(varies, axis=-1, keepdims=True))

    return Addends(of_rows, values, support)


def _varies(total: Array, squares: Array, count: Array) -> Array:
    """Return whether values differ, from their sum, that of their squares, and their number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(squares - total * (total / count) > SAME * squares)


def _correlation(metric: RowCorrelation) -> Addends:
    """Return of each column the sums and the squares of targets and outputs, their products, and weights."""
    of_targets = _Centre()  # one centre for both, whose difference counts

    def of_rows(y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Array:
        given = [keras.ops.cast(each, metric.dtype) for each in (y_true, y_pred)]
        x, y = (plain(each).reshape(-1, metric.units) for each in given)
        x = of_targets.shift(x)
        assert of_targets.of_columns is not None
        y = y - of_targets.of_columns
        weight = np.ones((len(x), 1)) if weights is None else plain(weights).reshape(-1, 1)
        parts = [x, y, x * x, y * y, x * y, np.ones_like(x)]
        return np.asarray(np.concatenate(parts, axis=1) * weight)

    def values(sums: Array) -> Array:
        sx, sy, sxx, syy, sxy, count = np.split(sums, 6, axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mx, my = sx / count, sy / count
            xx, yy, xy = sxx - sx * mx, syy - sy * my, sxy - sx * my
            if metric.kind == "pearson":
                found = xy / (np.sqrt(np.maximum(xx, 0)) * np.sqrt(np.maximum(yy, 0)))
            else:
                found = 2 * xy / (xx + yy + count * (mx - my) ** 2)
        return np.asarray(found.mean(axis=-1, keepdims=True))

    def support(sums: Array) -> Array:
        sx, _, sxx, _, _, count = np.split(sums, 6, axis=-1)
        return every_row(np.all(_varies(sx, sxx, count), axis=-1, keepdims=True))

    return Addends(of_rows, values, support)
