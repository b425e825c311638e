"""What is fitted after the training, and turns an output into a prediction: see `predict:` in the spec."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

FittedOn = Literal["validation", "out_of_fold"]
"""The rows on which it was fitted: the validation split, or every row by a model that has not seen it."""

Score = Literal["residual", "scaled", "quantile", "probability"]


@dataclass(frozen=True)
class Intervals:
    """Bounds of conformal intervals for numbers, or of sets of classes.

    Attributes:
        level: the share of rows that are to be inside.
        score: how far a truth is from a prediction: the `residual` in the target's own units, the residual of
            its logarithm or normal value (`scaled`), the distance from the outer `quantile`, or the
            `probability` of the true class.
        bounds: of the scores, one for each target and, before these, for each step; a single one, or one for
            each step, where the score is a probability.
        others: the same bounds at other levels, each with its level, in rising order.
    """

    level: float
    score: Score
    bounds: tuple[float, ...]
    others: tuple[tuple[float, tuple[float, ...]], ...] = ()

    def of_step(self, steps: tuple[int, ...], step: tuple[int, ...]) -> Intervals:
        """Return the intervals of one step of a sequence.

        Args:
            steps: how many there are, on each axis.
            step: which of them.
        """
        count = len(self.bounds) // math.prod(steps)
        first = int(np.ravel_multi_index(step, steps)) * count
        return Intervals(self.level, self.score, self.bounds[first : first + count])

    def at(self, level: float) -> Intervals | None:
        """Return the intervals of another level; None where its bounds are not kept."""
        known = dict(self.others) | {self.level: self.bounds}
        found = next((bounds for each, bounds in known.items() if abs(each - level) < 1e-9), None)
        return None if found is None else Intervals(level, self.score, found, self.others)


@dataclass(frozen=True)
class Fitted:
    """What was fitted for one output.

    Attributes:
        source: the rows on which it was fitted.
        rows: how many there are.
        temperature: by which log probabilities are divided, inside the saved network; 1 changes nothing.
        thresholds: the probability from which on the second of two classes is predicted, or each label; empty
            for the most probable class.
        intervals: of the predictions; None for none.
    """

    source: FittedOn = "validation"
    rows: int = 0
    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()
    intervals: Intervals | None = None

    def contradictions(self, kind: str, classes: int, bounds: int) -> Iterator[str]:
        """Yield what is wrong with values that were read from a record.

        Args:
            kind: of the output.
            classes: how many classes or labels it has; 0 for numbers.
            bounds: how many bounds its intervals have.
        """
        scored = kind in ("classes", "one_hot", "labels")
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            yield "outputs: the temperature must be a finite number above 0"
        elif self.temperature != 1 and not scored:
            yield f"outputs: the kind {kind} has no temperature"
        wanted = classes if kind == "labels" else 1 if scored and classes == 2 else 0
        if self.thresholds and len(self.thresholds) != wanted:
            yield f"outputs: there must be {wanted} thresholds"
        if not all(map(math.isfinite, self.thresholds)):
            yield "outputs: thresholds must be finite"
        if self.intervals is not None:
            yield from self._of_intervals(self.intervals, kind, bounds)

    @staticmethod
    def _of_intervals(found: Intervals, kind: str, bounds: int) -> Iterator[str]:
        of_numbers = ("residual", "scaled", "quantile")
        scores = {"numbers": of_numbers, "classes": ("probability",), "one_hot": ("probability",)}
        if found.score not in scores.get(kind, ()):
            yield f"outputs: intervals by {found.score} do not fit the kind {kind}"
        for level, values in ((found.level, found.bounds), *found.others):
            if not 0 < level < 1:
                yield "outputs: the level of intervals must be between 0 and 1"
            if len(values) != bounds:
                yield f"outputs: intervals must have {bounds} bounds"
            least = -math.inf if found.score == "quantile" else 0.0
            if not all(math.isfinite(each) and each >= least for each in values):
                yield "outputs: bounds of intervals must be finite and not negative"
