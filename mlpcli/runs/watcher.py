"""Watchers of a training and of a search: the command line shows progress, a program may ignore it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.runs.folder import Run
from mlpcli.runs.results import Plan
from mlpcli.runs.search_folder import Search, Trial

if TYPE_CHECKING:
    from mlpcli.spec.load import LoadedSpec


@dataclass(frozen=True)
class Monitored:
    """What decides which epoch of a training is best, and when it stops.

    Attributes:
        monitor: the metric that decides.
        more_is_better: whether a larger value of it is better.
        history: the epochs before this command, as `history.csv` has them.
        patience: returns how many epochs EarlyStopping has waited, and how many it waits; None without it.
    """

    monitor: str
    more_is_better: bool
    history: Sequence[Mapping[str, float]] = ()
    patience: Callable[[], tuple[int, int] | None] = lambda: None


class Watcher:
    """Receives what happens during a training, and ignores it; a subclass overrides what it needs."""

    def stage(self, text: str) -> None:
        """Receive what is being done outside the epochs, such as "starting TensorFlow"."""

    def plan(self, plan: Plan, run_dir: Path) -> None:
        """Receive the plan: the checks have passed and the run folder exists."""

    def limited(self, seconds: float) -> None:
        """Receive how many seconds are left for all trainings of the command, where `max_minutes` says so."""

    def engine(self, name: str, reason: str) -> None:
        """Receive the engine that trains, before the first epoch.

        Args:
            name: compiled, graph or keras.
            reason: why it is that one.
        """

    def monitored(self, monitored: Monitored) -> None:
        """Receive what decides which epoch is best, before the first epoch."""

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

    def member_begins(self, place: int, count: int, label: str) -> None:
        """Receive a training that starts, of a run with folds or seeds.

        Args:
            place: of the training, from 1.
            count: how many trainings there are.
            label: what it is: `fold 2`, `seed 43`.
        """

    def member_ends(self, member: Run, split: str) -> None:
        """Receive such a training, which is finished.

        Args:
            member: its run.
            split: the split that its trainings are compared on.
        """


class SearchWatcher:
    """Receives what happens during a search, and ignores it; a subclass overrides what it needs."""

    def stage(self, text: str) -> None:
        """Receive what is being done while no trial runs."""

    def note(self, text: str) -> None:
        """Receive one line that the user should know."""

    def begin(self, search: Search, loaded: LoadedSpec, planned: int | None) -> None:
        """Receive the search: the checks have passed and its folder exists.

        Args:
            search: the search, with its earlier trials if it is resumed.
            loaded: its spec.
            planned: how many trials there will be; None where that is not known.
        """

    def trial_begins(self, trial: Trial) -> None:
        """Receive a trial that starts or restarts."""

    def trial_epoch(self, number: int, epoch: int, epochs: int, logs: Mapping[str, float]) -> None:
        """Receive the logs of an epoch of a trial.

        Args:
            number: the trial, from 1; 0 for the training of the best after the trials.
            epoch: the epoch, from 1.
            epochs: the number of epochs of the trial.
            logs: the loss and the metrics, those of the validation rows included.
        """

    def trial_ends(self, trial: Trial) -> None:
        """Receive a trial with its result."""

    def promotes(self, trial: Trial, seed: int | None) -> None:
        """Receive one of the best trials, which is trained again with a seed, or, at None, to be kept."""
