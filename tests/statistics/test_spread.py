"""Means over several trainings with their intervals, and what predictions cost by a threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpcli.runs.scores import value_range
from mlpcli.statistics.spread import spread_of
from mlpcli.statistics.thresholds import mean_cost


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("accuracy", [0.9, 1.0], (0, 1)),
        ("sold_auc", [0.5], (0, 1)),
        ("price_mean_absolute_error", [3.0], (0, math.inf)),
        ("accidents", [4.0, 2.0], (-math.inf, math.inf)),
        ("loss", [0.5], (-math.inf, math.inf)),
        ("r2_score", [0.5], (-math.inf, math.inf)),
    ],
)
def test_the_interval_of_a_mean_stays_where_the_metric_can_be(
    name: str, values: list[float], expected: tuple[float, float]
) -> None:
    assert value_range(name, values) == expected


def test_an_interval_is_cut_at_its_bounds() -> None:
    free, cut = spread_of([0.9, 1.0, 1.0]), spread_of([0.9, 1.0, 1.0], bounds=(0, 1))
    assert free.interval[1] > 1
    assert cut.interval == (free.interval[0], 1)
    assert (cut.mean, cut.standard_deviation) == (free.mean, free.standard_deviation)


def test_the_cost_of_a_threshold_is_that_of_its_mistakes() -> None:
    known, likely = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.2, 0.9])
    cost = [[0.0, 1.0], [5.0, -1.0]]
    assert mean_cost(known, likely, 0.5, cost) == (0 + 1 + 5 - 1) / 4
    assert mean_cost(known, likely, 0.2, cost) == (0 + 1 - 1 - 1) / 4, "0.2 itself is predicted as 1"
    assert math.isnan(mean_cost(known[:0], likely[:0], 0.5, cost))


@pytest.mark.parametrize(
    ("losses", "low"),
    [
        (["mse"], 0.0),
        (["sparse_categorical_crossentropy", "Huber"], 0.0),
        (["mse", "CosineSimilarity"], -math.inf),
        (["own_loss"], -math.inf),
        ([], -math.inf),
    ],
)
def test_a_loss_is_not_below_0_where_it_cannot_be(losses: list[str], low: float) -> None:
    assert value_range("loss", [0.1, 0.9], losses) == (low, math.inf)
    assert value_range("a_loss", [-0.1, 0.9], losses) == (-math.inf, math.inf)
