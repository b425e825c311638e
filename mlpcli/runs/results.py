"""What checks, trainings, evaluations and predictions return: plain values, which `report/` shows.

They are defined here, below everything that fills them in, so that what shows them imports none of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlpcli.errors import KeyPath, Place, show_path
from mlpcli.printable import counted, printable
from mlpcli.runs.evaluation_results import ClassScore as ClassScore
from mlpcli.runs.evaluation_results import Coverage as Coverage
from mlpcli.runs.evaluation_results import Evaluation as Evaluation
from mlpcli.runs.evaluation_results import Intervals as Intervals
from mlpcli.runs.evaluation_results import OutputScores as OutputScores
from mlpcli.runs.evaluation_results import QuantileScores as QuantileScores
from mlpcli.runs.evaluation_results import UnusualCells as UnusualCells
from mlpcli.runs.evaluation_results import intervals_json as intervals_json
from mlpcli.runs.explanation import ExplainedRows
from mlpcli.runs.folder import Run
from mlpcli.runs.result_texts import text_table
from mlpcli.runs.search_folder import Search
from mlpcli.statistics.spread import Spread as Spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EQUAL, WITHIN, DRIFTED = "equal", "within tolerance", "drifted"
"""Verdicts of a reproduction."""


@dataclass(frozen=True)
class LayerRow:
    """One layer of a model's summary: its class, the output shape of a batch, its number of parameters."""

    name: str
    kind: str
    shape: tuple[int | None, ...]
    parameters: int


@dataclass(frozen=True)
class Plan:
    """What is about to be trained, shown before the first epoch."""

    name: str
    source: str
    rows: dict[str, int]
    classes: tuple[str, ...] | None
    layers: tuple[LayerRow, ...]
    parameters: int
    trainable: int
    steps: int


@dataclass(frozen=True)
class Repeated:
    """What the trainings of a run with folds or seeds have reached.

    kind: `folds`, or `seeds`; count: how many trainings there are; spreads: their values, by split and
    metric; out_of_fold: metrics over all rows that were held out.
    """

    kind: str
    count: int
    spreads: Mapping[str, Mapping[str, Spread]]
    out_of_fold: Mapping[str, float]

    def to_json(self) -> dict[str, object]:
        """Return the entries of `metrics.json`."""
        of_splits = {
            split: {name: each.to_json() for name, each in of.items()} for split, of in self.spreads.items()
        }
        return {self.kind: of_splits} | ({"out_of_fold": dict(self.out_of_fold)} if self.out_of_fold else {})


@dataclass(frozen=True)
class Outcome:
    """A finished training: its run, metrics by split and name, and the best epoch by its monitor."""

    run: Run
    metrics: dict[str, dict[str, float]]
    epochs: int
    seconds: float
    monitor: str
    best: float | None
    best_epoch: int | None
    baseline: dict[str, object] | None = None  # see `measure_baseline`
    parts: dict[str, float] = field(default_factory=dict)  # of `seconds`, by what they were spent on
    predictions: dict[str, object] = field(default_factory=dict)  # see `FittedPredictions.to_json`
    repeated: Repeated | None = None  # of a run with folds or seeds
    intervals: dict[str, Intervals] = field(default_factory=dict)  # of the metrics, by split


@dataclass(frozen=True)
class Advice:
    """Best-practice advice on a spec: what was found, what to do about it, and why.

    `path` leads to the value that it is about.
    """

    seen: str
    fix: str
    reason: str
    path: KeyPath = ()

    def headline(self, place: Place) -> str:
        """Return `file:line:column path: what was found; what to do` on one line."""
        return printable(f"{place} {show_path(self.path)}: {self.seen}; {self.fix}")


@dataclass(frozen=True)
class Memory:
    """Bytes that a training takes in addition to TensorFlow's own.

    data: every split's rows and targets; state: weights and what the optimizer keeps for each;
    batch: the outputs of every layer for one batch.
    """

    data: int
    state: int
    batch: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.data + self.state + self.batch


@dataclass(frozen=True)
class Forecast:
    """A spec that can be trained, and what its training would do.

    layer_paths: for each of `plan.layers`, the path of its line in the spec.
    classes: by split and output (empty for the only one), rows of each class.
    files: of the run folder, folders with a slash at the end.
    notes: losses and metrics that were chosen, columns that are left out, hyperparameters at their defaults.
    seconds_per_epoch: measured, or None.
    trainings: of a spec with folds or seeds, the label of each training, and its rows by split.
    """

    plan: Plan
    epochs: int
    layer_paths: tuple[KeyPath, ...]
    classes: dict[str, dict[str, dict[str, int]]]
    memory: Memory
    files: tuple[str, ...]
    advice: tuple[Advice, ...]
    resolved: str
    notes: tuple[str, ...] = ()
    seconds_per_epoch: float | None = None
    trainings: tuple[tuple[str, dict[str, int]], ...] = ()

    def __repr__(self) -> str:
        plan = self.plan
        rows = ", ".join(f"{count:,} {split}" for split, count in plan.rows.items())
        shapes = (
            " x ".join("?" if size is None else str(size) for size in each.shape) for each in plan.layers
        )
        layers = [
            (each.name, each.kind, shape, f"{each.parameters:,}")
            for each, shape in zip(plan.layers, shapes, strict=True)
        ]
        length = f"{counted(self.epochs, 'epoch')} of {counted(plan.steps, 'step')}"
        head = f"{plan.name} can be trained: {length}, {rows} rows"
        table = text_table(("layer", "class", "output", "parameters"), layers)
        advice = (f"advice: {each.seen}; {each.fix}" for each in self.advice)
        return "\n".join([head, table, *map(printable, (*self.notes, *advice))])


@dataclass(frozen=True)
class Summary:
    """The counts of a prediction.

    columns: the names of what was written.
    rejected: rows that could not be read; empty: predictions that were left empty.
    missing, unseen, outside: by column, cells filled in, unseen categories, values out of the training range.
    explained: how the predictions were explained; None where they were not.
    texts: the columns of texts, whose unseen cells have words of which none is known.
    """

    rows: int
    columns: tuple[str, ...]
    seconds: float
    rejected: int = 0
    empty: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    warnings: tuple[str, ...] = ()
    explained: ExplainedRows | None = None
    texts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RateTest:
    """What a learning-rate range test found.

    rates, losses, smoothed: (steps,) float64, a value a step.
    turning: the rate at which the smoothed loss is lowest; suggestion: the rate to train with.
    exploded: whether the test ended before the highest rate, since the loss rose far above its lowest.
    current: the spec's own rate, None where it is a schedule.
    diverged: whether it ended with a loss that is no finite number.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    turning: float
    suggestion: float
    exploded: bool
    current: float | None
    diverged: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComparedFact:
    """Something that results depend on: what it was, and what it is now."""

    name: str
    then: str
    now: str


@dataclass(frozen=True)
class ComparedMetric:
    """One metric of one split: what it was, and what it is now."""

    split: str
    metric: str
    then: float
    now: float

    @property
    def difference(self) -> float:
        """Now minus then; 0 where neither is a number."""
        return 0.0 if math.isnan(self.then) and math.isnan(self.now) else self.now - self.then


@dataclass(frozen=True)
class Reproduction:
    """A run next to the one that trained it again.

    facts: what has changed, and may be why metrics differ.
    epoch: the first whose row of the history differs, from 1; None where all are the same to the last digit.
    """

    original: Run
    outcome: Outcome
    facts: tuple[ComparedFact, ...]
    figures: tuple[ComparedMetric, ...]
    epoch: int | None
    tolerance: float

    @property
    def verdict(self) -> str:
        """`equal`, `within tolerance` or `drifted`."""
        if self.epoch is None and all(figure.difference == 0 for figure in self.figures):
            return EQUAL
        return DRIFTED if self.drifted() else WITHIN

    def drifted(self) -> tuple[ComparedMetric, ...]:
        """Return the metrics that differ by more than the tolerance."""
        near = [
            f.difference == 0 or math.isclose(f.then, f.now, rel_tol=self.tolerance, abs_tol=self.tolerance)
            for f in self.figures
        ]
        return tuple(figure for figure, is_near in zip(self.figures, near, strict=True) if not is_near)


@dataclass(frozen=True)
class SearchOutcome:
    """A finished search; `run` is the promoted one, or None where nothing was to be promoted.

    `seconds` are those of all sessions, `parts` those of this one by what they were spent on.
    """

    search: Search
    run: Run | None
    metrics: dict[str, dict[str, float]]
    importance: Mapping[str, float]
    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)
