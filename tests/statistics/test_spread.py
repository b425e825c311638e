"""Means over several trainings with their intervals, and what predictions cost by a threshold."""

from __future__ import annotations

import io
import math
import time
from pathlib import Path

import numpy as np
import pytest

from mlpcli.cli.more_data import free_name
from mlpcli.report.fitted_predictions import show_fitted
from mlpcli.report.live_epochs import Progress
from mlpcli.report.screen import Screen
from mlpcli.runs.folder import resume_command
from mlpcli.runs.guard import outermost
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


def test_the_cost_of_a_threshold_is_shown() -> None:
    stream = io.StringIO()
    cost = {"validation": {"chosen": 0.125, "usual": 0.5}, "test": {"chosen": 0.25, "usual": 0.75}}
    show_fitted(Screen(stream), {"threshold": {"class": "yes", "probability": 0.2, "cost": cost}})
    assert stream.getvalue().splitlines() == [
        "threshold    yes from 0.2000 on",
        "cost         0.1250 a row on the validation rows (0.5000 from 0.5 on)",
        "cost         0.2500 a row on the test rows (0.7500 from 0.5 on)",
    ]


def test_a_second_measurement_of_more_data_has_a_name_of_its_own(tmp_path: Path) -> None:
    first = tmp_path / "more_data.png"
    assert free_name(first) == first
    (tmp_path / "more_data.json").touch()
    assert free_name(first).name == "more_data_2.png"
    (tmp_path / "more_data_2.png").touch()
    assert free_name(first).name == "more_data_3.png"


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


def test_an_experiment_may_have_the_name_of_a_folder_of_runs(tmp_path: Path) -> None:
    for name in ("folds", "trials", "plain"):
        whole = tmp_path / "runs" / name / "2026-11-29_01-02-03"
        assert outermost(whole) == whole
        assert outermost(whole / "folds" / "01") == whole
        assert f"--resume {name}/2026-11-29_01-02-03" in resume_command(whole)


def test_the_time_left_is_not_more_than_the_limit_leaves() -> None:
    progress = Progress(epoch=2, epochs=1001)
    progress.recent.append(60.0)
    assert progress.left() == 60_000
    progress.until = time.monotonic() + 30
    assert 20 < (progress.left() or 0) <= 30
