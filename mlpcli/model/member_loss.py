"""The loss of a network that ends in `MemberMean`: in training, the mean of its members' own losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlpcli.keras_import import keras
from mlpcli.keras_internals import with_logits

ops = keras.ops
_registered = keras.saving.register_keras_serializable(package="mlpcli")


@_registered
class MemberLoss(keras.losses.Loss):  # type: ignore[misc]
    """The mean of the losses of the members in training, the loss of their mean prediction elsewhere.

    Args:
        loss: a loss of one prediction for each row: Keras's name for it, an object or a function.
    """

    def __init__(self, loss: str | keras.losses.Loss | Callable[..., object], **kwargs: Any) -> None:
        self.loss = loss
        self.of_rows = keras.losses.get(loss)
        name = getattr(self.of_rows, "name", None) or getattr(self.of_rows, "__name__", None)
        super().__init__(name=name, reduction=getattr(self.of_rows, "reduction", "sum_over_batch_size"))

    def __call__(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> keras.KerasTensor:
        """Return the loss of (rows, units); where they carry (rows, members, units), the mean of theirs."""
        outputs = getattr(y_pred, "of_members", None)
        if outputs is None:
            return self._loss(y_true, y_pred, sample_weight)
        members = outputs.shape[1]

        def to_rows(values: keras.KerasTensor) -> keras.KerasTensor:
            return ops.reshape(values, (-1, *values.shape[2:]))

        def repeated(values: keras.KerasTensor) -> keras.KerasTensor:
            return ops.repeat(ops.convert_to_tensor(values), members, axis=0)

        rows = with_logits(to_rows(outputs), outputs, to_rows)
        weights = None if sample_weight is None else repeated(sample_weight)
        loss = self._loss(repeated(y_true), rows, weights)
        if self.reduction == "sum":
            return loss / members
        if self.reduction in (None, "none"):  # a loss for each row
            return ops.mean(ops.reshape(loss, (-1, members, *loss.shape[1:])), axis=1)
        return loss

    def _loss(
        self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor, weights: keras.KerasTensor | None
    ) -> keras.KerasTensor:
        if isinstance(self.of_rows, keras.losses.Loss):
            return self.of_rows(y_true, y_pred, weights)
        return super().__call__(y_true, y_pred, weights)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the values of a loss that is a function, as Keras's `compile` makes a loss of one."""
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_true = ops.expand_dims(y_true, axis=-1)
        return self.of_rows(y_true, y_pred)

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this loss."""
        loss = self.loss
        return {"loss": loss if isinstance(loss, str) else keras.saving.serialize_keras_object(loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MemberLoss:
        """Create the loss that `get_config` described."""
        loss = config["loss"]
        return cls(loss if isinstance(loss, str) else keras.saving.deserialize_keras_object(loss))
