"""Is a network better than models without one? One judgement, for `train`, `doctor` and the report.

Whether a difference may be chance is judged by the 95% interval of the network's score; where there is none,
by two standard errors of an accuracy; of an error by a tenth, or more where the rows are few. Accuracy says
nothing of a network where always predicting the majority class is as accurate, or where a threshold was
chosen for something else: then the area under the ROC curve (AUC) is compared, which needs no threshold, and
a line says where the accuracy comes from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlpcli.runs.scores import more_is_better

WORSE_THAN_LINEAR = 1.1
"""The root mean squared error over that of a linear model, where no interval is known; see `worse_ratio`."""

AREA = "auc"
"""The entry of a baseline with areas: of the network, of the linear model, and what chance may give."""

EXACT = ", exact (the table's is by thresholds)"
"""What tells the exact area from that of the metric."""

THRESHOLD = "threshold"
"""The entry of a baseline where the network's threshold was chosen for something else than accuracy."""

CHOSEN_BY, USUAL = "chosen_by", "usual"
"""In that entry: what was chosen, and the network's accuracy by the usual threshold."""

WORDS = {
    "majority": "always predicting the majority class",
    "mean": "the mean",
    "linear": "a linear model",
}

Verdict = Literal["no better", "worse", "as good", "skewed", "threshold"]


@dataclass(frozen=True)
class Judgement:
    """A network's score that is not better than that of a model without a network.

    Attributes:
        verdict: `no better` than a constant prediction; `worse` than a linear model, by more than chance;
            a linear model is `as good`, or a little better, which may be chance; `skewed` classes, of which
            the accuracy says nothing, though the network distinguishes them; the same by a `threshold` that
            was chosen for something else than accuracy.
        model: the other model: `majority`, `mean` or `linear`.
        metric: its name.
        split: the rows.
        output: what is predicted; empty where there is only one output.
        network, other: the scores.
        area: the network's AUC, where it counts.
        chosen_by: which threshold it has.
        usual: the network's accuracy by the usual threshold, where that is higher.
    """

    verdict: Verdict
    model: str
    metric: str
    split: str
    output: str
    network: float
    other: float
    area: float | None = None
    chosen_by: str = ""
    usual: float | None = None

    def sentence(self) -> str:
        """Return a line for the user."""
        what = f"{self.output} " if self.output else ""
        rows, words = f"on the {self.split} rows", WORDS[self.model]
        scores = f"{what}{self.metric} {self.network:.4g} against {self.other:.4g}"
        area = "" if self.area is None else f"{what}AUC {self.area:.4g}"
        if self.verdict == "skewed":
            return (
                f"{rows} {scores} of {words}: of classes that are so skewed that says nothing. The network "
                f"does distinguish them: {area} (0.5: not at all)"
            )
        if self.verdict == "threshold":
            usual = "" if self.usual is None else f" (by one of 0.5: {self.usual:.4g})"
            return (
                f"{rows} {scores} of {words}, by {self.chosen_by}{usual}. How well the network "
                f"distinguishes the classes does not depend on it: {area} (0.5: not at all)"
            )
        if self.verdict == "as good":
            chance = "" if self.network == self.other else ", a difference that may be chance"
            return f"{words} is as good {rows}: {scores}{chance}"
        if self.verdict == "worse":
            return f"the network is worse than {words} {rows}, by more than chance: {scores}"
        beside = f"; {area}, where chance alone gives about 0.5" if area else ""
        return f"the network is no better than {words} {rows}: {scores}{beside}"


@dataclass(frozen=True)
class Scores:
    """What is known of a network's score and of models without one.

    Attributes:
        baseline: the entry of `metrics.json`.
        intervals: by metric, of the rows that were measured.
        rows: how many they are.
        chosen: a threshold was chosen, of a run whose entry does not say for what.
    """

    baseline: Mapping[str, object]
    intervals: Mapping[str, Sequence[float]]
    rows: int
    chosen: bool = False

    def judge(self) -> tuple[Judgement, ...]:
        """Return what there is to say of the network; nothing where it is better than all other models."""
        constant, linear = self.by_constant(), self.by_linear()
        if constant is not None and constant.verdict == "no better":
            return (constant,)
        if linear is not None and linear.verdict == "worse" and constant is not None:
            constant = constant if constant.verdict == "threshold" else None
        return tuple(each for each in (linear, constant) if each is not None)

    def by_constant(self) -> Judgement | None:
        """Return the comparison with a constant prediction, where the network is no better by its metric."""
        other = "majority" if "majority" in self.baseline else "mean"
        if (found := self._against(other)) is None or _is_better(found):
            return None
        if other == "mean":
            return found
        area, chance = self._area("network"), self._area("chance")
        if area is None or chance is None:
            return None if self._is_chosen() else found
        if area <= chance:
            return replace(found, verdict="no better", area=area)
        by, usual = self._threshold(CHOSEN_BY), self._threshold(USUAL)
        higher = usual if isinstance(usual, float) and usual > found.network else None
        if not self._is_chosen() or (usual is not None and higher is None):
            return replace(found, verdict="skewed", area=area)
        by = by if isinstance(by, str) else "its threshold"
        return replace(found, verdict="threshold", area=area, chosen_by=by, usual=higher)

    def by_linear(self) -> Judgement | None:
        """Return the comparison with a linear model, where the network is no better."""
        if (found := self._against("linear")) is None:
            return None
        if found.metric == "accuracy" and (self._is_chosen() or self._is_skewed()):
            return self._area_by_linear()
        if _is_better(found):
            return None
        return replace(found, verdict="worse" if self._is_worse(found) else "as good")

    def _is_worse(self, found: Judgement) -> bool:
        """Return whether the network is worse than a linear model by more than chance."""
        name = f"{found.output}_{found.metric}" if found.output else found.metric
        ends, more = self.intervals.get(name), more_is_better(found.metric)
        if ends is not None:
            return found.other > ends[1] if more else found.other < ends[0]
        if more:
            error = math.sqrt(max(found.network * (1 - found.network), 1e-9) / max(self.rows, 1))
            return found.other - found.network > 2 * error and self.rows > 0
        return self.rows > 0 and found.network > worse_ratio(self.rows) * found.other

    def _is_skewed(self) -> bool:
        """Return whether the majority class is as accurate as a network that does distinguish classes."""
        constant, area, chance = self._against("majority"), self._area("network"), self._area("chance")
        if constant is None or area is None or chance is None:
            return False
        return area > chance and not _is_better(constant)

    def _area_by_linear(self) -> Judgement | None:
        network, linear, error = (self._area(name) for name in ("network", "linear", "error"))
        known = self._against("linear")
        if known is None or network is None or linear is None or error is None or linear < network:
            return None
        verdict: Verdict = "worse" if linear - network > 2 * error else "as good"
        return Judgement(verdict, "linear", "AUC", known.split, known.output, network, linear, network)

    def _is_chosen(self) -> bool:
        """Return whether a threshold was chosen for something else than accuracy."""
        return self.chosen or isinstance(self.baseline.get(THRESHOLD), Mapping)

    def _threshold(self, key: str) -> object:
        entry = self.baseline.get(THRESHOLD)
        return entry.get(key) if isinstance(entry, Mapping) else None

    def _against(self, model: str) -> Judgement | None:
        metric, network, other = (self.baseline.get(name) for name in ("metric", "network", model))
        if not isinstance(metric, str) or not isinstance(network, float) or not isinstance(other, float):
            return None
        split, output = str(self.baseline.get("split", "test")), str(self.baseline.get("output", ""))
        return Judgement("no better", model, metric, split, output, network, other)

    def _area(self, name: str) -> float | None:
        areas = self.baseline.get(AREA)
        found = areas.get(name) if isinstance(areas, Mapping) else None
        return found if isinstance(found, float) else None


def named_entries(baseline: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the scores of a baseline by their metric's name, those that the spec has too.

    An area is exact, that of a metric of Keras's from counts at thresholds: the name says so, since both are
    shown.
    """
    for key, entry in (("", baseline), *baseline.items()):
        if isinstance(entry, Mapping) and "metric" in entry:
            yield f"{entry['metric']}{EXACT if key == AREA else ''}", entry


def worse_ratio(rows: int) -> float:
    """Return the ratio of two root mean squared errors above which it is no chance.

    The logarithm of such a ratio has a standard deviation of about 1 by the root of the rows, for errors that
    are normal and independent of each other.
    """
    return max(WORSE_THAN_LINEAR, math.exp(2 / math.sqrt(max(rows, 1))))


def _is_better(found: Judgement) -> bool:
    more = more_is_better(found.metric)
    return found.network > found.other if more else found.network < found.other
