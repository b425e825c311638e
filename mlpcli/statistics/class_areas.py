"""Whether scores tell classes apart at all, whatever the threshold: areas under ROC curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcli.statistics.drift import mid_ranks

Array = NDArray[Any]


@dataclass(frozen=True)
class ClassArea:
    """The area under the ROC curve of one class against all others.

    Attributes:
        area: 0.5 where the scores say nothing of the class, 1 where they tell it from all others.
        error: the standard error of the area (Hanley and McNeil, Radiology 143, 1982).
        chance: the area that scores without any skill have at most, in 97.5% of such samples.
    """

    area: float
    error: float
    chance: float

    @property
    def tells(self) -> bool:
        """Whether the scores tell the class from others, by more than chance."""
        return self.area > self.chance


def class_area(truth: Array, scores: Array) -> ClassArea | None:
    """Return the area of one class; None where all rows or none are of it, or a score is no number.

    Args:
        truth: (rows,) whether a row is of the class.
        scores: (rows,) greater where it more probably is.
    """
    own, others = int(truth.sum()), int((~truth).sum())
    if not own or not others or not np.isfinite(scores).all():
        return None
    area = float((mid_ranks(scores)[truth].sum() - own * (own + 1) / 2) / (own * others))
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (own - 1) * (above - area**2) + (others - 1) * (below - area**2)
    chance = 0.5 + 1.96 * math.sqrt((own + others + 1) / (12 * own * others))
    return ClassArea(area, math.sqrt(max(0.0, spread) / (own * others)), chance)


def class_areas(truth: Array, scores: Array) -> list[ClassArea | None]:
    """Return the area of each class.

    Args:
        truth: (rows,) class indices.
        scores: (rows, classes); of two classes one column is enough, that of the second.
    """
    if scores.shape[-1] == 1:
        scores = np.concatenate([-scores, scores], axis=-1)
    return [class_area(truth == place, scores[:, place]) for place in range(scores.shape[-1])]


def mean_area(truth: Array, scores: Array) -> ClassArea | None:
    """Return the mean area of all classes that have rows, and other rows beside them; None where none has.

    The areas depend on each other, so that the error of their mean is taken to be the mean of their errors.
    """
    found = [each for each in class_areas(truth, scores) if each is not None]
    if not found:
        return None
    every = [(each.area, each.error, each.chance) for each in found]
    return ClassArea(*(float(each) for each in np.mean(every, axis=0)))
