"""Which of the runs of an experiment is best: by the validation rows, with the model that each run kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlpcli.runs.folder import Run


@dataclass(frozen=True)
class RunScore:
    """What the model of a run scores on the validation rows.

    Attributes:
        run: the run.
        monitor: the metric that decided which of its epochs, or trials, was best: `val_loss`.
        value: of that metric, measured with the saved model.
        more_is_better: whether a larger value is better.
    """

    run: Run
    monitor: str
    value: float
    more_is_better: bool

    def better(self, than: float) -> bool:
        """Return whether it is better than another value."""
        return self.value > than if self.more_is_better else self.value < than


MORE_IS_BETTER = (
    *("acc", "auc", "precision", "recall", "sensitivity", "specificity", "true_", "correlation"),
    *("f1", "fbeta", "f_beta", "r2", "iou", "io_u", "similarity"),
)
"""Words in the names of metrics that are better the greater they are."""


def more_is_better(name: str) -> bool:
    """Return whether a metric of this name is better the greater it is, where only its name is known."""
    return any(word in name for word in MORE_IS_BETTER)


SHARES = (
    "acc",
    "auc",
    "precision",
    "recall",
    "sensitivity",
    "specificity",
    "f1",
    "fbeta",
    "f_beta",
    "iou",
    "io_u",
)
"""Words in the names of metrics that are shares, from 0 to 1."""

NOT_NEGATIVE = ("error", "mse", "mae", "mape", "msle", "crossentropy")
"""Words in the names of metrics that are 0 at least."""


NOT_NEGATIVE_LOSSES = (*NOT_NEGATIVE, "huber", "cosh", "hinge")
"""Words in the names of losses that are 0 at least, as are their penalties."""


def value_range(name: str, values: Sequence[float], losses: Sequence[str] = ()) -> tuple[float, float]:
    """Return the smallest and the largest value that a metric can have, where only its name is known.

    Args:
        name: of the metric, or `loss`.
        values: of it; one outside of the range shows that the name means something else.
        losses: the names of the losses that `loss` is made of.
    """
    if name == "loss" or name.endswith("_loss"):
        known = bool(losses) and all(any(w in each.lower() for w in NOT_NEGATIVE_LOSSES) for each in losses)
        return (0.0 if known and all(value >= 0 for value in values) else -math.inf), math.inf
    ranges = {SHARES: (0.0, 1.0), NOT_NEGATIVE: (0.0, math.inf)}
    for words, (low, high) in ranges.items():
        if any(word in name for word in words) and all(low <= value <= high for value in values):
            return low, high
    return -math.inf, math.inf


def score_of(run: Run) -> RunScore | None:
    """Return the score of a run; None if it has none.

    The best epoch of a run that continues another may be one of the other's, so the best value of its history
    says nothing about its model: the metrics of the model do.
    """
    record = run.record
    if record.search is not None:
        monitor = record.search.objective
        direction = record.search.direction
        best = record.search.best.score if record.search.best is not None else None
    elif record.best is not None:
        monitor, direction, best = record.best.monitor, record.best.direction or "", record.best.value
    else:
        return None
    more = direction == "max" if direction else more_is_better(monitor)
    name = monitor.removeprefix("val_")
    split = "validation" if monitor != name else "train"
    value = record.metrics.get(split, {}).get(name, best)
    return None if value is None or value != value else RunScore(run, monitor, value, more)


def best_of(found: Sequence[Run]) -> RunScore | None:
    """Return the best of some runs, the oldest first: of equal ones the newest.

    Runs with another monitor than the newest cannot be compared with it, and are left out.
    """
    scores = comparable(found)
    best = None
    for score in scores:
        if best is None or not best.better(score.value):
            best = score
    return best


def comparable(found: Sequence[Run]) -> list[RunScore]:
    """Return the scores of those runs that have the monitor of the newest."""
    scores = [score for run in found if (score := score_of(run)) is not None]
    return [score for score in scores if score.monitor == scores[-1].monitor]


def better_than_newest(found: Sequence[Run]) -> tuple[RunScore, RunScore] | None:
    """Return the best run and the newest, where the newest is not the best."""
    best = best_of(found)
    newest = score_of(found[-1]) if found else None
    if best is None or newest is None or best.run == newest.run or not best.better(newest.value):
        return None
    return best, newest
