"""Fit the scaling of a column on the training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpcli.data.quantiles import Quantiles
from mlpcli.data.types import Array, EarlierRule, NumberType
from mlpcli.spec.features import FeatureSpec

TINY = 1e-300
"""Numbers closer together than this are beyond the normal numbers of float64, and count as the same."""

BY_MEDIAN = ("robust", "quantile", "log")
"""Scalings whose center is the median, with which missing cells are filled."""


@dataclass(frozen=True)
class FittedScaling:
    """(value - offset) / scale, and then to a normal distribution where there are quantiles."""

    offset: float
    scale: float
    quantiles: Quantiles | None = None


@dataclass(frozen=True)
class ScalingRules:
    """What the scaling of a column depends on besides its numbers.

    Attributes:
        numbers: how numbers are kept until they are scaled; float32 in a run of version 0.1.
        quantiles: how many each column has.
        earlier: what is encoded as in earlier versions.
    """

    numbers: NumberType
    quantiles: int
    earlier: frozenset[EarlierRule] = frozenset()

    def fit(self, scaling: str, known: Array) -> FittedScaling:
        """Fit a scaling on numbers, (rows,) without NaN; the scale of a constant column is 1.

        By quantiles, the constant is 0 and all other numbers are -5.2 or 5.2.
        """
        if scaling == "none":
            return FittedScaling(0.0, 1.0)
        if scaling == "quantile":
            return FittedScaling(0.0, 1.0, Quantiles.of(known.astype(np.float64), self.quantiles))
        wide = self.numbers == "float64"
        if wide and known.max() - known.min() < TINY:
            return FittedScaling(float(known.min()), 1.0)
        if scaling == "minmax":
            offset, scale = known.min(), known.max() - known.min()
        elif scaling == "robust":
            offset, scale = self._robust(known)
        else:
            offset, scale = known.mean(), known.std()
        if wide:
            return FittedScaling(
                float(offset), float(scale) if scale >= TINY else float(known.max() - known.min())
            )
        flat = scale <= 1e-7 * abs(offset) or scale < 1e-30
        return FittedScaling(float(offset), 1.0 if flat else float(scale))

    def _robust(self, known: Array) -> tuple[float, float]:
        """Return the median, and the distance of the quartiles; where they are equal, half the range."""
        low, middle, high = np.percentile(known, [25, 50, 75])
        if "robust" in self.earlier or self.numbers == "float32":
            return middle, high - low or known.std()
        return middle, high - low or (known.max() - known.min()) / 2


def fill_value(spec: FeatureSpec, known: Array) -> float:
    """Return what a missing cell of a column of numbers counts as, before the numbers are scaled."""
    if isinstance(spec.missing, int | float):
        return float(spec.missing)
    central = np.median if spec.missing == "median" or spec.scaling in BY_MEDIAN else np.mean
    return float(central(known))
