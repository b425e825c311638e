"""Which of the runs of an experiment is best: by the validation rows, with the model that each run kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from mlpcli.errors import SpecError
from mlpcli.runs.folder import Run
from mlpcli.runs.main_metric import meaning_of
from mlpcli.runs.same_rows import same_rows
from mlpcli.runs.scores import more_is_better

OTHER_MONITOR, OTHER_ROWS, OTHER_LOSS = "another monitor", "other validation rows", "another loss"
UNREADABLE = "a damaged spec"
"""What a run has that its score cannot be compared with that of the newest."""

Meaning = dict[str, object] | None
"""What a monitored value is of; None where the spec of its run cannot be read."""


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


@dataclass(frozen=True)
class ComparedScores:
    """The scores of some runs that can be compared with that of the newest.

    Attributes:
        scores: of the runs, the oldest first.
        left_out: how many others have each of OTHER_MONITOR, OTHER_ROWS, OTHER_LOSS and UNREADABLE.
    """

    scores: tuple[RunScore, ...]
    left_out: dict[str, int]

    def best(self) -> RunScore | None:
        """Return the best; of equal ones the newest."""
        return best_of(self.scores)


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


def best_of(scores: Sequence[RunScore]) -> RunScore | None:
    """Return the best of some scores of one monitor, the oldest first: of equal ones the newest."""
    best = None
    for score in scores:
        if best is None or not best.better(score.value):
            best = score
    return best


def scores_of(found: Sequence[Run]) -> list[RunScore]:
    """Return the scores of those runs that have one."""
    return [score for run in found if (score := score_of(run)) is not None]


def with_same_monitor(scores: Sequence[RunScore]) -> list[RunScore]:
    """Return those scores that are of the metric of the last."""
    return [score for score in scores if score.monitor == scores[-1].monitor]


def comparable(found: Sequence[Run]) -> ComparedScores:
    """Return the scores that can be compared with that of the newest run, the last.

    They are of the same metric, on the same validation rows: a file that was rewritten between two trainings,
    or another seed of the splits, makes them other rows.
    """
    scores = scores_of(found)
    if not scores:
        return ComparedScores((), {})
    meaning = cache(partial(_meaning, scores[-1]))
    kept: list[RunScore] = []
    left_out: Counter[str] = Counter()
    for score in scores:
        why = _why_not(score, scores[-1], meaning)
        if why:
            left_out[why] += 1
        else:
            kept.append(score)
    return ComparedScores(tuple(kept), dict(left_out))


def _why_not(score: RunScore, newest: RunScore, meaning: Callable[[], Meaning]) -> str:
    """Return what makes two scores incomparable; an empty text where nothing does.

    Args:
        score: one of them.
        newest: the other.
        meaning: returns that of the newest: specs are read last, since that takes some time.
    """
    if score is newest:
        return ""
    if score.monitor != newest.monitor:
        return OTHER_MONITOR
    if not _same_rows(score.run, newest.run, "validation" if newest.monitor.startswith("val_") else "train"):
        return OTHER_ROWS
    own, other = _meaning(score), meaning()
    if own is None or other is None:
        return UNREADABLE
    return "" if own == other else OTHER_LOSS


def _meaning(score: RunScore) -> Meaning:
    try:
        return meaning_of(score.run, score.monitor.removeprefix("val_"))
    except SpecError:
        return None


def _same_rows(one: Run, two: Run, split: str) -> bool:
    first, second = one.record.data, two.record.data
    if first is None or second is None:
        return first is second
    return same_rows(first, second, split) is True


def better_than_newest(found: Sequence[Run]) -> tuple[RunScore, RunScore] | None:
    """Return the best run and the newest, where the newest is not the best."""
    newest = score_of(found[-1]) if found else None
    if newest is None:
        return None
    newest_first = reversed(with_same_monitor(scores_of(found)))
    better = [score for score in newest_first if score.better(newest.value)]
    best_first = sorted(better, key=lambda score: score.value, reverse=newest.more_is_better)
    meaning = cache(partial(_meaning, newest))
    return next(((score, newest) for score in best_first if not _why_not(score, newest, meaning)), None)
