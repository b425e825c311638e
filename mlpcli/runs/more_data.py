"""What `more-data` found, scores against numbers of training rows, and the events meanwhile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlpcli.statistics.power_law import PowerLaw

HELPS, ENOUGH, UNCLEAR = "yes", "no", "unclear"
"""Whether more rows would help."""

WORTH = 0.01
"""The least change that counts, as a share of the score."""


@dataclass(frozen=True)
class SizeScores:
    """The trainings on one number of rows.

    rows: of the training split; of whole groups, their mean over the trainings.
    metrics: the loss and the metrics on the validation rows, of each training that reached its end.
    seconds: that all of them took.
    """

    rows: int
    metrics: tuple[Mapping[str, float], ...]
    seconds: float

    def scores(self, metric: str) -> list[float]:
        """Return a metric of each training in which it is a number."""
        found = (each.get(metric, math.nan) for each in self.metrics)
        return [value for value in found if math.isfinite(value)]


@dataclass(frozen=True)
class Doubling(PowerLaw):
    """The power law through the scores, and whether twice the rows would help."""

    @property
    def from_now(self) -> tuple[float, float]:
        """The interval of the score at twice the rows if the score at the rows is `now`."""
        return self.now + self.change_interval[0], self.now + self.change_interval[1]

    def verdict(self, *, more_is_better: bool) -> str:
        """Return whether more rows would help: `yes`, `no` or `unclear`."""
        sign = 1 if more_is_better else -1
        low, high = sorted(sign * end for end in self.change_interval)
        worth = WORTH * abs(self.now)
        if low > 0 and sign * self.change >= worth:
            return HELPS
        return ENOUGH if high < worth else UNCLEAR


@dataclass(frozen=True)
class MoreData:
    """Scores on the same validation rows, of trainings on fewer and more rows.

    metric: the name of the score among the validation metrics, without `val_`.
    planned, done: trainings; fewer are done where they were interrupted.
    at_the_end: trainings whose last epoch, the spec's last, was the best.
    doubling: None where there are too few scores for a curve.
    notes: trainings that failed and why, and what is unusual in the rows of one.
    """

    name: str
    source: str
    metric: str
    more_is_better: bool
    training_rows: int
    validation_rows: int
    sizes: tuple[SizeScores, ...]
    doubling: Doubling | None
    planned: int
    done: int
    at_the_end: int
    seconds: float
    interrupted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Whether more rows would help; unclear without a curve."""
        return UNCLEAR if self.doubling is None else self.doubling.verdict(more_is_better=self.more_is_better)


@dataclass(frozen=True)
class RowsWanted:
    """What `more-data` is asked for.

    sizes: numbers of training rows, or shares of them; None to choose them.
    repeats: trainings of each size.
    metric: the score, with or without `val_`.
    """

    sizes: Sequence[float] | None = None
    repeats: int = 3
    metric: str = "val_loss"


@dataclass(frozen=True)
class Step:
    """A training that is running or has ended: `number` of `planned`, on `rows` rows with the seed `seed`."""

    number: int
    planned: int
    rows: int
    seed: int


class MoreDataWatcher:
    """Receives what happens meanwhile, and ignores it; a subclass overrides what it needs."""

    def stage(self, text: str) -> None:
        """Receive what is being done outside the trainings."""

    def note(self, text: str) -> None:
        """Receive one line that the user should know."""

    def trains(self, step: Step, share: float, seconds_left: float | None) -> None:
        """Receive the training that is running, the share of all work that is done, and the time left."""

    def trained(self, step: Step, metrics: Mapping[str, float]) -> None:
        """Receive the validation metrics of a training that has ended."""
