"""A table with few rows of a class, never the most probable one: what is said of its network, and to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.handed_in import HandedIn
from mlpcli.data.inspect.rare_class import threshold_lines
from mlpcli.doctor.examine import examine_run
from mlpcli.estimators import MlpClassifier
from mlpcli.runs.folder import Run, find_run
from mlpcli.spec.edit_spec import edit_text
from mlpcli.spec.load import load_spec
from mlpcli.statistics.class_areas import class_area, class_areas, mean_area
from tests.bare_runs import BARE, Notes, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

SPEC = """
name: churn
dataset: {path: churn.csv, target: left}
layers:
  - Dense: {units: 1, activation: sigmoid}
metrics: [accuracy, AUC]
optimizer: {Adam: {learning_rate: 0.02}}
fit: {epochs: 15, batch_size: 64, engine: graph}
"""

JUDGED = replace(BARE, baseline=True, intervals=True, probe=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of which 8% are `yes`, whose probability a column raises to at most 0.4."""
    made = tmp_path_factory.mktemp("skewed")
    draw = np.random.default_rng(3)
    x = draw.uniform(-1, 1, size=(2500, 2))
    left = np.where(draw.uniform(size=2500) < 1 / (1 + np.exp(3 - 2 * x[:, 0])), "yes", "no")
    lines = [f"{a:.3f},{b:.3f},{c}" for (a, b), c in zip(x, left, strict=True)]
    (made / "churn.csv").write_text("\n".join(["a,b,left", *lines]) + "\n", encoding="utf-8")
    (made / "churn.yaml").write_text(SPEC, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def trained(folder: Path) -> tuple[Run, list[str]]:
    """A run that predicts `no` for every row, and what its training said."""
    notes = Notes()
    run = train_bare(folder / "churn.yaml", folder / "runs", notes, options=JUDGED)
    return run, notes.notes


def test_an_accuracy_of_the_majority_is_not_all_that_is_said(trained: tuple[Run, list[str]]) -> None:
    run, notes = trained
    measured = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    baseline, areas = measured["baseline"], measured["baseline"]["auc"]
    assert baseline["network"] == baseline["majority"] == baseline["linear"]
    assert areas["network"] == pytest.approx(measured["test"]["auc"], abs=0.02)
    assert areas["linear"] > areas["chance"] > areas["majority"] == 0.5
    (note,) = (each for each in notes if "accuracy" in each)
    assert f"AUC {areas['network']:.4g}" in note
    assert "no better" not in note
    assert "predict: {threshold: {metric: f1}}" in note
    assert "fit: {class_weight: balanced}" in note


def test_the_doctors_patch_ends_what_the_doctor_has_found(
    folder: Path, trained: tuple[Run, list[str]]
) -> None:
    found = examine_run(trained[0])
    (finding,) = found.findings
    assert finding.code == "class-never-predicted"
    assert "distinguishes them from others" in finding.why
    assert [each.path for each in finding.patch] == [("predict",)]
    assert any("AUC" in note for note in found.scores)
    better = folder / "better.yaml"
    text, _ = edit_text((folder / "churn.yaml").read_text(encoding="utf-8"), "churn.yaml", finding.patch)
    better.write_text(text, encoding="utf-8")
    notes = Notes()
    again = train_bare(better, folder / "runs", notes, options=JUDGED)
    assert again.record.network is not None
    assert again.record.network.classes[0].predicted[1] > 0
    assert examine_run(again).findings == ()
    (note,) = (each for each in notes.notes if "accuracy" in each)
    assert ", by the threshold that was chosen for f1 (by one of 0.5: 0.9" in note
    assert "To have rarer classes predicted" not in note
    assert note in examine_run(again).scores


def test_the_line_of_the_baselines_has_the_metrics_of_the_spec(
    folder: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    shown = mlpcli("train", folder / "churn.yaml", "--runs-dir", tmp_path)
    line = " ".join(shown.out[shown.out.index("\nbaseline  ") :].split())
    assert line.startswith("baseline test accuracy: majority class 0.9")
    assert "; auc, exact (the table's is by thresholds): majority class 0.5000, linear model 0." in line
    run = find_run("churn", tmp_path)
    areas = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["baseline"]["auc"]
    assert f", network {areas['network']:.4f}" in line
    page = tmp_path / "card.md"
    assert mlpcli("report", "churn", "--runs-dir", tmp_path, "-o", page).status == 0
    exact = f"- auc, exact (the table's is by thresholds): network {areas['network']:.4f}, linear "
    assert exact in page.read_text(encoding="utf-8")
    assert "why, and a patch: mlpcli doctor churn/" in shown.out


def test_init_writes_a_threshold_for_a_rare_class_and_estimators_leave_it_out(
    folder: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    spec = tmp_path / "new.yaml"
    shown = mlpcli("init", folder / "churn.csv", "--target", "left", "-o", spec, "--effort", "fast")
    assert shown.status == 0, shown.err
    loaded = load_spec(spec)
    assert loaded.spec.predict is not None
    assert loaded.spec.predict.threshold is not None
    classifier = MlpClassifier()
    assert "predict=null" in classifier._settings(HandedIn(), ("left", ""), None)
    chosen = MlpClassifier(set={"predict.threshold": 0.3})
    assert "predict=null" not in chosen._settings(HandedIn(), ("left", ""), None)


@pytest.mark.parametrize(
    ("counts", "last"),
    [
        ({"no": 3000, "yes": 300}, "predict: {threshold: {metric: f1}}"),
        ({"fraud": 300, "ok": 3000}, "predict: {threshold: {metric: f1}}"),
        ({"no": 3000, "yes": 30}, "# predict: {threshold: {metric: f1}}"),  # 5 validation rows
        ({"no": 300, "yes": 200}, None),
        ({"a": 3000, "b": 300, "c": 300}, None),
    ],
)
def test_which_class_is_rare_decides_how_the_threshold_is_chosen(
    counts: dict[str, int], last: str | None
) -> None:
    lines = list(threshold_lines(counts, 0.16))
    assert all(len(line) < 110 for line in lines)
    if last is None:
        assert not lines
    else:
        assert lines[-1].replace('"', "'").startswith(last)


def test_areas_are_those_of_scikit_learn_and_know_what_chance_gives() -> None:
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(0)
    inside = 0
    for _ in range(300):
        truth, scores = draw.uniform(size=200) < 0.2, draw.integers(0, 30, size=200).astype(float)
        found = class_area(truth, scores)
        assert found is not None
        assert found.area == pytest.approx(roc_auc_score(truth, scores))
        inside += not found.tells
    assert 285 <= inside <= 299  # 97.5% of scores without skill
    classes = draw.integers(0, 3, size=300)
    scores = np.eye(4)[classes] + draw.normal(size=(300, 4))
    assert class_areas(classes, scores)[3] is None  # no row has it
    mean = mean_area(classes, scores)
    expected = [roc_auc_score(classes == each, scores[:, each]) for each in range(3)]
    assert mean is not None
    assert mean.area == pytest.approx(np.mean(expected))


def test_columns_are_judged_by_what_can_become_worse(
    folder: Path, trained: tuple[Run, list[str]], mlpcli: Callable[..., Result]
) -> None:
    where = ("--runs-dir", folder / "runs", "--no-figures", "--json")
    run = trained[0].label
    shown = mlpcli("explain", run, *where)
    found = json.loads(shown.out)
    assert found["metric"] == "auc"
    assert "accuracy is no better than with one class for all rows" in shown.err
    assert found["columns"][0]["columns"] == ["a"]
    assert found["columns"][0]["interval"][0] > 0
    still = mlpcli("explain", run, *where, "--metric", "accuracy")
    assert json.loads(still.out)["metric"] == "accuracy"
    assert "accuracy is the same whichever column is shuffled: --metric loss" in " ".join(still.err.split())
