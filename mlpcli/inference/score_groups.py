"""By which rows one run is better than another: by class, by label, by decile of the prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.types import Array
from mlpcli.inference.evaluate import class_scores
from mlpcli.runs.paired_results import Breakdown, GroupScore
from mlpcli.statistics.paired import mcnemar
from mlpcli.statistics.resampled import holm, paired_difference

MOST_BINS, ROWS_OF_A_BIN = 10, 10
"""Deciles; fewer bins where each would have fewer rows than this."""


def by_class(names: Sequence[str], truth: Array, predicted: Sequence[Array], output: str) -> Breakdown:
    """Return recall and F1 of each class or label, for each run.

    Where there are two runs, McNemar's test of the rows of the class says whether the difference in recall is
    more than chance, corrected for the number of classes by Holm's method.

    Args:
        names: of the classes or labels.
        truth: (rows,) class indices, or (rows, labels) of 0 and 1.
        predicted: the same as each run predicts it.
        output: the name of the output.
    """
    is_labels = truth.ndim == 2
    scores = [class_scores(truth, each, tuple(names)) for each in predicted]
    corrected: list[float] | list[None] = [None] * len(names)
    if len(predicted) == 2:
        real = truth == 1 if is_labels else truth[:, None] == np.arange(len(names))
        right = [(each == truth) if is_labels else (each == truth)[:, None] for each in predicted]
        only = [(real & one & ~other).sum(axis=0) for one, other in (right, right[::-1])]
        corrected = holm([mcnemar(int(one), int(other)).mid_p for one, other in zip(*only, strict=True)])
    groups = [
        GroupScore(
            name,
            scores[0][place].rows,
            {
                "recall": tuple(each[place].recall for each in scores),
                "f1": tuple(each[place].f1 for each in scores),
            },
            corrected[place],
        )
        for place, name in enumerate(names)
    ]
    return Breakdown(output, "label" if is_labels else "class", True, tuple(groups))


def by_decile(truth: Array, predicted: Sequence[Array], output: str) -> Breakdown | None:
    """Return the mean absolute error of each run by decile of the prediction; None for too few rows.

    The deciles are those of the mean of the runs' predictions: the same rows for all runs, favouring none.
    Where there are two runs, a paired t-test of the absolute errors of a decile says whether their difference
    is more than chance, corrected for the number of deciles by Holm's method.

    Args:
        truth: (rows,) float64 in the target's own units.
        predicted: the same as each run predicts it.
        output: the name of the output.
    """
    bins = min(MOST_BINS, len(truth) // ROWS_OF_A_BIN)
    middle = np.mean(predicted, axis=0)
    if bins < 2 or not np.isfinite(middle).all():
        return None
    inner = np.unique(np.quantile(middle, np.arange(1, bins) / bins))
    place_of = np.searchsorted(inner, middle, side="left")
    errors = [np.abs(each - truth) for each in predicted]
    taken = [place_of == place for place in range(len(inner) + 1)]
    taken = [rows for rows in taken if rows.any()]
    if len(taken) < 2:
        return None
    corrected: list[float] | list[None] = [None] * len(taken)
    if len(predicted) == 2:
        corrected = holm([_paired_p(*(each[rows] for each in errors)) for rows in taken])
    groups = [
        GroupScore(
            f"{_short(middle[rows].min())} to {_short(middle[rows].max())}",
            int(rows.sum()),
            {"mean absolute error": tuple(float(each[rows].mean()) for each in errors)},
            p,
        )
        for rows, p in zip(taken, corrected, strict=True)
    ]
    return Breakdown(output, "decile", False, tuple(groups))


def _paired_p(first: Array, second: Array) -> float:
    if len(first) < 2:
        return math.nan
    return paired_difference(first.tolist(), second.tolist()).p


def _short(value: float) -> str:
    """Return a number with four digits: a bound of a decile."""
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def untested(breakdown: Breakdown) -> Breakdown:
    """Return a breakdown without its tests, which take rows for independent of each other."""
    return replace(breakdown, groups=tuple(replace(each, p=None) for each in breakdown.groups))


def columns_of(output: Output, values: Array) -> dict[str, Array]:
    """Return the values of an output of numbers by target column, each (rows,); steps count as rows.

    Args:
        output: of numbers.
        values: (rows, ...).
    """
    if not output.width:
        return {output.name: values.reshape(-1)}
    columns = values.reshape(-1, output.width[0]).T
    prefix = f"{output.name}: " if output.name else ""
    return {
        f"{prefix}{name}": np.asarray(column) for name, column in zip(output.target, columns, strict=True)
    }
