"""How often the checkpoint of a training is written."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mlpcli.spec.fit_section import CheckpointSpec

SHARE = 0.02
"""The largest share of the training's time that saving may take."""


@dataclass
class SaveInterval:
    """Decides when to save again.

    Without `epochs` and `seconds`: after `pause` seconds, or later where saving takes so long that it would
    cost more than `SHARE` of the training's time.

    Attributes:
        pause: The shortest interval in seconds.
        epochs: Save after so many epochs.
        seconds: Save after so many seconds.
    """

    pause: float
    epochs: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        self._saved_at = time.monotonic()
        self._cost, self._epochs_since = 0.0, 0

    def is_due(self) -> bool:
        """Count an epoch; return whether to save now."""
        self._epochs_since += 1
        passed = time.monotonic() - self._saved_at
        if self.epochs is None and self.seconds is None:
            return passed >= max(self.pause, self._cost / SHARE)
        by_epochs = self.epochs is not None and self._epochs_since >= self.epochs
        return by_epochs or (self.seconds is not None and passed >= self.seconds)

    def saved(self, since: float) -> None:
        """Note that something was saved just now.

        Args:
            since: When saving started, by `time.monotonic`.
        """
        self._saved_at = time.monotonic()
        self._cost, self._epochs_since = self._saved_at - since, 0


def save_interval(given: CheckpointSpec | None) -> SaveInterval:
    """Return the interval of the checkpoint: that of the spec's `fit.checkpoint`, or our own."""
    if given is None or (given.every is None and given.minutes is None):
        return SaveInterval(1.0)
    return SaveInterval(1.0, given.every, None if given.minutes is None else 60 * given.minutes)
