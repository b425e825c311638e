"""Are two settings different? Tests on the scores of several trainings of each.

Scores of folds are not independent: any two folds share most of their training rows. So the plain t-test of
the differences calls far too many of them real; the corrected resampled t-test widens the variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlpcli.statistics.student_t import t_quantile, two_sided_p


@dataclass(frozen=True)
class MeanDifference:
    """The mean difference of two lists of scores, and how far it is from chance.

    Attributes:
        value: mean of the first minus mean of the second.
        low: the lower end of the interval.
        high: its upper end.
        p: two-sided; NaN where the scores do not vary, so that nothing can be said.
        degrees: of freedom of Student's t.
    """

    value: float
    low: float
    high: float
    p: float
    degrees: float


def paired_difference(
    first: Sequence[float], second: Sequence[float], *, test_per_train: float = 0.0, level: float = 0.95
) -> MeanDifference:
    """Test the mean of the differences of matched scores.

    With `test_per_train` the corrected resampled t-test of Nadeau and Bengio, Inference for the
    generalization error, Machine Learning 52 (2003), section 4: the variance of the mean is
    (1/k + n_test / n_train) times the variance of the k differences, instead of 1/k times. With 0 the paired
    t-test, for scores that are independent of each other: of trainings on the same rows with other seeds.

    Args:
        first: (k,) scores of one setting, k at least 2.
        second: (k,) scores of the other, on the same folds or with the same seeds, in the same order.
        test_per_train: rows of a fold that is held out, for each row that is trained on.
        level: of the interval.
    """
    if len(first) != len(second):
        raise ValueError(f"needs as many scores of each, received {len(first)} and {len(second)}")
    differences = [one - other for one, other in zip(first, second, strict=True)]
    count = len(differences)
    mean, variance = _mean_and_variance(differences)
    return _tested(mean, variance * (1.0 / count + test_per_train), count - 1.0, level)


def unpaired_difference(
    first: Sequence[float], second: Sequence[float], *, test_per_train: float = 0.0, level: float = 0.95
) -> MeanDifference:
    """Test the difference of the means of scores that do not match: other seeds, or other folds.

    Welch's t-test (Biometrika 34, 1947); its variances are those of Nadeau and Bengio with `test_per_train`,
    see `paired_difference`. Scores on the same data rise and fall together, which this test does not use: it
    finds less than the paired one.

    Args:
        first: scores of one setting, at least 2.
        second: scores of the other, at least 2.
        test_per_train: rows of a fold that is held out, for each row that is trained on.
        level: of the interval.
    """
    (one, of_one), (other, of_other) = _mean_and_variance(first), _mean_and_variance(second)
    parts = of_one / len(first), of_other / len(second)
    squares = parts[0] ** 2 / (len(first) - 1) + parts[1] ** 2 / (len(second) - 1)
    degrees = sum(parts) ** 2 / squares if squares > 0 else len(first) + len(second) - 2.0
    variance = of_one * (1 / len(first) + test_per_train) + of_other * (1 / len(second) + test_per_train)
    return _tested(one - other, variance, degrees, level)


def _mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and unbiased variance; the variance is 0 where all values are equal but for rounding."""
    count = len(values)
    if count < 2:
        raise ValueError(f"needs at least 2 scores, received {count}")
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    largest = max(abs(value) for value in values)
    return mean, variance if math.sqrt(variance) > 1e-12 * largest else 0.0


def _tested(mean: float, variance: float, degrees: float, level: float) -> MeanDifference:
    if variance == 0.0:
        p = 1.0 if mean == 0.0 else math.nan
        return MeanDifference(mean, mean, mean, p, degrees)
    if not math.isfinite(variance):
        return MeanDifference(mean, math.nan, math.nan, math.nan, degrees)
    error = math.sqrt(variance)
    half = t_quantile(0.5 + level / 2.0, degrees) * error
    return MeanDifference(mean, mean - half, mean + half, two_sided_p(mean / error, degrees), degrees)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: below 0.05 where Holm's procedure rejects at 5%.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6
    (1979): the smallest is multiplied by how many there are, the next by one less, and so on; none is then
    below one before it.

    Args:
        p_values: one a test; NaN for a test that says nothing, which counts but stays NaN.
    """
    order = sorted(range(len(p_values)), key=lambda place: (math.isnan(p_values[place]), p_values[place]))
    corrected = [math.nan] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        if not math.isnan(p_values[place]):
            largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
            corrected[place] = largest
    return corrected
