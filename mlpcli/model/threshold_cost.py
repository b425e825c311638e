"""What a chosen threshold is worth, and what predictions cost by it and by the usual one, on known rows."""

from __future__ import annotations

from collections.abc import Mapping

from mlpcli.data.dataset import Contract, Output
from mlpcli.model.fit_outputs import KnownRows, second_class
from mlpcli.spec.predictions import ThresholdSpec
from mlpcli.spec.schema import Spec
from mlpcli.statistics.thresholds import mean_cost, scores_at

USUAL = 0.5


def threshold_costs(
    spec: Spec, contract: Contract, rows: Mapping[str, KnownRows]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the mean cost of a row by output and rows: `chosen` by the threshold, `usual` by 0.5.

    With labels it is the mean over the labels. There is nothing where thresholds have no costs.

    Args:
        spec: with a `predict` section.
        contract: with the thresholds that were fitted.
        rows: by name, with the outputs of the fitted network.
    """
    asked = spec.predict.threshold if spec.predict is not None else None
    if not isinstance(asked, ThresholdSpec) or asked.cost is None:
        return {}
    cost = asked.cost
    return {
        each.name: {name: _costs(each, known, cost) for name, known in rows.items()}
        for each in contract.outputs
        if each.thresholds
    }


def threshold_scores(
    spec: Spec, contract: Contract, rows: Mapping[str, KnownRows]
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return precision, recall, F1 and number of rows of each class with a threshold, by output and rows.

    There is nothing where thresholds were not chosen on rows.

    Args:
        spec: with a `predict` section.
        contract: with the thresholds that were fitted.
        rows: by name, with the outputs of the fitted network.
    """
    if spec.predict is None or not isinstance(spec.predict.threshold, ThresholdSpec):
        return {}
    return {
        each.name: {name: _scores(each, known) for name, known in rows.items()}
        for each in contract.outputs
        if each.thresholds
    }


def _scores(output: Output, rows: KnownRows) -> dict[str, dict[str, float]]:
    truth, values = rows.truth[output.name], rows.outputs[output.name]
    counted, classes = rows.counted.get(output.name), output.classes or ()
    names = classes if output.kind == "labels" else classes[-1:]
    return {
        name: scores_at(*second_class(output, place, truth, values, counted), threshold)
        for place, (name, threshold) in enumerate(zip(names, output.thresholds, strict=True))
    }


def _costs(output: Output, rows: KnownRows, cost: list[list[float]]) -> dict[str, float]:
    truth, values = rows.truth[output.name], rows.outputs[output.name]
    counted = rows.counted.get(output.name)
    found = {"chosen": 0.0, "usual": 0.0}
    for place, threshold in enumerate(output.thresholds):
        known, likely = second_class(output, place, truth, values, counted)
        for name, at in (("chosen", threshold), ("usual", USUAL)):
            found[name] += mean_cost(known, likely, at, cost) / len(output.thresholds)
    return found
