"""`tune --ensemble`: the mean of the best trials of a search as its run."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.runs.folder import Run, find_run, open_run
from tests.conftest import SMALL_SEARCH, Result

pytestmark = pytest.mark.slow


def probabilities(mlpcli: Callable[..., Result], folder: Path, rows: Path) -> np.ndarray:
    done = mlpcli("predict", folder, rows)
    assert done.status == 0, done.err
    lines = [*csv.reader(done.out.splitlines())]
    return np.array([[float(cell) for cell in line[1:]] for line in lines[1:]])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    x = np.random.default_rng(1).normal(4, 2, (20, 4))
    np.save(tmp_path / "rows.npy", x.astype(np.float32))
    return tmp_path / "rows.npy"


def test_a_finished_search_keeps_the_mean_of_its_best_trials_without_training(
    mlpcli: Callable[..., Result], searched: Path, tmp_path: Path, rows: Path
) -> None:
    from mlpcli.inference.evaluate import EvaluateOptions, evaluate_run

    shutil.copytree(searched, tmp_path / "runs")
    runs_dir = ("--runs-dir", tmp_path / "runs")
    before = find_run("small", tmp_path / "runs")
    trained = {path: path.read_bytes() for path in before.folder.glob("*/*/model.keras")}
    done = mlpcli("tune", "--resume", "small", "--ensemble", 2, "--json", *runs_dir)
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert len(told["members"]) == 2
    assert told["members"] == [each["trial"] for each in told["promoted"]]
    assert trained == {path: path.read_bytes() for path in before.folder.glob("*/*/model.keras")}
    run = open_run(before.folder)
    assert run.record.members is not None
    assert run.record.kind == "search"
    of_members = [probabilities(mlpcli, run.folder / each, rows) for each in run.record.members.folders]
    assert np.abs(of_members[0] - of_members[1]).max() > 0.01
    found = probabilities(mlpcli, run.folder, rows)
    np.testing.assert_allclose(found, np.mean(of_members, axis=0), atol=1e-6)
    for split in ("train", "validation", "test"):
        found_again = evaluate_run(run, split=split, options=EvaluateOptions(intervals=False))
        assert found_again.metrics == told["metrics"][split]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"] == told["metrics"]["test"]
    assert metrics["baseline"]["split"] == "test"
    assert not (run / "history.csv").exists()
    again = mlpcli("tune", "--resume", "small", *runs_dir)
    assert "the search is finished" in again.out
    assert f"the mean of the trials {', '.join(map(str, told['members']))} is kept" in again.out
    refused = mlpcli("reproduce", "small", *runs_dir)
    assert refused.status == 2
    assert "is the mean of 2 trials of a search" in refused.err.replace("\n", " ")


def test_a_search_that_was_stopped_while_its_mean_was_built_is_resumed_to_the_same(
    mlpcli: Callable[..., Result],
    searched: Path,
    tmp_path: Path,
    rows: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlpcli.training import ensemble_run

    shutil.copytree(searched, tmp_path / "runs")
    runs_dir = ("--runs-dir", tmp_path / "runs")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    written = find_run("small", tmp_path / "runs") / "search.yaml"  # nothing is trained: no trial is fitted
    written.write_text(written.read_text() + "predict: {calibrate: temperature, intervals: 0.8}\n")

    with monkeypatch.context() as patched:
        patched.setattr(ensemble_run, "members_summary", stop)
        assert mlpcli("tune", "--resume", "small", "--ensemble", 2, *runs_dir).status == 130
    folder = find_run("small", tmp_path / "runs", unfinished=True).folder
    assert open_run(folder).status == "interrupted"
    done = mlpcli("tune", "--resume", "small", *runs_dir)  # without --ensemble: the search remembers it
    assert done.status == 0, done.err
    run: Run = open_run(folder)
    assert run.status == "completed"
    assert run.record.members is not None
    of_members = [probabilities(mlpcli, folder / each, rows) for each in run.record.members.folders]
    fitted = run.record.data.contract["outputs"][0]["fitted"] if run.record.data is not None else {}
    assert fitted["temperature"] != 1.0
    scores = np.log(np.mean(of_members, axis=0)) / fitted["temperature"]
    wanted = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    shown = mlpcli("predict", folder, rows).out.splitlines()
    names = shown[0].split(",")
    assert names[-2:] == ["target_set", "target_set_size"]
    found = np.array([[float(cell) for cell in line.split(",")[1:4]] for line in shown[1:]])
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {*metrics} >= {"train", "validation", "test", "calibration", "intervals", "baseline"}
    assert json.loads(mlpcli("evaluate", folder, "--json").out)["metrics"] == metrics["test"]
    assert (folder / "plots/reliability.png").exists()


@pytest.mark.parametrize(
    ("tuner", "message"),
    [
        ("ensemble: 2, refit: full", "tuner.ensemble: keeps the trials as they were trained, refit: full"),
        ("ensemble: 1", "tuner.ensemble: must be of how many of the best trials the mean is kept, above 1"),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused_before_the_search(
    tuner: str, message: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    done = mlpcli("check", spec_file(SMALL_SEARCH.replace("max_trials: 3", f"max_trials: 3, {tuner}")))
    assert done.status == 2
    assert message in done.err.replace("\n", " ")


def test_a_trial_is_scored_by_the_rows_that_its_folds_hold_out(
    mlpcli: Callable[..., Result], spec_file: Callable[..., Path], tmp_path: Path
) -> None:
    text = SMALL_SEARCH.replace("max_trials: 3", "max_trials: 1, folds: 2, promote: 1, seeds: 2")
    text = text.replace("epochs: 2", "epochs: 1")
    runs_dir = ("--runs-dir", tmp_path / "runs")
    done = mlpcli("tune", spec_file(text), "--json", *runs_dir)
    assert done.status == 0, done.err
    told = json.loads(done.out)
    run = find_run("small", tmp_path / "runs")
    (trial,) = told["trials"]
    (promoted,) = told["promoted"]
    second = next((run / "promoted").iterdir())
    for folder, score in ((run / trial["folder"], trial["score"]), (second, promoted["scores"][1])):
        folds = [open_run(folder / "folds" / f"{number:02}") for number in (1, 2)]
        rows = [each.record.data.rows for each in folds if each.record.data is not None]
        assert [each["held_out"] for each in rows] == [60, 60]
        assert [each.record.fold for each in folds] == [1, 2]
        held_out = [each.record.metrics["held_out"]["accuracy"] for each in folds]
        assert score == pytest.approx(np.mean(held_out))
        record = open_run(folder).record
        assert record.metrics["held_out"]["accuracy"] == pytest.approx(score)
        assert record.objective is not None
        assert record.objective.score == score
        assert (folder / "resolved.yaml").read_text().count("fold:") == 0
    assert run.record.members is None  # the winner is one network, on the splits of the spec
    assert json.loads(mlpcli("evaluate", "small", "--json", *runs_dir).out)["rows"] == 30
    changed = spec_file(text.replace("folds: 2", "folds: 3"), "other.yaml")
    refused = mlpcli("tune", changed, "--resume", "small", "--trials", 2, *runs_dir)
    assert refused.status == 2
    assert "was started with tuner.folds 2, received 3" in refused.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("max_trials: 3", "max_trials: 3, folds: 500"), "tuner.folds: "),
        (("fit: {", "fit: {folds: 2, "), "fit.folds: is for mlpcli train, a search trains each trial once"),
        (("max_trials: 3", "folds: 2, ensemble: 2"), "tuner.ensemble: keeps one network of each trial"),
    ],
)
def test_folds_of_a_search_that_cannot_be_are_refused_before_it(
    change: tuple[str, str],
    message: str,
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    done = mlpcli(
        "tune", spec_file(SMALL_SEARCH.replace(change[0], change[1])), "--runs-dir", tmp_path / "runs"
    )
    assert done.status == 2
    assert message in done.err.replace("\n", " ")
    assert not (tmp_path / "runs").exists()
