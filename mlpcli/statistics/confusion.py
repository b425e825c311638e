"""Which classes are taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def confusion(truth: Array, predicted: Array, classes: int) -> Array:
    """Count the rows of each pair of true and predicted class.

    Args:
        truth: (rows,) int class indices.
        predicted: (rows,) int class indices.
        classes: how many classes there are.

    Returns:
        (classes, classes) int64: true classes down, predicted classes across.
    """
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts
