"""Stop a training at once when a loss or a weight is no longer finite.

One NaN in a row can leave the loss finite and yet turn all weights of a feature into NaN, so the weights
are checked too. A metric may be NaN in a training that is well: the correlation with a constant, for example.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.checks.log_names import metric_names
from mlpcli.data.types import Array
from mlpcli.errors import Problem, TrainingError

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

CHECK_SECONDS = 1.0
"""How often the weights are checked within an epoch; logs are checked whenever they arrive."""


class Diverged(TrainingError):
    """A loss or a weight is no longer a finite number."""


class DivergenceGuard:
    """Checks logs and weights; raises `Diverged` with the epoch, the learning rate and what to do."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._metrics = {name for _, _, names in metric_names(model) for name in names}
        self._checked = time.monotonic()

    def within_epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Check between the steps of an epoch.

        Args:
            epoch: Its number, from 1.
            logs: The loss and the metrics so far.

        Raises:
            Diverged: A loss or a weight is not finite.
        """
        self.check_logs(epoch, logs)
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            weights = {weight.path: weight.numpy() for weight in self.model.trainable_variables}
            self.check_weights(epoch, weights)
            self._checked = time.monotonic()

    def check_logs(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Check the losses.

        Args:
            epoch: The epoch, from 1.
            logs: The loss and the metrics.

        Raises:
            Diverged: A loss is not finite.
        """
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if any(map(self._is_loss, bad)):
            self._raise(epoch, f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite")

    def _is_loss(self, name: str) -> bool:
        bare = name.removeprefix("val_")
        return bare.endswith("loss") and bare not in self._metrics

    def check_weights(self, epoch: int, weights: Mapping[str, Array]) -> None:
        """Check the weights.

        Args:
            epoch: The epoch, from 1.
            weights: Their values by path.

        Raises:
            Diverged: A number is not finite.
        """
        bad = [path for path, values in weights.items() if not _is_finite(values)]
        if bad:
            rest = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            self._raise(epoch, f"the weights {bad[0]}{rest} are not finite, though the loss hides it")

    def _raise(self, epoch: int, what: str) -> None:
        rate = learning_rate(self.model)
        hint = f"lower the learning rate (it was {rate:g}), scale the inputs, or set clipnorm"
        raise Diverged(Problem(f"the training diverged in epoch {epoch}: {what}", hint=hint))


def learning_rate(model: keras.Model) -> float:
    """Return the learning rate of the optimizer's next step, of a MultiOptimizer that of its default."""
    from mlpcli.keras_import import keras

    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        optimizer = optimizer.optimizers[-1]
    return float(optimizer.learning_rate.numpy())


def _is_finite(values: Array) -> bool:
    """Return whether all values are finite: where their sum is not, it may only overflow, so check each."""
    if values.dtype.kind in "iub":
        return True
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())
