"""What an evaluation returns: metrics, scores of classes, quantiles, intervals; each with a short `repr`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.printable import printable
from mlpcli.runs.group_results import ColumnGroups
from mlpcli.runs.result_texts import between, format_number, metric_table, text_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class: the share of its predictions that are right, of its rows that were found.

    intervals: by score, the lower and the upper end; without one that has no value in many draws of rows.
    """

    name: str
    precision: float
    recall: float
    f1: float
    rows: int
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputScores:
    """Scores of one output with classes or labels.

    name: of the output; empty where there is only one.
    confusion: (classes, classes) int64, rows are the true classes, columns the predicted; None for labels,
        of which a row may have several.
    """

    name: str
    classes: tuple[ClassScore, ...]
    confusion: NDArray[np.int64] | None

    def __repr__(self) -> str:
        kind = "class" if self.confusion is not None else "label"
        rows = [
            (each.name, *map(format_number, (each.precision, each.recall, each.f1)), f"{each.rows:,}")
            for each in self.classes
        ]
        title = f"{self.name}: {kind}" if self.name else kind
        return text_table((title, "precision", "recall", "f1", "rows"), rows)


@dataclass(frozen=True)
class QuantileScores:
    """How many rows of one target lie below its predicted quantiles.

    below: for each level the share of rows whose target is no larger than the quantile.
    within: the share of rows from the lowest quantile to the highest.
    """

    target: str
    levels: tuple[float, ...]
    below: tuple[float, ...]
    within: float
    rows: int

    @property
    def expected(self) -> float:
        """The share of rows that should be between the lowest quantile and the highest."""
        return round(self.levels[-1] - self.levels[0], 12)

    def __repr__(self) -> str:
        shares = zip(self.levels, self.below, strict=True)
        rows = [(str(level), format_number(share)) for level, share in shares]
        return text_table((f"{self.target}: quantile", "rows below"), rows)


@dataclass(frozen=True)
class Coverage:
    """What the intervals of a target, or the sets of an output of classes, hold on some rows.

    name: of the target or the output.
    kind: `interval` or `set`.
    level: the share of rows that is to be inside; coverage: the share that is.
    size: the mean width of the intervals, in the target's own units, or the mean number of classes in a set.
    """

    name: str
    kind: str
    level: float
    coverage: float
    size: float

    def __repr__(self) -> str:
        what = "mean width" if self.kind == "interval" else "mean classes"
        numbers = map(format_number, (self.level, self.coverage, self.size))
        return text_table((f"{self.name}: {self.kind}s of", "hold", what), [tuple(numbers)])

    def to_json(self) -> dict[str, float]:
        """Return the numbers as `metrics.json` has them."""
        size = "mean_width" if self.kind == "interval" else "mean_size"
        return {"level": self.level, "coverage": self.coverage, size: self.size}


@dataclass(frozen=True)
class Intervals:
    """Confidence intervals of the metrics of one model on one set of rows.

    bounds: by metric, the lower and the upper end.
    method: how they were computed, as plain JSON values.
    left_out: by metric without an interval, the reason; notes: by metric, what its interval means.
    undefined: of the metrics left out, those without a value, which the rows do not define.
    """

    rows: int
    bounds: dict[str, tuple[float, float]]
    method: dict[str, object]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        rows = [(name, between(ends)) for name, ends in self.bounds.items()]
        return text_table(("metric", "95% interval"), rows)

    def to_json(self) -> dict[str, object]:
        """Return the entries of an evaluation's document."""
        further = {"left_out": self.left_out, "notes": self.notes}
        method = self.method | {"rows": self.rows} | {key: each for key, each in further.items() if each}
        bounds = {name: [*ends] for name, ends in self.bounds.items()}
        return {"confidence_intervals": bounds, "confidence_interval_method": method}


def intervals_json(intervals: Mapping[str, Intervals]) -> dict[str, object]:
    """Return the two keys of `metrics.json` for intervals by split; nothing where there are none."""
    if not intervals:
        return {}
    method: dict[str, object] = dict(next(iter(intervals.values())).method)
    method["rows"] = {split: each.rows for split, each in intervals.items()}
    for key in ("left_out", "notes"):
        if found := {split: getattr(each, key) for split, each in intervals.items() if getattr(each, key)}:
            method[key] = found
    bounds = {split: each.to_json()["confidence_intervals"] for split, each in intervals.items()}
    return {"confidence_intervals": bounds, "confidence_interval_method": method}


@dataclass(frozen=True)
class UnusualCells:
    """What is unusual in the cells of a file of rows, as the summary of a prediction has it.

    missing, unseen, outside: by column, cells filled in, unseen categories, values out of the training range.
    texts: the columns of texts, whose unseen cells have words of which none is known.
    """

    missing: Counter[str]
    unseen: Counter[str]
    outside: Counter[str]
    texts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one run on one set of rows, and scores for each output that holds classes.

    quantiles: for each target of which quantiles are predicted.
    rows_without_target: how many rows of a file were left out.
    figures: the files that were drawn.
    coverage: what the intervals or sets of its predictions hold.
    intervals: of the metrics; None where none were wanted.
    groups: the same metrics by group of rows, for each column that was asked for.
    cells: of a file, what is unusual in its cells; None of a split.
    """

    source: str
    rows: int
    metrics: dict[str, float]
    scores: tuple[OutputScores, ...] = ()
    warnings: tuple[str, ...] = ()
    rows_without_target: int = 0
    quantiles: tuple[QuantileScores, ...] = ()
    figures: tuple[Path, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    intervals: Intervals | None = None
    groups: tuple[ColumnGroups, ...] = ()
    cells: UnusualCells | None = None

    def __repr__(self) -> str:
        parts = [f"metrics on {printable(self.source)}: {self.rows:,} rows"]
        parts.append(metric_table(self.metrics, {} if self.intervals is None else self.intervals.bounds))
        parts += [repr(each) for each in (*self.scores, *self.quantiles, *self.coverage, *self.groups)]
        return "\n\n".join(["\n".join(parts[:2]), *parts[2:], *map(printable, self.warnings)])
