"""Confidence intervals of a model's loss and metrics on some rows: `docs/intervals.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.keras_internals import all_layers
from mlpcli.model.row_addends import NotOfRows
from mlpcli.printable import counted
from mlpcli.runs.results import Intervals
from mlpcli.statistics.bootstrap import Method, most_failures, percentile_interval, resample_sums
from mlpcli.training import compiled
from mlpcli.training.row_metrics import MeasuredRows, RowMetric, row_metrics
from mlpcli.training.whole_metrics import RESAMPLES, WholeMetric, resample_whole, whole_metrics

FEW_ROWS = 10
"""Fewer rows give intervals that are too narrow: the largest errors are not among them."""

CLOSE = 1e-4
"""How far the value over all rows, computed from sums, may be from Keras's, as a share of it."""

TINY = 1e-6
"""The same for values near 0, absolutely."""

CLOSE_SHARE = 0.1
"""Or as a share of the interval: Keras may average batches where sums have the mean over rows."""

MOST_WORK = 20_000_000
"""Rows times draws of a metric that must be computed again for each draw."""

WORK_IN_TRAINING = 1_000_000
"""The same at the end of a training, which must not wait for it: 5,000 rows."""

REGULARIZERS = ("activity_regularizer", "kernel_regularizer", "bias_regularizer", "embeddings_regularizer")


def find_intervals(
    model: keras.Model,
    measured: MeasuredRows,
    shown: Mapping[str, float],
    *,
    seed: int,
    most_work: int = MOST_WORK,
) -> Intervals:
    """Return the interval of every value that an evaluation gave, or why it has none.

    Args:
        model: Compiled, and evaluated on the rows.
        measured: The rows, and the network's outputs.
        shown: The values that Keras gave, by name.
        seed: Of the draws.
        most_work: See `MOST_WORK`.
    """
    finder = _Finder(model, measured, shown, Method(seed), most_work)
    rows = len(measured.split)
    if rows < 2:
        finder.refuse(shown, "one row does not show how much rows differ")
    elif not compiled.is_stock(model, "test_step", "compute_loss", "compute_metrics"):
        finder.refuse(shown, "the model's own class computes it, and may compute anything")
    else:
        finder.find()
    return finder.result()


def no_intervals(rows: int, shown: Mapping[str, float], why: str) -> Intervals:
    """Return what is known of values of which no interval is found.

    Args:
        rows: How many the values are of.
        shown: The values, by name.
        why: There are none.
    """
    return Intervals(rows=rows, bounds={}, method={}, left_out=dict.fromkeys(shown, why), notes={})


class _Finder:
    """Finds the intervals of one model on one set of rows; see `find_intervals`."""

    def __init__(
        self,
        model: keras.Model,
        measured: MeasuredRows,
        shown: Mapping[str, float],
        method: Method,
        most_work: int,
    ) -> None:
        self.model, self.measured, self.shown = model, measured, shown
        self.method, self.most_work = method, most_work
        self.rows = len(measured.split)
        self.bounds: dict[str, tuple[float, float]] = {}
        self.left_out: dict[str, str] = {}
        self.notes: dict[str, str] = {}

    def refuse(self, names: Mapping[str, object] | Sequence[str], why: str) -> None:
        """Keep why some values have no interval."""
        self.left_out |= dict.fromkeys(names, why)

    def find(self) -> None:
        """Find all of them: those of sums over rows first, and the others from fewer draws."""
        metrics, reasons = row_metrics(self.model, self.measured)
        reasons = dict(reasons)
        sums: list[tuple[RowMetric, Array]] = []
        for metric in metrics:
            try:
                sums.append((metric, metric.sums(self.method.seed)))
            except Exception as error:  # of a plug-in's metric: an interval must not cost a finished run
                reasons |= dict.fromkeys(metric.names, _reason(error))
        for metric, draws, whole in self._resample(sums):
            self._of_sums(metric, draws, whole, reasons)
        if reasons:
            self._of_whole_draws(reasons)

    def result(self) -> Intervals:
        """Return what was found, in the order of the values."""
        notes = {name: self.notes[name] for name in self.shown if name in self.notes}
        if self.rows < FEW_ROWS and self.bounds:
            few = f"from {self.rows:,} rows: too narrow, since so few rows rarely include the largest errors"
            notes |= {name: few for name in self.bounds if name not in notes}
        return Intervals(
            rows=self.rows,
            bounds={name: self.bounds[name] for name in self.shown if name in self.bounds},
            method=self.method.to_json(),
            left_out={name: self.left_out[name] for name in self.shown if name in self.left_out},
            notes=notes,
        )

    def _resample(self, sums: Sequence[tuple[RowMetric, Array]]) -> list[tuple[RowMetric, Array, Array]]:
        """Return each metric with its sums over every draw, and over all rows."""
        if not sums:
            return []
        draws = resample_sums(
            np.concatenate([each for _, each in sums], axis=1), sums[0][0].group_sizes(), self.method
        )
        ends = np.cumsum([each.shape[1] for _, each in sums])
        parts = np.split(draws, ends[:-1], axis=1)
        return [(metric, part, each.sum(axis=0)) for (metric, each), part in zip(sums, parts, strict=True)]

    def _of_sums(self, metric: RowMetric, draws: Array, whole: Array, reasons: dict[str, str]) -> None:
        """Keep the intervals of a metric's values; of those that are not Keras's own, why not."""
        drawn, values = metric.drawn(draws), metric.values(whole)
        support = np.minimum(metric.support(whole), self.rows)
        if metric.names == ("loss",) and _is_regularised(self.model):
            constant = self.shown["loss"] - values  # whatever the rows are
            drawn, values = drawn + constant, values + constant
        for place, name in enumerate(metric.names):
            if not self._keep(name, drawn[:, place], float(values[place]), support[place]):
                reasons[name] = "its value is not the one that sums over rows give"
        if metric.is_share:
            self._note_constant(metric.names[0], float(values[0]))
            return
        for name in metric.names:
            ends = self.bounds.get(name)
            if ends is not None and ends[0] == ends[1]:
                self.notes[name] = (
                    "the same in every draw, which says nothing of how far new rows are from it"
                )

    def _keep(self, name: str, drawn: Array, value: float, support: float) -> bool:
        """Keep the interval of a value around what Keras gave; return whether the two values agree.

        Args:
            name: Of the value.
            drawn: (draws,), the value in each; NaN where it has none.
            value: Over all rows.
            support: How many rows it is of.
        """
        shown = self.shown.get(name)
        if shown is None:
            return False
        if not np.isfinite(shown):
            self.left_out[name] = "its value is no finite number"
            return True
        found = percentile_interval(drawn, int(support), self.method.level)
        if found is None:
            self.left_out[name] = "it has no value over many draws, as without a row of a class"
            return True
        (low, high), gap = found, shown - value
        if low == high and abs(gap) <= CLOSE * abs(shown) + TINY:
            self.bounds[name] = (shown, shown)
        elif abs(gap) <= CLOSE * abs(shown) + TINY:
            self.bounds[name] = (low, high)
        elif abs(gap) <= CLOSE_SHARE * (high - low):
            self.bounds[name] = (low + gap, high + gap)
        else:
            return False
        return True

    def _note_constant(self, name: str, value: float) -> None:
        """Note what can still be said of a share that is the same in all rows."""
        if name in self.bounds and value in (0.0, 1.0):
            most = most_failures(self.rows, self.method.level)
            here, new = ("right", "wrong") if value else ("wrong", "right")
            text = (
                f"all {counted(self.rows, 'row')} are {here}, of new rows up to {most:.2g} may still be {new}"
            )
            self.notes[name] = text

    def _of_whole_draws(self, reasons: Mapping[str, str]) -> None:
        """Find the intervals of what is no sum over rows, where that takes little time."""
        for names, metric in whole_metrics(self.model, self.measured).items():
            missing = [name for name in names if name in reasons]
            if not missing:
                continue
            why = reasons[missing[0]]
            if self.rows * RESAMPLES > self.most_work:
                why += f"; {counted(self.rows, 'row')} are too many to compute it {RESAMPLES} times"
                self.refuse(missing, why)
                continue
            try:
                self._of_whole_metric(names, metric, missing)
            except NotOfRows as error:
                self.refuse(missing, str(error))
            except Exception as error:  # of a plug-in's metric, as above
                self.refuse(missing, f"{why}; computed again, it fails: {_reason(error)}")

    def _of_whole_metric(self, names: Sequence[str], metric: WholeMetric, missing: Sequence[str]) -> None:
        whole = metric(np.arange(self.rows))
        if len(whole) != len(names):
            self.refuse(missing, "it gives other values for other rows")
            return
        drawn = resample_whole(metric, self.rows, self.method.seed)
        for place, name in enumerate(names):
            if name not in missing:
                continue
            value, more = float(whole[place]), drawn[:, place]
            if name == "loss" and _is_regularised(self.model):
                value, more = self.shown["loss"], more + (self.shown["loss"] - value)
            if not self._keep(name, more, value, self.rows):
                self.refuse([name], "computed again, its value is another")
            elif name in self.bounds:
                self.notes[name] = f"no sum over rows: from {RESAMPLES} draws"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, NotOfRows) else f"{type(error).__name__}: {error}"


def _is_regularised(model: keras.Model) -> bool:
    """Return whether the loss has a part that does not depend on targets."""
    layers = all_layers(model)
    return any(getattr(layer, name, None) is not None for layer in layers for name in REGULARIZERS)
