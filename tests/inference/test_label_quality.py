"""How doubtful labels are, and how many are wrong: against labels that were flipped on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from mlpcli.statistics.label_quality import (
    can_judge_classes,
    can_judge_numbers,
    robust_deviations,
    self_confidence,
    tail_surprise,
    wilson_interval,
    wrong_classes,
    wrong_numbers,
)


def _flipped(rows: int = 5000, share: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of three classes, some of them flipped; their true probabilities; and which were flipped."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(rows, 3)) * 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (probabilities.cumsum(axis=1) < generator.random((rows, 1))).sum(axis=1).clip(0, 2)
    wrong = generator.random(rows) < share
    given = np.where(wrong, (truth + generator.integers(1, 3, rows)) % 3, truth)
    return given, probabilities, wrong


def test_flipped_labels_are_the_least_probable_and_their_number_is_estimated() -> None:
    given, probabilities, wrong = _flipped()
    found = wrong_classes(given, probabilities)
    assert found.low <= wrong.sum() <= found.high
    doubtful = np.argsort(self_confidence(given, probabilities))[: round(found.number)]
    assert wrong[doubtful].mean() > 0.5  # of all labels one in twenty is wrong
    clean = wrong_classes(_flipped(share=0)[0], probabilities)
    assert clean.low == 0 <= clean.number <= 20


def test_the_estimate_counts_no_row_of_which_the_model_is_unsure() -> None:
    """Where classes overlap, a label that contradicts the model says nothing of labels that are wrong."""
    sure = np.tile([0.99, 0.01], (100, 1))
    unsure = np.tile([0.6, 0.4], (900, 1))
    given = np.concatenate([np.zeros(100), np.arange(900) % 2]).astype(np.int64)
    assert wrong_classes(given, np.concatenate([sure, unsure])).number == 0
    given[:10] = 1
    assert wrong_classes(given, np.concatenate([sure, unsure])).number == pytest.approx(100)
    assert wrong_classes(given[:0], sure[:0]) == (0, 0, 0)


def test_wilsons_interval_is_that_of_the_books() -> None:
    assert wilson_interval(10, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1


def test_deviations_are_scaled_by_the_residuals_of_similar_predictions() -> None:
    predicted = np.linspace(0, 1, 1000)
    size = np.where(np.arange(1000) < 500, 0.1, 10)
    given = predicted + 3 + size * np.where(np.arange(1000) % 2, 1, -1)  # a constant bias is no deviation
    given[[100, 900]] = predicted[[100, 900]] + 3 + np.array([6.0, 60.0])
    found = robust_deviations(given, predicted)
    whole = np.median(np.abs(given - predicted - np.median(given - predicted)))
    wanted = [6 / (1.4826 * (whole + 0.1) / 2), 60 / (1.4826 * (whole + 10) / 2)]
    np.testing.assert_allclose(found[[100, 900]], wanted, rtol=0.02)


def test_deviations_without_a_scale_are_none_or_infinite() -> None:
    values = np.array([1.0, 1, 1, 1, 5])
    np.testing.assert_array_equal(robust_deviations(values, np.ones(5)), [0, 0, 0, 0, np.inf])
    np.testing.assert_array_equal(tail_surprise(np.array([0.0, -np.inf])), [0, np.inf])
    assert robust_deviations(np.empty(0), np.empty(0)).shape == (0,)


def test_wrong_numbers_are_those_beyond_what_chance_gives() -> None:
    """By Laplace's distribution with the same median absolute value, 0.6% are beyond 5 deviations."""
    assert np.exp(-tail_surprise(np.array([5.0, -5.0]))) == pytest.approx([0.00586, 0.00586], abs=1e-5)
    deviations = np.random.default_rng(0).laplace(scale=0.6745 / np.log(2), size=4000)
    assert wrong_numbers(deviations).low == 0
    deviations[:200] = 50
    found = wrong_numbers(deviations)
    assert found.number == pytest.approx(200, abs=30)
    assert found.low < 200 < found.high
    assert wrong_numbers(deviations[:0]) == (0, 0, 0)


def test_what_a_model_has_learned_is_more_than_how_frequent_classes_are() -> None:
    given, probabilities, _ = _flipped(600, 0.2)
    assert can_judge_classes(given, probabilities)
    assert not can_judge_classes(given, np.random.default_rng(1).permutation(probabilities))
    assert not can_judge_classes(given, np.tile([0.5, 0.3, 0.2], (600, 1)))
    assert can_judge_classes(np.zeros(5, np.int64), np.tile([1.0, 0], (5, 1)))
    rare = np.arange(1000) % 20 == 0  # never the likelier class, but likelier where it is
    assert can_judge_classes(rare * 1, np.where(rare[:, None], [[0.6, 0.4]], [[0.99, 0.01]]))
    numbers = np.random.default_rng(2).normal(size=100)
    assert can_judge_numbers(numbers, numbers / 2)
    assert not can_judge_numbers(numbers, np.full(100, numbers.mean()))
    assert not can_judge_numbers(numbers, numbers[::-1])


def test_an_estimate_lies_within_its_interval() -> None:
    generator = np.random.default_rng(0)
    for rows in (1, 2, 7, 30, 112, 400):
        for classes in (2, 30):
            probabilities = generator.dirichlet(np.ones(classes) / 4, rows)
            found = wrong_classes(generator.integers(0, classes, rows), probabilities)
            assert found.low <= found.number <= found.high <= rows
        numbers = wrong_numbers(generator.standard_cauchy(rows) * 3)
        assert numbers.low <= numbers.number <= numbers.high <= rows
