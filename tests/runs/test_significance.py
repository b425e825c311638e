"""Which differences are more than chance, in words and by group of rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mlpcli.runs.paired_results import (
    Breakdown,
    GroupScore,
    ModelsTest,
    RunDifference,
    SettingsTest,
    Significance,
)
from mlpcli.statistics.paired import mcnemar
from tests.conftest import ROOT


def _models(pair: RunDifference, **changes: object) -> ModelsTest:
    fields: dict[str, object] = {"runs": (0, 1), "split": "test", "rows": 50, "metric": "loss"}
    fields |= {"more_is_better": False, "values": (0.5, 0.4), "best": 1, "pairs": (pair,)}
    return ModelsTest(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("difference", "low", "high", "p", "words"),
    [
        (
            -0.1,
            -0.15,
            -0.05,
            0.001,
            "B's loss is lower by 0.1000 (95% interval 0.0500 to 0.1500; p = 0.001, x): more",
        ),
        (-0.1, -0.25, 0.05, 0.3, "(95% interval -0.0500 to 0.2500; p = 0.300, x): not more than chance."),
        (-0.1, -0.25, -0.05, 0.07, "): not clearly more than chance."),
        (
            -2e-5,
            -3e-5,
            -1e-5,
            1e-9,
            "lower by 2.000e-05 (95% interval 1.000e-05 to 3.000e-05; p < 0.001, x): more",
        ),
        (0.0, -0.1, 0.1, 1.0, "B and A have the same loss (95% interval -0.1000 to 0.1000"),
        (-0.1, math.nan, math.nan, math.nan, "whether by chance cannot be said"),
    ],
)
def test_a_difference_in_words(difference: float, low: float, high: float, p: float, words: str) -> None:
    from mlpcli.report.significance import models_text

    pair = RunDifference(1, 0, difference, low, high, p, p, "x")
    assert words in models_text(_models(pair), "AB", settings=False)


def test_an_accuracy_by_a_threshold_of_its_own_is_not_left_to_be_a_loss() -> None:
    from mlpcli.report.significance import models_text

    pair = RunDifference(0, 1, 0.1, 0.05, 0.15, 0.001, 0.001, "x")
    fields: dict[str, object] = {
        "metric": "accuracy",
        "more_is_better": True,
        "values": (0.89, 0.79),
        "best": 0,
    }
    said = models_text(_models(pair, **fields, chosen=(1,)), "AB", settings=False)
    assert "B has classes predicted by a threshold of its own, which accuracy depends on" in said
    both = models_text(_models(pair, **fields, chosen=(0, 1)), "AB", settings=False)
    assert "A and B have classes predicted by a threshold of their own, which accuracy" in both
    assert "threshold" not in models_text(_models(pair, **fields), "AB", settings=False)


def test_many_classes_are_cut_to_the_largest_differences(capsys: pytest.CaptureFixture[str]) -> None:
    from mlpcli.report.significance import show_significance

    groups = tuple(
        GroupScore(
            f"class {n:02}", 10, {"recall": (0.5, 0.5 + n / 100), "f1": (0.5, 0.5)}, 0.01 if n > 28 else 1.0
        )
        for n in range(30)
    )
    pair = RunDifference(1, 0, -0.1, -0.2, -0.05, 0.01, 0.01, "x")
    test = _models(pair, breakdowns=(Breakdown("", "class", True, groups),))
    show_significance(Significance(models=test, refused={"settings": ("run a/b has no folds",)}), "AB")
    out = capsys.readouterr().out
    assert "class 09" not in out
    (line,) = (line for line in out.splitlines() if line.startswith("class 29"))
    assert line.split() == ["class", "29", "10", "0.5000", "0.7900", "0.5000", "0.5000", "B"]
    assert "10 more classes have smaller differences" in out
    assert "no test of the settings: run a/b has no folds" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_page_of_compare_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from mlpcli.report.significance import show_significance

    how = "corrected resampled paired t-test"
    folds = RunDifference(0, 1, 0.028, 0.0044, 0.0516, 0.0303, 0.0303, how)
    scores = ((0.9, 0.92), (0.88, 0.884))
    settings = SettingsTest((0, 1), "5 folds", "held_out", "accuracy", True, scores, 0, (folds,))
    groups = (
        GroupScore("cat", 180, {"recall": (0.95, 0.9), "f1": (0.94, 0.91)}, 0.02),
        GroupScore("dog", 180, {"recall": (0.93, 0.956), "f1": (0.94, 0.93)}, 0.2),
    )
    pair = RunDifference(0, 1, 0.012, -0.003, 0.027, 0.1338, 0.1338, "McNemar's mid-p test")
    fields: dict[str, Any] = {"metric": "accuracy", "more_is_better": True, "values": (0.94, 0.928)}
    fields |= {"rows": 360, "best": 0, "breakdowns": (Breakdown("", "class", True, groups),)}
    show_significance(Significance(settings, _models(pair, **fields)), "AB")
    shown = "\n".join(line.rstrip() for line in capsys.readouterr().out.strip().splitlines())
    assert f"```text\n{shown}\n```" in (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")


def test_recall_by_class_is_tested_by_the_rows_of_the_class_alone() -> None:
    from mlpcli.inference.score_groups import by_class

    truth = np.repeat([0, 1], [40, 20])
    first, second = truth.copy(), truth.copy()
    second[:12] = 1  # the second run finds 28 of 40 rows of the first class
    first[40:42] = 0
    found = by_class(("a", "b"), truth, [first, second], "kind")
    one, two = found.groups
    assert (one.scores["recall"], two.scores["recall"]) == ((1.0, 0.7), (0.9, 1.0))
    assert one.p == pytest.approx(2 * mcnemar(12, 0).mid_p)  # Holm's correction of two
    assert two.p == pytest.approx(mcnemar(0, 2).mid_p)
    assert (one.is_real, two.is_real, [one.rows, two.rows]) == (True, False, [40, 20])
    labels = np.stack([truth, 1 - truth], axis=1)
    shown = by_class(("a", "b"), labels, [labels, 1 - labels], "")
    assert (shown.by, [each.scores["f1"] for each in shown.groups]) == ("label", [(1.0, 0.0), (1.0, 0.0)])
    assert by_class(("a", "b"), truth, [first, second, truth], "").groups[0].p is None


def test_errors_by_decile_are_of_the_same_rows_for_each_run() -> None:
    from mlpcli.inference.score_groups import by_decile

    truth = np.arange(100.0)
    found = by_decile(truth, [truth + 1, truth - 3 - truth % 2], "y")
    assert found is not None
    assert [each.rows for each in found.groups] == [10] * 10
    assert {each.scores["mean absolute error"] for each in found.groups} == {(1.0, 3.5)}
    assert all(each.is_real for each in found.groups)
    assert by_decile(truth[:15], [truth[:15], truth[:15]], "") is None  # too few rows
    ties = by_decile(truth, [np.repeat([0.0, 1.0], 50)] * 2, "")
    assert ties is not None
    assert [(each.name, each.rows) for each in ties.groups] == [("0 to 0", 50), ("1 to 1", 50)]
    assert by_decile(truth, [np.zeros(100)] * 2, "") is None  # one prediction for all
