"""Edges of the statistics: ties, bounds that are met exactly, what cannot be reached, neighbouring seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpcli.keras_import import keras
from mlpcli.statistics.bootstrap import deal, draw_counts
from mlpcli.statistics.calibration import BINS, brier_score, log_loss, measure_reliability
from mlpcli.statistics.conformal import class_sets, interval_scores, set_scores
from mlpcli.statistics.curves import Counts, area
from mlpcli.statistics.paired import mcnemar
from mlpcli.statistics.resampled import holm, unpaired_difference
from mlpcli.statistics.spread import spread_of
from mlpcli.statistics.thresholds import METRICS, at_least, by_cost, choose_threshold


def test_the_mid_p_of_as_many_on_each_side_counts_half_of_that_split() -> None:
    assert mcnemar(1, 1).mid_p == pytest.approx(1 - 0.5 * 2 / 4)
    assert mcnemar(5, 5).mid_p == pytest.approx(1 - 0.5 * math.comb(10, 5) / 2**10)
    assert (mcnemar(1, 1).exact, mcnemar(0, 0).mid_p) == (1.0, 1.0)


def test_the_interval_of_a_mean_is_students() -> None:
    found = spread_of([1.0, 2.0, 3.0, 6.0])
    assert found.mean == 3.0
    assert found.standard_deviation == pytest.approx(math.sqrt(14 / 3))
    half = 3.182446305284263 * math.sqrt(14 / 3) / 2  # of Student's t with 3 degrees of freedom
    assert found.interval == pytest.approx((3 - half, 3 + half))
    narrower = spread_of([1.0, 2.0, 3.0, 6.0], level=0.5).interval
    assert narrower[1] == pytest.approx(3 + 0.7648923284 * math.sqrt(14 / 3) / 2)
    assert math.isnan(spread_of([1.0]).interval[0])


def test_the_variance_of_welchs_test_is_that_of_each_setting() -> None:
    first, second = [1.0, 2.0, 3.0], [5.0, 9.0, 1.0, 5.0]  # variances 1 of 3, and 32 / 3 of 4
    found = unpaired_difference(first, second, test_per_train=0.25)
    wide = unpaired_difference(first, second)
    ratio = (1 / 3 + 8 / 3 + 0.25 * (1 + 32 / 3)) / (1 / 3 + 8 / 3)
    assert (found.high - found.low) / (wide.high - wide.low) == pytest.approx(math.sqrt(ratio))
    assert (wide.value, wide.low + wide.high) == pytest.approx((-3, -6))
    same = unpaired_difference([2.0, 2.0], [2.0, 2.0, 2.0])
    assert (same.value, same.p, same.degrees) == (0.0, 1.0, 3.0)


def test_holms_correction_never_passes_1_and_keeps_equal_values_equal() -> None:
    assert holm([0.4, 0.02, 0.4]) == pytest.approx([0.8, 0.06, 0.8])
    assert holm([0.9, 0.8, 1.0]) == [1.0, 1.0, 1.0]
    assert holm([]) == []


def test_draws_and_groups_of_neighbouring_seeds_differ() -> None:
    seeds = (0, 1, 2, 3, 126, 127, 2**62, -1)
    drawn = {next(draw_counts(40, 2, seed)).tobytes() for seed in seeds}
    dealt = {next(deal(40, seed, groups=8)).tobytes() for seed in seeds}
    assert (len(drawn), len(dealt)) == (len(seeds), len(seeds))


def test_a_certain_probability_counts_as_the_nearest_float_to_it() -> None:
    """As far from 0 and 1 as the largest float32 below 1 is from 1; a softmax may come nearer to 0."""
    truth, likely = np.array([[1], [0], [1]]), np.array([[0.0], [1.0], [1.0]], np.float32)
    assert log_loss(truth, likely) == pytest.approx(2 / 3 * 24 * math.log(2), rel=1e-6)
    assert brier_score(truth, likely) == pytest.approx(2 / 3)
    several = np.array([[1.0, 0.0, 0.0]], np.float32)
    assert log_loss(np.array([1]), several) == pytest.approx(126 * math.log(2), rel=1e-6)
    assert brier_score(np.array([1]), several) == 2.0


def test_a_probability_at_the_edge_of_a_bin_is_in_the_lower_one() -> None:
    likely = np.array([[0.0], [1 / BINS], [2 / BINS], [1.0]])
    found = measure_reliability(np.array([[0], [1], [0], [1]]), likely)
    assert [(each.predicted, each.observed, each.count) for each in found.curve] == [
        (pytest.approx(0.5 / BINS), 0.5, 2),
        (pytest.approx(2 / BINS), 0.0, 1),
        (1.0, 1.0, 1),
    ]
    assert found.to_json()["ece"] == pytest.approx((2 * (0.5 - 0.5 / BINS) + 2 / BINS) / 4)


def test_a_truth_at_either_end_of_its_interval_is_inside() -> None:
    low, high = np.array([0.0, 1.0, 1.0, 1.0]), np.array([2.0, 3.0, 3.0, 3.0])
    assert interval_scores(np.array([0.0, 3.0, 0.9, 3.1]), low, high) == (0.5, 2.0)


def test_the_size_of_a_set_is_how_many_classes_are_in_it() -> None:
    likely = np.array([[0.6, 0.3, 0.1], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]])
    sets = class_sets(likely, 0.25, likely.argmax(axis=1))
    assert sets.astype(int).tolist() == [[1, 1, 0], [1, 1, 1], [0, 0, 1], [0, 1, 0]]
    assert set_scores(np.array([2, 0, 2, 0]), sets) == (0.5, 7 / 4)
    none = class_sets(likely, 0.9, likely.argmax(axis=1))
    assert none.sum(axis=1).tolist() == [1, 1, 1, 1]  # the predicted class is always in


def test_where_no_threshold_reaches_a_bound_the_nearest_is_taken() -> None:
    truth, likely = np.array([0, 1, 1, 0, 1]), np.array([0.9, 0.8, 0.7, 0.3, 0.1], np.float32)
    choice = choose_threshold(truth, likely, at_least(METRICS["recall"], precision=0.9))
    assert 0.3 < choice.threshold <= 0.7  # two of the first three are true, which is the most
    assert choice.value == pytest.approx(-1 - (0.9 - 2 / 3))
    both = choose_threshold(truth, likely, at_least(METRICS["accuracy"], precision=0.6, recall=1.0))
    assert both.threshold <= 0.1
    assert both.value == pytest.approx(0.6)


def test_the_cost_of_one_row_is_its_own() -> None:
    choice = choose_threshold(np.array([1]), np.array([0.4], np.float32), by_cost([[0, 1], [5, 2]]))
    assert choice.value == -2.0
    assert choice.threshold <= 0.4


@pytest.mark.parametrize("curve", ["ROC", "PR", "PRGAIN"])
@pytest.mark.parametrize("summation", ["interpolation", "minoring", "majoring"])
@pytest.mark.parametrize("scores", [[0.9, 0.9, 0.1], [0.9, 0.9, 0.9], [0.1, 0.6, 0.6], [0.0, 1.0, 1.0]])
def test_areas_over_few_scores_are_those_of_keras(curve: str, summation: str, scores: list[float]) -> None:
    truth = np.array([True, True, False])
    metric = keras.metrics.AUC(20, curve=curve, summation_method=summation)
    metric.update_state(truth, np.array(scores, np.float32))
    above = np.array(scores, np.float32) > np.array(metric.thresholds, np.float32)[:, None]
    tp, fp = (above & truth).sum(axis=1) * 1.0, (above & ~truth).sum(axis=1) * 1.0
    found = area(Counts(tp=tp, fp=fp, tn=1 - fp, fn=2 - tp), curve, summation)
    assert float(found) == pytest.approx(float(metric.result()), abs=1e-6)
