"""The `predict` section: what a prediction is beside the network's output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

from mlpcli.errors import KeyPath, Problem
from mlpcli.spec.number_rules import is_number
from mlpcli.spec.number_texts import number_meant
from mlpcli.spec.section import STRICT
from mlpcli.spec.values import Value, ValueMap

ThresholdMetric = Literal["accuracy", "balanced_accuracy", "f1", "precision", "recall", "youden"]


def threshold_metric(rare: int) -> ThresholdMetric:
    """Return the metric by which to choose a threshold, so that the rarer of two classes counts.

    F1 is that of the second class; where the first is the rarer one, both must count the same.

    Args:
        rare: its place, 0 or 1.
    """
    return "f1" if rare else "balanced_accuracy"


METRICS: tuple[str, ...] = get_args(ThresholdMetric)
METRICS_RULE = f"one of {', '.join(METRICS)}"
COST_RULE = "[[0, 1], [5, 0]]: the costs of each true class (rows) and each predicted class (columns)"
THRESHOLD_RULE = "a number between 0 and 1, {metric: f1} or {cost: [[0, 1], [5, 0]]}"
SHARE_RULE = "a number between 0 and 1"
LEVEL_RULE = "a share of rows from 0.5 to 0.999, such as 0.9"

Share = Annotated[float, Field(gt=0, lt=1)]


class ThresholdSpec(BaseModel):
    """By what a threshold is chosen: a metric, or costs."""

    model_config = STRICT

    metric: Annotated[ThresholdMetric | None, Field(description=METRICS_RULE)] = None
    min_precision: Annotated[Share | None, Field(description=SHARE_RULE)] = None
    min_recall: Annotated[Share | None, Field(description=SHARE_RULE)] = None
    cost: Annotated[
        Annotated[
            list[
                Annotated[
                    list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=2)
                ]
            ],
            Field(min_length=2, max_length=2),
        ]
        | None,
        Field(description=COST_RULE),
    ] = None


class PredictSpec(BaseModel):
    """What is fitted after the training, on rows that the network has not learned from."""

    model_config = STRICT

    calibrate: Annotated[Literal["temperature"] | None, Field(description="temperature")] = None
    threshold: Annotated[Share | ThresholdSpec | None, Field(description=THRESHOLD_RULE)] = None
    intervals: Annotated[float | None, Field(ge=0.5, le=0.999, description=LEVEL_RULE)] = None

    @property
    def fitted_keys(self) -> tuple[str, ...]:
        """The keys that need rows with known targets; a threshold that is a number needs none."""
        given = {
            "calibrate": self.calibrate is not None,
            "threshold": isinstance(self.threshold, ThresholdSpec),
            "intervals": self.intervals is not None,
        }
        return tuple(key for key, needed in given.items() if needed)

    @property
    def chosen_threshold(self) -> str:
        """The threshold in words, where it is chosen for something else than accuracy; else empty."""
        if not isinstance(self.threshold, ThresholdSpec):
            return "" if self.threshold is None else f"the spec's threshold of {self.threshold:g}"
        if self.threshold.cost is not None:
            return "the threshold of the lowest cost"
        given = self.threshold.model_dump(exclude_none=True)
        bounds = [f"{key} {value:g}" for key, value in given.items() if key != "metric"]
        if self.threshold.metric == "accuracy" and not bounds:
            return ""
        with_bounds = f" with {' and '.join(bounds)}" if bounds else ""
        return f"the threshold that was chosen for {self.threshold.metric}{with_bounds}"

    def plain(self) -> dict[str, Any]:
        """Return the values as `resolved.yaml` has them."""
        return self.model_dump(exclude_none=True)


def predict_hint(key: str, value: Value) -> str:
    """Return what to write instead of a value that does not fit; empty if that is not known."""
    word = value.lower().replace("-", "_").removesuffix("_score") if isinstance(value, str) else ""
    if key == "calibrate" and (value is True or "temperature" in word):
        return "write temperature"
    if key in ("threshold", "metric") and word in METRICS:
        return f"write {{metric: {word}}}" if key == "threshold" else f"write {word}"
    number = number_meant(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        return "write 0.9" if key == "intervals" and value is True else ""
    if 1 < number < 100:
        return f"write {number / 100:g}"
    return f"write {number:g}" if isinstance(value, str) and 0 < number < 1 else ""


def predict_problems(section: Value) -> Iterator[Problem]:
    """Yield what is wrong between the keys of the section; what each may be is the schema's matter."""
    threshold = section.get("threshold") if isinstance(section, dict) else None
    if not isinstance(threshold, dict):
        return
    path: KeyPath = ("predict", "threshold")
    given = {key for key in ("metric", "cost") if threshold.get(key) is not None}
    if not given and not threshold.keys() - ThresholdSpec.model_fields.keys():
        hint = "write {metric: f1}"
        yield Problem("needs a metric, or costs, by which it is chosen", path=path, hint=hint)
    if len(given) == 2:
        rule = "a threshold is chosen by a metric or by costs, not by both"
        yield Problem(rule, path=(*path, "cost"), hint="keep one")
    yield from _bound_problems(threshold, path)
    if isinstance(cost := threshold.get("cost"), list):
        yield from _cost_problems(cost, (*path, "cost"))


OTHER_BOUND = {"precision": "min_recall", "recall": "min_precision"}
"""Metrics that are best for a threshold at an end, where nothing bounds the other of the two."""


def _bound_problems(threshold: ValueMap, path: KeyPath) -> Iterator[Problem]:
    metric = threshold.get("metric")
    bounds = [key for key in OTHER_BOUND.values() if threshold.get(key) is not None]
    needed = OTHER_BOUND.get(metric) if isinstance(metric, str) else None
    if needed is not None and needed not in bounds:
        end = "for hardly any row" if metric == "precision" else "for every row"
        rule = f"{metric} alone is best where the second class is predicted {end}"
        hint = f"write {{metric: {metric}, {needed}: 0.8}}"
        yield Problem(rule, path=(*path, "metric"), received=metric, hint=hint)
    if threshold.get("cost") is not None:
        for key in bounds:
            yield Problem("is for a threshold by a metric", path=(*path, key), received=key, hint="remove it")


def _cost_problems(cost: list[Value], path: KeyPath) -> Iterator[Problem]:
    """Yield costs by which one class would always be predicted; the schema says what a matrix is."""
    rows = [[each for each in row if is_number(each)] for row in cost if isinstance(row, list)]
    if [len(row) for row in rows] != [2, 2]:
        return
    for right, row in enumerate(rows):
        if row[1 - right] <= row[right]:
            which = ("first", "second")[right]
            rule = f"a wrong prediction for the {which} class must cost more than a right one"
            hint = "rows are the true classes, columns the predicted ones: [[0, 1], [5, 0]]"
            yield Problem(rule, path=(*path, right), received=cost[right], hint=hint)
