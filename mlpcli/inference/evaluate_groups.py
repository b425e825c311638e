"""Every metric of a model by group of rows, with intervals, beside that of all rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlpcli.checks.log_names import directions, metric_names
from mlpcli.data.dataset import Split
from mlpcli.data.named_arrays import rows_of
from mlpcli.data.types import Array
from mlpcli.inference.named_groups import NamedGroups
from mlpcli.keras_import import keras
from mlpcli.runs.group_results import ColumnGroups, GroupMetrics, GroupValue
from mlpcli.runs.results import Intervals
from mlpcli.statistics.bootstrap import most_failures
from mlpcli.statistics.resampled import holm
from mlpcli.statistics.student_t import t_quantile, two_sided_p
from mlpcli.training import compiled
from mlpcli.training.intervals import FEW_ROWS, find_intervals
from mlpcli.training.row_metrics import MeasuredRows, row_metrics
from mlpcli.training.undefined_metrics import undefined_metrics
from mlpcli.training.whole_metrics import whole_metrics

MOST_WORK = 2_000_000
"""Rows of a group times draws of a metric that must be computed again for each draw."""


@dataclass(frozen=True)
class _SomeRows(MeasuredRows):
    """Some of the rows that were measured: the network is not run again."""

    whole: MeasuredRows
    places: Array

    def take(self, output: str, rows: Array) -> tuple[Any, Any, Any]:
        """Return targets, outputs and weights of some of these rows."""
        return self.whole.take(output, self.places[rows])


@dataclass(frozen=True)
class AllRows:
    """What groups are compared with.

    Attributes:
        model: compiled, and evaluated on the rows.
        measured: the rows, and what the network gives for them.
        metrics: over all of them.
        seed: of the draws.
        intervals: whether intervals are wanted.
    """

    model: keras.Model
    measured: MeasuredRows
    metrics: Mapping[str, float]
    seed: int
    intervals: bool


def evaluate_groups(rows: AllRows, named: Sequence[NamedGroups]) -> tuple[ColumnGroups, ...]:
    """Return the metrics of each group, the worst first.

    A group is apart where its interval does not reach the value of all rows, after Holm's correction for the
    number of groups of all columns: the p-value is the level at which the interval would just reach it, if
    its end were one of Student's t.

    Args:
        rows: all of them.
        named: the groups of each column.
    """
    finder = _Finder(rows)
    found = [[finder.measure(group.name, group.rows) for group in each.groups] for each in named]
    corrected = _corrected([each for column in found for each in column], list(rows.metrics))
    modes = directions(rows.model, validation=False)
    metric = _deciding(rows.metrics, modes)
    ordered = []
    for each in named:
        own, corrected = corrected[: len(each.groups)], corrected[len(each.groups) :]
        ordered.append(_ordered(each.column, own, metric, modes.get(metric)))
    return tuple(ordered)


def _deciding(metrics: Mapping[str, float], modes: Mapping[str, str | None]) -> str:
    """Return the metric by which groups are ordered: the first whose direction is known, else the loss."""
    known = [name for name in metrics if modes.get(name) and not name.endswith("loss")]
    return known[0] if known else next(iter(metrics))


def _ordered(column: str, groups: Sequence[GroupMetrics], metric: str, direction: str | None) -> ColumnGroups:
    sign = 1.0 if direction == "max" else -1.0

    def badness(each: GroupMetrics) -> tuple[bool, float, int]:
        value = each.values[metric].value
        return value is None, math.inf if value is None else sign * value, -each.rows

    return ColumnGroups(column, metric, direction, tuple(sorted(groups, key=badness)))


def _corrected(groups: Sequence[GroupMetrics], names: Sequence[str]) -> list[GroupMetrics]:
    """Return groups with the p-values of each metric corrected for the number of groups."""
    values: list[dict[str, GroupValue]] = [dict(each.values) for each in groups]
    for name in names:
        tested = [each for each in values if each[name].p is not None]
        for each, p in zip(tested, holm([float(each[name].p or 0.0) for each in tested]), strict=True):
            each[name] = replace(each[name], p=p)
    return [replace(each, values=own) for each, own in zip(groups, values, strict=True)]


class _Finder:
    """Measures groups of the same rows."""

    def __init__(self, rows: AllRows) -> None:
        self.rows, self.model, self.metrics = rows, rows.model, rows.metrics
        self.stock = compiled.is_stock(rows.model, "test_step", "compute_loss", "compute_metrics")
        self.is_count = {
            name
            for _, metric, names in metric_names(rows.model)
            for name in names
            if _inner_name(metric) in COUNTS
        }
        self.constant: float | None = None  # of the loss, that regularisation adds

    def measure(self, name: str, places: Array) -> GroupMetrics:
        """Return the metrics of a group of rows."""
        whole = self.rows.measured
        some = _SomeRows(
            _take(whole.split, places, needed=not self.stock),
            whole.outputs,
            whole.batch_rows,
            whole=whole,
            places=places,
        )
        values, shares = self._values(some)
        reasons = undefined_metrics(self.model, some)
        found = None
        if self.rows.intervals:
            found = find_intervals(self.model, some, values, seed=self.rows.seed, most_work=MOST_WORK)
        return GroupMetrics(
            name,
            len(places),
            {
                each: self._value(
                    each, values.get(each), found, len(places), reasons, is_share=each in shares
                )
                for each in self.metrics
            },
        )

    def _values(self, some: MeasuredRows) -> tuple[dict[str, float], set[str]]:
        """Return the values of the metrics over some rows, and which are shares of rows that are right."""
        if not self.stock:
            arrays = compiled.Arrays(some.split.x, some.split.y, some.split.weights)
            return dict(compiled.evaluate(self.model, arrays, batch_size=some.batch_rows)), set()
        found: dict[str, float] = {}
        shares: set[str] = set()
        every = np.arange(len(some.split))
        metrics, reasons = row_metrics(self.model, some)
        for metric in metrics:
            try:
                values = metric.values(metric.addends(every).sum(axis=0))
            except Exception:  # of a plug-in's metric; it is computed as Keras does, below
                reasons |= dict.fromkeys(metric.names, "")
                continue
            found |= {name: float(value) for name, value in zip(metric.names, values, strict=True)}
            shares |= set(metric.names) if metric.is_share else set()
        if "loss" in found:
            found["loss"] += self._of_regularisation()
        for names, whole in whole_metrics(self.model, some).items():
            if any(name in reasons for name in names):
                found |= {n: float(v) for n, v in zip(names, whole(every), strict=False)}
        return {name: found[name] for name in self.metrics if name in found}, shares

    def _of_regularisation(self) -> float:
        """Return what the loss has beside that of its rows: the same for all rows."""
        if self.constant is None:
            measured = self.rows.measured
            loss = row_metrics(self.model, measured)[0][0]
            whole = float(loss.values(loss.sums(self.rows.seed).sum(axis=0))[0])
            gap = self.metrics.get("loss", whole) - whole
            self.constant = gap if abs(gap) > 1e-4 * abs(whole) else 0.0
        return self.constant

    def _value(
        self,
        name: str,
        value: float | None,
        found: Intervals | None,
        rows: int,
        reasons: Mapping[str, str],
        *,
        is_share: bool,
    ) -> GroupValue:
        if name in reasons or value is None or not math.isfinite(value):
            return GroupValue(None, reason=reasons.get(name, "it is no finite number"))
        if found is None:
            return GroupValue(value)
        interval = found.bounds.get(name)
        if interval is None:
            return GroupValue(value, reason=found.left_out.get(name, ""))
        overall = self.metrics[name]
        if is_share and value in (0.0, 1.0):
            most = most_failures(rows)
            interval = (1 - most, 1.0) if value else (0.0, most)
        elif interval[0] == interval[1]:
            return GroupValue(value, reason="its rows all say the same, so that they show no interval")
        if rows < FEW_ROWS or name in self.is_count or not math.isfinite(overall):
            return GroupValue(value, interval)
        return GroupValue(value, interval, _p(value, interval, overall, rows, is_share=is_share))


COUNTS = ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives", "Sum")
"""Metrics that grow with the number of rows, so that a group is not compared with all rows."""


def _inner_name(metric: keras.metrics.Metric) -> str:
    while hasattr(metric, "metric"):
        metric = metric.metric
    return type(metric).__name__


def _p(
    value: float, interval: tuple[float, float], overall: float, rows: int, *, is_share: bool
) -> float | None:
    """Return the level at which an interval would just reach a value; None where it has no width."""
    if is_share and value in (0.0, 1.0):
        chance = overall if value else 1 - overall
        return min(1.0, 2 * chance**rows)
    side = value - interval[0] if overall < value else interval[1] - value
    if side <= 0:
        return 1.0 if math.isclose(value, overall, rel_tol=1e-6) else None
    deviations = abs(value - overall) / side * t_quantile(0.975, rows - 1.0)
    return two_sided_p(deviations, rows - 1.0)


def _take(split: Split, places: Array, *, needed: bool) -> Split:
    """Return some rows of a split; without their values unless these are needed."""

    def pick(arrays: Any) -> Any:
        return rows_of(arrays, places) if needed else None

    return Split(pick(split.x), pick(split.y), split.rows[places], pick(split.weights))
