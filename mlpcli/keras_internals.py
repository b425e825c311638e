"""Every non-public name of Keras and TensorFlow that we need; `tuner_internals` has those of Keras Tuner.

Each is wrapped in a function that says what it is for. `tests/model/test_keras_internals.py` fails with that
sentence when a new version no longer has it; nothing else in the package names one of them.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

CALLBACK_STATE: dict[str, tuple[str, ...]] = {
    "EarlyStopping": ("wait", "stopped_epoch", "best", "best_weights", "best_epoch"),
    "ReduceLROnPlateau": ("wait", "cooldown_counter", "best"),
    "ModelCheckpoint": ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    "TensorBoard": ("_global_train_batch", "_global_test_batch"),
    "SwapEMAWeights": ("_ema_weights_in_model",),
}
"""The attributes of Keras's callbacks that change from epoch to epoch; other callbacks keep no state."""

CALLBACK_LINKS = ("params", "_model", "model")
"""Attributes that `set_model` and `set_params` set on every callback."""


class Node(Protocol):
    """A call of a layer in a functional model."""

    operation: keras.Operation
    input_tensors: list[keras.KerasTensor]


class Compiled(Protocol):
    """The losses, or the metrics, that were passed to `compile`, as one object."""

    built: bool

    def build(self, y_true: object, y_pred: object) -> None:
        """Create the variables for targets and outputs of these shapes."""

    def reset_state(self) -> None:
        """Begin again without rows."""

    def update_state(self, y_true: object, y_pred: object) -> None:
        """Accumulate targets and outputs."""

    def result(self) -> dict[str, Any]:
        """Return the values by name."""


# ---------------------------------------------------------------- models and layers


def all_layers(model: keras.Model, *, include_self: bool = True) -> list[keras.layers.Layer]:
    """Return every layer of a model at any depth; `model.layers` stops at the first level."""
    return list(model._flatten_layers(include_self=include_self))


def graph_nodes(model: keras.Model) -> Iterator[Node]:
    """Yield the calls of layers that a functional model consists of."""
    for nodes in model._nodes_by_depth.values():
        yield from nodes


def producer(tensor: keras.KerasTensor) -> keras.Operation:
    """Return the layer or operation whose output a tensor is."""
    return tensor._keras_history.operation


def name_outputs(model: keras.Model) -> None:
    """Name a model's outputs, in the logs of its losses, by the keys of their dict.

    Keras takes the names of the layers that they come from, which are others where a layer of ours follows.
    """
    model.output_names = sorted(model.output)  # as Keras orders the values of a dict


@contextmanager
def keeping_producers(tensors: Sequence[keras.KerasTensor]) -> Iterator[None]:
    """Restore which layers tensors come from: a layer that returns its input itself would overwrite it.

    Args:
        tensors: what the layer is called on.
    """
    before = [tensor._keras_history for tensor in tensors]
    try:
        yield
    finally:
        for tensor, history in zip(tensors, before, strict=True):
            tensor._keras_history = history


def build_shapes(layer: keras.layers.Layer) -> dict[str, tuple[int | None, ...]]:
    """Return the input shapes that a layer was built with, by the names of its `build` arguments."""
    return dict(getattr(layer, "_build_shapes_dict", None) or {})


# ---------------------------------------------------------------- what `compile` created


def compiled_parts(model: keras.Model) -> tuple[Compiled | None, Compiled | None, object]:
    """Return the compiled loss, the compiled metrics and the tracker of the loss; each may be None."""
    return model._compile_loss, model._compile_metrics, model._loss_tracker


def holds_metrics(metric: keras.metrics.Metric) -> bool:
    """Return whether a metric of `model.metrics` contains all metrics that were passed to `compile`."""
    return hasattr(metric, "_flat_metrics")


def compiled_metrics(model: keras.Model) -> list[tuple[str, list[keras.metrics.Metric]]]:
    """Return the metrics that were passed to `compile`, once they are built, by output.

    The output's name is what Keras writes before the metrics' names: empty where there is one output.
    """
    compiled = model._compile_metrics
    if compiled is None or not compiled.built:
        return []
    return [(each.output_name or "", list(each.metrics)) for each in compiled._flat_metrics if each]


def metric_direction(metric: object) -> Literal["up", "down"] | None:
    """Return whether a metric is better the greater ("up") or the smaller it is, where Keras knows it."""
    found: Literal["up", "down"] | None = getattr(metric, "_direction", None)
    return found


def set_metric_direction(metric: keras.metrics.Metric, direction: Literal["up", "down"]) -> None:
    """Tell Keras whether a metric is better the greater or the smaller it is."""
    metric._direction = direction


def mask_of(tensor: keras.KerasTensor) -> keras.KerasTensor | None:
    """Return which steps of an output count, (rows, *steps) bool; None where no layer masks any."""
    found: keras.KerasTensor | None = getattr(tensor, "_keras_mask", None)
    return found


def logits_of(tensor: keras.KerasTensor) -> keras.KerasTensor | None:
    """Return what the softmax or sigmoid of an output was computed from; None where Keras keeps none."""
    found: keras.KerasTensor | None = getattr(tensor, "_keras_logits", None)
    return found


def as_output(
    tensor: keras.KerasTensor, logits: keras.KerasTensor | None, mask: keras.KerasTensor | None
) -> keras.KerasTensor:
    """Return a tensor as losses and metrics take an output of the network: with its logits and its mask."""
    if logits is not None:
        tensor._keras_logits = logits
    if mask is not None:
        tensor._keras_mask = mask
    return tensor


def compiled_losses(model: keras.Model) -> list[tuple[str, keras.losses.Loss, float | None]]:
    """Return the losses that were passed to `compile`, once they are built: output, loss and its weight.

    The output's name is empty where the network gives one tensor.
    """
    compiled = model._compile_loss
    if compiled is None or not compiled.built:
        return []
    return [
        (str(each.path[0]) if each.path else "", each.loss, each.loss_weights)
        for each in compiled._flat_losses
    ]


def with_logits(
    changed: keras.KerasTensor,
    outputs: keras.KerasTensor,
    change: Callable[[keras.KerasTensor], keras.KerasTensor],
) -> keras.KerasTensor:
    """Return changed outputs that remember what their softmax or sigmoid was computed from, as Keras's do.

    A cross-entropy of Keras's is computed from these logits, which have more digits.

    Args:
        changed: the outputs after the change.
        outputs: before it.
        change: what it does to the logits.
    """
    logits = getattr(outputs, "_keras_logits", None)
    if logits is not None:
        changed._keras_logits = change(logits)
    return changed


def wrapped_function(component: object) -> Callable[..., object] | None:
    """Return the function that a loss or metric wraps, where it wraps one."""
    found: Callable[..., object] | None = getattr(component, "_fn", None) or getattr(component, "fn", None)
    return found


def begins_at(model: keras.Model) -> int | None:
    """Return the epoch at which a callback asked `fit` to begin (`BackupAndRestore` does)."""
    epoch: int | None = model._initial_epoch
    return epoch


def distribution(model: keras.Model) -> str | None:
    """Return the name of the `tf.distribute` strategy under which a model was created."""
    strategy = model._distribute_strategy
    return None if strategy is None else type(strategy).__name__


# ---------------------------------------------------------------- callbacks


def is_default(hook: Callable[..., object]) -> bool:
    """Return whether a callback's batch hook is the one that does nothing."""
    return bool(getattr(hook, "_is_default", False))


def batches_unsaved(callback: keras.callbacks.Callback) -> int:
    """Return the batches since a `ModelCheckpoint` or `BackupAndRestore` with a `save_freq` saved."""
    return int(getattr(callback, "_batches_seen_since_last_saving", 0))


def profiled_batches(callback: keras.callbacks.TensorBoard) -> tuple[int, int]:
    """Return the first and the last batch that a `TensorBoard` profiles, from 1; (0, 0) for none."""
    return int(getattr(callback, "_start_batch", 0)), int(getattr(callback, "_stop_batch", 0))


class OpenBoard:
    """Mixed into Keras's `TensorBoard`: public names for its writers, counts and images of weights."""

    def writer(self, split: str) -> Any:
        """Return what writes the events of the training rows (`train`), or of others; open it if need be."""
        return self._train_writer if split == "train" else self._val_writer  # type: ignore[attr-defined]

    def counted_batches(self) -> tuple[int, int]:
        """Return how many batches of training and of validation were counted."""
        return int(self._global_train_batch), int(self._global_test_batch)  # type: ignore[attr-defined]

    def _log_weight_as_image(self, weight: keras.Variable, weight_name: str, epoch: int) -> None:
        self.write_weight_image(weight_name, weight, epoch)  # type: ignore[attr-defined]


def set_mode(callback: keras.callbacks.Callback, mode: str) -> None:
    """Tell a callback that monitors a value which direction is better.

    Keras settles it at the end of the first epoch, too late for one that saves between the batches.

    Args:
        callback: such as `EarlyStopping`.
        mode: `min` or `max`.
    """
    callback.mode = mode
    callback._set_monitor_op()


class SkipsNan:
    """Mixed into a callback of Keras's that monitors a value: NaN is never better than another value.

    Keras's own take the first value as the best so far even if it is NaN, which nothing can surpass.
    """

    def _is_improvement(self, monitor_value: float, reference_value: float | None) -> bool:
        improved: bool = monitor_value == monitor_value and super()._is_improvement(  # type: ignore[misc]
            monitor_value, reference_value
        )
        return bool(improved)


def saves_now(
    callback: keras.callbacks.ModelCheckpoint,
    epoch: int,
    batch: int | None,
    logs: dict[str, float],
    path: Path,
) -> bool:
    """Return whether a `ModelCheckpoint` would save now.

    Args:
        callback: the callback.
        epoch: from 0.
        batch: the batch, or None at the end of an epoch.
        logs: the values logged so far.
        path: where it would save.
    """
    return bool(callback._should_save_model(epoch, batch, logs, str(path)))


# ---------------------------------------------------------------- optimizers


def averages(optimizer: keras.optimizers.Optimizer) -> list[tuple[keras.Variable, keras.Variable]]:
    """Return the weights of which an optimizer keeps averages (`use_ema`), each with its average."""
    whole = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    parts = [each for each in getattr(whole, "optimizers", None) or [whole] if each.use_ema]
    weights = [weight for each in parts for weight in each._trainable_variables]
    kept = [average for each in parts for average in each._model_variables_moving_average]
    return [pair for pair in zip(weights, kept, strict=True) if pair[1] is not None]


def matches(path: str, pattern: str) -> bool:
    """Return whether a variable's path, `dense_1/kernel`, matches a pattern such as `*/kernel`."""
    return fnmatch.fnmatchcase(path, pattern)


class VariableFactors:
    """Mixed into an optimizer of Keras's: factors on the rate and the decay of single variables.

    Its weight decay may be a schedule, which then follows the same steps as that of the rate.

    A variable's learning rate is the optimizer's times its factor, and its weight decay likewise, so that a
    step takes `rate * rate_factor * decay * decay_factor` of its value away. Of several patterns that match
    a variable's path the last decides; a variable that none matches has a factor of 1, and one with a rate
    of 0 stays as it is.
    """

    def __init__(
        self,
        *args: object,
        learning_rate_factors: dict[str, float] | None = None,
        weight_decay_factors: dict[str, float] | None = None,
        **arguments: object,
    ) -> None:
        super().__init__(*args, **arguments)
        self.set_factors(learning_rate_factors or {}, weight_decay_factors or {})

    def set_factors(self, rates: dict[str, float], decays: dict[str, float]) -> None:
        """Set the factors on rate and decay, by pattern; before the optimizer is built."""
        self._rate_patterns, self._decay_patterns = tuple(rates.items()), tuple(decays.items())

    def build(self, variables: list[keras.Variable]) -> None:
        """Find the factors of each variable."""
        super().build(variables)  # type: ignore[misc]
        self._rate_factors = tuple(self._factor(each, self._rate_patterns) for each in variables)
        self._decay_factors = tuple(self._factor(each, self._decay_patterns) for each in variables)

    def _factor(self, variable: keras.Variable, patterns: tuple[tuple[str, float], ...]) -> float:
        found = [factor for pattern, factor in patterns if matches(variable.path, pattern)]
        return found[-1] if found else 1.0

    def update_step(
        self, gradient: keras.KerasTensor, variable: keras.Variable, learning_rate: keras.KerasTensor
    ) -> None:
        """Update a variable with its own rate."""
        factor = self._rate_factors[self._get_variable_index(variable)]  # type: ignore[attr-defined]
        if factor != 0:
            rate = learning_rate if factor == 1 else learning_rate * factor
            super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def _apply_weight_decay(self, variables: list[keras.Variable]) -> None:
        """Let Keras decay the variables, those with equal factors together."""
        groups: dict[float, list[keras.Variable]] = {}
        for variable in variables:
            place = self._get_variable_index(variable)  # type: ignore[attr-defined]
            factor = self._rate_factors[place] * self._decay_factors[place]
            groups.setdefault(factor, []).append(variable)
        names = [name for name in ("weight_decay", "adam_weight_decay") if getattr(self, name, None)]
        whole = {name: getattr(self, name) for name in names}
        step = self._iterations  # type: ignore[attr-defined]
        now = {name: decay(step) if callable(decay) else decay for name, decay in whole.items()}
        for factor, group in groups.items():
            for name in names if factor else ():
                setattr(self, name, now[name] if factor == 1 else now[name] * factor)
            if factor:
                super()._apply_weight_decay(group)  # type: ignore[misc]
        for name in names:
            setattr(self, name, whole[name])

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this optimizer."""
        factors = {
            "learning_rate_factors": dict(self._rate_patterns),
            "weight_decay_factors": dict(self._decay_patterns),
        }
        return {**super().get_config(), **factors}  # type: ignore[misc]


# ---------------------------------------------------------------- TensorFlow


def random_kernels() -> ModuleType:
    """Return the module in which every public function for stateless random numbers ends."""
    from tensorflow.python.ops import gen_stateless_random_ops_v2

    module: ModuleType = gen_stateless_random_ops_v2
    return module


def write_fingerprint(saved_model: Path) -> None:
    """Write the fingerprint.pb of a SavedModel again, after its saved_model.pb was changed."""
    from tensorflow.python.saved_model import fingerprinting_utils

    fingerprinting_utils.write_fingerprint(str(saved_model))
