"""What tests of the difference between runs say: plain values, which `report/` shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

CHANCE = 0.05
"""A difference is more than chance where its corrected p-value is below this."""


@dataclass(frozen=True)
class RunDifference:
    """The difference of two runs in a metric.

    Attributes:
        first: the position of one run.
        second: the position of the other.
        difference: the metric of the first minus that of the second.
        low: the lower end of its 95% interval.
        high: the upper end.
        p: two-sided; NaN where nothing can be said.
        corrected: the same, corrected for the number of pairs.
        test: the test whose p-value it is.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    corrected: float
    test: str

    @property
    def is_real(self) -> bool | None:
        """Whether the difference is more than chance; None where nothing can be said."""
        if math.isnan(self.corrected):
            return None
        return self.corrected < CHANCE and not self.low <= 0.0 <= self.high

    def turned(self, corrected: float) -> RunDifference:
        """Return the difference of the second minus the first, with another corrected p-value."""
        ends = (-self.high, -self.low)
        return RunDifference(self.second, self.first, -self.difference, *ends, self.p, corrected, self.test)


@dataclass(frozen=True)
class GroupScore:
    """The scores of each run on some of the rows.

    Attributes:
        name: of the group: a class, a label, or the range of the predictions.
        rows: how many rows it has.
        scores: by name, a value for each run.
        p: of the difference in the first score between two runs, corrected for the number of groups; None
            where there are more runs.
    """

    name: str
    rows: int
    scores: Mapping[str, tuple[float, ...]]
    p: float | None = None

    @property
    def is_real(self) -> bool:
        """Whether the difference in the first score is more than chance."""
        return self.p is not None and self.p < CHANCE


@dataclass(frozen=True)
class Breakdown:
    """What got better and worse, by groups of rows.

    Attributes:
        output: the output, or the column of one; empty where there is only one.
        by: `class`, `label` or `decile`.
        more_is_better: whether the first score is better the greater it is.
        groups: in their order.
    """

    output: str
    by: str
    more_is_better: bool
    groups: tuple[GroupScore, ...]


@dataclass(frozen=True)
class ModelsTest:
    """The test of the models of some runs on the rows that they have in common.

    Attributes:
        runs: positions of the runs that were tested.
        split: `test`, `validation` or `train`; the file where they are the rows of one.
        rows: how many rows they have in common.
        metric: its name in the logs.
        more_is_better: whether it is better the greater it is; None where nobody has said it.
        values: the metric of each of them on those rows.
        best: the position of the best; of the greatest, where nobody has said which is better.
        pairs: the best with each of the others.
        breakdowns: of each output.
        warnings: of the models and their data.
        chosen: positions of the runs whose predicted classes depend on a threshold that was chosen, where the
            metric does and another of the runs has another one.
        data: the file of the rows; empty where they are of a split.
    """

    runs: tuple[int, ...]
    split: str
    rows: int
    metric: str
    more_is_better: bool | None
    values: tuple[float, ...]
    best: int
    pairs: tuple[RunDifference, ...]
    breakdowns: tuple[Breakdown, ...] = ()
    warnings: tuple[str, ...] = ()
    chosen: tuple[int, ...] = ()
    data: str = ""


@dataclass(frozen=True)
class SettingsTest:
    """The test of the settings of some runs, by the scores of their members.

    Attributes:
        runs: positions of the runs that were tested.
        over: what the members are: `5 folds`, `3 seeds`, `5 folds of 3 seeds each`.
        split: the rows that the scores are of: `held_out` or `test`.
        metric: its name.
        more_is_better: see `ModelsTest`.
        values: by run, the scores of its members; those of a fold's seeds are averaged.
        best: see `ModelsTest`.
        pairs: the best with each of the others.
        matched: whether the members of each pair are trained on the same rows, or with the same seeds.
        breakdowns: of each output, over all rows that folds held out.
    """

    runs: tuple[int, ...]
    over: str
    split: str
    metric: str
    more_is_better: bool | None
    values: tuple[tuple[float, ...], ...]
    best: int
    pairs: tuple[RunDifference, ...]
    matched: bool = True
    breakdowns: tuple[Breakdown, ...] = ()


@dataclass(frozen=True)
class Significance:
    """Everything that was tested, and why the rest was not.

    Attributes:
        settings: the test of the settings, where runs have folds or seeds.
        models: the test of the models.
        refused: by what was not tested (`settings`, `models`), the reasons.
    """

    settings: SettingsTest | None = None
    models: ModelsTest | None = None
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
