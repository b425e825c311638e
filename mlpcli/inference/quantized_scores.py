"""What int8 costs: how good predictions are on a run's test rows, of `predict` and of the exported file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.inference.evaluate import values_of
from mlpcli.runs.exported import Score

SCORED_ROWS = 5000
"""The most test rows."""


def scores_of(
    contract: Contract, split: str, y: Arrays, before: Mapping[str, Array], after: Mapping[str, Array]
) -> tuple[Score, ...]:
    """Return the score of each output that can be right or wrong, or near: accuracy, or RMSE.

    Args:
        contract: of the outputs.
        split: whose rows they are.
        y: targets of the rows as the network learns them, by output where outputs have names.
        before: the results of `predict`, by name.
        after: those of the file.
    """
    return tuple(_scores(contract, split, y, before, after))


def _scores(
    contract: Contract, split: str, y: Arrays, before: Mapping[str, Array], after: Mapping[str, Array]
) -> Iterator[Score]:
    for output in contract.outputs:
        truth = np.asarray(values_of(y, output))
        measure = {"numbers": _rmse, "labels": _label_accuracy}.get(output.kind, _accuracy)
        if output.kind in ("groups", "sequences"):
            continue
        name = "RMSE" if output.kind == "numbers" else "accuracy"
        values = (measure(output, truth, results) for results in (before, after))
        yield Score(output.name, split, name, len(truth), *values)


def _result(output: Output, results: Mapping[str, Array], name: str) -> Array:
    return results[f"{output.name}_{name}" if output.name else name]


def _accuracy(output: Output, truth: Array, results: Mapping[str, Array]) -> float:
    index = _result(output, results, "index")
    wanted = class_indices(truth)
    return float((index.reshape(wanted.shape) == wanted).mean())


def _label_accuracy(output: Output, truth: Array, results: Mapping[str, Array]) -> float:
    chosen = _result(output, results, "probabilities") >= np.asarray(output.thresholds or 0.5)
    return float((chosen == (truth > 0.5)).mean())


def _rmse(output: Output, truth: Array, results: Mapping[str, Array]) -> float:
    """Return the root of the mean squared error in the target's own units."""
    value = _result(output, results, "value")
    own = output.restore(truth.reshape(value.shape), truth=True).astype(np.float64)
    return float(np.sqrt(np.mean((value - own) ** 2)))
