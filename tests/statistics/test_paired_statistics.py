"""Tests of differences: known values, and how often a setting is called different from itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpcli.statistics.paired import bootstrap_difference, mcnemar
from mlpcli.statistics.resampled import holm, paired_difference, unpaired_difference
from mlpcli.statistics.student_t import binomial_half, incomplete_beta, t_quantile, two_sided_p


@pytest.mark.parametrize(
    ("probability", "degrees", "wanted"),
    [
        (0.975, 1, 12.706204736174698),
        (0.975, 2, 4.302652729749464),
        (0.975, 4, 2.7764451051977987),
        (0.975, 9, 2.2621571627409915),
        (0.975, 30, 2.0422724563012373),
        (0.95, 10, 1.8124611228116756),
        (0.9995, 3, 12.923978636687485),
        (0.025, 4, -2.7764451051977987),
        (0.975, 1e6, 1.9599663569),
    ],
)
def test_quantiles_of_students_t_are_those_of_the_tables(
    probability: float, degrees: float, wanted: float
) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(wanted, rel=1e-9)
    assert two_sided_p(wanted, degrees) == pytest.approx(2 * min(probability, 1 - probability), rel=1e-8)


def test_the_incomplete_beta_function_has_its_closed_forms() -> None:
    for x in (1e-12, 0.003, 0.3, 0.5, 0.77, 0.999):
        assert incomplete_beta(1, 4, x) == pytest.approx(-math.expm1(4 * math.log1p(-x)), rel=1e-13)
        assert incomplete_beta(7.5, 1, x) == pytest.approx(x**7.5, rel=1e-13)
        arcsine = 2 / math.pi * math.asin(math.sqrt(x))
        assert incomplete_beta(0.5, 0.5, x) == pytest.approx(arcsine, rel=1e-12)
        assert incomplete_beta(3, 40, x) + incomplete_beta(40, 3, 1 - x) == pytest.approx(1, abs=1e-14)
    assert (incomplete_beta(2, 3, 0.0), incomplete_beta(2, 3, 1.0)) == (0.0, 1.0)


def test_tails_of_the_binomial_are_sums_of_its_points() -> None:
    for trials in (1, 2, 9, 40, 333):
        points = [math.comb(trials, k) / 2**trials for k in range(trials + 1)]
        for count in {0, trials // 3, trials // 2, trials}:
            wanted = (math.fsum(points[: count + 1]), points[count])
            assert binomial_half(count, trials) == pytest.approx(wanted, rel=1e-11)
    assert binomial_half(500_000, 1_000_000)[0] == pytest.approx(0.5 + 0.5 * 7.978844e-4, rel=1e-6)


def test_mcnemars_p_values_are_the_published_ones() -> None:
    """The first example of Fagerland and others (2013): 1 against 7 of 21 pairs."""
    found = mcnemar(1, 7)
    assert found.exact == pytest.approx(0.0703125)
    assert found.mid_p == pytest.approx(0.0390625)
    assert mcnemar(7, 1).mid_p == found.mid_p
    assert mcnemar(0, 0).mid_p == mcnemar(0, 0).exact == mcnemar(5, 5).exact == 1.0
    assert mcnemar(0, 1000).mid_p < 1e-200


def test_the_corrected_t_test_is_the_plain_one_with_a_wider_variance() -> None:
    """Differences 0.02, 0.01, 0.03, 0, 0.04: mean 0.02, variance 0.00025."""
    first, second = [0.82, 0.81, 0.83, 0.80, 0.84], [0.80] * 5
    plain = paired_difference(first, second)
    assert plain.value == pytest.approx(0.02)
    assert plain.p == pytest.approx(two_sided_p(0.02 / math.sqrt(0.00025 / 5), 4))
    corrected = paired_difference(first, second, test_per_train=0.25)
    error = math.sqrt(0.00025 * (1 / 5 + 1 / 4))
    assert corrected.p == pytest.approx(two_sided_p(0.02 / error, 4))
    assert corrected.high - corrected.value == pytest.approx(2.7764451051977987 * error)
    assert (plain.p < 0.05 < corrected.p, plain.low > 0 > corrected.low) == (True, True)
    assert paired_difference(second, first).value == -plain.value


def test_scores_that_do_not_vary_say_nothing() -> None:
    assert paired_difference([0.5, 0.7], [0.5, 0.7]).p == 1.0
    assert math.isnan(paired_difference([0.6, 0.8], [0.5, 0.7]).p)  # 0.1 both times, but for rounding
    assert math.isnan(paired_difference([0.6, math.nan], [0.5, 0.7]).p)
    with pytest.raises(ValueError, match="at least 2"):
        paired_difference([0.5], [0.6])


def test_welchs_test_is_that_of_the_textbook() -> None:
    """Means 2 and 5, variances 1 and 4, of 3 and 5 values: t = -3 / sqrt(1/3 + 4/5)."""
    first, second = [1.0, 2.0, 3.0], [5 + x * math.sqrt(1.6) for x in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    found = unpaired_difference(first, second)
    degrees = (1 / 3 + 4 / 5) ** 2 / ((1 / 3) ** 2 / 2 + (4 / 5) ** 2 / 4)
    assert found.value == pytest.approx(-3)
    assert found.degrees == pytest.approx(degrees)
    assert found.p == pytest.approx(two_sided_p(3 / math.sqrt(1 / 3 + 4 / 5), degrees))
    assert unpaired_difference(first, second, test_per_train=0.25).p > found.p


def test_holms_correction() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    found = holm([math.nan, 0.02])
    assert math.isnan(found[0])
    assert found[1] == pytest.approx(0.04)


def test_a_setting_compared_with_itself_is_seldom_called_different() -> None:
    """Scores of five folds: a part that both settings share, and a part of each setting's own.

    A fifth of the variance of the latter is common to all its folds, as Nadeau and Bengio assume for folds
    of a fifth of the rows.
    """
    draw = np.random.default_rng(5).normal
    trials = 300
    for overlap in (0.0, 0.2):
        paired = plain = unpaired = 0
        for _ in range(trials):
            folds = draw(size=5)
            a, b = (
                folds + draw(size=5) * math.sqrt(1 - overlap) + draw() * math.sqrt(overlap) for _ in range(2)
            )
            paired += paired_difference(a.tolist(), b.tolist(), test_per_train=0.25).p < 0.05
            plain += paired_difference(a.tolist(), b.tolist()).p < 0.05
            unpaired += unpaired_difference(a.tolist(), b.tolist(), test_per_train=0.25).p < 0.05
        assert max(paired, unpaired) <= 0.07 * trials
    assert plain > 0.09 * trials  # what is corrected


def test_the_bootstrap_of_a_mean_is_students_interval() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.3, 1.0, 12)
    resampled = values[rng.integers(0, 12, (100_000, 12))].mean(axis=1)
    found = bootstrap_difference(values.mean(), resampled, rows=12)
    half = t_quantile(0.975, 11) * values.std(ddof=1) / math.sqrt(12)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.06)
    error = values.std(ddof=1) / math.sqrt(12)
    assert found.p == pytest.approx(two_sided_p(values.mean() / error, 11), abs=0.03)


def test_a_bootstrap_that_says_nothing() -> None:
    assert bootstrap_difference(0.0, np.zeros(100), rows=50).p == 1.0
    undefined = np.where(np.arange(100) < 10, np.nan, 1.0)
    assert math.isnan(bootstrap_difference(1.0, undefined, rows=50).p)
    assert math.isnan(bootstrap_difference(1.0, np.ones(100), rows=1).p)
