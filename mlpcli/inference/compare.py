"""Are the models of some runs different? They predict the same rows, which are tested pair by pair."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlpcli.checks.log_names import directions, loss_first
from mlpcli.data.dataset import Output
from mlpcli.data.levels import median_of
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.errors import MlpcliError, UsageError
from mlpcli.inference.common_rows import CommonRows, OwnRows, RowGroups, common_rows, output_pairs
from mlpcli.inference.compare_settings import against_best, best_of
from mlpcli.inference.evaluate import check_outputs, predict_outputs, values_of
from mlpcli.inference.file_rows import rows_of_file
from mlpcli.inference.row_values import RowValues, row_values
from mlpcli.inference.score_groups import by_class, by_decile, columns_of, untested
from mlpcli.model.build import output_loss
from mlpcli.model.outputs import evaluated_rows, predicted_classes, predicted_labels
from mlpcli.model.trained_model import TrainedModel
from mlpcli.printable import counted
from mlpcli.runs.folder import Run
from mlpcli.runs.main_metric import direction_of, main_metric, why_not_comparable
from mlpcli.runs.paired_results import Breakdown, ModelsTest, RunDifference
from mlpcli.statistics.bootstrap import GROUPS, Method, resample_sums
from mlpcli.statistics.paired import bootstrap_difference, mcnemar
from mlpcli.training import compiled

SEED = 0
RESAMPLES, FEWER_RESAMPLES = 4000, 1000
MOST_ADDENDS = 50
"""Columns of sums for which there are as many resamples; of more, as for AUC, there are fewer."""

SAME_VALUE = 1e-3
"""How far, relative to it, a metric's value may be from the one that its rows give."""

BOOTSTRAP, MCNEMAR = "paired bootstrap over rows", "McNemar's mid-p test"


@dataclass(frozen=True)
class _Measured:
    """A model, and what was measured of it on the common rows."""

    rows: OwnRows
    values: RowValues
    logs: dict[str, float]

    @property
    def trained(self) -> TrainedModel:
        """The model."""
        return self.rows.trained

    @property
    def names(self) -> list[str]:
        """The names of what can be tested."""
        return [name for name in self.logs if self.values.metric(name) is not None]


def compare_models(
    found: Sequence[Run], *, metric: str | None, split: str | None, data: Path | None = None
) -> tuple[ModelsTest | None, tuple[str, ...]]:
    """Test the differences between the models of some runs on the rows that all have.

    Args:
        found: the runs.
        metric: its name; None for the first of the specs.
        split: see `common_rows`.
        data: a file of rows with their targets, instead of a split.

    Returns:
        The test, or None; and why not, or why some runs are not in it.
    """
    shared = common_rows(found, split) if data is None else rows_of_file(found, data)
    refused = list(shared.refused)
    measured: list[_Measured] = []
    for rows in shared.runs if len(shared.runs) > 1 else ():
        try:
            measured.append(_measure(rows))
        except MlpcliError as error:
            refused.append(error.problems[0].headline())
    if len(measured) < 2:
        return None, tuple(refused)
    taken = [each.rows.run for each in measured]
    try:
        name = main_metric(taken, [each.names for each in measured], metric)
    except UsageError as error:
        reasons = {each.values.left_out.get(metric or "", "") for each in measured} - {""}
        left_out = [f"{metric} has no test: {reason}" for reason in sorted(reasons)]
        return None, (*refused, *(left_out or [error.problems[0].headline()]))
    why = why_not_comparable(taken, name) or _why_no_value(measured, name)
    if why:
        return None, (*refused, why)
    tested = _tested(measured, name, shared)
    return tested if data is None else replace(tested, data=str(data)), tuple(refused)


def _measure(rows: OwnRows) -> _Measured:
    trained = rows.trained
    arrays = compiled.Arrays(rows.split.x, rows.split.y, rows.split.weights)
    batch_size = evaluated_rows(trained.spec, trained.contract)
    logs = loss_first(compiled.evaluate(trained.model, arrays, batch_size=batch_size))
    return _Measured(rows, row_values(trained, rows.split), logs)


def _why_no_value(measured: Sequence[_Measured], name: str) -> str:
    """Return why a metric of some models cannot be tested; an empty text where it can."""
    for each in measured:
        value = each.logs[name]
        if not math.isfinite(value):
            return f"{name} of run {each.rows.run.label} is no finite number on these rows"
        if not math.isclose(value, _value(each, name), rel_tol=SAME_VALUE, abs_tol=1e-6):
            return f"{name} is no function of sums over rows, which a test of its differences needs"
    return ""


def _sums(each: _Measured, name: str, groups: RowGroups | None = None) -> tuple[Array, Array]:
    """Return what rows add to a metric, (units, addends), and how many rows each unit has, (units,).

    A unit is what is drawn together: a row, or a group of rows that are not independent; of many, some.
    """
    metric = each.values.metric(name)
    assert metric is not None
    if groups is None:
        return metric.sums(SEED), metric.group_sizes()
    _, codes = np.unique(groups.codes, return_inverse=True)
    of_group = np.random.default_rng(SEED).permutation(codes.max() + 1) % GROUPS
    unit = of_group[codes]
    sizes = np.bincount(unit).astype(np.float64)
    sums: Array = np.zeros(())
    for rows in np.array_split(np.arange(len(codes)), -(-len(codes) // GROUPS)):
        columns = metric.addends(rows).T
        sums = sums + np.array([np.bincount(unit[rows], column, minlength=len(sizes)) for column in columns])
    return sums.T, sizes


def _of_sums(each: _Measured, name: str, sums: Array) -> Array:
    """Return the values of a metric, (...), for sums over rows, (..., addends)."""
    metric = each.values.metric(name)
    assert metric is not None
    return np.asarray(metric.values(sums)[..., metric.names.index(name)])


def _of_draws(each: _Measured, name: str, sums: Array) -> Array:
    """Return the values of a metric, (draws,), NaN where a draw has none, for (draws, addends) sums."""
    metric = each.values.metric(name)
    assert metric is not None
    return np.asarray(metric.drawn(sums)[..., metric.names.index(name)])


def _value(each: _Measured, name: str) -> float:
    return float(_of_sums(each, name, _sums(each, name)[0].sum(axis=0)))


def _tested(measured: Sequence[_Measured], name: str, shared: CommonRows) -> ModelsTest:
    """Return the best of some models tested against each of the others."""
    rows, groups = len(measured[0].rows.split), shared.groups
    drawn = rows if groups is None else len(np.unique(groups.codes))
    bootstrap = (
        BOOTSTRAP if groups is None else f"paired bootstrap over {counted(drawn, 'group')} of {groups.column}"
    )
    mode = directions(measured[0].trained.model, validation=False).get(name)
    more = direction_of([each.rows.run for each in measured], name) if mode is None else mode == "max"
    values = [each.logs[name] for each in measured]
    best = best_of(values, more)
    resampled = _resampled(measured, name, groups)
    right = [None if groups is not None else _right(each, name, rows) for each in measured]
    found = {}
    for one, two in itertools.combinations(range(len(measured)), 2):
        test = bootstrap_difference(values[one] - values[two], resampled[one] - resampled[two], rows=drawn)
        p, how = test.p, bootstrap
        first, second = right[one], right[two]
        if first is not None and second is not None:
            p, how = mcnemar(int((first & ~second).sum()), int((second & ~first).sum())).mid_p, MCNEMAR
        places = measured[one].rows.position, measured[two].rows.position
        found[one, two] = RunDifference(*places, test.value, test.low, test.high, p, p, how)
    return ModelsTest(
        tuple(each.rows.position for each in measured),
        shared.split,
        rows,
        name,
        more,
        tuple(values),
        measured[best].rows.position,
        against_best(found, best),
        tuple(each if groups is None else untested(each) for each in _breakdowns(measured)),
        warnings=tuple(warning for each in measured for warning in each.trained.warnings),
        chosen=_with_thresholds(measured, name),
    )


def _with_thresholds(measured: Sequence[_Measured], name: str) -> tuple[int, ...]:
    """Return the positions of the runs with a chosen threshold, where that is why a metric may differ."""
    if name == "loss" or name.endswith("_loss") or "auc" in name:
        return ()
    chosen = {
        each.rows.position: tuple(output.thresholds for output in each.trained.contract.outputs)
        for each in measured
    }
    if len(set(chosen.values())) == 1:
        return ()
    return tuple(position for position, thresholds in chosen.items() if any(thresholds))


def _resampled(measured: Sequence[_Measured], name: str, groups: RowGroups | None) -> list[Array]:
    """Return the metric of each model in the same resamples of the rows, (resamples,) each."""
    units = [_sums(each, name, groups) for each in measured]
    sums, sizes = [each for each, _ in units], units[0][1]
    few = max(each.shape[1] for each in sums) <= MOST_ADDENDS
    method = Method(SEED, resamples=RESAMPLES if few else FEWER_RESAMPLES)
    drawn = resample_sums(np.concatenate(sums, axis=1), sizes, method)
    ends = np.cumsum([each.shape[1] for each in sums])[:-1]
    return [
        _of_draws(each, name, part)
        for each, part in zip(measured, np.split(drawn, ends, axis=1), strict=True)
    ]


def _right(each: _Measured, name: str, rows: int) -> Array | None:
    """Return on which rows a model is right, (rows,) bool; None for a metric that is not their share."""
    metric = each.values.metric(name)
    assert metric is not None
    if not metric.is_mean:
        return None
    parts = metric.addends(np.arange(rows))
    share = bool((parts[:, 1] == 1).all()) and bool(np.isin(parts[:, 0], (0, 1)).all())
    return parts[:, 0] == 1 if share else None


def _breakdowns(measured: Sequence[_Measured]) -> tuple[Breakdown, ...]:
    """Return what got better and worse, for each output."""
    predicted = [predict_outputs(each.trained, each.rows.split.x) for each in measured]
    found: list[Breakdown | None] = []
    first = measured[0].trained.contract
    for output in first.outputs:
        own = [
            next(mine for theirs, mine in output_pairs(first, each.trained.contract) if theirs is output)
            for each in measured
        ]
        truth = values_of(measured[0].rows.split.y, output)
        values = [values_of(each, mine) for each, mine in zip(predicted, own, strict=True)]
        of_output = _by_group(measured, own, truth, values)
        # The steps of a row count as rows here, and are not independent of each other.
        found += [untested(each) if each and output.steps else each for each in of_output]
    return tuple(each for each in found if each is not None)


def _by_group(
    measured: Sequence[_Measured], own: Sequence[Output], truth: Array, values: Sequence[Array]
) -> list[Breakdown | None]:
    """Return the breakdown of one output: by class or label, or by decile for each of its columns."""
    output = own[0]
    if output.kind == "numbers":
        columns = columns_of(output, output.restore(truth, truth=True))
        values = [
            median_of(each, mine.levels) if mine.levels else each
            for each, mine in zip(values, own, strict=True)
        ]
        predictions = [columns_of(output, each) for each in values]
        return [
            by_decile(column, [each[name] for each in predictions], name)
            for name, column in columns.items()
            if all(each[name].shape == column.shape for each in predictions)
        ]
    if not output.is_scored or any(each.classes != output.classes for each in own):
        return []
    classes = []
    for each, mine, outputs in zip(measured, own, values, strict=True):
        check_outputs(each.trained, mine, outputs)
        if output.kind == "labels":
            classes.append(predicted_labels(outputs.reshape(-1, outputs.shape[-1]), mine))
        else:
            loss = output_loss(each.trained.spec, mine.name)
            classes.append(predicted_classes(outputs, loss, mine).reshape(-1))
    real: Array
    if output.kind == "labels":
        real = truth.reshape(-1, truth.shape[-1]).astype(np.int64)
    else:
        real = class_indices(truth).reshape(-1)
    return [by_class(output.classes or (), real, classes, output.name)]
