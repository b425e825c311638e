"""The loss of quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlpcli.keras_import import keras

ops = keras.ops
_registered = keras.saving.register_keras_serializable(package="mlpcli")


@_registered
class Quantile(keras.losses.Loss):  # type: ignore[misc]
    """The mean over the quantiles of the pinball loss: of t (y - q) where y >= q, else (1 - t) (q - y).

    What minimizes it at the level t is the quantile q below which the share t of the rows lies.
    Koenker and Bassett, "Regression Quantiles", Econometrica 46 (1978), equation 3.1.

    Args:
        quantiles: the levels, from 0 to 1, rising.
        reduction: of the losses of the rows, as Keras's losses take it.
        name: of the loss.
    """

    def __init__(
        self,
        quantiles: Sequence[float],
        reduction: str = "sum_over_batch_size",
        name: str = "quantile",
        dtype: str | None = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.quantiles = [float(each) for each in quantiles]

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the losses, (rows, *steps).

        Args:
            y_true: targets, (rows, *steps, targets), or (rows,) of one.
            y_pred: (rows, *steps, targets * quantiles), the quantiles of a target side by side.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        levels = len(self.quantiles)
        steps, targets = y_pred.shape[1:-1], y_pred.shape[-1] // levels
        found = ops.reshape(y_pred, (-1, *steps, targets, levels))
        truth = ops.reshape(ops.cast(y_true, y_pred.dtype), (-1, *steps, targets, 1))
        level = ops.convert_to_tensor(self.quantiles, y_pred.dtype)
        over = truth - found
        return ops.mean(ops.maximum(level * over, (level - 1.0) * over), axis=(-2, -1))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of this loss."""
        return {**super().get_config(), "quantiles": self.quantiles}
