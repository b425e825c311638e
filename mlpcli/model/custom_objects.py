"""Keras components that Keras itself lacks: activations, losses, schedules, embeddings of numbers, members.

`spec/keras_signatures.py` reads this file, and those in this folder that it imports from, without running
them, for the names and arguments that a spec may use: every class with a Keras base, and every public
function as an activation. `codegen/` copies their source into scripts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mlpcli.model.member_loss  # registered, so that Keras finds it in a saved model
import mlpcli.model.quantile_outputs  # noqa: F401  # registered too
from mlpcli.keras_import import keras
from mlpcli.model.member_layers import MemberDense as MemberDense
from mlpcli.model.member_layers import MemberMean as MemberMean
from mlpcli.model.member_layers import Members as Members
from mlpcli.model.member_layers import RandomSigns as RandomSigns
from mlpcli.model.numeric_embeddings import PeriodicEmbedding as PeriodicEmbedding
from mlpcli.model.numeric_embeddings import PiecewiseLinearEmbedding as PiecewiseLinearEmbedding
from mlpcli.model.quantile_loss import Quantile as Quantile
from mlpcli.model.scaled_layers import NTKDense as NTKDense
from mlpcli.model.scaled_layers import ParametricActivation as ParametricActivation
from mlpcli.model.scaled_layers import Scale as Scale

ops = keras.ops
_registered = keras.saving.register_keras_serializable(package="mlpcli")


@_registered  # type: ignore[untyped-decorator]
def heaviside(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return 1 where x is at least 0, else 0; the gradient passes through as if this were the identity.

    A step has no slope to learn from; with this gradient, gradient descent on one threshold unit with the
    loss `perceptron` is Rosenblatt's rule.

    Args:
        x: any shape, floating point.
    """
    return _passing_gradients(lambda x: ops.cast(x >= 0, x.dtype))(x)


@_registered  # type: ignore[untyped-decorator]
def sign(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return -1 where x is negative, 0 where it is 0, 1 where it is positive; gradients as in `heaviside`.

    Args:
        x: any shape, floating point.
    """
    return _passing_gradients(ops.sign)(x)


def _passing_gradients(
    function: Callable[[keras.KerasTensor], keras.KerasTensor],
) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    """Return `function` with the gradient of the identity."""

    def forward(x: keras.KerasTensor) -> tuple[keras.KerasTensor, Callable[..., keras.KerasTensor]]:
        def backward(
            *args: keras.KerasTensor, upstream: keras.KerasTensor | None = None
        ) -> keras.KerasTensor:
            return args[0] if upstream is None else upstream

        return function(x), backward

    wrapped: Callable[[keras.KerasTensor], keras.KerasTensor] = ops.custom_gradient(forward)
    return wrapped


@_registered
class Perceptron(keras.losses.Loss):  # type: ignore[misc]
    """1 for a row on the wrong side, else 0, with the gradient of Rosenblatt's perceptron rule.

    An output counts as positive above 0, and so does a label: labels may be 0 and 1 or -1 and 1, outputs
    those of `heaviside`, of `sign`, or a plain sum. The gradient towards the output is -1 for a positive row
    that was classified as negative, 1 for the reverse, and 0 for the rest: SGD with learning rate r and batch
    size 1 adds r * (y - predicted) * x to the weights, where y and predicted are 0 or 1.
    Rosenblatt, "The perceptron", Psychological Review 65 (1958).
    """

    def __init__(self, reduction: str = "sum_over_batch_size", name: str = "perceptron") -> None:
        super().__init__(reduction=reduction, name=name)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the mistakes, (rows,), for labels, (rows,) or (rows, 1), and outputs, (rows, 1)."""
        y_pred = ops.convert_to_tensor(y_pred)
        labels = ops.cast(ops.convert_to_tensor(y_true) > 0, y_pred.dtype)
        labels = ops.reshape(labels, ops.shape(y_pred))  # (rows,) and (rows, 1) would spread to all pairs

        @ops.custom_gradient  # type: ignore[untyped-decorator]
        def mistakes(
            outputs: keras.KerasTensor,
        ) -> tuple[keras.KerasTensor, Callable[..., keras.KerasTensor]]:
            missed = labels - ops.cast(outputs > 0, outputs.dtype)

            def backward(
                *args: keras.KerasTensor, upstream: keras.KerasTensor | None = None
            ) -> keras.KerasTensor:
                return -missed * (args[0] if upstream is None else upstream)

            return ops.abs(missed), backward

        return ops.mean(mistakes(y_pred), axis=-1)

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this loss."""
        return {"reduction": self.reduction, "name": self.name}


@keras.saving.register_keras_serializable(package="mlpcli", name="SmoothedSparseCategoricalCrossentropy")
class _SmoothedSparseCategoricalCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """The crossentropy of class indices with smoothed labels, as Keras's `CategoricalCrossentropy` has them.

    A label is 1 - label_smoothing + label_smoothing / classes for its class, label_smoothing / classes for
    each other.
    """

    def __init__(
        self,
        label_smoothing: float,
        from_logits: bool = False,
        reduction: str = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.label_smoothing, self.from_logits, self.axis = label_smoothing, from_logits, axis

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the losses, (rows, *steps).

        Args:
            y_true: class indices, (rows, *steps) or (rows, *steps, 1).
            y_pred: a value for each class, (rows, *steps, classes).
        """
        if len(y_true.shape) == len(y_pred.shape):
            y_true = ops.squeeze(y_true, axis=self.axis)
        classes = y_pred.shape[self.axis]
        labels = ops.one_hot(ops.cast(y_true, "int32"), classes, axis=self.axis, dtype=y_pred.dtype)
        # Keras counts the classes along the last axis.
        smooth = labels * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        return keras.losses.categorical_crossentropy(
            smooth, y_pred, from_logits=self.from_logits, axis=self.axis
        )

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this loss."""
        given = {"label_smoothing": self.label_smoothing, "from_logits": self.from_logits, "axis": self.axis}
        return {**super().get_config(), **given}


@_registered
class Warmup(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate that rises linearly for `steps` steps, then follows another schedule.

    Args:
        steps: how many steps the rise takes.
        to: a number, or the schedule that begins where the rise ends and counts its steps from there.
        start: the rate at step 0.
    """

    def __init__(
        self, steps: int, to: float | keras.optimizers.schedules.LearningRateSchedule, start: float = 0.0
    ) -> None:
        self.steps, self.to, self.start = steps, to, start

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Return the rate, a float32 scalar, at a step that counts from 0."""
        step = ops.cast(step, "float32")
        top = ops.cast(self._after(ops.zeros_like(step)), "float32")
        rising = self.start + (top - self.start) * step / self.steps
        after = ops.cast(self._after(ops.maximum(step - self.steps, 0.0)), "float32")
        return ops.where(step < self.steps, rising, after)

    def _after(self, step: keras.KerasTensor) -> keras.KerasTensor | float:
        return self.to(step) if callable(self.to) else self.to

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this schedule."""
        to = keras.saving.serialize_keras_object(self.to) if callable(self.to) else self.to
        return {"steps": self.steps, "to": to, "start": self.start}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Warmup:
        """Create the schedule that `get_config` described."""
        to = config["to"]
        return cls(
            **config | {"to": keras.saving.deserialize_keras_object(to) if isinstance(to, dict) else to}
        )


@keras.saving.register_keras_serializable(package="mlpcli", name="ScheduledDropout")
class _ScheduledDropout(keras.layers.Layer):  # type: ignore[misc]
    """Dropout whose rate follows a schedule over the steps of the training, which it counts itself.

    Args:
        rate: the schedule.
        noise_shape: as Keras's Dropout takes it.
        seed: of the units that are left out.
    """

    def __init__(
        self,
        rate: keras.optimizers.schedules.LearningRateSchedule,
        noise_shape: list[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed, self.noise_shape = rate, seed, noise_shape
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the counter of steps."""
        self.step = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False, name="step", autocast=False
        )

    def restart(self) -> None:
        """Begin the schedule again."""
        self.step.assign(0)

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Return the inputs, in training some of them as 0 and the others larger in exchange."""
        if not training:
            return inputs
        rate = ops.clip(ops.cast(self.rate(self.step), "float32"), 0.0, 0.99)
        self.step.assign_add(1)
        sizes = ops.shape(inputs)
        given = self.noise_shape or [None] * len(sizes)
        shape = [size if one is None else one for one, size in zip(given, sizes, strict=True)]
        draws = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        larger = inputs * ops.cast(1.0 / (1.0 - rate), inputs.dtype)
        return ops.where(draws >= rate, larger, ops.zeros_like(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this layer."""
        given = {"rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}
        return {**super().get_config(), **given}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _ScheduledDropout:
        """Create the layer that `get_config` described."""
        rate = config["rate"]
        made = keras.saving.deserialize_keras_object(rate) if isinstance(rate, dict) else rate
        return cls(**config | {"rate": made})


@_registered
class FlatCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A value that stays for a part of the training, then falls to 0 along half a cosine.

    Args:
        initial: the value at the beginning.
        training_steps: the step at which it is 0; later it stays 0.
        flat: the part of these steps for which it stays, 0 for a cosine from the first step on.
    """

    def __init__(self, initial: float, training_steps: int, flat: float = 0.5) -> None:
        self.initial, self.training_steps, self.flat = initial, training_steps, flat

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Return the value, a float32 scalar, at a step that counts from 0."""
        done = ops.cast(step, "float32") / self.training_steps
        falling = ops.clip((done - self.flat) / (1.0 - self.flat), 0.0, 1.0)
        return 0.5 * self.initial * (1.0 + ops.cos(math.pi * falling))

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this schedule."""
        return {"initial": self.initial, "training_steps": self.training_steps, "flat": self.flat}


@_registered
class CosineCycles(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Cycles from 0 up to a peak and back, each twice as long as the one before.

    At the share t of the training it is peak / 2 * (1 - cos(2 pi log2(1 + (2^cycles - 1) t))): with 4 cycles
    the `coslog4` of Holzmueller, Grinsztajn, Steinwart, "Better by Default" (2024).

    Args:
        peak: the highest value, in the middle of each cycle.
        training_steps: the step at which the last cycle ends; later the value stays 0.
        cycles: how many.
    """

    def __init__(self, peak: float, training_steps: int, cycles: int = 4) -> None:
        self.peak, self.training_steps, self.cycles = peak, training_steps, cycles

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Return the value, a float32 scalar, at a step that counts from 0."""
        done = ops.clip(ops.cast(step, "float32") / self.training_steps, 0.0, 1.0)
        turns = ops.log(1.0 + (2.0**self.cycles - 1.0) * done) / math.log(2.0)
        return 0.5 * self.peak * (1.0 - ops.cos(2.0 * math.pi * turns))

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this schedule."""
        return {"peak": self.peak, "training_steps": self.training_steps, "cycles": self.cycles}


LOSSES = {"perceptron": Perceptron}
"""Short names of our losses, as Keras has `mse` for MeanSquaredError."""
