"""The metrics of an output: Keras's own, made to fit its target, and each value under a name of its own."""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter
from collections.abc import Iterable

from mlpcli.data.dataset import Output
from mlpcli.data.levels import median_place
from mlpcli.data.types import NumberType
from mlpcli.keras_import import keras
from mlpcli.keras_internals import metric_direction, set_metric_direction, wrapped_function
from mlpcli.model.correlations import KINDS, RowCorrelation
from mlpcli.model.function_metrics import FunctionMetric
from mlpcli.model.metric_wrappers import AtThreshold, LabelRows, NamedValues, StepRows, label_names
from mlpcli.model.quantile_outputs import OfMedian
from mlpcli.model.target_scaling import InOwnUnits, curve_of, in_float64
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.schema import ComponentSpec

COUNTED_AT_THRESHOLDS = (
    keras.metrics.TruePositives,
    keras.metrics.TrueNegatives,
    keras.metrics.FalsePositives,
    keras.metrics.FalseNegatives,
)
AT_THRESHOLDS = (*COUNTED_AT_THRESHOLDS, keras.metrics.Precision, keras.metrics.Recall)
"""Metrics with a value for each of their thresholds."""

BY_COLUMN = (
    keras.metrics.BinaryCrossentropy,
    keras.metrics.Hinge,
    keras.metrics.Poisson,
    keras.metrics.SquaredHinge,
)
"""Metrics that would compare every label with every output where labels are not a column."""

SHIFT_FREE = (
    keras.metrics.R2Score,
    keras.metrics.PearsonCorrelation,
    keras.metrics.ConcordanceCorrelation,
)
"""Metrics of differences from the mean: near 0 their sums of squares keep their digits."""

LARGEST_UNIT = (
    keras.metrics.CategoricalAccuracy,
    keras.metrics.SparseCategoricalAccuracy,
    keras.metrics.OneHotIoU,
    keras.metrics.OneHotMeanIoU,
)
"""Metrics of the class whose unit is largest."""

ACCURACIES = ("binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")
"""The same as functions."""

PROBABLE_THRESHOLD = 0.5
"""Of an F score on one unit: Keras's default, the unit with the largest output, would always be that one."""


def fit_metrics(
    made: Iterable[tuple[ComponentSpec, object]],
    output: Output,
    shape: tuple[int | None, ...],
    counts: Counter[str] | None,
    numbers: NumberType = "float64",
    activation: str = "",
) -> list[object]:
    """Return the metrics of an output as `compile` takes them; what fits already is unchanged.

    Targets that were scaled are measured in their own units, labels come as the metric takes them, and values
    of a class or threshold have a name each.

    Args:
        made: metrics, short names and functions, as `make_component` returns them for components.
        output: the output.
        shape: of one row of the output.
        counts: how many metrics of each name the outputs before have; None where there is one output.
        numbers: the precision of a scaled target's metrics; float32 in a run of version 0.1.
        activation: what makes outputs probabilities; empty where they are.
    """
    alone = counts is None
    counts = Counter() if counts is None else counts
    units = math.prod(size or 1 for size in shape[-1:]) if len(shape) == 1 + len(output.steps) else 0
    units = units // len(output.levels) if output.levels else units
    taken: Counter[str] = Counter()
    found = []
    for component, each in made:
        if each is None:  # Keras refused it, which is reported
            continue
        _number(each, component, counts)
        logged = logged_name(each)
        full = logged if alone else f"{output.name}_{logged}"
        prefix = full if full not in taken else f"{full}_{taken[full]}"
        taken[full] += 1
        found.append(_fit(each, output, units, prefix, numbers, activation))
    return found


def _number(made: object, component: ComponentSpec, counts: Counter[str]) -> None:
    """Name a metric without a name as Keras does in a fresh process, whatever this one has created before."""
    if not isinstance(made, keras.metrics.Metric) or component.arguments.get("name") is not None:
        return
    base = snake_case(type(made).__name__)
    default = inspect.signature(type(made).__init__).parameters.get("name")
    if default is not None and default.default is None and re.fullmatch(rf"{base}(_\d+)?", made.name):
        made.name = f"{base}_{counts[base]}" if base in counts else base
        counts[base] += 1


def logged_name(made: object) -> str:
    """Return the name under which Keras logs a metric, a short name or a function."""
    if isinstance(made, str):
        return made
    return str(getattr(made, "name", None) or getattr(made, "__name__", type(made).__name__))


def _fit(
    made: object, output: Output, units: int, prefix: str, numbers: NumberType, activation: str
) -> object:
    metric = as_metric(made, units, sparse=_wants_sparse(output))
    informed = _know_direction(metric)
    inner = _over_rows(metric, units)
    if output.scale is not None and output.offset is not None:
        inner = in_float64(inner, len(output.target)) if numbers == "float64" else inner
    fitted = _by_column(inner, output, units)
    if output.scale is not None and output.offset is not None:
        offset = list(output.offset)
        curve = curve_of(output)
        if numbers == "float64" and isinstance(metric, SHIFT_FREE) and curve is None:
            offset = [0.0] * len(offset)
        fitted = InOwnUnits(fitted, list(output.scale), offset, curve=curve)
    if output.levels:
        fitted = OfMedian(fitted, len(output.levels), median_place(output.levels))
    if output.thresholds and _has_usual_threshold(metric, 0.0 if activation else PROBABLE_THRESHOLD):
        fitted = AtThreshold(fitted, output.thresholds, activation)
    if output.steps and _is_stock(made):
        fitted = StepRows(fitted)
    if has_many_values(metric):
        fitted = NamedValues(fitted, prefix, label_names(_labels(metric, output)))
    changed = informed or fitted is not metric or isinstance(metric, FunctionMetric)
    return fitted if changed else made


def _wants_sparse(output: Output) -> bool:
    """Return whether the word `accuracy` is read here as that of class indices, and not later by Keras."""
    return (bool(output.steps) or bool(output.thresholds)) and output.kind == "classes"


def _is_stock(made: object) -> bool:
    """Return whether a metric is Keras's or ours; one of a plug-in may want whole rows of steps."""
    module = getattr(made, "__module__", "") or type(made).__module__
    return isinstance(made, str) or module.startswith(("keras.", "mlpcli."))


def as_metric(made: object, units: int, *, sparse: bool = False) -> keras.metrics.Metric:
    """Return a metric, a short name or a function as a metric, named as Keras logs it.

    Args:
        made: the metric.
        units: of the output.
        sparse: whether `accuracy` of several units takes class indices rather than one-hot vectors.
    """
    name = logged_name(made)
    if name.lower() in ("accuracy", "acc") and isinstance(made, str):
        if sparse and units > 1:
            return keras.metrics.SparseCategoricalAccuracy(name)
        return keras.metrics.BinaryAccuracy(name) if units == 1 else keras.metrics.CategoricalAccuracy(name)
    metric = keras.metrics.get(made)
    if not isinstance(metric, keras.metrics.Metric):
        stock = metric.__module__.startswith("keras.")
        return (keras.metrics.MeanMetricWrapper if stock else FunctionMetric)(metric, name=name)
    metric.name = name
    return metric


def _over_rows(metric: keras.metrics.Metric, units: int) -> keras.metrics.Metric:
    """Return a correlation over the rows where one of the values in a row would say nothing."""
    kind = KINDS.get(type(metric).__name__) if type(metric).__module__.startswith("keras.") else None
    if kind is not None and units and (units == 1 or metric.axis in (0, [0], (0,))):
        return RowCorrelation(kind, units, metric.name, metric.dtype)
    return metric


def _by_column(metric: keras.metrics.Metric, output: Output, units: int) -> keras.metrics.Metric:
    """Return a metric that takes the labels of the output: one a row, where Keras's takes one a unit."""
    is_score = isinstance(metric, keras.metrics.FBetaScore)
    if is_score and units == 1 and metric.threshold is None:
        metric.threshold = PROBABLE_THRESHOLD
    if (is_score or isinstance(metric, BY_COLUMN)) and units == 1 and output.width == ():
        return LabelRows(metric, 1)
    return LabelRows(metric, units) if is_score and units and output.kind == "classes" else metric


def _has_usual_threshold(metric: keras.metrics.Metric, usual: float) -> bool:
    """Return whether a metric counts predicted classes or labels, by the threshold that they usually have.

    One with a threshold of its own keeps it, and so does one of a plug-in.

    Args:
        metric: as `as_metric` returns it.
        usual: 0.5 for probabilities, 0 for logits.
    """
    if not type(metric).__module__.startswith("keras."):
        return False
    if isinstance(metric, LARGEST_UNIT):
        return True
    if isinstance(metric, AT_THRESHOLDS):
        return list(metric.thresholds) == [usual]
    if isinstance(metric, keras.metrics.FBetaScore):
        return metric.threshold in (None, usual)
    if isinstance(metric, keras.metrics.BinaryAccuracy | keras.metrics.BinaryIoU):
        return bool(metric.threshold == usual)
    if type(metric) is not keras.metrics.MeanMetricWrapper:
        return False
    return getattr(wrapped_function(metric), "__name__", "") in ACCURACIES


def has_many_values(metric: keras.metrics.Metric) -> bool:
    """Return whether the result of a metric may be more than one number; a plug-in's class may return any."""
    if isinstance(metric, AT_THRESHOLDS):
        return len(metric.thresholds) > 1
    if isinstance(metric, keras.metrics.FBetaScore):
        return metric.average is None
    if isinstance(metric, keras.metrics.R2Score):
        return metric.class_aggregation is None
    return not type(metric).__module__.startswith(("keras.", "mlpcli."))


def _labels(metric: keras.metrics.Metric, output: Output) -> list[object]:
    if isinstance(metric, AT_THRESHOLDS):
        return list(metric.thresholds)
    return list(output.classes or output.target)


def _know_direction(metric: keras.metrics.Metric) -> bool:
    """Tell Keras the direction of a count, which it does not know; return whether that was needed."""
    if not isinstance(metric, COUNTED_AT_THRESHOLDS) or metric_direction(metric) is not None:
        return False
    wrong = isinstance(metric, keras.metrics.FalsePositives | keras.metrics.FalseNegatives)
    set_metric_direction(metric, "down" if wrong else "up")
    return True
