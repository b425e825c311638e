"""Fit what the `predict` section asks for: a function of known truths and of what a network says of them.

The rows may be of the validation split, or all rows by folds, each by a network that has not seen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.fitted_outputs import Fitted, FittedOn, Intervals, Score
from mlpcli.data.interval_curve import to_even
from mlpcli.data.named_arrays import of_name
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.model.build import output_loss
from mlpcli.model.prediction_bounds import bound_count, ends_of
from mlpcli.model.probability_form import (
    along_steps,
    has_probabilities,
    in_statistics_form,
    is_of_labels,
    of_every_class,
    of_second_class,
    takes_intervals,
    takes_threshold,
)
from mlpcli.spec.predictions import PredictSpec, ThresholdSpec
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.statistics.calibration import HOTTEST, all_right, fit_temperature, tempered
from mlpcli.statistics.conformal import least_probability, rows_needed, score_bound
from mlpcli.statistics.thresholds import METRICS, Objective, at_least, by_cost, choose_threshold

LEVELS = tuple(round(0.5 + 0.01 * step, 2) for step in range(50))
"""The other levels whose bounds are kept, for `predict --intervals`."""

MOST_BOUNDS = 2000
"""Bounds that are kept of other levels, at most; they are few but for targets of many steps."""


@dataclass(frozen=True)
class KnownRows:
    """Rows with what is known of them and what a network says, each by output; "" for a single output.

    Attributes:
        truth: class indices, one-hot rows, labels, or numbers in the target's own units; see `own_truth`.
        outputs: as `final_outputs` returns them, of the network without a temperature.
        counted: which rows, or steps, (rows, *steps), count; an output that is missing counts all.
        source: where the rows are from.
    """

    truth: Mapping[str, Array]
    outputs: Mapping[str, Array]
    counted: Mapping[str, Array]
    source: FittedOn = "validation"


def known_rows(
    contract: Contract, y: Arrays, outputs: Arrays, weights: Arrays | None, source: FittedOn = "validation"
) -> KnownRows:
    """Return the rows of a split; those of weight 0 do not count, and all others count the same.

    Args:
        contract: the outputs.
        y: as `Split.y`.
        outputs: as `final_outputs` returns them.
        weights: as `Split.weights`.
        source: where the rows are from.
    """
    truth, found, counted = {}, {}, {}
    for each in contract.outputs:
        truth[each.name] = own_truth(each, of_name(y, each.name))
        found[each.name] = np.asarray(of_name(outputs, each.name))
        weight = of_name(weights, each.name)
        if weight is not None and bool((weight == 0).any()):
            counted[each.name] = np.asarray(weight != 0)
    return KnownRows(truth, found, counted, source)


def own_truth(output: Output, y: Array) -> Array:
    """Return a target of `Split.y` as it is without the network's scaling: numbers in their own units."""
    return output.restore(np.asarray(y), truth=True) if output.kind == "numbers" else np.asarray(y)


def at_temperature(spec: Spec, contract: Contract, rows: KnownRows) -> KnownRows:
    """Return rows with the outputs that a network with the temperatures of a contract gives."""
    return replace(rows, outputs=outputs_at_temperature(spec, contract, rows.outputs))


def outputs_at_temperature(spec: Spec, contract: Contract, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return outputs by name, as a network with the temperatures of a contract gives them."""
    found = dict(outputs)
    for each in contract.outputs:
        if each.fitted is not None:
            loss = output_loss(spec, each.name)
            found[each.name] = _tempered(each, loss, found[each.name], each.fitted.temperature)
    return found


def _tempered(output: Output, loss: ComponentSpec, values: Array, temperature: float) -> Array:
    """Return probabilities, (rows, *steps, units), at a temperature."""
    units = values.shape[-1]
    form = np.zeros((1, 1) if is_of_labels(output, loss, units) else 1, np.int64)
    return np.asarray(tempered(form, values.reshape(-1, units), temperature).reshape(values.shape))


def fit_outputs(spec: Spec, contract: Contract, rows: KnownRows | None) -> tuple[Contract, tuple[str, ...]]:
    """Return the contract with what was fitted for each output, and a line on what could not be.

    Args:
        spec: with a `predict` section, its losses filled in.
        contract: of the run; numbers of a scaled target are compared by its scale.
        rows: one at least; None where there are none, and nothing is asked for that would need some.
    """
    assert spec.predict is not None
    found, notes = [], []
    for each in contract.outputs:
        fitted, said = _fit_output(spec.predict, each, output_loss(spec, each.name), rows)
        found.append(each if fitted is None else replace(each, fitted=fitted))
        notes += [f"{each.name}: {line}" if each.name else line for line in said]
    return replace(contract, outputs=tuple(found)), tuple(notes)


def _fit_output(
    section: PredictSpec, output: Output, loss: ComponentSpec, rows: KnownRows | None
) -> tuple[Fitted | None, list[str]]:
    """Return what was fitted for one output, None where the section has nothing for it."""
    if rows is None:
        fixed = section.threshold if takes_threshold(output, loss) else None
        assert not isinstance(fixed, ThresholdSpec)
        return (None if fixed is None else Fitted(thresholds=_fixed(fixed, output))), []
    truth, values = rows.truth[output.name], rows.outputs[output.name]
    counted = rows.counted.get(output.name)
    fitted = Fitted(rows.source, len(truth) if counted is None else int(counted.sum()))
    notes: list[str] = []
    if section.calibrate is not None and has_probabilities(output, loss):
        named = rows.source.replace("_", "-")
        known, likely = in_statistics_form(output, loss, truth, values, counted)
        fitted = replace(fitted, temperature=fit_temperature(known, likely))
        if fitted.temperature == 1.0 and all_right(known, likely):
            notes.append(f"every one of the {named} rows is predicted right: the temperature stays 1")
        if fitted.temperature == HOTTEST:
            notes.append(f"on the {named} rows the probabilities are no better than a guess, and become one")
        values = _tempered(output, loss, values, fitted.temperature)
    if section.threshold is not None and takes_threshold(output, loss):
        chosen, said = _thresholds(section.threshold, output, truth, values, counted)
        fitted = replace(fitted, thresholds=chosen)
        notes += said
    if section.intervals is not None and takes_intervals(output, loss):
        fitted = replace(fitted, intervals=_intervals(section.intervals, output, truth, values, counted))
    empty = fitted == Fitted(fitted.source, fitted.rows)
    return (None if empty else fitted), notes


def objective_of(threshold: ThresholdSpec) -> Objective:
    """Return by what a threshold is chosen."""
    if threshold.cost is not None:
        return by_cost(threshold.cost)
    assert threshold.metric is not None
    bounds = threshold.min_precision or 0.0, threshold.min_recall or 0.0
    return at_least(METRICS[threshold.metric], precision=bounds[0], recall=bounds[1])


def _fixed(asked: float, output: Output) -> tuple[float, ...]:
    """Return a given threshold, for two classes or for each label."""
    return (float(np.float32(asked)),) * (len(output.classes or ()) if output.kind == "labels" else 1)


def _thresholds(
    asked: float | ThresholdSpec, output: Output, truth: Array, values: Array, counted: Array | None
) -> tuple[tuple[float, ...], list[str]]:
    """Return a threshold for two classes, or for each label; one that no row can say is the usual 0.5."""
    labels = output.classes or () if output.kind == "labels" else ("",)
    if not isinstance(asked, ThresholdSpec):
        return _fixed(asked, output), []
    objective = objective_of(asked)
    found, notes = [], []
    for place, name in enumerate(labels):
        known, likely = second_class(output, place, truth, values, counted)
        if len(np.unique(known)) < 2 and asked.cost is None:
            every = "all" if known.any() else "none"
            notes.append(f"{every} of the rows have the label {name!r}, so its threshold stays 0.5")
            found.append(0.5)
            continue
        choice = choose_threshold(known, likely, objective)
        if choice.value < -1 and asked.cost is None:
            what = f"of {name!r} " if name else ""
            notes.append(
                f"no threshold {what}reaches the precision or recall asked for; the nearest is taken"
            )
        found.append(choice.threshold)
    return tuple(found), notes


def second_class(
    output: Output, place: int, truth: Array, values: Array, counted: Array | None
) -> tuple[Array, Array]:
    """Return of the rows that count whether each is of the second class, or has a label, and how likely.

    Args:
        output: of two classes, or of labels.
        place: of the label.
        truth: as `KnownRows.truth` has it.
        values: as `KnownRows.outputs` has them.
        counted: as `KnownRows.counted` has it; None for all.
    """
    if output.kind == "labels":
        known, likely = truth[..., place], values[..., place]
    else:
        known, likely = class_indices(truth), of_second_class(values)
    kept = np.ones(likely.shape, bool) if counted is None else along_steps(counted, likely.shape)
    return known[kept].astype(np.int64), likely[kept]


def _intervals(level: float, output: Output, truth: Array, values: Array, counted: Array | None) -> Intervals:
    """Return the bounds of an output's intervals or sets, at the level and at others."""
    if output.kind != "numbers":
        own = np.take_along_axis(of_every_class(values), class_indices(truth)[..., None], axis=-1)
        columns = _columns(own, counted, len(output.steps))
        score: Score = "probability"
    else:
        curved = output.log is not None or output.quantiles is not None
        score = "quantile" if output.levels else "scaled" if curved else "residual"
        columns = _columns(_distances(output, truth, values), counted, len(output.steps))
    bound = least_probability if score == "probability" else _bound
    rows = min(len(each) for each in columns)
    kept = [each for each in LEVELS if rows_needed(each) <= rows]
    if len(kept) * bound_count(output) > MOST_BOUNDS:
        kept = []
    others = tuple((each, tuple(bound(column, each) for column in columns)) for each in kept)
    bounds = tuple(bound(column, level) for column in columns)
    return Intervals(level, score, bounds, others)


def _distances(output: Output, truth: Array, values: Array) -> Array:
    """Return how far numbers are outside of what is predicted, (rows, *steps, targets); below 0 inside.

    The distance from the outer quantiles is that of conformalized quantile regression: Romano, Patterson,
    Candes 2019, https://arxiv.org/abs/1905.03222. Where the target is scaled by its logarithm or its
    quantiles, the distances are of these, which are about equal for small and large values.
    """
    lower, upper = (to_even(output, np.asarray(each, np.float64)) for each in ends_of(output, values))
    own = to_even(output, np.asarray(truth, np.float64).reshape(lower.shape))
    return np.asarray(np.maximum(lower - own, own - upper))


def _bound(scores: Array, level: float) -> float:
    return float(score_bound(scores, level))


def _columns(scores: Array, counted: Array | None, steps: int) -> list[Array]:
    """Return the scores, (rows, *steps, values), of each step and value, those that count."""
    shape = scores.shape[: 1 + steps]
    kept = np.ones(shape, bool) if counted is None else along_steps(counted, shape)
    wide = np.broadcast_to(kept[..., None], scores.shape).reshape(len(scores), -1)
    flat = scores.reshape(len(scores), -1)
    return [flat[wide[:, place], place] for place in range(flat.shape[1])]


def counted_rows(output: Output, rows: int, weights: Array | None) -> int:
    """Return the rows on which an output's intervals can be fitted: of each step, those that count.

    Args:
        output: of numbers or classes.
        rows: how many there are.
        weights: (rows,) or (rows, *steps); None where all count.
    """
    if weights is None:
        return rows
    kept = along_steps(np.asarray(weights) != 0, (rows, *output.steps))
    return int(kept.sum(axis=0).min())
