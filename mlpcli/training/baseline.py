"""Baselines without a network on the same splits: majority class or mean, and a linear model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlpcli.data.dataset import Dataset, Output, Split
from mlpcli.data.levels import median_of
from mlpcli.data.named_arrays import of_name
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.spec.schema import ComponentSpec
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
STEPS = 30


@dataclass(frozen=True)
class Baseline:
    """Scores of models without a network.

    Attributes:
        split: The rows that were measured: `test` or `validation`.
        metric: `accuracy` for classes; `root_mean_squared_error`, in the target's own units, for numbers.
        scores: By model: `majority` or `mean`; `linear` unless rows have too many values or classes for a
            quick answer.
        output: The output that was measured; empty where there is only one.
    """

    split: str
    metric: str
    scores: dict[str, float]
    output: str = ""

    def to_json(self, network: float) -> dict[str, object]:
        """Return the entry of `metrics.json`, with the network's score."""
        named = {"output": self.output} if self.output else {}
        return {"split": self.split, **named, "metric": self.metric, **self.scores, "network": network}


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


def _with_linear(dataset: Dataset, linear: Callable[[], float] | None) -> Baseline | None:
    """Return the scores, with that of the linear model where there is one."""
    output = judged_output(dataset)
    held_out = dataset.test or dataset.validation
    if output is None or held_out is None:
        return None
    truth, train_y = _targets(held_out, output), _targets(dataset.train, output)
    split = "test" if dataset.test is not None else "validation"
    if output.kind == "numbers":
        found = {"mean": _rmse(truth, train_y.mean(axis=0))}
    else:
        found = {"majority": float((truth == np.bincount(train_y.reshape(-1)).argmax()).mean())}
    if linear is not None:
        found["linear"] = linear()
    metric = "root_mean_squared_error" if output.kind == "numbers" else "accuracy"
    return Baseline(split, metric, found, output.name)


def _linear_task(dataset: Dataset, seed: int) -> tuple[Array, Array, Array, Array, Output] | None:
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
    return x[rows], _targets(dataset.train, output)[rows], held_x, _targets(held_out, output), output


def judged_output(dataset: Dataset) -> Output | None:
    """Return the first output of numbers or classes; None where there is none."""
    return next((each for each in dataset.contract.outputs if each.kind in JUDGED), None)


def score_network(output: Output, split: Split, outputs: Arrays, loss: ComponentSpec) -> float:
    """Return a network's score on a split, by the metric of `measure_baseline`.

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
    return _score(
        truth, values if output.kind == "numbers" else predicted_classes(values, loss, output), output
    )


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


def _rmse(truth: Array, predicted: Array) -> float:
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))


def _score(truth: Array, predicted: Array, output: Output) -> float:
    """Return the root of the mean squared error of numbers, or the accuracy of classes."""
    if output.kind == "numbers":
        return _rmse(truth, predicted.reshape(truth.shape))
    return float((predicted == truth).mean())


def _linear(x: Array, y: Array, held_x: Array, truth: Array, output: Output) -> float:
    """Return the score of a linear model: least squares for numbers, logistic regression for classes.

    The latter stops after some iterations. With many features it is ridge regression for both, because there
    may be more features than rows. Of a rare class there may be no row among those that were drawn: if they
    have one class alone, that is what every row is said to be.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier

    if output.kind != "numbers" and (y == y[0]).all():
        return _score(truth, np.full(len(held_x), y[0]), output)
    many = x.shape[1] > MANY_FEATURES
    x, held_x = (array.astype(np.float32 if many else np.float64) for array in (x, held_x))
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    x, held_x = (x - center) / scale, (held_x - center) / scale
    if many:
        kind = Ridge if output.kind == "numbers" else RidgeClassifier
        return _score(truth, kind(alpha=10.0, solver="cholesky").fit(x, y).predict(held_x), output)
    if output.kind == "numbers":
        return _score(truth, LinearRegression().fit(x, y).predict(held_x), output)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the bound on its time is intended
        model = LogisticRegression(max_iter=STEPS).fit(x, y)
    return _score(truth, model.predict(held_x), output)


def compare(baseline: Baseline, network: float) -> str | None:
    """Return a line for the user where the network is no better than the best baseline; else None.

    Args:
        baseline: The scores of models without a network.
        network: The network's.
    """
    scores, more_is_better = baseline.scores, baseline.metric == "accuracy"
    best = (max if more_is_better else min)(scores, key=lambda name: scores[name])
    if network > scores[best] if more_is_better else network < scores[best]:
        return None
    words = {
        "majority": "always predicting the majority class",
        "mean": "the mean",
        "linear": "a linear model",
    }
    what = f"{baseline.output} " if baseline.output else ""
    return (
        f"the network is no better than {words[best]} on the {baseline.split} rows: "
        f"{what}{baseline.metric} {network:.4g} against {scores[best]:.4g}"
    )
