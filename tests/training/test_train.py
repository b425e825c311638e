"""What `train` leaves behind, and that it is the same every time."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.runs.folder import Run, find_run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec, load_spec
from mlpcli.training.job import TrainOptions
from tests.conftest import TINY, Result

GRAPH = "fit.engine=graph"  # which is the quickest for a few small epochs

FILES = {
    "spec.yaml",
    "resolved.yaml",
    "run.json",
    "history.csv",
    "metrics.json",
    "model.keras",
    "saved_model/saved_model.pb",
    "checkpoints/last.keras",
    "checkpoints/best.keras",
    "plots/learning_curves.png",
}


def _newest(runs_dir: Path, name: str = "tiny") -> Path:
    return find_run(name, runs_dir).folder


def _train(loaded: LoadedSpec, runs_dir: Path) -> Run:
    """Train as the command does, without the SavedModel and the figures."""
    from mlpcli.training.session import train

    options = TrainOptions(saved_model=False, figures=False)
    return train(loaded, runs_dir=runs_dir, watcher=Watcher(), options=options).run


def _history(run_dir: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((run_dir / "history.csv").read_text(encoding="utf-8"))))


def test_a_run_folder_is_complete(tiny_run: Path) -> None:
    run_dir = _newest(tiny_run)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", run_dir.name)
    present = {str(path.relative_to(run_dir)) for path in run_dir.rglob("*") if path.is_file()}
    assert present >= FILES
    for split in ("train", "validation"):
        assert any(path.startswith(f"tensorboard/{split}/events.") for path in present)
    assert not [path for path in present if path.startswith(".") or "/." in path]  # no scratch left


def test_the_record_says_how_it_went(tiny_run: Path) -> None:
    record = json.loads((_newest(tiny_run) / "run.json").read_text())
    assert record["status"] == "completed"
    assert (record["seed"], record["epochs"]) == (7, 5)
    assert record["data"]["rows"] == {"train": 96, "validation": 24, "test": 30}
    assert len(record["data"]["fingerprint"]) == 64
    assert {"tensorflow", "keras", "python", "mlpcli"} <= set(record["versions"])
    assert record["engine"]["name"] == "compiled"
    assert record["engine"]["rows_per_second"] > 0
    assert (
        record["model"]["parameters"] == 4 * 8 + 8 + 8 * 3 + 3 + 9
    )  # and Normalization's mean, variance, count


def test_the_history_has_a_row_an_epoch(tiny_run: Path) -> None:
    rows = _history(_newest(tiny_run))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert list(rows[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]


def test_metrics_are_those_of_the_saved_model_on_each_split(tiny_run: Path) -> None:
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    run_dir = _newest(tiny_run)
    model = keras.models.load_model(run_dir / "model.keras")
    x, y = load_iris(return_X_y=True)
    x_rest, x_test, y_rest, y_test = train_test_split(x, y, test_size=0.2, random_state=7, stratify=y)
    x_train, x_val, y_train, y_val = train_test_split(
        x_rest, y_rest, test_size=0.2, random_state=7, stratify=y_rest
    )
    metrics = json.loads((run_dir / "metrics.json").read_text())
    intervals = ["confidence_intervals", "confidence_interval_method"]
    assert list(metrics) == ["train", "validation", "test", *intervals, "baseline"]
    for name, rows, labels in (
        ("train", x_train, y_train),
        ("validation", x_val, y_val),
        ("test", x_test, y_test),
    ):
        loss, accuracy = model.evaluate(rows, labels, verbose=0)
        assert metrics[name]["loss"] == pytest.approx(loss, abs=1e-5)
        assert metrics[name]["accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_the_normalization_layer_learned_from_the_training_rows_alone(tiny_run: Path) -> None:
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    from mlpcli.keras_import import import_keras

    model = import_keras().models.load_model(_newest(tiny_run) / "model.keras")
    x, y = load_iris(return_X_y=True)
    x_rest, _, y_rest, _ = train_test_split(x, y, test_size=0.2, random_state=7, stratify=y)
    x_train, *_ = train_test_split(x_rest, y_rest, test_size=0.2, random_state=7, stratify=y_rest)
    np.testing.assert_allclose(model.layers[1].mean[0], x_train.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    "from_resolved",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["the spec again", "resolved.yaml"],
)
def test_the_same_seed_gives_the_same_digits(
    from_resolved: bool, tiny_run: Path, spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    first = _newest(tiny_run)
    spec = first / "resolved.yaml" if from_resolved else spec_file(TINY)
    second = _train(load_spec(spec), tmp_path)
    assert (second / "history.csv").read_text() == (first / "history.csv").read_text()
    assert (second / "metrics.json").read_text() == (first / "metrics.json").read_text()


def test_another_seed_gives_another_run(
    tiny_run: Path, spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    run = _train(load_spec(spec_file(TINY), settings=["seed=8", "fit.epochs=1"]), tmp_path)
    first, other = _history(run.folder)[0], _history(_newest(tiny_run))[0]
    assert float(first["loss"]) != pytest.approx(float(other["loss"]), rel=0.001)


@pytest.mark.parametrize("engine", ["graph", pytest.param("keras", marks=pytest.mark.slow)])
def test_every_engine_gives_the_history_of_the_compiled_one(
    engine: str, tiny_run: Path, spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    run = _train(load_spec(spec_file(TINY), settings=[f"fit.engine={engine}"]), tmp_path)
    assert run.record.to_json()["engine"]["name"] == engine
    for ours, stock in zip(_history(_newest(tiny_run)), _history(run.folder), strict=True):
        for name, value in ours.items():
            assert float(value) == pytest.approx(float(stock[name]), abs=1e-5), name


@pytest.mark.slow
def test_json_is_one_document_on_stdout(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    settings = ("--set", "fit.epochs=1", "--set", GRAPH)
    result = mlpcli("train", spec_file(TINY), "--json", "--runs-dir", tmp_path / "runs", *settings)
    document = json.loads(result.out)
    assert document["status"] == "completed"
    assert document["metrics"]["test"].keys() == {"loss", "accuracy"}
    assert Path(document["folder"]).is_dir()
    assert "epoch 1/1" in result.err


def test_the_end_says_what_where_and_what_next(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    runs_dir = tmp_path / "runs"
    settings = ("--set", "fit.epochs=2", "--set", GRAPH)
    result = mlpcli("train", spec_file(TINY), "--runs-dir", runs_dir, *settings)
    assert result.status == 0
    assert re.search(r"^test +\d\.\d{4} +\d\.\d{4}$", result.out, re.M)
    assert f"run  {_newest(runs_dir)}" in result.out
    assert f"next mlpcli evaluate tiny --runs-dir {runs_dir}" in result.out
    assert "\x1b" not in result.out  # not a terminal: no colour
    assert result.err == ""
    whole = (*settings, "--set", "dataset.test=null", "--set", "fit.epochs=1")
    result = mlpcli("train", spec_file(TINY), "--runs-dir", runs_dir, *whole)
    assert f"next mlpcli evaluate tiny --data FILE --runs-dir {runs_dir}" in result.out, result.err


def test_a_diverged_training_says_so(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = """\
name: wild
dataset: {name: diabetes}
layers: [{Dense: {units: 64}}, {Dense: {units: 64}}, {Dense: {units: 1}}]
loss: mse
optimizer: {SGD: {learning_rate: 10.0}}
fit: {epochs: 5, engine: graph}
"""
    result = mlpcli("train", spec_file(text), "--runs-dir", tmp_path / "runs")
    assert result.status == 1
    (run_dir,) = (tmp_path / "runs" / "wild").iterdir()
    assert json.loads((run_dir / "run.json").read_text())["status"] == "diverged"
    assert "lower the learning rate (it was 10)" in result.err
    assert not (run_dir / "model.keras").exists()


def test_early_stopping_keeps_the_best_model(spec_file: Callable[[str], Path], tmp_path: Path) -> None:
    text = TINY + "callbacks: [{EarlyStopping: {patience: 2, restore_best_weights: true}}]\n"
    text = text.replace("epochs: 5", "epochs: 200").replace("learning_rate: 0.02", "learning_rate: 0.3")
    run_dir = _train(load_spec(spec_file(text), settings=[GRAPH]), tmp_path).folder
    history = _history(run_dir)
    best = min(history, key=lambda row: float(row["val_loss"]))
    assert len(history) == int(best["epoch"]) + 2
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert metrics["validation"]["loss"] == pytest.approx(float(best["val_loss"]), abs=1e-5)


@pytest.mark.slow
def test_save_best_only_makes_the_best_epoch_the_model(
    spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = TINY + "callbacks: [{ModelCheckpoint: {save_best_only: true, monitor: val_accuracy}}]\n"
    text = text.replace("learning_rate: 0.02", "learning_rate: 2.0")
    run_dir = _train(load_spec(spec_file(text), settings=[GRAPH]), tmp_path).folder
    accuracies = [float(row["val_accuracy"]) for row in _history(run_dir)]
    best = max(accuracies)
    assert accuracies[-1] < best  # the model of the last epoch would be another
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert metrics["validation"]["accuracy"] == pytest.approx(best, abs=1e-6)


def test_callbacks_write_inside_the_run(spec_file: Callable[[str], Path], tmp_path: Path) -> None:
    text = TINY + "callbacks: [CSVLogger, {ModelCheckpoint: {filepath: 'mine-{epoch}.keras'}}]\n"
    run = _train(load_spec(spec_file(text), settings=["fit.epochs=2", GRAPH]), tmp_path / "ru{ns}")
    assert len((run / "log.csv").read_text().splitlines()) == 3
    assert (run / "mine-2.keras").exists()


def test_a_callback_cannot_write_outside_the_run(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = TINY + "callbacks:\n  - CSVLogger: {filename: ../../log.csv}\n"
    spec = spec_file(text)
    result = mlpcli("train", spec, "--runs-dir", tmp_path / "runs")
    assert result.status == 2
    line = text.count("\n")
    assert result.err.splitlines()[0] == (
        f"{spec}:{line}:27 callbacks[0].CSVLogger.filename: must be a path inside the run folder, "
        "received '../../log.csv'; write a name such as my_log.csv"
    )
    assert not (tmp_path / "runs").exists()


TAKEN = {
    "CSVLogger: {filename: run.json}": "run.json",
    "CSVLogger: {filename: ./History.CSV}": "history.csv",
    "CSVLogger: {filename: run.json/log.csv}": "run.json",
    "CSVLogger: {filename: plots/learning_curves.png}": "plots",
    "CSVLogger: {filename: tensorboard}": "tensorboard",
    "ModelCheckpoint: {filepath: checkpoints/best.keras}": "checkpoints/best.keras",
    "ModelCheckpoint: {filepath: model.keras}": "model.keras",
    "TensorBoard: {log_dir: saved_model/logs}": "saved_model",
}


def test_a_callback_cannot_overwrite_a_file_of_the_run(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    spec = spec_file(TINY + "callbacks:\n" + "".join(f"  - {callback}\n" for callback in TAKEN))
    result = mlpcli("check", spec)
    assert result.status == 2
    found = [line for line in result.err.splitlines() if line.startswith(f"{spec}:")]
    first = TINY.count("\n") + 2
    for place, (line, (callback, taken)) in enumerate(zip(found, TAKEN.items(), strict=True)):
        column = 5 + callback.rindex(": ") + len(": ")
        assert line.startswith(f"{spec}:{first + place}:{column} callbacks[{place}].")
        assert f"would overwrite {taken}, which mlpcli writes itself" in line
        assert "; write a name such as " in line


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_predicts_in_float32(
    precision: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    runs_dir = tmp_path / "runs"
    text = TINY.replace("epochs: 5", f"epochs: 30, precision: {precision}")
    result = mlpcli("train", spec_file(text), "--runs-dir", runs_dir)
    assert result.status == 0
    run_dir = _newest(runs_dir)
    assert json.loads((run_dir / "run.json").read_text())["engine"]["name"] == "compiled"
    assert json.loads((run_dir / "metrics.json").read_text())["test"]["accuracy"] > 0.85
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))
    assert mlpcli("predict", "tiny", tmp_path / "rows.npy", "--runs-dir", runs_dir).status == 0


def test_what_every_run_has_can_be_turned_off(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = spec_file(TINY + "callbacks: [{TensorBoard: false}, {ModelCheckpoint: false}]\n")
    run = _train(load_spec(spec, settings=["fit.epochs=1", GRAPH]), tmp_path / "runs")
    assert not (run / "tensorboard").exists()
    assert not list((run / "checkpoints").glob("*.keras"))
    assert mlpcli("check", run / "resolved.yaml").status == 0
    wrong = spec_file(TINY + "callbacks: [{EarlyStopping: false}]\n")
    assert "EarlyStopping cannot be turned off" in mlpcli("check", wrong).err
