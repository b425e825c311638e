"""What needs no network: the commonest class or the mean, and a linear model, on the same splits."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpcli.data.dataset import Dataset, Output, Split
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.spec.schema import ComponentSpec

MOST_CELLS = 200_000
"""Cells of the training rows that the linear model sees: enough for a line, and few enough for 0.2 s."""

MANY_FEATURES = 256
"""Above, the linear model is one of least squares, also for classes, which takes no steps."""

MOST_FEATURES = 4096
MOST_WORK = 3_000_000_000
"""Rows times features squared of such a model: 5,000 rows of 28 x 28 images, half a second."""

MOST_CLASSES = 20
STEPS = 30


def measure_baseline(dataset: Dataset, *, seed: int) -> dict[str, Any] | None:
    """Scores of the simplest models on the test rows, or on the validation rows where there are no others.

    Returns `{"split", "metric", "majority" or "mean", "linear"}`: accuracy for classes, the root
    of the mean squared error in the target's own units for numbers. `linear` is absent where rows have too
    many values or classes for a quick answer. Of several outputs the first is measured, and named under
    `output`. None where all outputs are of labels, and without such rows.
    """
    output = judged_output(dataset)
    held = dataset.test or dataset.validation
    if output is None or held is None:
        return None
    truth, known = _targets(held, output), _targets(dataset.train, output)
    split = "test" if dataset.test is not None else "validation"
    if output.kind == "numbers":
        found = {"mean": _rmse(truth, known.mean(axis=0))}
    else:
        found = {"majority": float((truth == np.bincount(known).argmax()).mean())}
    x, given = _features(dataset.train), _features(held)
    if x is not None and given is not None and len(output.classes or ()) <= MOST_CLASSES:
        rows = _some_rows(x, seed)
        found["linear"] = _linear(x[rows], known[rows], given, truth, output)
    metric = "root_mean_squared_error" if output.kind == "numbers" else "accuracy"
    named = {"output": output.name} if output.name else {}
    return {"split": split, **named, "metric": metric, **found}


def judged_output(dataset: Dataset) -> Output | None:
    """The first output that is of numbers or classes."""
    return next((each for each in dataset.contract.outputs if each.kind != "labels"), None)


def score_network(output: Output, split: Split, outputs: Any, loss: ComponentSpec) -> float:
    """What a network reaches on a split by the measure of `measure_baseline`.

    outputs: of the rows of the split, as `final_outputs` hands them out.
    """
    from mlpcli.model.outputs import predicted_classes

    values = np.asarray(outputs[output.name] if output.name else outputs, np.float64)
    truth = _targets(split, output)
    return _score(truth, values if output.kind == "numbers" else predicted_classes(values, loss), output)


def _targets(split: Split, output: Output) -> Array:
    """Class indices, (rows,), or values in their own units, (rows, targets)."""
    y = split.y[output.name] if output.name else split.y
    if output.kind == "numbers":
        return output.restore(np.asarray(y)).reshape(len(split), -1).astype(np.float64)
    return class_indices(y)


def _features(split: Split) -> Array | None:
    """(rows, features), or None for what has too many of them."""
    parts = list(split.x.values()) if isinstance(split.x, dict) else [split.x]
    if sum(int(np.prod(part.shape[1:])) for part in parts) > MOST_FEATURES:
        return None
    flat = [part.reshape(len(split), -1) for part in parts]
    joined: Array = np.concatenate(flat, axis=1)
    return joined


def _some_rows(x: Array, seed: int) -> Array:
    width = x.shape[1]
    most = max(100, MOST_CELLS // width if width <= MANY_FEATURES else MOST_WORK // width**2)
    if len(x) <= most:
        return np.arange(len(x))
    chosen: Array = np.random.default_rng(seed).choice(len(x), most, replace=False)
    return chosen


def _rmse(truth: Array, predicted: Array) -> float:
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))


def _score(truth: Array, predicted: Array, output: Output) -> float:
    """The root of the mean squared error of numbers, the share of classes that are right."""
    if output.kind == "numbers":
        return _rmse(truth, predicted.reshape(truth.shape))
    return float((predicted == truth).mean())


def _linear(x: Array, y: Array, given: Array, truth: Array, output: Output) -> float:
    """Least squares for numbers; for classes logistic regression, stopped after some steps.

    With many features least squares for both, a little held back, since there may be more of them than rows.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier

    many = x.shape[1] > MANY_FEATURES
    x, given = (part.astype(np.float32 if many else np.float64) for part in (x, given))
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    x, given = (x - center) / scale, (given - center) / scale
    if many:
        kind = Ridge if output.kind == "numbers" else RidgeClassifier
        return _score(truth, kind(alpha=10.0, solver="cholesky").fit(x, y).predict(given), output)
    if output.kind == "numbers":
        return _score(truth, LinearRegression().fit(x, y).predict(given), output)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bound on the time is what is wanted
        model = LogisticRegression(max_iter=STEPS).fit(x, y)
    return _score(truth, model.predict(given), output)


def compare(baseline: dict[str, Any]) -> str | None:
    """A line for the user where the network is not better than the best baseline; None where it is.

    baseline: as `measure_baseline` gives it, with what the network reached under `network`.
    """
    value = baseline["network"]
    names = [name for name in ("majority", "mean", "linear") if name in baseline]
    more = baseline["metric"] == "accuracy"
    best = (max if more else min)(names, key=lambda name: baseline[name])
    if value > baseline[best] if more else value < baseline[best]:
        return None
    words = {"majority": "always naming the commonest class", "mean": "the mean", "linear": "a linear model"}
    what = f"{baseline['output']} " if "output" in baseline else ""
    return (
        f"the network is no better than {words[best]} on the {baseline['split']} rows: "
        f"{what}{baseline['metric']} {value:.4g} against {baseline[best]:.4g}"
    )
