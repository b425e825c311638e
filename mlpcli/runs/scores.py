"""What the names of metrics and losses say: which is better, and between which bounds the values are."""

from __future__ import annotations

import math
from collections.abc import Sequence

MORE_IS_BETTER = (
    *("acc", "auc", "precision", "recall", "sensitivity", "specificity", "true_", "correlation"),
    *("f1", "fbeta", "f_beta", "r2", "iou", "io_u", "similarity"),
)
"""Words in the names of metrics that are better the greater they are."""


def more_is_better(name: str) -> bool:
    """Return whether a metric of this name is better the greater it is, where only its name is known."""
    return any(word in name for word in MORE_IS_BETTER)


SHARES = (
    "acc",
    "auc",
    "precision",
    "recall",
    "sensitivity",
    "specificity",
    "f1",
    "fbeta",
    "f_beta",
    "iou",
    "io_u",
)
"""Words in the names of metrics that are shares, from 0 to 1."""

NOT_NEGATIVE = ("error", "mse", "mae", "mape", "msle", "crossentropy")
"""Words in the names of metrics that are 0 at least."""


NOT_NEGATIVE_LOSSES = (*NOT_NEGATIVE, "huber", "cosh", "hinge")
"""Words in the names of losses that are 0 at least, as are their penalties."""


def value_range(name: str, values: Sequence[float], losses: Sequence[str] = ()) -> tuple[float, float]:
    """Return the smallest and the largest value that a metric can have, where only its name is known.

    Args:
        name: of the metric, or `loss`.
        values: of it; one outside of the range shows that the name means something else.
        losses: the names of the losses that `loss` is made of.
    """
    if name == "loss" or name.endswith("_loss"):
        known = bool(losses) and all(any(w in each.lower() for w in NOT_NEGATIVE_LOSSES) for each in losses)
        return (0.0 if known and all(value >= 0 for value in values) else -math.inf), math.inf
    ranges = {SHARES: (0.0, 1.0), NOT_NEGATIVE: (0.0, math.inf)}
    for words, (low, high) in ranges.items():
        if any(word in name for word in words) and all(low <= value <= high for value in values):
            return low, high
    return -math.inf, math.inf
