"""How good fitted predictions are on some rows: reliability, and what intervals and sets hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.model.build import output_loss
from mlpcli.model.fit_outputs import KnownRows
from mlpcli.model.prediction_bounds import bounds_of_values, class_name_of, sets_of_classes
from mlpcli.model.probability_form import along_steps, has_probabilities, in_statistics_form
from mlpcli.runs.results import Coverage
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.statistics.calibration import Reliability, measure_reliability
from mlpcli.statistics.conformal import interval_scores, set_scores


def reliability_of(spec: Spec, contract: Contract, rows: KnownRows) -> dict[str, Reliability]:
    """Return how reliable the probabilities of each output are that has any, by output."""
    found = {}
    for each in contract.outputs:
        loss = output_loss(spec, each.name)
        if not has_probabilities(each, loss):
            continue
        truth, values = rows.truth[each.name], rows.outputs[each.name]
        known, likely = in_statistics_form(each, loss, truth, values, rows.counted.get(each.name))
        if len(known):
            found[each.name] = measure_reliability(known, likely)
    return found


def coverage_of(spec: Spec, contract: Contract, rows: KnownRows) -> tuple[Coverage, ...]:
    """Return what the intervals of each target, and the sets of each output of classes, hold."""
    return tuple(
        found
        for each in contract.outputs
        if each.intervals is not None
        for found in _coverage_of_output(each, output_loss(spec, each.name), rows)
    )


def _coverage_of_output(output: Output, loss: ComponentSpec, rows: KnownRows) -> Iterator[Coverage]:
    truth, values = rows.truth[output.name], rows.outputs[output.name]
    counted = rows.counted.get(output.name)
    kept = np.ones(values.shape[:-1], bool) if counted is None else along_steps(counted, values.shape[:-1])
    assert output.intervals is not None
    level = output.intervals.level
    if not kept.any():
        return
    if output.kind != "numbers":
        sets = sets_of_classes(output, values, loss)
        scores = set_scores(class_indices(truth)[kept], sets[kept])
        yield Coverage(class_name_of(output), "set", level, *scores)
        return
    low, high = bounds_of_values(output, values)
    own: Array = np.reshape(truth, low.shape)
    for place, name in enumerate(output.number_names):
        columns = (each[..., place][kept].astype(np.float64) for each in (own, low, high))
        yield Coverage(name, "interval", level, *interval_scores(*columns))
