"""Scaled targets seen in their own units: metrics while training, and the model that is handed out."""

from __future__ import annotations

from typing import Any

from mlpcli.data.dataset import Contract, Output
from mlpcli.keras_import import import_keras

keras = import_keras()


@keras.saving.register_keras_serializable(package="mlpcli")
class InOwnUnits(keras.metrics.Metric):  # type: ignore[misc, name-defined]
    """A metric over scaled values that counts them in the target's own units.

    Args:
        metric: a Keras metric.
        scale, offset: (targets,) numbers; value * scale + offset is in the target's own units.
    """

    def __init__(self, metric: Any, scale: list[float], offset: list[float]) -> None:
        super().__init__(name=metric.name, dtype=metric.dtype)
        self.metric, self.scale, self.offset = metric, list(scale), list(offset)

    @property
    def variables(self) -> list[Any]:
        """The metric's own."""
        return list(self.metric.variables)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Count scaled targets and outputs."""
        return self.metric.update_state(self._restore(y_true), self._restore(y_pred), sample_weight)

    def _restore(self, values: Any) -> Any:
        values = keras.ops.cast(values, "float32")
        return values * keras.ops.convert_to_tensor(self.scale) + keras.ops.convert_to_tensor(self.offset)

    def result(self) -> Any:
        """The metric's own."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Forget what was counted."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """The metric's own configuration, and the units."""
        metric = keras.saving.serialize_keras_object(self.metric)
        return {"metric": metric, "scale": self.scale, "offset": self.offset}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InOwnUnits:
        """The metric that `get_config` told."""
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(metric, config["scale"], config["offset"])


def in_own_units(metric: Any, output: Output) -> Any:
    """A metric of an output, counted in the target's own units where the target was scaled."""
    if output.scale is None or output.offset is None or metric is None:
        return metric
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", None)
    metric = keras.metrics.get(metric)
    if not isinstance(metric, keras.metrics.Metric):  # a function, of Keras's or of a plug-in
        metric = keras.metrics.MeanMetricWrapper(metric, name=name)
    return InOwnUnits(metric, list(output.scale), list(output.offset))


def restore_outputs(model: Any, contract: Contract) -> Any:
    """The model with its scaled outputs in the targets' own units; itself where none is scaled."""
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
