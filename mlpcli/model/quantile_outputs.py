"""What follows an output of quantiles: their order inside the network, and metrics of the median."""

from __future__ import annotations

from typing import Any

from mlpcli.data.dataset import Contract
from mlpcli.keras_import import keras
from mlpcli.model.metric_wrappers import MetricWrapper, Updated
from mlpcli.spec.layer_graph import Graph

ops = keras.ops


@keras.saving.register_keras_serializable(package="mlpcli")
class RisingQuantiles(keras.layers.Layer):  # type: ignore[misc]
    """The quantiles of each target in rising order, so that none crosses another.

    The pinball loss of a row is never larger after this than before: exchanging two that cross changes it by
    the difference of their levels times that of their values, and the sum of all else is the same.
    Chernozhukov, Fernandez-Val and Galichon, "Quantile and Probability Curves Without Crossing",
    Econometrica 78 (2010).

    Args:
        levels: how many quantiles each target has, side by side on the last axis.
    """

    def __init__(self, levels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.levels = levels
        self.supports_masking = True

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return (rows, ..., targets * levels) in the same shape; members that it carries stay with it."""
        shape = ops.shape(inputs)
        values = ops.reshape(inputs, (*shape[:-1], inputs.shape[-1] // self.levels, self.levels))
        ordered = ops.reshape(ops.sort(values, axis=-1), shape)
        members = getattr(inputs, "of_members", None)
        if members is not None:
            ordered.of_members = members
        return ordered

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this layer."""
        return {**super().get_config(), "levels": self.levels}


@keras.saving.register_keras_serializable(package="mlpcli")
class OfMedian(MetricWrapper):
    """A metric of one value for each target, given quantiles: of the median.

    Args:
        metric: a Keras metric, or its short name.
        levels: how many quantiles each target has.
        place: of the median among them.
        name: as in `MetricWrapper`.
    """

    def __init__(
        self, metric: keras.metrics.Metric | str, levels: int, place: int, name: str | None = None
    ) -> None:
        made = keras.metrics.get(metric)
        if not isinstance(made, keras.metrics.Metric):  # a short name, which stands for a function
            made = keras.metrics.MeanMetricWrapper(made, name=str(metric))
        super().__init__(made, name)
        self.levels, self.place = levels, place

    def convert(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> Updated:
        """Return the medians of quantiles, (rows, ..., targets * levels)."""
        return y_true, y_pred[..., self.place :: self.levels], sample_weight

    def get_config(self) -> dict[str, object]:
        """Return the configuration."""
        return super().get_config() | {"levels": self.levels, "place": self.place}


def levels_by_layer(contract: Contract, graph: Graph) -> dict[str, int]:
    """Return how many quantiles the outputs have that predict quantiles, by the name of their layer."""
    return {each.name or graph.outputs[0]: len(each.levels) for each in contract.outputs if each.levels}


def in_order(tensor: keras.KerasTensor, name: str, levels: int | None, graph: Graph) -> keras.KerasTensor:
    """Return an output of quantiles after a layer that puts them in order; any other tensor as it is.

    Args:
        tensor: (rows, ..., targets * levels); the checks report one of another width.
        name: with which the layer's begins.
        levels: how many quantiles each target has; None for an output of values.
        graph: the network's, whose layers have other names.
    """
    if levels is None or tensor.shape[-1] % levels:
        return tensor
    taken = {node.name for node in graph.nodes}.union(graph.inputs)
    name = f"{name}_rising"
    while name in taken:
        name += "_"
    return RisingQuantiles(levels, name=name, dtype="float32")(tensor)
