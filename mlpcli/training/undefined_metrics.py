"""Metrics that some rows do not define, such as an area under a curve without a row of one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mlpcli.checks.log_names import metric_names
from mlpcli.data.types import Array
from mlpcli.errors import listing
from mlpcli.keras_import import keras
from mlpcli.model.correlations import RowCorrelation
from mlpcli.model.metric_wrappers import MetricWrapper
from mlpcli.runs.results import Intervals
from mlpcli.training.row_metrics import MeasuredRows

Tensor = Any
"""A tensor of TensorFlow, which has no types."""

NO_POSITIVE, NO_NEGATIVE = "no row is positive", "no row is negative"

BOTH = (
    keras.metrics.AUC,
    keras.metrics.SensitivityAtSpecificity,
    keras.metrics.SpecificityAtSensitivity,
    keras.metrics.PrecisionAtRecall,
    keras.metrics.RecallAtPrecision,
)
"""Metrics that need positive and negative rows; without, Keras gives 0 or a number that says nothing."""


def undefined_metrics(model: keras.Model, measured: MeasuredRows) -> dict[str, str]:
    """Return why metrics have no value over some rows, by the name of each value.

    Args:
        model: compiled, and evaluated on rows of this kind.
        measured: the rows, and what the network gives for them.
    """
    every = np.arange(len(measured.split))
    found: dict[str, str] = {}
    for output, metric, names in metric_names(model):
        y_true, y_pred, _ = measured.take(output, every)
        for name, why in zip(names, why_undefined(metric, y_true, y_pred, len(names)), strict=True):
            found |= {name: why} if why else {}
    return found


def without_undefined(found: Intervals, undefined: Mapping[str, str]) -> Intervals:
    """Return intervals without those of metrics that the rows do not define."""
    bounds = {name: ends for name, ends in found.bounds.items() if name not in undefined}
    notes = {name: text for name, text in found.notes.items() if name not in undefined}
    left_out = {**found.left_out, **undefined}
    return replace(found, bounds=bounds, notes=notes, left_out=left_out, undefined={**undefined})


def undefined_notes(undefined: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each reason why metrics have no value; Keras gives them one, mostly 0."""
    for why in dict.fromkeys(undefined.values()):
        names = [name for name, other in undefined.items() if other == why]
        says = "its value says" if len(names) == 1 else "their values say"
        yield f"{listing(names)}: {why}, so that {says} nothing"


def why_undefined(metric: keras.metrics.Metric, y_true: Tensor, y_pred: Tensor, count: int) -> list[str]:
    """Return for each value of a metric why some rows do not define it; an empty text where they do.

    Args:
        metric: of Keras, which may be wrapped.
        y_true: (rows, ...) targets as the metric takes them.
        y_pred: (rows, ...) outputs.
        count: how many values the metric has.
    """
    inner = metric
    weights = None
    while isinstance(inner, MetricWrapper):
        y_true, y_pred, weights = inner.convert(y_true, y_pred, weights)
        inner = inner.metric
    judged = (*BOTH, keras.metrics.Recall, keras.metrics.Precision, keras.metrics.FBetaScore)
    if isinstance(inner, judged):
        return _of_labels(inner, _plain(y_true), _plain(y_pred), count)
    if isinstance(inner, keras.metrics.R2Score | RowCorrelation):
        truth = _plain(y_true).reshape(len(y_true), -1)
        constant = len(truth) < 2 or (np.ptp(truth, axis=0) == 0).any()
        return ["the target is the same in all rows" if constant else ""] * count
    return [""] * count


def _plain(tensor: Tensor) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float64)


def _of_labels(metric: keras.metrics.Metric, truth: Array, outputs: Array, count: int) -> list[str]:
    truth = truth.reshape(outputs.shape) if truth.size == outputs.size else truth
    if isinstance(metric, keras.metrics.FBetaScore):
        return _of_f_score(metric, truth.reshape(-1, outputs.shape[-1]) > 0.5, count)
    if (class_id := getattr(metric, "class_id", None)) is not None:
        truth, outputs = truth[..., class_id], outputs[..., class_id]
    real = truth > 0.5
    if isinstance(metric, keras.metrics.AUC) and metric.multi_label:
        columns = real.reshape(-1, real.shape[-1])
        lacking = int((columns.all(axis=0) | ~columns.any(axis=0)).sum())
        return [f"{lacking} of its labels are the same in all rows" if lacking else ""] * count
    if isinstance(metric, keras.metrics.Precision):
        if metric.top_k is not None:
            return [""] * count
        limits = np.atleast_1d(metric.thresholds)
        return ["" if (outputs > limit).any() else "no row is predicted as positive" for limit in limits]
    why = "" if real.any() else NO_POSITIVE
    if not why and isinstance(metric, BOTH) and real.all():
        why = NO_NEGATIVE
    return [why] * count


def _of_f_score(metric: keras.metrics.FBetaScore, real: Array, count: int) -> list[str]:
    there: Array = np.asarray(real.any(axis=0))
    if metric.average is None:
        return ["" if each else "no row is of this class" for each in there]
    if metric.average == "macro" and not there.all():
        lacking = int((~there).sum())
        return [f"no row of {lacking} of its {len(there)} classes, whose scores would count as 0"] * count
    return [("" if there.any() else NO_POSITIVE)] * count
