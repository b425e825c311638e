"""Temperature, thresholds and conformal bounds, on arrays: against what scikit-learn or a loop finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlpcli.statistics.calibration import (
    HOTTEST,
    brier_score,
    calibration_error,
    fit_temperature,
    log_loss,
    measure_reliability,
    reliability_curve,
    tempered,
)
from mlpcli.statistics.conformal import (
    class_sets,
    interval_scores,
    least_probability,
    rank_of,
    rows_needed,
    score_bound,
    set_scores,
)
from mlpcli.statistics.curves import Counts
from mlpcli.statistics.thresholds import METRICS, Objective, at_least, by_cost, choose_threshold

Array = NDArray[Any]


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _of_classes(seed: int, heat: float, rows: int = 4000) -> tuple[NDArray[np.int64], Array]:
    """Return classes, and probabilities that are right at the temperature `heat`."""
    random = np.random.default_rng(seed)
    scores = random.normal(0, 2, (rows, 4))
    truth = (_softmax(scores / heat).cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)
    return truth, _softmax(scores)


@pytest.mark.parametrize("heat", [0.4, 1.0, 2.5])
def test_the_temperature_of_classes_is_the_one_that_the_rows_were_made_with(heat: float) -> None:
    truth, likely = _of_classes(1, heat)
    assert fit_temperature(truth, likely) == pytest.approx(heat, rel=0.08)


@pytest.mark.parametrize("heat", [0.4, 2.5])
def test_the_temperature_of_labels_is_one_for_all(heat: float) -> None:
    random = np.random.default_rng(2)
    odds = random.normal(0, 2, (3000, 3))
    truth = (random.random(odds.shape) < 1 / (1 + np.exp(-odds / heat))).astype(np.int64)
    assert fit_temperature(truth, 1 / (1 + np.exp(-odds))) == pytest.approx(heat, rel=0.08)


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 40), labels=st.booleans(), single=st.booleans())
def test_no_temperature_has_a_lower_log_loss(seed: int, rows: int, labels: bool, single: bool) -> None:
    random = np.random.default_rng(seed)
    width = 1 if labels and single else 3
    if labels:
        truth: NDArray[np.int64] = random.integers(0, 2, (rows, width))
        likely = 1 / (1 + np.exp(-random.normal(0, 3, (rows, width))))
    else:
        truth, likely = random.integers(0, width, rows), _softmax(random.normal(0, 3, (rows, width)))
    likely = likely.astype(np.float32)
    found = fit_temperature(truth, likely)
    reached = log_loss(truth, tempered(truth, likely, found))
    assert reached <= log_loss(truth, likely)
    if found != 1.0:
        others = (log_loss(truth, tempered(truth, likely, each)) for each in np.geomspace(0.01, 100, 40))
        assert reached <= min(others) + 1e-6


def test_rows_that_are_all_right_leave_the_temperature_at_1() -> None:
    truth, likely = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    assert fit_temperature(truth, likely) == 1.0
    assert fit_temperature(truth[:, None], likely[:, 1:]) == 1.0


def test_probabilities_that_are_worse_than_a_guess_become_a_guess() -> None:
    truth, likely = np.array([0, 1, 1]), np.array([[0.1, 0.9], [0.8, 0.2], [0.6, 0.4]])
    assert fit_temperature(truth, likely) == HOTTEST
    even = tempered(truth, likely, HOTTEST)
    np.testing.assert_allclose(even, 0.5, atol=0.02)


@pytest.mark.parametrize("extreme", [0.0, 1.0])
def test_a_sigmoid_at_its_end_keeps_its_log_loss_finite(extreme: float) -> None:
    truth = np.array([[0], [1], [0], [1]])
    likely = np.array([[extreme], [extreme], [0.3], [0.6]], np.float32)
    found = fit_temperature(truth, likely)
    assert np.isfinite(log_loss(truth, tempered(truth, likely, found)))
    assert log_loss(truth, tempered(truth, likely, found)) < log_loss(truth, likely)


def test_a_temperature_of_1_changes_no_bit() -> None:
    truth, likely = _of_classes(3, 1.0, 20)
    assert tempered(truth, likely, 1.0) is likely


def test_the_order_of_classes_stays_as_it_is() -> None:
    truth, likely = _of_classes(4, 1.0, 200)
    assert (tempered(truth, likely, 3.0).argmax(axis=1) == likely.argmax(axis=1)).all()


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    truth, likely = _of_classes(5, 2.0, 300)
    assert log_loss(truth, likely) == pytest.approx(metrics.log_loss(truth, likely))
    assert brier_score(truth, likely) == pytest.approx(((np.eye(4)[truth] - likely) ** 2).sum(axis=1).mean())
    second = (truth == 1).astype(np.int64)
    assert brier_score(second[:, None], likely[:, 1:2]) == pytest.approx(
        metrics.brier_score_loss(second, likely[:, 1])
    )


def test_the_calibration_error_is_that_of_a_loop_over_bins() -> None:
    truth, likely = _of_classes(6, 2.0, 500)
    sure, right = likely.max(axis=1), likely.argmax(axis=1) == truth
    wanted = 0.0
    for low in np.arange(15) / 15:
        inside = (sure > low) & (sure <= low + 1 / 15)
        if inside.any():
            wanted += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    found = measure_reliability(truth, likely)
    assert found.ece == pytest.approx(wanted)
    assert sum(each.count for each in found.curve) == 500


def test_a_bin_holds_what_is_as_probable_as_it_says() -> None:
    truth = np.array([[0], [1], [1], [0]])
    curve = reliability_curve(truth, np.array([[0.0], [1.0], [0.95], [0.96]]))
    assert [(each.predicted, each.observed, each.count) for each in curve] == [
        (0.0, 0.0, 1),
        (pytest.approx(0.97), pytest.approx(2 / 3), 3),
    ]
    assert calibration_error(curve) == pytest.approx(0.75 * abs(0.97 - 2 / 3))


# ---------------------------------------------------------------- thresholds


def _value(truth: Array, likely: Array, threshold: float, objective: Objective) -> float:
    found = likely >= np.float32(threshold)
    pairs = {"tp": (1, 1), "fp": (1, 0), "fn": (0, 1), "tn": (0, 0)}
    counts = {name: np.array([float(((found == f) & (truth == t)).sum())]) for name, (f, t) in pairs.items()}
    return float(objective(Counts(**counts))[0])


OBJECTIVES = {name: METRICS[name] for name in METRICS} | {
    "cost": by_cost([[0, 1], [5, 0]]),
    "costs of all": by_cost([[-1, 2.5], [7, 1]]),
    "recall at a precision": at_least(METRICS["recall"], precision=0.7),
    "precision at a recall": at_least(METRICS["precision"], recall=0.9),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 30), places=st.sampled_from([1, 2, 7]))
def test_no_threshold_is_better_than_the_chosen_one(name: str, seed: int, rows: int, places: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    likely = np.round(random.random(rows), places).astype(np.float32)  # with ties, 0 and 1 among them
    choice = choose_threshold(truth, likely, OBJECTIVES[name])
    tried = np.unique(np.concatenate([likely, [0.0, 1.0, 1.1], (likely[:-1] + likely[1:]) / 2]))
    best = max(_value(truth, likely, each, OBJECTIVES[name]) for each in tried)
    assert _value(truth, likely, choice.threshold, OBJECTIVES[name]) == pytest.approx(best, abs=1e-9)
    assert choice.value == pytest.approx(best, abs=1e-9)
    assert choice.threshold == np.float32(choice.threshold)


def test_f1_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score

    random = np.random.default_rng(3)
    truth, likely = random.integers(0, 2, 50), random.random(50).astype(np.float32)
    for name, score in (("f1", f1_score), ("balanced_accuracy", balanced_accuracy_score)):
        choice = choose_threshold(truth, likely, METRICS[name])
        assert choice.value == pytest.approx(score(truth, likely >= choice.threshold))


def test_the_middle_of_the_widest_range_is_taken() -> None:
    truth, likely = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert choose_threshold(truth, likely, METRICS["accuracy"]).threshold == pytest.approx(0.5)
    # 0.15 to 0.3, and 0.5 to 0.9, are equally good
    truth, likely = np.array([0, 1, 0, 1]), np.array([0.15, 0.3, 0.5, 0.9])
    assert choose_threshold(truth, likely, METRICS["accuracy"]).threshold == pytest.approx(0.7)


def test_costs_may_ask_for_one_class_alone() -> None:
    truth, likely = np.array([0, 1]), np.array([1.0, 0.5], np.float32)
    never = choose_threshold(truth, likely, by_cost([[0, 1000], [1, 0]])).threshold
    assert not (likely >= np.float32(never)).any()
    always = choose_threshold(truth, likely, by_cost([[0, 1], [1000, 0]])).threshold
    assert (likely >= np.float32(always)).all()


def test_a_threshold_by_cost_is_near_the_one_that_right_probabilities_need() -> None:
    random = np.random.default_rng(4)
    likely = random.random(200_000)
    truth = (random.random(len(likely)) < likely).astype(np.int64)
    found = choose_threshold(truth, likely, by_cost([[0, 1], [4, 0]])).threshold
    assert found == pytest.approx(0.2, abs=0.03)  # Elkan's: cost of a false alarm / (that + cost of a miss)


# ---------------------------------------------------------------- conformal


@pytest.mark.parametrize(
    ("level", "rows"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)]
)
def test_the_fewest_rows_are_those_of_the_rank(level: float, rows: int) -> None:
    assert rows_needed(level) == rows
    assert rank_of(rows, level) <= rows
    assert rank_of(rows - 1, level) > rows - 1 or rows == 1
    with pytest.raises(ValueError, match="too few"):
        score_bound(np.zeros(rows - 1), level)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("rows", [9, 30, 101])
def test_intervals_hold_the_truth_as_often_as_they_say(level: float, rows: int) -> None:
    """Over many draws of exchangeable rows with heavy tails: between level and level + 1 / (n + 1)."""
    random = np.random.default_rng(rows)
    scores = np.abs(random.standard_t(2, (rows + 1, 20_000)))
    covered = scores[-1] <= score_bound(scores[:-1], level)
    wanted = rank_of(rows, level) / (rows + 1)
    assert level <= wanted <= level + 1 / (rows + 1)
    assert covered.mean() == pytest.approx(wanted, abs=0.01)


def test_sets_hold_the_true_class_as_often_as_they_say() -> None:
    shares = []
    for seed in range(300):
        truth, likely = _of_classes(seed, 3.0, 60)  # overconfident, which does not matter
        own = np.take_along_axis(likely, truth[:, None], axis=1)[:, 0]
        least = least_probability(own[:40], 0.9)
        sets = class_sets(likely[40:], least, likely[40:].argmax(axis=1))
        assert sets.any(axis=1).all()
        shares.append(set_scores(truth[40:], sets)[0])
    assert np.mean(shares) == pytest.approx(rank_of(40, 0.9) / 41, abs=0.01)


def test_rows_at_the_bound_are_inside() -> None:
    own = np.linspace(0.05, 0.95, 19).astype(np.float32)
    likely = np.stack([1 - own, own], axis=1)
    sets = class_sets(likely, least_probability(own, 0.9), likely.argmax(axis=1))
    assert sets[:, 1].mean() == pytest.approx(18 / 19)
    scores = np.arange(1.0, 20.0)
    bound = score_bound(scores, 0.9)
    assert (scores <= bound).mean() == pytest.approx(18 / 19)
    assert interval_scores(np.array([1.0, 3.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0])) == (0.5, 2.0)


def test_each_target_has_a_bound_of_its_own() -> None:
    scores = np.stack([np.arange(19.0), 10 * np.arange(19.0)], axis=1)
    np.testing.assert_allclose(score_bound(scores, 0.9), [17, 170], rtol=1e-5)
