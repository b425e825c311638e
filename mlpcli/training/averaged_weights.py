"""Averages of the weights: Keras's `SwapEMAWeights` for runs that stop early, resume and continue.

An optimizer with `use_ema` keeps an average of each weight. `SwapEMAWeights` exchanges weights and averages
around each validation and, with `swap_on_epoch`, from the end of an epoch to the beginning of the next: what
callbacks and checkpoints see is then averaged, and the weights that train on wait in the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mlpcli.keras_import import keras
from mlpcli.keras_internals import averages
from mlpcli.training.training_state import IN_MODEL, CallbackState

Callback: TypeAlias = keras.callbacks.Callback


class SwapEMAWeights(keras.callbacks.SwapEMAWeights):  # type: ignore[misc]
    """Keras's own, which keeps the weights that train on also after the last epoch.

    Attributes:
        exact: Exchange the values bit for bit, in one program; otherwise as Keras does, by sums that round.
    """

    exact = True
    _program: Callable[[], None] | None = None

    def _swap_variables(self) -> None:
        if not self.exact:
            super()._swap_variables()
            return
        if self._program is None:
            self._program = swap_program(self.model.optimizer)
        self._program()

    def _finalize_ema_values(self) -> None:
        """Leave it to `EndsWithAverages`: Keras's would overwrite what a continued run trains on from."""


def swap_program(optimizer: keras.optimizers.Optimizer) -> Callable[[], None]:
    """Return a program that exchanges the weights and their averages, bit for bit.

    Args:
        optimizer: A built optimizer.
    """
    import tensorflow as tf

    pairs = [(weight.value, average.value) for weight, average in averages(optimizer)]

    def swap() -> None:
        for weight, average in pairs:
            old, new = tf.identity(weight), tf.identity(average)
            weight.assign(new)
            average.assign(old)

    program: Callable[[], None] = tf.function(swap, autograph=False)
    return program


class EndsWithAverages(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets a training end with the averages, where these are the model's weights after its last epoch.

    At its end `fit` copies the averages from the optimizer, where the weights that train on are by then.
    It is called after the state was saved, which must have those.
    """

    def __init__(self, others: Sequence[Callback], *, exact: bool, done: bool) -> None:
        """Create the callback.

        Args:
            others: The callbacks of the training.
            exact: Those that swap do so bit for bit.
            done: No epochs are left to train: the training had been stopped before its end was written.
        """
        super().__init__()
        self.done = done
        self.swaps = [each for each in others if isinstance(each, SwapEMAWeights)]
        for each in self.swaps:
            each.exact = exact

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """End a training without epochs, once its checkpoint was restored."""
        if self.done:
            self._end()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """End the training after its last epoch."""
        if self.model.stop_training or epoch + 1 == self.params["epochs"]:
            self._end()

    def _end(self) -> None:
        if any(getattr(each, IN_MODEL) for each in self.swaps):
            for weight, average in averages(self.model.optimizer):
                average.assign(weight)


def swap_back(
    optimizer: keras.optimizers.Optimizer, states: Sequence[CallbackState], callbacks: Sequence[Callback]
) -> None:
    """Exchange the values of a checkpoint where no callback of the training will: it was left out.

    Args:
        optimizer: The model's, with the checkpoint's values.
        states: Those of the checkpoint's callbacks.
        callbacks: Of the training.
    """
    found = [each for each in callbacks if isinstance(each, SwapEMAWeights)]
    if any(each.averages_in_model for each in states) and not any(each.swap_on_epoch for each in found):
        swap_program(optimizer)()
        for each in found:
            setattr(each, IN_MODEL, False)
