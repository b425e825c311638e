"""Are the settings of some runs different? A test of the scores of their folds or seeds; no model is loaded.

One training says little about its settings: another seed, or other rows, gives another score. Folds vary
both, so that a test over folds speaks about the settings. Seeds alone vary only the training: a test over
seeds speaks about the settings on these training and test rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlpcli import runs
from mlpcli.errors import MlpcliError, Problem, RunError
from mlpcli.inference.given_labels import GivenLabels
from mlpcli.inference.held_out_rows import are_same_rows, breakdowns_of, held_out_rows
from mlpcli.model.run_contract import run_contract
from mlpcli.printable import counted
from mlpcli.runs.folder import Run, open_run
from mlpcli.runs.main_metric import direction_of, main_metric, why_not_comparable
from mlpcli.runs.paired_results import RunDifference, SettingsTest
from mlpcli.runs.record_models import TRAIN_AGAIN, MetricsRecord, read_record
from mlpcli.statistics.resampled import holm, paired_difference, unpaired_difference


@dataclass(frozen=True)
class _Scores:
    """The scores of the members of one run.

    Attributes:
        position: of the run among those that are compared.
        run: the run.
        folds: how many folds it has; 1 for seeds alone.
        seeds: how many trainings each fold has.
        split: the rows that the scores are of.
        values: by metric, (folds * seeds) scores, those of a fold next to each other.
        given: the rows that its folds held out.
    """

    position: int
    run: Run
    folds: int
    seeds: int
    split: str
    values: dict[str, list[float]]
    given: GivenLabels | None = None

    @property
    def over(self) -> str:
        """What the members are, in words."""
        if self.folds == 1:
            return counted(self.seeds, "seed")
        return counted(self.folds, "fold") + (
            f" of {counted(self.seeds, 'seed')} each" if self.seeds > 1 else ""
        )

    def by_fold(self, metric: str) -> list[float]:
        """Return the scores in a metric: the mean of each fold's seeds; without folds, of each seed."""
        scores = self.values[metric]
        if self.folds == 1:
            return scores
        return [
            math.fsum(scores[first : first + self.seeds]) / self.seeds
            for first in range(0, len(scores), self.seeds)
        ]


def compare_settings(
    found: Sequence[Run], *, metric: str | None
) -> tuple[SettingsTest | None, tuple[str, ...]]:
    """Test the differences between the settings of runs with folds or seeds.

    Args:
        found: the runs.
        metric: its name; None for the first of the specs.

    Returns:
        The test, or None; and why not, or why some runs are not in it.

    Raises:
        UsageError: the metric is not measured in all of them.
    """
    scored: list[_Scores] = []
    refused: list[str] = []
    if not any(_is_repeated(run) for run in found):
        return None, ()
    for position, run in enumerate(found):
        try:
            each = _scores(position, run, found)
            why = _why_not_alike(scored[0], each) if scored else ""
        except MlpcliError as error:
            why = error.problems[0].headline()
        if why:
            refused.append(why)
        else:
            scored.append(each)
    if len(scored) < 2:
        return None, tuple(refused)
    taken = [each.run for each in scored]
    name = main_metric(taken, [list(each.values) for each in scored], metric)
    if why := why_not_comparable(taken, name):
        return None, (*refused, why)
    try:
        return _tested(scored, name), tuple(refused)
    except MlpcliError as error:
        return None, (*refused, error.problems[0].headline())


def _as(others: Sequence[Run]) -> str:
    """Return the options that train a run as the first of the others with folds or seeds was trained."""
    first = next(run.record.members for run in others if _is_repeated(run))
    assert first is not None
    folds = f"--folds {first.folds}" if first.folds > 1 else ""
    seeds = f"--seeds {first.seeds}" if first.seeds > 1 else ""
    return " ".join(filter(None, (folds, seeds)))


def _is_repeated(run: Run) -> bool:
    members = run.record.members
    return members is not None and max(members.folds, members.seeds) > 1


def _scores(position: int, run: Run, others: Sequence[Run]) -> _Scores:
    members = run.record.members
    if members is None or not _is_repeated(run):
        hint = f"train it with {_as(others)}, as the others"
        raise RunError(Problem(f"run {run.label} has no folds or seeds", hint=hint))
    folds, seeds = max(members.folds, 1), max(members.seeds, 1)
    record = read_record(run.require(runs.METRICS), MetricsRecord)
    by_split = record.folds if folds > 1 else record.seeds
    for split in ("held_out",) if folds > 1 else ("test", "validation"):
        values = {name: each.values for name, each in by_split.get(split, {}).items()}
        if values and all(len(scores) == folds * seeds for scores in values.values()):
            given = held_out_rows(run) if folds > 1 else None
            return _Scores(position, run, folds, seeds, split, values, given)
    rule = f"{run / runs.METRICS} has no scores of {counted(folds * seeds, 'training')}"
    raise RunError(Problem(rule, hint=TRAIN_AGAIN))


def _why_not_alike(first: _Scores, other: _Scores) -> str:
    """Return why the scores of two runs cannot be compared; an empty text where they can."""
    if first.folds != other.folds:
        hint = f"train both with --folds {max(first.folds, other.folds)}"
        return f"runs {first.run.label} and {other.run.label} have {first.over} and {other.over}; {hint}"
    if first.split != other.split:
        return f"the scores are of {first.split} rows in one run and of {other.split} rows in another"
    if first.folds == 1:
        targets = [run_contract(each.run).target for each in (first, other)]
        same = _rows(first.run) == _rows(other.run) and targets[0] == targets[1]
        return "" if same else f"the rows of runs {first.run.label} and {other.run.label} differ"
    if first.given is None or other.given is None or not are_same_rows(first.given, other.given):
        hint = "give both the same data and the same dataset.split_seed"
        return f"the rows in the folds of runs {first.run.label} and {other.run.label} differ; {hint}"
    return ""


def _rows(run: Run) -> dict[str, int]:
    return runs.data_facts(run).rows


def _is_matched(first: _Scores, other: _Scores) -> bool:
    """Return whether the members of two runs belong together in pairs: the same folds, or the same seeds."""
    if first.folds > 1:
        one, two = first.given, other.given
        return one is not None and two is not None and np.array_equal(one.folds, two.folds)
    return first.run.record.seed == other.run.record.seed and first.seeds == other.seeds


def _test_per_train(scored: Sequence[_Scores]) -> float:
    """Return how many rows of a fold are held out for each that is trained on, on average.

    Rows on which the training stops early are among the latter: they are not held out.
    """
    shares = []
    for each in scored:
        members = each.run.record.members
        for folder in members.folders if members is not None else ():
            rows = _rows(open_run(each.run / folder))
            used = rows.get("train", 0) + rows.get("validation", 0)
            if used and rows.get("held_out"):
                shares.append(rows["held_out"] / used)
    return math.fsum(shares) / len(shares) if shares else 1.0 / (scored[0].folds - 1)


def _tested(scored: Sequence[_Scores], metric: str) -> SettingsTest:
    """Return the best of the runs tested against each of the others."""
    more = direction_of([each.run for each in scored], metric)
    values = [each.by_fold(metric) for each in scored]
    means = [math.fsum(each) / len(each) for each in values]
    is_folds = scored[0].folds > 1
    share = _test_per_train(scored) if is_folds else 0.0
    found: dict[tuple[int, int], RunDifference] = {}
    for one, two in itertools.combinations(range(len(scored)), 2):
        matched = _is_matched(scored[one], scored[two])
        test = paired_difference if matched else unpaired_difference
        each = test(values[one], values[two], test_per_train=share)
        name = f"{'corrected resampled' if is_folds else ''} {'paired' if matched else 'unpaired'} t-test"
        places = scored[one].position, scored[two].position
        found[one, two] = RunDifference(
            *places, each.value, each.low, each.high, each.p, each.p, name.strip()
        )
    best = best_of(means, more)
    return SettingsTest(
        tuple(each.position for each in scored),
        scored[0].over,
        scored[0].split,
        metric,
        more,
        tuple(tuple(each) for each in values),
        scored[best].position,
        against_best(found, best),
        not any("unpaired" in pair.test for pair in found.values()),
        breakdowns_of([each.run for each in scored], given) if (given := _given(scored)) else (),
    )


def _given(scored: Sequence[_Scores]) -> list[GivenLabels]:
    return [each.given for each in scored if each.given is not None]


def best_of(values: Sequence[float], more_is_better: bool | None) -> int:
    """Return the place of the best value; of the greatest, where nobody has said which is better."""
    known = [place for place, value in enumerate(values) if not math.isnan(value)]
    sign = -1.0 if more_is_better is False else 1.0
    return max(known or [0], key=lambda place: sign * values[place])


def against_best(found: Mapping[tuple[int, int], RunDifference], best: int) -> tuple[RunDifference, ...]:
    """Return the pairs with the best run, corrected by Holm's method for the number of all pairs.

    Of all: the best was chosen by the same values, so that any of the pairs might have been shown.

    Args:
        found: every pair of runs, by their places, the smaller first.
        best: the place of the best run.
    """
    corrected = holm([pair.p for pair in found.values()])
    chosen = []
    for (places, pair), p in zip(found.items(), corrected, strict=True):
        if best == places[0]:
            chosen.append(replace(pair, corrected=p))
        elif best == places[1]:
            chosen.append(pair.turned(p))
    return tuple(chosen)
