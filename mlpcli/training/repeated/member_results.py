"""What the trainings of a run with folds or seeds have reached together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from mlpcli import runs
from mlpcli.runs.folder import Run
from mlpcli.runs.main_metric import losses_of
from mlpcli.runs.record_models import read_history
from mlpcli.runs.results import Repeated
from mlpcli.runs.scores import value_range
from mlpcli.statistics.spread import Spread, spread_of

EPOCH = "epoch"


def mean_history(members: Sequence[Run]) -> list[dict[str, float]]:
    """Return the mean of the histories by epoch, of those trainings that have the epoch."""
    histories = [read_history(member.require(runs.HISTORY)) for member in members]
    found: list[dict[str, float]] = []
    for place in range(max(map(len, histories), default=0)):
        rows = [history[place] for history in histories if place < len(history)]
        names = dict.fromkeys(name for row in rows for name in row if name != EPOCH)
        means = {name: _mean([row[name] for row in rows if name in row]) for name in names}
        found.append({EPOCH: place + 1, **means})
    return found


def mean_metrics(members: Sequence[Run], splits: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the mean of each metric over the trainings, by split and name.

    Args:
        members: The trainings.
        splits: Those that are wanted, where the trainings have them.
    """
    return {split: {name: each.mean for name, each in of.items()} for split, of in _spreads(members, splits)}


def spreads(members: Sequence[Run], splits: Sequence[str]) -> dict[str, dict[str, Spread]]:
    """Return the values of each metric over the trainings, by split and name."""
    return dict(_spreads(members, splits))


def _spreads(members: Sequence[Run], splits: Sequence[str]) -> list[tuple[str, dict[str, Spread]]]:
    found = []
    losses = losses_of(members[0]) if members else []
    for split in splits:
        every = [member.record.metrics.get(split, {}) for member in members]
        names = dict.fromkeys(name for metrics in every for name in metrics)
        if names:
            values = {name: [metrics.get(name, math.nan) for metrics in every] for name in names}
            ends = {name: value_range(name, of, losses) for name, of in values.items()}
            found.append((split, {name: spread_of(of, bounds=ends[name]) for name, of in values.items()}))
    return found


def mean_over_rows(members: Sequence[Run], split: str) -> dict[str, float]:
    """Return the mean of each metric of a split over the rows that it has in all trainings."""
    rows = [runs.data_facts(member).rows.get(split, 0) for member in members]
    every = [member.record.metrics.get(split, {}) for member in members]
    names = dict.fromkeys(name for metrics in every for name in metrics)
    found = {}
    for name in names:
        sums = [count * of.get(name, math.nan) for count, of in zip(rows, every, strict=True)]
        found[name] = math.fsum(sums) / sum(rows)
    return found


def best_of_members(members: Sequence[Run]) -> tuple[float | None, int | None]:
    """Return the mean of the trainings' best values by their monitor, and the median of their best epochs."""
    best = [member.record.best for member in members]
    values = [each.value for each in best if each is not None and each.value is not None]
    epochs = [each.epoch for each in best if each is not None and each.epoch is not None]
    return (_mean(values) if values else None), (median_epoch(epochs) if epochs else None)


def median_epoch(epochs: Sequence[int]) -> int:
    """Return the median of some epochs, rounded, at least 1."""
    return max(1, math.floor(statistics.median(epochs) + 0.5))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def results_of(members: Sequence[Run], *, folds: bool, out_of_fold: dict[str, float]) -> Repeated:
    """Return what the trainings have reached, for the screen and for `metrics.json`.

    Args:
        members: The trainings.
        folds: Whether they hold out folds; otherwise they differ in their seeds alone.
        out_of_fold: The metrics over all rows that were held out.
    """
    wanted = ("held_out", "test") if folds else ("validation", "test")
    return Repeated("folds" if folds else "seeds", len(members), spreads(members, wanted), out_of_fold)
