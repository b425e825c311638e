"""Weights of rows: a column of weights, weights of classes, or their product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import Problem, SpecError, listing, nearest

ClassWeights = str | Mapping[str, float] | None
PATH = ("fit", "class_weight")


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
            weight for each class, 1 for those not named.

    Returns:
        (rows,) float32, a dict of such arrays by output, or None.

    Raises:
        SpecError: no output has classes, or none has a class of a given name.
    """
    if class_weight is None:
        return given if given is None or not outputs[0].name else {each.name: given for each in outputs}
    weighted = [each for each in outputs if each.kind in ("classes", "one_hot")]
    _check_class_weight(class_weight, weighted)
    found = {
        each.name: _weights_of_classes(each, train[each.name], class_weight)[class_indices(y[each.name])]
        for each in weighted
    }
    rows = len(next(iter(y.values())))
    weights = {
        each.name: np.asarray(
            found.get(each.name, np.ones(rows)) * (1.0 if given is None else given), np.float32
        )
        for each in outputs
    }
    return weights if outputs[0].name else weights[""]


def _weights_of_classes(output: Output, train: Array, class_weight: str | Mapping[str, float]) -> Array:
    """Return (classes,) float64 weights; scikit-learn's function fails for a class without rows."""
    names = output.classes or ()
    if not isinstance(class_weight, str):
        return np.array([class_weight.get(name, 1.0) for name in names])
    counts = np.bincount(class_indices(train), minlength=len(names))
    return np.asarray(counts.sum() / (len(names) * np.maximum(counts, 1)))


def _check_class_weight(class_weight: str | Mapping[str, float], weighted: Sequence[Output]) -> None:
    if not weighted:
        rule = "is for a target of classes, this one holds none"
        raise SpecError(Problem(rule, path=PATH, received=class_weight, hint="remove it"))
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            rule = "must be 'balanced', or a mapping of class names to numbers"
            raise SpecError(Problem(rule, path=PATH, received=class_weight))
        return
    names = [name for each in weighted for name in each.classes or ()]
    unknown = [name for name in class_weight if name not in names]
    if unknown:
        raise SpecError(
            *(
                Problem(
                    "there is no such class",
                    path=(*PATH, name),
                    received=name,
                    hint=nearest(name, names) or f"the classes are {listing(names)}",
                )
                for name in unknown
            )
        )
