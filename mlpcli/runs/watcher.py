"""The watcher of a training: the command line shows progress, a program may ignore it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlpcli.runs.results import Plan


class Watcher:
    """Receives what happens during a training, and ignores it; a subclass overrides what it needs."""

    def stage(self, text: str) -> None:
        """Receive what is being done outside the epochs, such as "starting TensorFlow"."""

    def plan(self, plan: Plan, run_dir: Path) -> None:
        """Receive the plan: the checks have passed and the run folder exists."""

    def step(self, epoch: int, epochs: int, done: int, total: int, logs: Mapping[str, float]) -> None:
        """Receive the logs after some steps of an epoch.

        Args:
            epoch: the current epoch, from 1.
            epochs: the number of epochs of the training.
            done: the steps of this epoch that are done.
            total: the steps of an epoch.
            logs: the loss and the metrics so far.
        """

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Receive the logs of an epoch that is done.

        Args:
            epoch: the epoch, from 1.
            epochs: the number of epochs of the training.
            logs: the loss and the metrics, those of the validation rows included.
            seconds: how long the epoch took.
        """

    def note(self, text: str) -> None:
        """Receive one line that the user should know."""
