"""Scaled targets in their own units: metrics during training, and the model that is saved."""

from __future__ import annotations

import warnings

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import wrapped_function
from mlpcli.model.metric_wrappers import MetricWrapper


@keras.saving.register_keras_serializable(package="mlpcli")
class InOwnUnits(MetricWrapper):
    """A metric on scaled values that measures them in the target's own units, in float64.

    Args:
        metric: a Keras metric.
        scale: (targets,) numbers; value * scale + offset is in the target's own units.
        offset: (targets,) numbers.
        name: as in `MetricWrapper`.
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        scale: list[float],
        offset: list[float],
        name: str | None = None,
    ) -> None:
        super().__init__(metric, name)
        self.scale, self.offset = list(scale), list(offset)

    def update_state(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> object:
        """Accumulate scaled targets and outputs."""
        return self.metric.update_state(self._restore(y_true), self._restore(y_pred), sample_weight)

    def _restore(self, values: keras.KerasTensor) -> keras.KerasTensor:
        numbers = "float64" if self.dtype == "float64" else "float32"
        scale, offset = (keras.ops.convert_to_tensor(each, numbers) for each in (self.scale, self.offset))
        return keras.ops.cast(values, numbers) * scale + offset

    def get_config(self) -> dict[str, object]:
        """Return the configuration."""
        return super().get_config() | {"scale": self.scale, "offset": self.offset}


def in_float64(metric: keras.metrics.Metric, targets: int) -> keras.metrics.Metric:
    """Return one of Keras's metrics with float64 inside: two unix seconds differ in digits beyond float32's.

    One that Keras can only compute in float32 stays as it is, and so does a plug-in's, which may expect that.

    Args:
        metric: the metric.
        targets: columns of the target.
    """
    function = wrapped_function(metric) if type(metric) is keras.metrics.MeanMetricWrapper else metric
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
            name = f"{each.name or 'output'}_in_own_units"
            if contract.numbers == "float32":
                tensor = keras.layers.Rescaling(list(each.scale), list(each.offset or ()), name=name)(tensor)
            else:  # that layer would round scale and offset to float32
                scaled = keras.ops.multiply(keras.ops.cast(tensor, "float64"), np.array(each.scale))
                tensor = keras.ops.add(scaled, np.array(each.offset))
        found[each.name] = tensor
    return keras.Model(model.input, found if contract.output.name else found[""], name=model.name)
