"""What a search reports while it runs."""

from __future__ import annotations

from typing import Protocol

from mlpcli.runs.search_folder import Search, Trial
from mlpcli.spec.load import LoadedSpec


class SearchWatcher(Protocol):
    """What a search tells while it runs; the command line shows it, a program may ignore it."""

    def stage(self, text: str) -> None:
        """What is being done while no trial runs."""

    def note(self, text: str) -> None:
        """One line that the user should know."""

    def begin(self, search: Search, loaded: LoadedSpec, planned: int | None) -> None:
        """The checks have passed; the search has its folder, and perhaps trials from before."""

    def trial_begins(self, trial: Trial) -> None:
        """A trial starts, or starts again."""

    def trial_epoch(self, number: int, epoch: int, epochs: int, logs: dict[str, float]) -> None:
        """An epoch of a trial is done."""

    def trial_ends(self, trial: Trial) -> None:
        """A trial has its result."""

    def promotes(self, trial: Trial, seed: int | None) -> None:
        """One of the best is trained again: with a seed, or, None, to be kept."""
