"""A training whose numbers are no longer numbers is stopped at once, also where its loss hides it.

One NaN in a row can leave the loss finite and yet turn all weights of a feature into NaN, so the weights
are looked at too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpcli.data.types import Array
from mlpcli.errors import Problem, TrainingError

LOOK_SECONDS = 1.0
"""How often the weights are looked at within an epoch; the logs are looked at whenever there are any."""


class Diverged(TrainingError):
    """A loss, a metric or a weight is no longer a finite number."""


class DivergenceGuard:
    """Looks at logs and weights, and raises `Diverged` with the epoch, the learning rate and what to do."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._looked = time.monotonic()

    def within_epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Look between the steps of an epoch, counted from 1."""
        self.check_logs(epoch, logs)
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            weights = {weight.path: weight.numpy() for weight in self.model.trainable_variables}
            self.check_weights(epoch, weights)
            self._looked = time.monotonic()

    def check_logs(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Look at the loss and the metrics."""
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad:
            self._raise(epoch, f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite")

    def check_weights(self, epoch: int, weights: Mapping[str, Array]) -> None:
        """Look at the weights, by their paths."""
        bad = [path for path, values in weights.items() if not _is_finite(values)]
        if bad:
            rest = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            self._raise(epoch, f"the weights {bad[0]}{rest} are not finite, though the loss hides it")

    def _raise(self, epoch: int, what: str) -> None:
        rate = learning_rate(self.model)
        hint = f"lower the learning rate (it was {rate:g}), scale the inputs, or set clipnorm"
        raise Diverged(Problem(f"the training diverged in epoch {epoch}: {what}", hint=hint))


def learning_rate(model: Any) -> float:
    """The rate of the optimizer's next step."""
    return float(model.optimizer.learning_rate.numpy())


def _is_finite(values: Array) -> bool:
    """A sum is quick and finite unless a value is not, or it runs over itself: then look closely."""
    if values.dtype.kind in "iub":
        return True
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())
