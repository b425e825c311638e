"""Scaled targets in their own units: metrics during training, and the model that is saved."""

from __future__ import annotations

from typing import Any

from mlpcli.data.dataset import Contract, Output
from mlpcli.keras_import import keras, tf


@keras.saving.register_keras_serializable(package="mlpcli")
class InOwnUnits(keras.metrics.Metric):  # type: ignore[misc]
    """A metric on scaled values that measures them in the target's own units, in float64.

    Args:
        metric: a Keras metric.
        scale: (targets,) numbers; value * scale + offset is in the target's own units.
        offset: (targets,) numbers.
    """

    def __init__(self, metric: keras.metrics.Metric, scale: list[float], offset: list[float]) -> None:
        super().__init__(name=metric.name, dtype=metric.dtype)
        self.metric, self.scale, self.offset = metric, list(scale), list(offset)

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables of the inner metric."""
        return list(self.metric.variables)

    def update_state(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> object:
        """Accumulate scaled targets and outputs."""
        return self.metric.update_state(self._restore(y_true), self._restore(y_pred), sample_weight)

    def _restore(self, values: keras.KerasTensor) -> keras.KerasTensor:
        scale, offset = (keras.ops.convert_to_tensor(each, "float64") for each in (self.scale, self.offset))
        values = keras.ops.cast(values, "float64") * scale + offset
        return values if self.dtype == "float64" else keras.ops.cast(values, "float32")

    def result(self) -> keras.KerasTensor:
        """Return the result of the inner metric."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Reset the inner metric."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, object]:
        """Return the inner metric's configuration and the units."""
        metric = keras.saving.serialize_keras_object(self.metric)
        return {"metric": metric, "scale": self.scale, "offset": self.offset}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InOwnUnits:
        """Create the metric that `get_config` described."""
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(metric, config["scale"], config["offset"])


def in_own_units(metric: object, output: Output) -> object:
    """Return a metric of an output that measures in the target's own units where the target was scaled."""
    if output.scale is None or output.offset is None or metric is None:
        return metric
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", None)
    metric = keras.metrics.get(metric)
    if not isinstance(metric, keras.metrics.Metric):  # a function, of Keras's or of a plug-in
        keras_own = metric.__module__.startswith("keras.")
        metric = keras.metrics.MeanMetricWrapper(metric, name=name, dtype="float64" if keras_own else None)
    elif type(metric).__module__.startswith("keras."):
        metric = _in_float64(metric, len(output.target))
    return InOwnUnits(metric, list(output.scale), list(output.offset))


def _in_float64(metric: keras.metrics.Metric, targets: int) -> keras.metrics.Metric:
    """Return one of Keras's metrics with float64 inside: two unix seconds differ in digits beyond float32's.

    One that Keras can only compute in float32 stays as it is, and so does a plug-in's, which may expect that.
    """
    before = keras.config.floatx()
    keras.config.set_floatx("float64")  # some metrics create variables of this dtype, whatever their own is
    try:
        wide = type(metric).from_config(metric.get_config() | {"dtype": "float64"})
        row = keras.ops.zeros((1, targets), "float64")
        wide.update_state(row, row)  # R2Score creates its variables when it is first used
        wide.reset_state()
    except (TypeError, ValueError, tf.errors.OpError):
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
            layer = keras.layers.Rescaling(list(each.scale), list(each.offset or ()), name=name)
            tensor = layer(tensor)
        found[each.name] = tensor
    return keras.Model(model.input, found if contract.output.name else found[""], name=model.name)
