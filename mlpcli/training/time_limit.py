"""Trainings that end although epochs are left: after some minutes, or after some epochs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlpcli.runs.watcher import Watcher


class TimeIsUp(Exception):
    """The time of a training is up within an epoch; its model is that of the last complete one."""


class SearchTimeIsUp(KeyboardInterrupt):
    """The time of a search is up within a trial, which ends as by Ctrl-C: other exceptions are results."""


class Limit(Protocol):
    """When a training ends although epochs are left."""

    def is_over(self, epochs: int) -> bool:
        """Return whether it ends after so many epochs."""

    def cuts(self) -> bool:
        """Return whether it ends now, within an epoch."""


@dataclass(frozen=True)
class TimeLimit:
    """A training ends after some minutes, counted from the start of the command.

    Attributes:
        minutes: how many, of all trainings of the command.
        deadline: when they are over, by `clock`.
        clock: monotonic, in seconds.
    """

    minutes: float
    deadline: float
    clock: Callable[[], float] = time.monotonic

    def is_over(self, epochs: int) -> bool:
        """Return whether the minutes are over."""
        del epochs
        return self.cuts()

    def cuts(self) -> bool:
        """Return whether the minutes are over."""
        return self.clock() >= self.deadline

    def share(self, trainings: int) -> TimeLimit:
        """Return the limit of the next training, of so many that are left: an equal part of the time."""
        now = self.clock()
        return TimeLimit(self.minutes, now + max(0.0, self.deadline - now) / max(1, trainings), self.clock)


@dataclass(frozen=True)
class EpochLimit:
    """A training ends after some epochs, fewer than its spec has: as another that time had ended."""

    epochs: int

    def is_over(self, epochs: int) -> bool:
        """Return whether there are as many."""
        return epochs >= self.epochs

    def cuts(self) -> bool:
        """Return False: it ends between epochs."""
        return False


def limit_shown(minutes: float | None, started: float, watcher: Watcher) -> TimeLimit | None:
    """Return a limit as `time_limit` does, and tell the watcher how much time is left."""
    limit = time_limit(minutes, started)
    if limit is not None:
        watcher.limited(max(0.0, limit.deadline - limit.clock()))
    return limit


def time_limit(minutes: float | None, started: float) -> TimeLimit | None:
    """Return a limit; None where there is none.

    Args:
        minutes: from the start on; None for no limit.
        started: by `time.monotonic`.
    """
    return None if minutes is None else TimeLimit(minutes, started + 60 * minutes)
