"""Baselines without a network on the same splits: majority class or mean, and a linear model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from mlpcli.data.dataset import Dataset, Output, Split
from mlpcli.data.levels import median_of
from mlpcli.data.named_arrays import of_name
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.runs.judge_baseline import AREA, CHOSEN_BY, THRESHOLD, USUAL, Scores
from mlpcli.runs.results import Intervals
from mlpcli.spec.predictions import threshold_metric
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.statistics.class_areas import ClassArea, mean_area
from mlpcli.training.own_spacing import in_own_spacing
from mlpcli.training.side_process import MOST_BYTES, begin, has_side_process

MOST_CELLS = 200_000
"""The most cells of training rows for the linear model: enough to fit it, and few enough for 0.2 s."""

MANY_FEATURES = 256
"""With more, the linear model is least squares, also for classes, because that needs no iterations."""

MOST_FEATURES = 4096
MOST_WORK = 3_000_000_000
"""Rows times squared features of such a model: 5,000 rows of 28 x 28 images, half a second."""

JUDGED = ("numbers", "classes", "one_hot")
"""The kinds of targets that there are baselines for."""

MOST_CLASSES = 20
FEWEST_ROWS = 25
"""Training rows with which the linear model chooses between two forms of the rows."""

STEPS = 30

ACCURACY, RMSE, MAE = "accuracy", "root_mean_squared_error", "mean_absolute_error"
USUAL_ACCURACY = "usual_accuracy"
"""A score of a network with a threshold: its accuracy by the usual one."""


@dataclass(frozen=True)
class Baseline:
    """Scores of models without a network.

    Attributes:
        split: The rows that were measured: `test` or `validation`.
        metric: `accuracy` for classes; `root_mean_squared_error`, in the target's own units, for numbers.
        scores: By model: `majority` or `mean`; `linear` unless rows have too many values or classes for a
            quick answer.
        output: The output that was measured; empty where there is only one.
        further: The same by other metrics: `auc` of classes, of more than two the mean of each against the
            rest; `mean_absolute_error` of numbers.
        threshold: The metric by which to choose a threshold, so that the rarer of two classes counts; empty
            for other targets.
    """

    split: str
    metric: str
    scores: dict[str, float]
    output: str = ""
    further: dict[str, dict[str, float]] = field(default_factory=dict)
    threshold: str = ""

    def to_json(self, network: Mapping[str, float], spec: Spec, output: Output) -> dict[str, object]:
        """Return the entry of `metrics.json`.

        Args:
            network: The network's scores by metric, as `score_network` returns them.
            spec: Of the network: the further metrics that it has too are called as it calls them.
            output: That was measured.
        """
        named = {"output": self.output} if self.output else {}
        own = {"network": network[self.metric]} if self.metric in network else {}
        entry = {"split": self.split, **named, "metric": self.metric, **self.scores, **own}
        names = dict(_names_in_spec(spec, output))
        for metric, scores in self.further.items():
            known = {name: network[key] for key, name in _keys(metric).items() if key in network}
            called = {"metric": names[metric]} if metric in names else {}
            entry[metric] = {**called, **scores, **known}
        chosen = spec.predict.chosen_threshold if spec.predict is not None else ""
        if chosen and USUAL_ACCURACY in network:
            entry[THRESHOLD] = {CHOSEN_BY: chosen, USUAL: network[USUAL_ACCURACY]}
        return entry


def _keys(metric: str) -> dict[str, str]:
    """Return what an entry has of the network, by the keys of `score_network`."""
    beside = {f"{AREA}_{name}": name for name in ("error", "chance")} if metric == AREA else {}
    return {metric: "network", **beside}


def begin_baseline(dataset: Dataset, *, seed: int) -> Callable[[], Baseline | None]:
    """Begin to measure the simplest models, in the side process where there is one.

    Args:
        dataset: The data.
        seed: Of the choice of training rows, where there are many.

    Returns:
        What waits for the scores; see `measure_baseline`.
    """
    task = _linear_task(dataset, seed) if has_side_process() else None
    if task is None or sum(array.nbytes for array in task[:-1]) > MOST_BYTES:
        return partial(measure_baseline, dataset, seed=seed)
    linear = begin(_linear, *task)
    return lambda: _with_linear(dataset, linear)


def measure_baseline(dataset: Dataset, *, seed: int) -> Baseline | None:
    """Measure the simplest models on the test rows, or on the validation rows where there are no others.

    Args:
        dataset: The data.
        seed: Of the choice of training rows, where there are many.

    Returns:
        The scores, for the first output of numbers or classes; None where all outputs are labels, or there
        are no such rows.
    """
    task = _linear_task(dataset, seed)
    return _with_linear(dataset, None if task is None else partial(_linear, *task))


def _with_linear(dataset: Dataset, linear: Callable[[], dict[str, float]] | None) -> Baseline | None:
    """Return the scores, with those of the linear model where there is one."""
    output = judged_output(dataset)
    held_out = dataset.test or dataset.validation
    if output is None or held_out is None:
        return None
    largest = 0
    truth, train_y = _targets(held_out, output), _targets(dataset.train, output)
    split = "test" if dataset.test is not None else "validation"
    if output.kind == "numbers":
        mean = np.broadcast_to(train_y.mean(axis=0), truth.shape)
        found = {"mean": _scores_of_numbers(truth, mean)}
    else:
        largest = int(np.bincount(train_y.reshape(-1)).argmax())
        majority = float((truth == largest).mean())
        found = {"majority": {ACCURACY: majority, AREA: 0.5}}
    if linear is not None:
        found["linear"] = linear()
    metric, other = (RMSE, MAE) if output.kind == "numbers" else (ACCURACY, AREA)
    scores, further = (
        {model: each[name] for model, each in found.items() if name in each} for name in (metric, other)
    )
    threshold = threshold_metric(1 - largest) if len(output.classes or ()) == 2 else ""
    return Baseline(split, metric, scores, output.name, {other: further}, threshold)


def _linear_task(
    dataset: Dataset, seed: int
) -> tuple[Array, Array, Array, Array, Array, Array, Output] | None:
    """Return the arguments of `_linear`; None where rows have too many values or classes."""
    output = judged_output(dataset)
    held_out = dataset.test or dataset.validation
    if output is None or held_out is None or len(output.classes or ()) > MOST_CLASSES:
        return None
    if output.steps and (output.kind != "numbers" or math.prod(output.steps) > MANY_FEATURES):
        return None  # as many linear models as steps
    x, held_x = _features(dataset.train), _features(held_out)
    if x is None or held_x is None:
        return None
    rows = _some_rows(x, seed)
    x, y = x[rows], _targets(dataset.train, output)[rows]
    others = [in_own_spacing(dataset, each) for each in (x, held_x)] if x.shape[1] <= MANY_FEATURES else []
    other, other_held = (np.empty((0, 0)) if each is None else each for each in others or (None, None))
    return x, held_x, other, other_held, y, _targets(held_out, output), output


def judged_output(dataset: Dataset) -> Output | None:
    """Return the first output of numbers or classes; None where there is none."""
    return next((each for each in dataset.contract.outputs if each.kind in JUDGED), None)


def score_network(output: Output, split: Split, outputs: Arrays, loss: ComponentSpec) -> dict[str, float]:
    """Return a network's scores on a split, by the metrics of `measure_baseline`.

    With an `auc` there are `auc_error`, its standard error, and `auc_chance`, what chance alone may give;
    with a threshold the accuracy by the usual one.

    Args:
        output: The output that is measured.
        split: The rows.
        outputs: The network's outputs for these rows, as `final_outputs` returns them.
        loss: Of the output.
    """
    from mlpcli.model.outputs import predicted_classes

    values = np.asarray(of_name(outputs, output.name), np.float64)
    values = median_of(values, output.levels) if output.levels else values
    truth = _targets(split, output)
    if output.kind == "numbers":
        return _scores_of_numbers(truth, values.reshape(truth.shape))
    ways = {ACCURACY: output, **({USUAL_ACCURACY: replace(output, fitted=None)} if output.thresholds else {})}
    accuracy = {
        name: float((predicted_classes(values, loss, way) == truth).mean()) for name, way in ways.items()
    }
    if len(output.classes or ()) > MOST_CLASSES:
        return accuracy
    return accuracy | _area(mean_area(truth.reshape(-1), values.reshape(truth.size, -1)))


def _area(found: ClassArea | None) -> dict[str, float]:
    if found is None:
        return {}
    return {AREA: found.area, f"{AREA}_error": found.error, f"{AREA}_chance": found.chance}


def _names_in_spec(spec: Spec, output: Output) -> Iterator[tuple[str, str]]:
    """Yield what the spec calls the further metrics of a baseline, of those that it has."""
    own = spec.metrics.get(output.name, []) if isinstance(spec.metrics, dict) else spec.metrics or []
    for each in own:
        name, given = each.class_name.lower(), each.arguments
        called = given.get("name")
        if name == "auc" and len(output.classes or ()) == 2 and given.get("curve", "ROC") == "ROC":
            yield AREA, str(called or "auc")
        elif name in ("meanabsoluteerror", MAE, "mae"):
            yield MAE, str(called or ("mae" if name == "mae" else MAE))


def _targets(split: Split, output: Output) -> Array:
    """Return class indices, (rows, ...), or values in their own units, (rows, targets), of all steps."""
    y = split.y[output.name] if output.name else split.y
    if output.kind == "numbers":
        return output.restore(np.asarray(y), truth=True).reshape(len(split), -1).astype(np.float64)
    return class_indices(y)


def _features(split: Split) -> Array | None:
    """Return the rows as (rows, features); None where there are too many features."""
    arrays = list(split.x.values()) if isinstance(split.x, dict) else [split.x]
    if sum(int(np.prod(array.shape[1:])) for array in arrays) > MOST_FEATURES:
        return None
    flat = [array.reshape(len(split), -1) for array in arrays]
    joined: Array = np.concatenate(flat, axis=1)
    return joined


def _some_rows(x: Array, seed: int) -> Array:
    """Return the positions of the rows that the linear model is fitted on."""
    width = x.shape[1]
    most = max(100, MOST_CELLS // width if width <= MANY_FEATURES else MOST_WORK // width**2)
    if len(x) <= most:
        return np.arange(len(x))
    chosen: Array = np.random.default_rng(seed).choice(len(x), most, replace=False)
    return chosen


def _scores_of_numbers(truth: Array, predicted: Array) -> dict[str, float]:
    errors = truth - predicted
    return {RMSE: float(np.sqrt(np.mean(errors**2))), MAE: float(np.abs(errors).mean())}


def _linear(
    x: Array, held_x: Array, other: Array, other_held: Array, y: Array, truth: Array, output: Output
) -> dict[str, float]:
    """Return the scores of a linear model, of rows in that form of two which suits it better.

    That is found out by every fifth of the training rows, without those that are measured.

    Args:
        x: (rows, features), training rows as the network takes them.
        held_x: The rows that are measured, likewise.
        other: `x` as `in_own_spacing` returns it; empty where there is no other form.
        other_held: `held_x` likewise.
        y: The targets of the training rows.
        truth: Those of the rows that are measured.
        output: Whose targets they are.
    """
    if len(other) >= FEWEST_ROWS:
        tried = np.arange(len(y)) % 5 == 0
        one, another = (
            _fitted(each[~tried], y[~tried], each[tried], y[tried], output) for each in (x, other)
        )
        better = another[RMSE] < one[RMSE] if RMSE in one else another[ACCURACY] > one[ACCURACY]
        x, held_x = (other, other_held) if better else (x, held_x)
    return _fitted(x, y, held_x, truth, output)


def _fitted(x: Array, y: Array, held_x: Array, truth: Array, output: Output) -> dict[str, float]:
    """Return the scores of a linear model: least squares for numbers, logistic regression for classes.

    The latter stops after some iterations. With many features it is ridge regression for both, because there
    may be more features than rows. Of a rare class there may be no row among those that were drawn: if they
    have one class alone, that is what every row is said to be.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier

    if output.kind != "numbers" and (y == y[0]).all():
        return {ACCURACY: float((truth == y[0]).mean())}
    many = x.shape[1] > MANY_FEATURES
    x, held_x = (array.astype(np.float32 if many else np.float64) for array in (x, held_x))
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    x, held_x = (x - center) / scale, (held_x - center) / scale
    if many:
        kind = Ridge if output.kind == "numbers" else RidgeClassifier
        model = kind(alpha=10.0, solver="cholesky").fit(x, y)
    elif output.kind == "numbers":
        model = LinearRegression().fit(x, y)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the bound on its time is intended
            model = LogisticRegression(max_iter=STEPS).fit(x, y)
    if output.kind == "numbers":
        return _scores_of_numbers(truth, model.predict(held_x).reshape(truth.shape))
    accuracy = {ACCURACY: float((model.predict(held_x) == truth).mean())}
    found = mean_area(truth, _of_every_class(model.decision_function(held_x), model.classes_, output))
    return accuracy | ({} if found is None else {AREA: found.area})


def _of_every_class(scores: Array, seen: Array, output: Output) -> Array:
    """Return (rows, classes) scores, of which those of classes that the model has not seen say nothing."""
    both = np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
    every = np.zeros((len(both), len(output.classes or ())))
    every[:, seen] = both
    return every


def notes_on(
    baseline: Baseline, entry: Mapping[str, object], spec: Spec, intervals: Intervals | None, rows: int
) -> Iterator[str]:
    """Yield a line for the user on each model without a network that is as good.

    Args:
        baseline: The scores of models without a network.
        entry: Of `metrics.json`, with the network's score.
        spec: Of the network.
        intervals: Of its metrics on these rows.
        rows: How many they are.
    """
    ways = []
    if baseline.threshold and (spec.predict is None or spec.predict.threshold is None):
        choose = f"predict: {{threshold: {{metric: {baseline.threshold}}}}}"
        ways.append(f"{choose}, which leaves the network and its probabilities as they are")
    ways += [] if spec.fit.class_weight is not None else ["fit: {class_weight: balanced}"]
    to_do = f". To have rarer classes predicted: {'; or '.join(ways)}" if ways else ""
    for each in Scores(entry, {} if intervals is None else intervals.bounds, rows).judge():
        yield f"{each.sentence()}{to_do if each.verdict == 'skewed' else ''}"
