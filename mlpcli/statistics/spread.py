"""How far the values of a metric lie apart that several trainings have reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlpcli.statistics.student_t import t_quantile


@dataclass(frozen=True)
class Spread:
    """The values of a metric over several trainings.

    Attributes:
        values: one a training, in their order; NaN where one has none.
        mean: of the values.
        standard_deviation: of the values, with n - 1; NaN for a single one.
        interval: of the mean, by Student's t with n - 1 degrees of freedom, cut at the smallest and the
            largest value that the metric can have; NaN for a single value.
    """

    values: tuple[float, ...]
    mean: float
    standard_deviation: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, object]:
        """Return the entry of `metrics.json`."""
        return {
            "mean": self.mean,
            "standard_deviation": self.standard_deviation,
            "interval": list(self.interval),
            "values": list(self.values),
        }


def spread_of(
    values: Sequence[float], *, level: float = 0.95, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Spread:
    """Return mean, standard deviation and an interval of the mean.

    mean +- t(n - 1) * s / sqrt(n): Student, The probable error of a mean, Biometrika 6 (1908). It takes the
    values for independent of each other, which those of folds are not quite: they share training rows.
    Cutting it at what a mean can be leaves its coverage as it is.

    Args:
        values: one or more.
        level: of the interval.
        bounds: the smallest and the largest value that the metric can have.
    """
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2 or not math.isfinite(mean):
        return Spread(tuple(values), mean, math.nan, (math.nan, math.nan))
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = t_quantile(0.5 + level / 2, count - 1) * deviation / math.sqrt(count)
    return Spread(tuple(values), mean, deviation, _cut(mean - half, mean + half, bounds))


def _cut(low: float, high: float, bounds: tuple[float, float]) -> tuple[float, float]:
    return max(low, bounds[0]), min(high, bounds[1])
