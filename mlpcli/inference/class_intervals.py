"""Intervals of the scores of each class or label: precision, recall and F1 over draws of rows."""

from __future__ import annotations

import numpy as np

from mlpcli.data.types import Array
from mlpcli.statistics.bootstrap import Method, dealt_sums, group_sizes, percentile_interval, resample_sums

SCORES = ("precision", "recall", "f1")

Ends = dict[str, tuple[float, float]]
"""By score, the lower and the upper end; without a score that has no value in many draws."""


def class_intervals(
    truth: Array, predicted: Array, count: int, *, seed: int, labels: bool = False
) -> list[Ends]:
    """Return the intervals of the scores of each class or label.

    Rows are drawn, with all of their steps. A draw without a row of a class has no recall of it, one in which
    it is never predicted no precision; those draws do not count.

    Args:
        truth: (rows, ...) class indices, of every step; or (rows, ..., labels) of 0 and 1.
        predicted: the same of the predictions.
        count: how many classes or labels there are.
        seed: of the draws.
        labels: whether they are labels, of which a row may have several.
    """
    rows = len(truth)
    if rows < 2:
        return [{} for _ in range(count)]
    classes = np.arange(count)

    def addends(places: Array) -> Array:
        taken = [each[places].reshape(len(places), -1, count if labels else 1) for each in (truth, predicted)]
        real, found = (each == (1 if labels else classes) for each in taken)
        return np.concatenate([each.sum(axis=1) for each in (real & found, found, real)], axis=1, dtype=float)

    method = Method(seed)
    sums = dealt_sums(addends, rows, seed)
    draws = resample_sums(sums, group_sizes(rows), method)
    both, found, real = np.split(draws, 3, axis=1)
    _, all_found, all_real = np.split(np.minimum(sums.sum(axis=0), rows).astype(int), 3)
    support = {"precision": all_found, "recall": all_real, "f1": all_real}
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {"precision": both / found, "recall": both / real, "f1": 2 * both / (found + real)}
    ends = {
        name: [
            percentile_interval(each, int(of), method.level)
            for each, of in zip(values[name].T, support[name], strict=True)
        ]
        for name in SCORES
    }
    return [{name: each for name in SCORES if (each := ends[name][place])} for place in range(count)]
