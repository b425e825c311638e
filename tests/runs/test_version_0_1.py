"""Runs and a search that version 0.1 made, before its modules moved, still work.

`fixtures/version_0_1.tar.gz` holds them, without their figures, logs and SavedModels: `classify` (iris),
`perceptron` (custom objects of mlpcli: an activation and a loss), `custom` (a table and a plug-in's layer),
`cut` (interrupted after three of six epochs) and `search` (two trials, promoted).
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.runs.folder import find_run
from mlpcli.runs.watcher import Watcher
from tests.bare_runs import BARE
from tests.conftest import Result

pytestmark = pytest.mark.slow

FIXTURE = Path(__file__).parents[1] / "fixtures" / "version_0_1.tar.gz"
Cli = Callable[..., Result]


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `spec/` and `runs/` of version 0.1, which is the current folder too."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _metrics(run: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.mark.parametrize("name", ["classify", "search"])
def test_an_old_run_evaluates_to_its_own_figures(name: str, old: Path, mlpcli: Cli) -> None:
    result = mlpcli("evaluate", name, "--json", "--no-figures")
    assert result.status == 0, result.err
    (run,) = (old / "runs" / name).iterdir()
    assert json.loads(result.out)["metrics"] == pytest.approx(_metrics(run)["test"], abs=1e-6)


def test_an_old_run_with_a_table_and_a_plug_in_predicts(old: Path, mlpcli: Cli) -> None:
    refused = mlpcli("predict", "custom", "spec/people.csv")
    assert refused.status == 2
    assert "--trust-plugins" in refused.err
    result = mlpcli("predict", "custom", "spec/people.csv", "--trust-plugins")
    assert result.status == 0, result.err
    assert len(result.out.splitlines()) == 121


def test_old_runs_are_listed_and_compared(old: Path, mlpcli: Cli) -> None:
    listed = mlpcli("runs", "--json")
    assert {each["run"].split("/")[0] for each in json.loads(listed.out)} == {
        "classify", "custom", "cut", "perceptron", "search",
    }  # fmt: skip
    assert mlpcli("compare", "classify", "search").status == 0


def test_an_old_interrupted_run_is_finished(old: Path) -> None:
    from mlpcli.training.resume import resume_run

    resume_run(find_run("cut", old / "runs", unfinished=True), watcher=Watcher(), options=BARE)
    (run,) = (old / "runs" / "cut").iterdir()
    assert json.loads((run / "run.json").read_text())["status"] == "completed"
    (whole,) = (old / "runs" / "classify").iterdir()
    # The same spec, seed and rows: finished later, it is the run that was left alone.
    assert _metrics(run)["test"] == pytest.approx(_metrics(whole)["test"], abs=1e-6)


def test_an_old_run_is_continued(old: Path, mlpcli: Cli) -> None:
    result = mlpcli("train", "--continue", "classify", "--epochs", "1")
    assert result.status == 0, result.err
    assert len(list((old / "runs" / "classify").iterdir())) == 2


def test_an_old_search_is_continued(old: Path, mlpcli: Cli) -> None:
    result = mlpcli("tune", "--resume", "search", "--trials", "3")
    assert result.status == 0, result.err
    (run,) = (old / "runs" / "search").iterdir()
    assert len(json.loads((run / "search.json").read_text())["trials"]) == 3


def test_an_old_keras_file_that_names_moved_modules_is_loaded_by_keras(old: Path) -> None:
    import mlpcli.model.custom_objects  # noqa: F401  # registers what the file names
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    (run,) = (old / "runs" / "perceptron").iterdir()
    model = keras.models.load_model(run / "model.keras")
    setosa, other = 1.4, 5.1  # centimetres of a petal's length
    rows = {"petal_length": np.array([setosa, other]), "petal_width": np.array([0.2, 1.8])}
    assert np.asarray(model(rows)).ravel().tolist() == [1.0, 0.0]
