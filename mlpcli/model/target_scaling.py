"""Scaled targets in their own units: metrics during training, and the model that is saved."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.levels import by_target, rising, side_by_side
from mlpcli.data.quantiles import Quantiles, from_log
from mlpcli.data.types import Array
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import wrapped_function
from mlpcli.model.function_metrics import FunctionMetric
from mlpcli.model.metric_wrappers import MetricWrapper, Updated
from mlpcli.model.normal_values import from_normal

Curve = dict[str, list[list[float]] | None]
"""Lists of numbers for each target: `log`, `quantiles`, `limits` as in `Output`, and the `margin`."""


@keras.saving.register_keras_serializable(package="mlpcli")
class InOwnUnits(MetricWrapper):
    """A metric on scaled values that measures them in the target's own units, in float64.

    Args:
        metric: a Keras metric.
        scale: (targets,) numbers; value * scale + offset is in the target's own units.
        offset: (targets,) numbers.
        name: as in `MetricWrapper`.
        curve: what else leads to the target's own units, as `curve_of` returns it; None for nothing.
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        scale: list[float],
        offset: list[float],
        name: str | None = None,
        curve: Curve | None = None,
    ) -> None:
        super().__init__(metric, name)
        self.scale, self.offset, self.curve = list(scale), list(offset), curve
        self._held: dict[str, tf.Variable] = {}

    def hold_in_variables(self) -> None:
        """Hold scale and offset in variables, which another training of the same network may change."""
        numbers = self._numbers
        for name, values in (("scale", self.scale), ("offset", self.offset)):
            self._held[name] = tf.Variable(values, trainable=False, dtype=numbers)

    def take_over(self, other: InOwnUnits) -> None:
        """Take the scale and the offset of another, which are both in variables.

        Args:
            other: the same metric of the same network, for other rows.
        """
        self.scale, self.offset = list(other.scale), list(other.offset)
        self._held["scale"].assign(self.scale)
        self._held["offset"].assign(self.offset)

    @property
    def _numbers(self) -> str:
        return "float64" if self.dtype == "float64" else "float32"

    def convert(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> Updated:
        """Return scaled targets and outputs in the targets' own units."""
        return self._restore(y_true, truth=True), self._restore(y_pred), sample_weight

    def _restore(self, values: keras.KerasTensor, *, truth: bool = False) -> keras.KerasTensor:
        numbers = self._numbers
        if self.curve is not None:
            wide = keras.ops.cast(values, "float64") * np.array(self.scale) + np.array(self.offset)
            return keras.ops.cast(along_curve(wide, self.curve, truth=truth), numbers)
        given = (self._held.get("scale", self.scale), self._held.get("offset", self.offset))
        scale, offset = (keras.ops.convert_to_tensor(each, numbers) for each in given)
        return keras.ops.cast(values, numbers) * scale + offset

    def get_config(self) -> dict[str, object]:
        """Return the configuration."""
        return super().get_config() | {
            "scale": self.scale,
            "offset": self.offset,
            **({} if self.curve is None else {"curve": self.curve}),
        }


def curve_of(output: Output) -> Curve | None:
    """Return what leads to a scaled target's own units beyond scale and offset; None for nothing."""
    if not output.is_curved:
        return None
    return {
        "log": None if output.log is None else [[each] for each in output.log],
        "quantiles": None if output.quantiles is None else [[*each.values] for each in output.quantiles],
        "margin": [[output.quantiles[0].margin]] if output.quantiles else None,
        "limits": None if output.limits is None else [[*each] for each in output.limits],
    }


def along_curve(values: keras.KerasTensor, curve: Curve, *, truth: bool = False) -> keras.KerasTensor:
    """Return what remains to be done after scale and offset: `Output.restore` with tensors.

    Args:
        values: (rows, ..., targets) float64.
        curve: of the output.
        truth: whether they are scaled targets, which may be outside the range of the training rows.
    """
    ops = keras.ops
    if log := curve["log"]:
        values = from_log(ops, values) + np.array([each for (each,) in log])
    if (tables := curve["quantiles"]) and (margin := curve["margin"]):
        columns = [Quantiles(tuple(each), margin[0][0]) for each in tables]
        own = from_normal(values, columns)
        if truth:
            low, high = columns[0].ends
            over = ops.maximum(values - high, 0) + ops.minimum(values - low, 0)
            own = own + over * np.array([each.width for each in columns])
        values = own
    if (limits := curve["limits"]) and not truth:
        values = ops.maximum(ops.minimum(values, np.array(limits)[:, 1]), np.array(limits)[:, 0])
    return values


def in_float64(metric: keras.metrics.Metric, targets: int) -> keras.metrics.Metric:
    """Return one of Keras's metrics with float64 inside: two unix seconds differ in digits beyond float32's.

    One that Keras can only compute in float32 stays as it is, and so does a plug-in's, which may expect that.

    Args:
        metric: the metric.
        targets: columns of the target.
    """
    is_function = type(metric) in (keras.metrics.MeanMetricWrapper, FunctionMetric)
    function = wrapped_function(metric) if is_function else metric
    module = getattr(function, "__module__", None) or type(function).__module__
    if not module.startswith(("keras.", "mlpcli.")):
        return metric
    before = keras.config.floatx()
    keras.config.set_floatx("float64")  # some metrics create variables of this dtype, whatever their own is
    try:
        wide = type(metric).from_config(metric.get_config() | {"dtype": "float64"})
        row = keras.ops.zeros((1, targets), "float64")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the checks report a metric that does not fit
            wide.update_state(row, row)  # R2Score creates its variables when it is first used
        wide.reset_state()
    except (TypeError, ValueError, NotImplementedError, tf.errors.OpError):
        return metric
    finally:
        keras.config.set_floatx(before)
    return wide


def restore_outputs(model: keras.Model, contract: Contract) -> keras.Model:
    """Return the model with its scaled outputs in the targets' own units; itself where none is scaled."""
    if all(each.scale is None for each in contract.outputs):
        return model
    found = {}
    for each in contract.outputs:
        tensor = model.output[each.name] if each.name else model.output
        if each.scale is not None:
            tensor = of_levels(each, tensor, partial(_restored, each, contract))
        found[each.name] = tensor
    return keras.Model(model.input, found if contract.output.name else found[""], name=model.name)


def _restored(output: Output, contract: Contract, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Return a scaled output, (rows, ..., targets), in the target's own units."""
    if contract.numbers == "float32":
        name = f"{output.name or 'output'}_in_own_units"
        layer = keras.layers.Rescaling(list(output.scale or ()), list(output.offset or ()), name=name)
        return layer(tensor)
    # that layer would round scale and offset to float32
    scaled = keras.ops.multiply(keras.ops.cast(tensor, "float64"), np.array(output.scale))
    tensor = keras.ops.add(scaled, np.array(output.offset))
    curve = curve_of(output)
    return tensor if curve is None else along_curve(tensor, curve)


def of_levels(
    output: Output, values: keras.KerasTensor | Array, restore: Callable[..., keras.KerasTensor | Array]
) -> keras.KerasTensor | Array:
    """Return an output in the target's own units; quantiles stay in order, whatever rounding does to them.

    Args:
        output: of which they are.
        values: (rows, ..., targets), or (rows, ..., targets * levels).
        restore: takes and returns (rows, ..., targets).
    """
    if not output.levels:
        return restore(values)
    xp, count = (np if isinstance(values, np.ndarray) else keras.ops), len(output.levels)
    return rising(xp, side_by_side(xp, restore(by_target(xp, values, count))), count)
