"""`--log-to mlflow` and `log`: what MLflow has of a run, and that no training depends on it."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlpcli.export import mlflow_log
from mlpcli.export.mlflow_content import clean_name, parameters_of
from mlpcli.export.mlflow_log import KnownRuns, MlflowLog
from mlpcli.export.mlflow_watchers import LoggedTraining, log_run
from mlpcli.report.train import TrainingReport
from mlpcli.runs.folder import find_run
from mlpcli.runs.watcher import Watcher
from tests.conftest import TINY, Result

OLD_RUNS = Path(__file__).parents[1] / "fixtures" / "version_0_1.tar.gz"
PATIENCE = 30.0
"""Seconds."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which MLflow's runs are; no address of a server in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in (mlflow_log.URI, mlflow_log.EXPERIMENT):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def logged() -> Callable[[], dict[str, Any]]:
    """Return MLflow's runs by their names, as MLflow's own client reads them."""

    def read() -> dict[str, Any]:
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=mlflow_log.tracking_uri())
        found = {}
        for experiment in client.search_experiments():
            for run in client.search_runs([experiment.experiment_id]):
                steps = [each.step for each in client.get_metric_history(run.info.run_id, "loss")]
                files = {each.path for each in client.list_artifacts(run.info.run_id)}
                found[run.info.run_name] = (experiment.name, run, sorted(steps), files)
        return found

    return read


def _train(mlpcli: Callable[..., Result], *arguments: object) -> Result:
    Path("tiny.yaml").write_text(TINY.replace("epochs: 5", "epochs: 2, engine: graph"), encoding="utf-8")
    return mlpcli("train", *arguments, "--no-advice")


@pytest.mark.slow
def test_a_training_that_is_interrupted_and_resumed_is_one_run_of_mlflow(
    mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, logged: Callable[[], dict[str, Any]]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingReport, "epoch", interrupt)
        stopped = _train(mlpcli, "tiny.yaml", "--log-to", "mlflow")
    assert stopped.status == 130, stopped.err
    run = find_run("tiny", Path("runs"), unfinished=True)
    (before,) = logged().values()
    assert before[1].info.status == "KILLED"
    done = _train(mlpcli, "--resume", "tiny", "--json")  # without the option: it goes on where it was
    assert (done.status, json.loads(done.out)["run"]) == (0, run.label), done.err
    ((name, (experiment, found, steps, files)),) = logged().items()
    assert (name, experiment, found.info.status) == (run.label, "tiny", "FINISHED")
    assert found.info.run_id == before[1].info.run_id
    assert steps == [1, 2]
    assert {"layers.1.Dense.units": "8", "optimizer.Adam.learning_rate": "0.02"}.items() <= (
        found.data.params.items()
    )
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert found.data.metrics["test/accuracy"] == pytest.approx(metrics["test"]["accuracy"])
    assert {"loss", "val_accuracy", "learning_rate", "best/val_loss", "seconds"} <= found.data.metrics.keys()
    assert found.data.tags["mlpcli.run"] == run.label
    assert len(found.data.tags["mlpcli.data.fingerprint"]) == 64
    assert files >= {"spec.yaml", "resolved.yaml", "metrics.json", "history.csv", "plots", "model"}


@pytest.mark.slow
def test_a_search_is_logged_with_its_trials_nested(
    place: Path, mlpcli: Callable[..., Result], logged: Callable[[], dict[str, Any]]
) -> None:
    with tarfile.open(OLD_RUNS) as archive:
        archive.extractall(place, filter="data")
    for _ in range(2):  # the second time the same runs of MLflow are found
        done = mlpcli("log", "search", "--to", "mlflow")
        assert done.status == 0, done.err
        assert done.out.splitlines()[-1].endswith(f"to file://{place}/mlruns")
    runs = logged()
    outer = next(each for name, each in runs.items() if name.startswith("search/"))
    trials = {name: each for name, each in runs.items() if not name.startswith("search/")}
    assert {"trial 1", "trial 2"} <= trials.keys()
    assert {each[1].data.tags["mlflow.parentRunId"] for each in trials.values()} == {outer[1].info.run_id}
    assert all(each[2] == sorted({*each[2]}) for each in runs.values())
    record = find_run("search", Path("runs")).record
    assert record.search is not None
    assert record.search.best is not None
    best = trials[f"trial {record.search.best.trial}"][1]
    assert best.data.metrics["objective/val_accuracy"] == pytest.approx(record.search.best.score)
    assert record.hyperparameters.keys() <= outer[1].data.params.keys()


class _Shown(Watcher):
    """What a terminal would show."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.notes: list[str] = []

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        self.epochs.append(epoch)

    def note(self, text: str) -> None:
        self.notes.append(text)


def _follow(run_dir: Path) -> _Shown:
    """What a watcher shows of a training of three epochs that is logged."""
    shown = _Shown()
    watcher = LoggedTraining(shown)
    watcher.logging.start(run_dir, "run")
    for epoch in (1, 2, 3):
        watcher.epoch(epoch, 3, {"loss": 1.0 / epoch}, 0.1)
    watcher.logging.close()
    return shown


def test_a_server_that_is_away_costs_one_warning(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], dict[str, Any]]
) -> None:
    shutil.copytree(tiny_run, "runs")
    run = find_run("tiny", Path("runs"))
    with monkeypatch.context() as patch:
        patch.setenv(mlflow_log.URI, "http://me:secret@127.0.0.1:9")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        shown = _follow(run.folder)
    assert shown.epochs == [1, 2, 3]
    (note,) = shown.notes
    assert note.startswith("MLflow at http://me:***@127.0.0.1:9 has failed, and nothing more is written")
    assert note.endswith(f"the run is not affected: mlpcli log {run.label} writes it later")
    assert "secret" not in note
    assert not (run / "mlflow.json").exists()
    assert log_run(run, shown.notes.append) == mlflow_log.tracking_uri()
    assert len(shown.notes) == 1
    assert logged()[run.label][2] == [1, 2, 3, 4, 5]


def test_a_call_that_fails_later_ends_the_logging_alone(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("disk full\nsecond line")

    shutil.copytree(tiny_run, "runs")
    run = find_run("tiny", Path("runs"))
    monkeypatch.setattr(MlflowClient, "log_artifact", fail)
    shown = _follow(run.folder)
    (note,) = shown.notes
    assert "(RuntimeError: disk full)" in note
    known = KnownRuns.model_validate_json((run / "mlflow.json").read_text(encoding="utf-8"))
    assert known.run_ids.keys() == {""}


def test_two_that_log_a_run_at_once_make_one_run_of_mlflow(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    original = MlflowClient.create_run

    def slow(*arguments: Any, **named: Any) -> object:
        time.sleep(0.5)  # both have begun
        return original(*arguments, **named)

    shutil.copytree(tiny_run, "runs")
    run = find_run("tiny", Path("runs"))
    monkeypatch.setattr(MlflowClient, "create_run", slow)
    notes: list[str] = []
    threads = [threading.Thread(target=log_run, args=(run, notes.append)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    client = MlflowClient(tracking_uri=mlflow_log.tracking_uri())
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert (len(found), notes) == (1, [])
    steps = [each.step for each in client.get_metric_history(found[0].info.run_id, "loss")]
    assert sorted(steps) == [1, 2, 3, 4, 5]


def test_nothing_waits_for_mlflow(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a call hangs, the epochs go on."""
    import threading

    hanging = threading.Event()

    def hang(*_: object) -> None:
        assert hanging.wait(PATIENCE)

    monkeypatch.setattr(MlflowLog, "_begin", hang)
    monkeypatch.setattr(MlflowLog, "_epochs", lambda *_: None)
    monkeypatch.setattr(MlflowLog, "_finish", lambda *_: None)
    shutil.copytree(tiny_run, "runs")
    shown = _Shown()
    watcher = LoggedTraining(shown)
    watcher.logging.start(find_run("tiny", Path("runs")).folder, "run")
    watcher.epoch(1, 1, {"loss": 1.0}, 0.1)
    assert shown.epochs == [1]
    assert not hanging.is_set()
    hanging.set()
    watcher.logging.close()
    assert shown.notes == []


@pytest.mark.parametrize(
    "arguments",
    [("train", "tiny.yaml", "--log-to", "mlflow"), ("log", "tiny"), ("tune", "s.yaml", "--log-to", "mlflow")],
)
def test_the_package_is_named_before_anything_is_trained(
    arguments: tuple[str, ...],
    mlpcli: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tiny_run: Path,
) -> None:
    monkeypatch.setattr("mlpcli.extras.missing", lambda extra: ["mlflow-skinny"])
    elsewhere = ["--runs-dir", tiny_run] if arguments[0] == "log" else []
    refused = mlpcli(*arguments, *elsewhere)
    assert refused.status == 2
    assert refused.err.splitlines()[0] == (
        'logging to mlflow needs mlflow-skinny, which is not installed; run: pip install "mlpcli[mlflow]"'
    )
    assert not Path("runs").exists()


def test_only_mlflow_is_known_and_a_worker_does_not_log(mlpcli: Callable[..., Result]) -> None:
    assert mlpcli("train", "tiny.yaml", "--log-to", "wandb").status == 2
    worker = ("--role", "worker", "--address", "127.0.0.1:4100")
    refused = mlpcli("tune", "tiny.yaml", *worker, "--log-to", "mlflow")
    assert (refused.status, "--log-to is for the chief" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("val_loss", "val_loss"),
        ("test/Größe in m²", "test/Größe in m²"),
        ("layers[0].Dense", "layers_0_.Dense"),
        ("a:b\\c\n", "a_b_c_"),
        ("../x", "_/x"),
        ("/a//b/", "a/_/b"),
        ("", "_"),
        ("x" * 300, "x" * 250),
    ],
)
def test_names_are_as_mlflow_takes_them(name: str, clean: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    assert clean_name(name) == clean
    _validate_metric_name(clean)
    _validate_param_name(clean)


def test_parameters_are_the_values_of_the_spec(tiny_run: Path) -> None:
    found = parameters_of(find_run("tiny", tiny_run))
    assert found["metrics"] == "['accuracy']"
    assert found["fit.shuffle"] == "true"
    assert (found["seed"], found["dataset.name"]) == ("7", "iris")
