"""Numbers and durations as people see them, at the edges of their forms."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest

from mlpcli.report.console import format_duration
from mlpcli.report.fitted_predictions import show_fitted
from mlpcli.report.screen import Screen
from mlpcli.report.significance import alike
from mlpcli.runs.result_texts import format_number


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 ms"), (0.0994, "99 ms"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (3599.7, "1 h 0 min")],
)
def test_a_duration_carries_into_the_next_unit(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((0.5, -0.00004, 0.25), ["0.5000", "0.0000", "0.2500"]),
        ((250.0, -0.001), ["250.00", "0.00"]),
        ((2e6, -0.3), ["2000000", "0"]),
        ((1e-9, -2e-9), ["1.000e-09", "-2.000e-09"]),
        ((math.nan, 1.0), ["nan", "1.0000"]),
    ],
)
def test_numbers_that_belong_together_have_the_same_decimals_and_no_minus_before_zero(
    values: tuple[float, ...], shown: list[str]
) -> None:
    assert alike(values) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.0000"), (-0.001, "-0.0010"), (99.5, "99.5000"), (100.0, "100.00"), (123456.7, "123457"),
        (1e9, "1.000e+09"), (1e-5, "1.000e-05"), (math.inf, "inf"), (math.nan, "nan"),
        (633 / 800, "0.7913"), (float(np.float32(633 / 800)), "0.7913"),  # of float64 and of Keras
    ],
)  # fmt: skip
def test_a_number_of_any_size_is_short(value: float, shown: str) -> None:
    assert format_number(value) == shown


def test_the_cost_of_a_threshold_is_shown() -> None:
    stream = io.StringIO()
    cost = {"validation": {"chosen": 0.125, "usual": 0.5}, "test": {"chosen": 0.25, "usual": 0.75}}
    show_fitted(Screen(stream), {"threshold": {"class": "yes", "probability": 0.2, "cost": cost}})
    assert stream.getvalue().splitlines() == [
        "threshold    yes from 0.2000 on",
        "cost         0.1250 a row on the validation rows (0.5000 from 0.5 on)",
        "cost         0.2500 a row on the test rows (0.7500 from 0.5 on)",
    ]


def test_what_a_threshold_is_worth_is_shown_in_two_lines_at_most() -> None:
    stream = io.StringIO()
    scores = {"validation": {"abgewandert": {"precision": 0.1404, "recall": 0.615, "f1": 0.2286, "rows": 13}}}
    scores["test"] = {"abgewandert": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "rows": 9}}
    found = {"class": "abgewandert", "probability": 0.1006, "scores": scores}
    show_fitted(Screen(stream), {"threshold": found})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 80
    assert " ".join(stream.getvalue().split()) == (
        "threshold abgewandert from 0.1006 on; validation: precision 0.14, recall 0.61, F1 0.23 "
        "(13 rows of it)"
    )


@pytest.mark.parametrize(("after", "said"), [(0.2233, True), (0.2162, False), (0.2101, False)])
def test_a_temperature_that_makes_test_rows_worse_is_named(after: float, said: bool) -> None:
    stream = io.StringIO()
    before = {"ece": 0.0233, "brier": 0.06, "log_loss": 0.2162}
    worse = {"before": before, "after": {"ece": 0.0359, "brier": 0.06, "log_loss": after}}
    fit = {"before": before, "after": before}
    show_fitted(Screen(stream), {"calibration": {"temperature": 0.8, "out_of_fold": fit, "test": worse}})
    shown = " ".join(stream.getvalue().split())
    assert ("fitted on the out-of-fold rows, makes the probabilities of the test rows worse" in shown) is said
    assert ("log loss 0.2162 to 0.2233, ECE 0.0233 to 0.0359; without" in shown) is said
    assert "Brier 0.06" not in shown
