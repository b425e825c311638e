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
        shown = json.loads(mlpcli("evaluate", "small", "--split", split, "--json", *runs_dir).out)
        assert shown["metrics"] == told["metrics"][split]
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
    np.testing.assert_allclose(probabilities(mlpcli, folder, rows), np.mean(of_members, axis=0), atol=1e-6)


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
