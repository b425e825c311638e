"""The losses of embeddings, `Circle`, and of sequences of labels, `CTC`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.sequences import decode, needed_steps
from tests.bare_runs import BARE, Notes, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

EMBEDDING = """\
name: near
dataset: {path: rows.npz, weights: w, test: {last: 8}}
layers: [{Dense: {units: 3}}, UnitNormalization]
loss: {Circle: {gamma: 10}}
optimizer: {Adam: {learning_rate: 0.05}}
fit: {epochs: 4, batch_size: 8, engine: graph}
"""

SPEECH = """\
name: speech
dataset: {path: rows.npz, test: {last: 10}}
layers: [{Dense: {units: 4}}]
loss: CTC
optimizer: {Adam: {learning_rate: 0.2}}
fit: {epochs: 20, batch_size: 8}
"""


def write(folder: Path, text: str, **arrays: Any) -> Path:
    np.savez(folder / "rows.npz", **arrays)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return folder / "spec.yaml"


def embedded() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    classes = random.integers(0, 3, 60)
    x = random.normal(size=(60, 4)).astype(np.float32) + np.eye(4, dtype=np.float32)[classes]
    return {"x": x, "y": np.array(["a", "b", "c"])[classes], "w": np.linspace(0.5, 2.0, 60)}


def spoken(rows: int = 50) -> dict[str, np.ndarray]:
    """Each step is a one-hot vector of a label, or of 0 for none; the target is the labels in order."""
    random = np.random.default_rng(6)
    heard = random.integers(0, 4, (rows, 6))
    heard[:, 0], heard[:, 3] = random.integers(1, 4, rows), 0
    said = [[int(label) for label in text.split()] for text in decode(np.eye(4)[heard])]
    y = np.array([labels + [0] * (6 - len(labels)) for labels in said])
    return {"x": np.eye(4, dtype=np.float32)[heard], "y": y}


def test_circle_trains_embeddings_and_predicts_them(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    from mlpcli.keras_import import keras

    runs = ("--runs-dir", tmp_path / "runs")
    arrays = embedded()
    notes, options = Notes(), replace(BARE, baseline=True)
    run = train_bare(write(tmp_path, EMBEDDING, **arrays), tmp_path / "runs", notes, options=options)
    assert not any("metrics:" in note for note in notes.notes)
    history = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    assert float(history[-1]["loss"]) < float(history[0]["loss"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert "baseline" not in metrics
    assert metrics["validation"]["loss"] == pytest.approx(min(float(row["val_loss"]) for row in history))

    data = tmp_path / "rows.npz"
    assert mlpcli("predict", "near", data, "-o", tmp_path / "out.npy", *runs).status == 0
    predicted = np.load(tmp_path / "out.npy")
    assert predicted.shape == (60, 3)
    assert np.allclose(np.linalg.norm(predicted, axis=1), 1, atol=1e-5)
    first = mlpcli("predict", "near", data, *runs).out.splitlines()[0]
    assert first == "embedding_0,embedding_1,embedding_2"

    told = json.loads(mlpcli("evaluate", "near", "--json", "--no-figures", *runs).out)
    classes = np.unique(arrays["y"], return_inverse=True)[1]
    own = keras.losses.Circle(gamma=10)(classes[-8:], predicted[-8:], arrays["w"][-8:].astype(np.float32))
    assert told["metrics"]["loss"] == pytest.approx(float(keras.ops.convert_to_numpy(own)), rel=1e-3)
    assert "classes" not in told


def test_ctc_finds_labels_whose_steps_are_not_known(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    runs = ("--runs-dir", tmp_path / "runs")
    arrays = spoken()
    run = train_bare(write(tmp_path, SPEECH, **arrays), tmp_path / "runs")
    history = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    assert float(history[-1]["val_loss"]) < 0.5 * float(history[0]["val_loss"])

    data = tmp_path / "rows.npz"
    assert mlpcli("predict", "speech", data, "-o", tmp_path / "out.npy", *runs).status == 0
    assert np.load(tmp_path / "out.npy").shape == (50, 6, 4)
    rows = list(csv.DictReader(mlpcli("predict", "speech", data, *runs).out.splitlines()))
    said = [" ".join(str(label) for label in labels if label) for labels in arrays["y"].tolist()]
    right = [row["predicted_labels"] == text for row, text in zip(rows, said, strict=True)]
    assert np.mean(right) > 0.8
    assert float(rows[0]["logit_2_5"]) == pytest.approx(np.load(tmp_path / "out.npy")[0, 5, 2], rel=1e-5)
    told = mlpcli("evaluate", "speech", "--data", data, "--json", "--no-figures", *runs)
    assert list(json.loads(told.out)["metrics"]) == ["loss"]


def test_labels_are_decoded_and_need_steps_between_equal_ones() -> None:
    assert decode(np.eye(3)[[[1, 1, 0, 1, 2], [0, 0, 0, 0, 0]]]) == ["1 1 2", ""]
    assert needed_steps(np.array([[1, 1, 2], [1, 2, 0], [0, 0, 0]])).tolist() == [4, 2, 0]


WRONG = {
    "a label in a gap": (
        [[1, 0, 2]],
        "",
        "rows.npz rows 1, 2, 3 and 47 more, array 'y' at [2]: must be 0, as the number before it is",
    ),
    "a fraction": ([[1, 2.5, 0]], "", "47 more, array 'y' at [1]: must be a whole number"),
    "more labels than units": ([[1, 7, 0]], "", "the labels go up to 7: the output must have 8 units"),
    "probabilities": (
        [[1, 2, 0]],
        ", activation: softmax",
        "this loss takes logits, softmax gives probabilities",
    ),
    "more labels than steps": (
        [[1, 1, 1, 1]],
        "",
        "the labels of a row need 7 steps, with one between equal",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_sequences_that_do_not_fit_are_told(name: str, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    labels, activation, told = WRONG[name]
    y = np.repeat(np.array(labels), 50, axis=0)
    spec = write(tmp_path, SPEECH.replace("units: 4", f"units: 4{activation}"), x=spoken()["x"], y=y)
    done = mlpcli("check", spec)
    assert done.status == 2
    assert told in done.err


def test_an_embedding_is_of_a_row_and_has_one_class(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    arrays = embedded()
    done = mlpcli("check", write(tmp_path, EMBEDDING, x=arrays["x"], y=arrays["x"][:, :2] > 0, w=arrays["w"]))
    assert done.status == 2
    assert "takes one class per row, the target of rows.npz has several columns" in done.err
    done = mlpcli("check", write(tmp_path, EMBEDDING.replace("units: 3", "units: 1"), **arrays))
    assert done.status == 2
    assert "an embedding of one number has only a sign" in done.err
