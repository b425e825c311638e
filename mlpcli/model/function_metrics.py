"""A plug-in's function as a metric: it gets what Keras gives it as a loss, so that both are one number."""

from __future__ import annotations

from mlpcli.keras_import import keras
from mlpcli.keras_internals import mask_of, wrapped_function


@keras.saving.register_keras_serializable(package="mlpcli")
class FunctionMetric(keras.metrics.MeanMetricWrapper):  # type: ignore[misc]
    """The mean over rows of a function of targets and outputs, called as Keras calls it as a loss.

    Keras's own class for a metric gives the function labels, (rows,), beside outputs, (rows, 1), whose
    difference is (rows, rows); and it counts a batch of one value, whatever its rows, as much as any other.

    Args:
        fn: the function.
        name: under which it is logged.
        dtype: of what it gets.
    """

    def update_state(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> object:
        """Accumulate what the function returns: a value for each row, or one for all of them."""
        mask = mask_of(y_pred)
        truth, outputs = as_a_loss_gets(y_true, y_pred, self.dtype)
        function = wrapped_function(self)
        assert function is not None
        values = keras.ops.convert_to_tensor(function(truth, outputs))
        if len(values.shape) == 0:
            rows = keras.ops.cast(keras.ops.shape(y_pred)[0], self.dtype)
            return self._add(values, rows if sample_weight is None else keras.ops.sum(sample_weight))
        if mask is not None:
            counted = keras.ops.cast(mask, self.dtype)
            if sample_weight is not None:
                sample_weight = keras.ops.cast(sample_weight, self.dtype)
                sample_weight = sample_weight[..., None] if len(sample_weight.shape) == 1 else sample_weight
                counted = counted * sample_weight
            sample_weight = counted
        return self._add(values, sample_weight)

    def _add(self, values: keras.KerasTensor, weights: keras.KerasTensor | None) -> object:
        """Add values to the mean as it is, without calling the function again."""
        return super(keras.metrics.MeanMetricWrapper, self).update_state(values, sample_weight=weights)


def as_a_loss_gets(
    y_true: keras.KerasTensor, y_pred: keras.KerasTensor, dtype: str
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return targets and outputs as Keras gives them to a function that is a loss.

    Labels, (rows,), become (rows, 1) beside outputs of one unit; a last axis of 1 that only one of the two
    has is removed from steps.

    Args:
        y_true: targets, (rows, ...).
        y_pred: outputs, (rows, ..., units).
        dtype: of both in the end.
    """
    ops = keras.ops
    truth, outputs = (ops.convert_to_tensor(each, dtype=dtype) for each in (y_true, y_pred))
    if len(outputs.shape) == len(truth.shape) + 1 and outputs.shape[-1] == 1:
        if len(truth.shape) == 1:
            return ops.expand_dims(truth, -1), outputs
        return truth, ops.squeeze(outputs, axis=-1)
    if len(truth.shape) == len(outputs.shape) + 1 and truth.shape[-1] == 1:
        if len(outputs.shape) == 1:
            return truth, ops.expand_dims(outputs, -1)
        return ops.squeeze(truth, axis=-1), outputs
    return truth, outputs
