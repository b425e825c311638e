"""Weights of rows: a column of weights, weights of classes, or their product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.targets import CLASSED, class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import KeyPath, Problem, SpecError, listing, nearest

OfClasses = str | Mapping[str, float]
"""`balanced`, or a weight for each class by name."""
ClassWeights = str | Mapping[str, float | str | Mapping[str, float]] | None
PATH: KeyPath = ("fit", "class_weight")

BALANCED = "balanced"
FORM = "must be 'balanced', or a mapping of class names to numbers"


def row_weights(
    y: Mapping[str, Array],
    train: Mapping[str, Array],
    given: Array | None,
    outputs: Sequence[Output],
    class_weight: ClassWeights,
) -> Arrays | None:
    """Return the weights of a split's rows.

    Args:
        y: class indices, one-hot or label rows of the split, by output.
        train: the same for the training rows, which `balanced` counts.
        given: (rows,) float32, the column of row weights.
        outputs: of the network.
        class_weight: `balanced`, which is rows / (classes * rows of the class) as in scikit-learn; or a
            weight for each class, 1 for those not named; or one of these by output.

    Returns:
        (rows,) float32, a dict of such arrays by output, or None.

    Raises:
        SpecError: no output has classes, or there is no output or class of a given name.
    """
    if class_weight is None:
        return weights_of_rows(given, outputs)
    wanted = _by_output(class_weight, outputs)
    found = {
        each.name: _weights_of_classes(each, train[each.name], wanted[each.name])[class_indices(y[each.name])]
        for each in outputs
        if each.name in wanted
    }
    rows = len(next(iter(y.values())))
    plain = np.ones(rows, np.float32) if given is None else given
    weights = {
        each.name: np.asarray(found.get(each.name, 1.0) * _of_steps(plain, each), np.float32)
        for each in outputs
    }
    return weights if outputs[0].name else weights[""]


def weights_of_rows(given: Array | None, outputs: Sequence[Output]) -> Arrays | None:
    """Return row weights, (rows,) float32, as the network takes them: by output, and for each of its steps.

    Keras would multiply the weights of rows with the wrong axis of the losses of steps.
    """
    if given is None:
        return None
    weights = {each.name: _of_steps(given, each) for each in outputs}
    return weights if outputs[0].name else weights[""]


def _of_steps(weights: Array, output: Output) -> Array:
    """Return (rows,) weights as (rows, *steps), each step with that of its row."""
    if not output.steps:
        return weights
    column = weights.reshape(-1, *(1 for _ in output.steps))
    return np.ascontiguousarray(np.broadcast_to(column, (len(weights), *output.steps)))


def _weights_of_classes(output: Output, train: Array, class_weight: OfClasses) -> Array:
    """Return (classes,) float64 weights; scikit-learn's function fails for a class without rows."""
    names = output.classes or ()
    if not isinstance(class_weight, str):
        return np.array([class_weight.get(name, 1.0) for name in names])
    counts = np.bincount(class_indices(train).reshape(-1), minlength=len(names))
    return np.asarray(counts.sum() / (len(names) * np.maximum(counts, 1)))


def _by_output(given: str | Mapping[str, Any], outputs: Sequence[Output]) -> dict[str, OfClasses]:
    """Return the weights of classes by output, of those that have any."""
    weighted = {each.name: each for each in outputs if each.kind in CLASSED}
    if not weighted:
        rule = "is for a target of classes, this one holds none"
        raise SpecError(Problem(rule, path=PATH, received=given, hint="remove it"))
    if isinstance(given, str):
        if given != BALANCED:
            raise SpecError(Problem(FORM, path=PATH, received=given))
        return dict.fromkeys(weighted, given)
    names = [each.name for each in outputs if each.name]
    of_classes = all(isinstance(value, int | float) for value in given.values()) and not {*given} & {*names}
    if of_classes or not names:
        classes = [name for each in weighted.values() for name in each.classes or ()]
        problems = [*_class_problems(given, classes, PATH)]
        found: dict[str, OfClasses] = dict.fromkeys(weighted, given)
    else:
        problems = [found for name in given for found in _output_problems(name, given[name], names, weighted)]
        found = dict(given)
    if problems:
        raise SpecError(*problems)
    return found


def _output_problems(
    name: str, value: object, names: Sequence[str], weighted: Mapping[str, Output]
) -> Iterator[Problem]:
    """Yield what is wrong with the weights of an output."""
    path: KeyPath = (*PATH, name)
    if name not in names:
        hint = nearest(name, names) or f"the outputs are {listing(names)}"
        yield Problem("there is no such output", path=path, received=name, hint=hint)
    elif name not in weighted:
        rule = "is for a target of classes, that of this output holds none"
        yield Problem(rule, path=path, received=value, hint="remove it")
    elif isinstance(value, Mapping):
        yield from _class_problems(value, weighted[name].classes or (), path)
    elif value != BALANCED:
        yield Problem(FORM, path=path, received=value, hint="with several outputs, the keys are outputs")


def _class_problems(given: Mapping[str, object], classes: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    """Yield weights of classes that do not exist, and those that are not numbers."""
    for name, value in given.items():
        if not isinstance(value, int | float):
            hint = "with one output, the keys are classes; for all of them write class_weight: balanced"
            yield Problem("must be a number", path=(*path, name), received=value, hint=hint)
        elif name not in classes:
            hint = nearest(name, classes) or f"the classes are {listing(classes)}"
            yield Problem("there is no such class", path=(*path, name), received=name, hint=hint)
