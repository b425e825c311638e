"""Metrics around Keras's own: labels as the metric takes them, several values under names of their own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

from mlpcli.keras_import import keras
from mlpcli.keras_internals import mask_of, metric_direction, set_metric_direction

W = TypeVar("W", bound="MetricWrapper")

Updated: TypeAlias = "tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor | None]"
"""What a metric is updated with: targets, outputs, and weights or None."""


class MetricWrapper(keras.metrics.Metric):  # type: ignore[misc]
    """A metric that changes what another one reads or returns; name and direction are those of the other.

    Args:
        metric: a Keras metric.
        name: under which it is logged; by default that of the metric.
    """

    def __init__(self, metric: keras.metrics.Metric, name: str | None = None) -> None:
        super().__init__(name=name or metric.name, dtype=metric.dtype)
        self.metric = metric
        if direction := metric_direction(metric):
            set_metric_direction(self, direction)

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables of the inner metric."""
        return list(self.metric.variables)

    def convert(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> Updated:
        """Return targets, outputs and weights as the inner metric takes them."""
        return y_true, y_pred, sample_weight

    def update_state(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> object:
        """Accumulate targets and outputs."""
        return self.metric.update_state(*self.convert(y_true, y_pred, sample_weight))

    def result(self) -> object:
        """Return the result of the inner metric."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Reset the inner metric."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, object]:
        """Return the inner metric's configuration and the name."""
        return {"metric": keras.saving.serialize_keras_object(self.metric), "name": self.name}

    @classmethod
    def from_config(cls: type[W], config: dict[str, Any]) -> W:
        """Create the metric that `get_config` described."""
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(**config | {"metric": metric})


@keras.saving.register_keras_serializable(package="mlpcli")
class LabelRows(MetricWrapper):
    """A metric that takes a column for every unit, given one label a row.

    Args:
        metric: a Keras metric.
        units: of the output: 1 for labels of 0 and 1, more for class indices, which become one-hot rows.
        name: as in `MetricWrapper`.
    """

    def __init__(self, metric: keras.metrics.Metric, units: int, name: str | None = None) -> None:
        super().__init__(metric, name)
        self.units = units

    def convert(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> Updated:
        """Return columns for labels, (rows,); the outputs are (rows, units)."""
        labels = keras.ops.reshape(y_true, (-1,))
        if self.units == 1:
            rows = keras.ops.expand_dims(labels, -1)
        else:
            rows = keras.ops.one_hot(keras.ops.cast(labels, "int32"), self.units, dtype=y_pred.dtype)
        return rows, y_pred, sample_weight

    def get_config(self) -> dict[str, object]:
        """Return the configuration."""
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable(package="mlpcli")
class AtThreshold(MetricWrapper):
    """A metric of predicted classes or labels, by thresholds of their own.

    The metric receives 1 for the unit of a predicted class or label and 0 for others; of logits, 1 and -1.

    Args:
        metric: a Keras metric that takes 0.5, or 0, as the threshold of a unit, or the largest unit.
        thresholds: of each unit's probability; a single one is that of the last unit, of one or two.
        activation: `sigmoid` or `softmax`, which makes outputs probabilities; empty where they are.
        name: as in `MetricWrapper`.
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        thresholds: Sequence[float],
        activation: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(metric, name)
        self.thresholds, self.activation = list(thresholds), activation

    def convert(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> Updated:
        """Return 1 and 0, or 1 and -1, for outputs, (rows, ..., units)."""
        ops = keras.ops
        likely = getattr(ops, self.activation)(y_pred) if self.activation else y_pred
        two = len(self.thresholds) == 1 and likely.shape[-1] == 2
        limits = ops.convert_to_tensor(self.thresholds, likely.dtype)
        chosen = ops.cast((likely[..., 1:] if two else likely) >= limits, y_pred.dtype)
        rows = ops.concatenate([1 - chosen, chosen], axis=-1) if two else chosen
        rows = 2 * rows - 1 if self.activation else rows
        return y_true, rows, sample_weight

    def get_config(self) -> dict[str, object]:
        """Return the configuration."""
        return super().get_config() | {"thresholds": self.thresholds, "activation": self.activation}


@keras.saving.register_keras_serializable(package="mlpcli")
class StepRows(MetricWrapper):
    """A metric that takes each step of a row as a row of its own; steps that a layer masks do not count.

    Args:
        metric: a Keras metric.
        name: as in `MetricWrapper`.
    """

    def convert(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> Updated:
        """Return steps for targets and outputs, (rows, *steps, values) each, and weights, (rows, *steps)."""
        mask = mask_of(y_pred)
        if mask is not None:
            whole = "int" in str(self.metric.dtype)  # IoU counts, and Keras warns of fractions
            counted = keras.ops.cast(mask, "int32" if whole else "float32")
            sample_weight = counted if sample_weight is None else counted * sample_weight
        sparse = y_true.shape[-1] == 1 and y_pred.shape[-1] > 1
        truth = keras.ops.reshape(y_true, (-1,) if sparse else (-1, y_true.shape[-1]))
        found = keras.ops.reshape(y_pred, (-1, y_pred.shape[-1]))
        weights = None if sample_weight is None else keras.ops.reshape(sample_weight, (-1,))
        return truth, found, weights


@keras.saving.register_keras_serializable(package="mlpcli")
class NamedValues(MetricWrapper):
    """A metric of several values, one a class or threshold, each logged under a name of its own.

    Args:
        metric: a Keras metric.
        prefix: what the names begin with: the metric's name, after the output's where there are several.
        labels: what they end with, where there are as many values: `f1_score_cat`. Otherwise the values are
            counted from 0.
        name: as in `MetricWrapper`.
    """

    def __init__(
        self, metric: keras.metrics.Metric, prefix: str, labels: Sequence[str], name: str | None = None
    ) -> None:
        super().__init__(metric, name)
        self.prefix, self.labels = prefix, list(labels)

    def result(self) -> object:
        """Return the values by name; a single one by itself."""
        values = self.metric.result()
        if isinstance(values, dict):  # a plug-in's, which has named them
            return values
        values = keras.ops.convert_to_tensor(values)
        shape = tuple(values.shape)
        if not shape or None in shape:
            return values
        flat = keras.ops.reshape(values, (-1,))
        ends = [self._axis(size) for size in shape]
        names = [f"{self.prefix}_{'_'.join(end)}" for end in itertools.product(*ends)]
        return flat[0] if len(names) == 1 else {name: flat[place] for place, name in enumerate(names)}

    def _axis(self, size: int) -> list[str]:
        return self.labels if len(self.labels) == size else [str(place) for place in range(size)]

    def get_config(self) -> dict[str, object]:
        """Return the configuration."""
        return super().get_config() | {"prefix": self.prefix, "labels": self.labels}


def label_names(labels: Sequence[object]) -> list[str]:
    """Return what the names of a metric's values end with: different texts without blanks and signs.

    All but letters, digits, `.` and `-` becomes `_`; of equal names, those after the first are numbered.

    Args:
        labels: classes, target columns or thresholds.
    """
    plain = [re.sub(r"[^\w.-]", "_", str(label)) for label in labels]
    taken: set[str] = set()
    found = []
    for name in plain:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        free = name if name not in taken else next(n for n in numbered if n not in taken and n not in plain)
        taken.add(free)
        found.append(free)
    return found
