"""Targets of sequences: a number, a class or labels for each step of a row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.dataset import Dataset
from mlpcli.spec.load import load_spec
from tests.bare_runs import BARE, Notes, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

ROWS, STEPS = 40, 4
X = np.random.default_rng(3).normal(size=(ROWS, STEPS, 3)).astype(np.float32)
LARGEST = X.argmax(axis=-1)
POSITIVE = (X.sum(axis=-1) > 0).astype(int)
WEIGHTS = np.linspace(0.5, 2.0, ROWS)

SOFTMAX, SIGMOID = "{Dense: {units: 3, activation: softmax}}", "{Dense: {units: 1, activation: sigmoid}}"
WRAPPED = """\
{Bidirectional: {layer: {LSTM: {units: 2, return_sequences: true}}}},
{TimeDistributed: {layer: {Dense: {units: 1}}}}"""
TARGETS = {
    "numbers": (X.sum(axis=-1), "{Dense: {units: 1}}", "numbers", 1),
    "columns": (X[..., :2], "{Dense: {units: 2}}", "numbers", 2),
    "recurrent": (X.sum(-1), "{GRU: {units: 2, return_sequences: true}}, {Dense: {units: 1}}", "numbers", 1),
    "indices": (LARGEST, SOFTMAX, "classes", 1),
    "texts": (np.array(["a", "b", "c"])[LARGEST], SOFTMAX, "classes", 1),
    "one_hot": (np.eye(3)[LARGEST], SOFTMAX, "one_hot", 3),
    "binary": (POSITIVE, SIGMOID, "classes", 1),
    "binary_column": (POSITIVE[..., None], SIGMOID, "classes", 1),
    "labels": ((X > 0).astype(int), "{Dense: {units: 3, activation: sigmoid}}", "labels", 3),
    "wrapped": (X.sum(-1), WRAPPED, "numbers", 1),
    "convolved": (LARGEST, "{Conv1D: {filters: 3, kernel_size: 3, padding: same}}", "classes", 1),
}


def load(folder: Path, text: str) -> Dataset:
    from mlpcli.training.find_data import load_data

    spec = folder / "spec.yaml"
    spec.write_text(text, encoding="utf-8")
    return load_data(load_spec(spec))


@pytest.mark.parametrize("name", TARGETS)
def test_each_step_has_a_target_of_its_own(name: str, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    y, layers, kind, values = TARGETS[name]
    np.savez(tmp_path / "rows.npz", x=X, y=y)
    text = f"dataset: {{path: rows.npz, test: null}}\nlayers: [{layers}]\n"
    loss = {"convolved": "loss: {SparseCategoricalCrossentropy: {from_logits: true}}\n"}.get(name, "")
    dataset = load(tmp_path, text + loss)
    output, train = dataset.contract.output, dataset.train
    assert output.steps == (STEPS,)
    assert output.kind == kind
    assert train.y.shape == (len(train), STEPS, values)
    if name == "texts":
        assert output.classes == ("a", "b", "c")
        assert np.array_equal(train.y[..., 0], LARGEST[train.rows])
    checked = mlpcli("check", tmp_path / "spec.yaml")
    assert checked.status == 0, checked.err


def test_without_a_value_for_each_step_columns_are_targets_of_a_row(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=X, y=X.sum(axis=-1))
    dataset = load(tmp_path, "dataset: {path: rows.npz}\nlayers: [Flatten, {Dense: {units: 4}}]\n")
    assert (dataset.contract.output.steps, dataset.train.y.shape[1:]) == ((), (STEPS,))


def test_the_steps_of_an_earlier_run_stay_targets_of_its_rows(tmp_path: Path) -> None:
    from mlpcli.spec.load import Kept
    from mlpcli.training.find_data import load_data

    np.savez(tmp_path / "rows.npz", x=X, y=X.sum(axis=-1))
    load(tmp_path, "dataset: {path: rows.npz}\nlayers: [{Dense: {units: 1}}]\n")
    loaded = load_spec(tmp_path / "spec.yaml")
    for steps, shape in ((False, (STEPS,)), (True, (STEPS, 1)), (None, (STEPS, 1))):
        kept = replace(loaded, kept=Kept(tmp_path, steps=steps))
        assert load_data(kept).train.y.shape[1:] == shape


def test_trials_with_other_layers_share_their_data(tmp_path: Path) -> None:
    from mlpcli.model.default_losses import data_request

    texts = ("{Dense: {units: 4}}, {Dense: {units: 1}}", "{Conv1D: {filters: 1, kernel_size: 1}}")
    requests = []
    for layers in texts:
        (tmp_path / "spec.yaml").write_text(f"dataset: {{path: rows.npz}}\nlayers: [{layers}]\n")
        requests.append(data_request(load_spec(tmp_path / "spec.yaml").spec))
    assert requests[0] == requests[1]
    assert repr(requests[0]) == repr(requests[1])


def test_classes_of_steps_train_and_are_predicted(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    import tensorflow as tf

    runs = ("--runs-dir", tmp_path / "runs")
    np.savez(tmp_path / "rows.npz", x=X, y=np.array(["a", "b", "c"])[LARGEST], w=WEIGHTS)
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        f"name: steps\ndataset: {{path: rows.npz, weights: w, test: {{last: 8}}}}\nlayers: [{SOFTMAX}]\n"
        "optimizer: {Adam: {learning_rate: 0.5}}\nmetrics: [accuracy, {F1Score: {average: macro}}]\n"
        "fit: {epochs: 20, batch_size: 4}\n"  # as many rows a batch as steps a row: weights must not mix
    )
    notes = Notes()
    run = train_bare(spec, tmp_path / "runs", notes, options=replace(BARE, saved_model=True, baseline=True))
    assert any("one for each of 4 steps" in note for note in notes.notes)
    data = tmp_path / "rows.npz"
    told = json.loads(mlpcli("evaluate", "steps", "--data", data, "--json", "--no-figures", *runs).out)
    probability = tmp_path / "rows.npy"
    assert mlpcli("predict", "steps", data, "-o", probability, *runs).status == 0
    predicted = np.load(probability)
    assert predicted.shape == (ROWS, STEPS, 3)

    right = predicted.argmax(axis=-1) == LARGEST
    assert right.mean() > 0.9
    assert told["metrics"]["accuracy"] == pytest.approx(right.mean())
    own = -np.log(np.take_along_axis(predicted, LARGEST[..., None], axis=-1)[..., 0])
    assert told["metrics"]["loss"] == pytest.approx((own * WEIGHTS[:, None]).mean(), rel=1e-4)
    assert told["classes"]["a"]["rows"] == (LARGEST == 0).sum()

    rows = list(csv.DictReader(mlpcli("predict", "steps", data, *runs).out.splitlines()))
    assert [rows[1][f"predicted_target_{step}"] for step in range(STEPS)] == [
        "abc"[index] for index in predicted[1].argmax(axis=-1)
    ]
    assert float(rows[1]["probability_b_3"]) == pytest.approx(predicted[1, 3, 1], rel=1e-5)

    exported = tf.saved_model.load(str(run / "saved_model"))
    served = exported.serve(X)
    assert np.allclose(served, predicted, atol=1e-5)
    baseline = json.loads((run / "metrics.json").read_text())["baseline"]
    assert baseline["metric"] == "accuracy"
    assert "linear" not in baseline


def test_scaled_numbers_of_steps_come_back_in_their_own_units(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    runs = ("--runs-dir", tmp_path / "runs")
    y = X[..., :2] * [1.0, 50.0] + [0.0, 300.0]
    np.savez(tmp_path / "rows.npz", x=X, y=y)
    (tmp_path / "spec.yaml").write_text(
        "name: numbers\ndataset: {path: rows.npz, target_scaling: standardize}\n"
        "layers: [{Dense: {units: 2}}]\n"
        "optimizer: {Adam: {learning_rate: 0.1}}\nmetrics: [RootMeanSquaredError, R2Score]\n"
        "fit: {epochs: 40, batch_size: 8, engine: keras}\n"
    )
    train_bare(tmp_path / "spec.yaml", tmp_path / "runs")
    options = ("--data", tmp_path / "rows.npz", "--json", "--no-figures", *runs)
    told = json.loads(mlpcli("evaluate", "numbers", *options).out)
    mlpcli("predict", "numbers", tmp_path / "rows.npz", "-o", tmp_path / "out.npy", *runs)
    predicted = np.load(tmp_path / "out.npy")
    assert predicted.shape == y.shape
    rmse = np.sqrt(((predicted - y) ** 2).mean())
    assert rmse < 5
    assert told["metrics"]["root_mean_squared_error"] == pytest.approx(rmse, rel=1e-3)
    assert told["metrics"]["r2_score"] > 0.9


def test_steps_that_a_layer_masks_count_in_no_metric() -> None:
    from mlpcli.keras_import import keras
    from mlpcli.model.metric_wrappers import StepRows

    x = np.array([[[1.0], [0.0]], [[3.0], [4.0]]], np.float32)
    metric = StepRows(keras.metrics.MeanAbsoluteError(name="mae"))
    metric.update_state(np.zeros((2, 2, 1), np.float32), keras.layers.Masking()(x))
    assert keras.ops.convert_to_numpy(metric.result()) == pytest.approx((1 + 3 + 4) / 3)


WRONG = {
    "not a number": (
        np.where(np.arange(ROWS * STEPS).reshape(ROWS, STEPS) == 9, np.nan, 0.0),
        "{Dense: {units: 1}}",
        "rows.npz row 3, array 'y' at [1]: must be a finite number, received nan",
    ),
    "a fraction": (
        LARGEST + np.where(np.arange(ROWS * STEPS).reshape(ROWS, STEPS) == 9, 0.5, 0.0),
        SOFTMAX + "]\nloss: sparse_categorical_crossentropy\nmetrics: [",
        "rows.npz row 3, array 'y' at [1]: must be a whole number or a string to be a class",
    ),
    "fewer steps": (
        X.sum(-1)[:, :3],
        "{Dense: {units: 1}}",
        "each step of the target, (rows, 3, values), must have an output, received (rows, 4, values)",
    ),
    "no steps": (
        X[..., :1],
        "{LSTM: {units: 1}}",
        "each step of the target, (rows, 4, values), must have an output, received (rows, values); set",
    ),
    "units": (
        LARGEST,
        "{Dense: {units: 2, activation: softmax}}",
        "the output must have 3 units, one for each class",
    ),
    "a loss of rows": (
        LARGEST,
        SOFTMAX + "]\nloss: {CategoricalGeneralizedCrossEntropy: {q: 0.5}}\nmetrics: [",
        "Keras computes this loss from one class per row, not from one per step",
    ),
    "a metric": (
        LARGEST,
        SOFTMAX + "]\nmetrics: [categorical_accuracy",
        "the labels are class indices, this metric takes one-hot vectors",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_the_steps_is_told(
    name: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    y, layers, told = WRONG[name]
    np.savez(tmp_path / "rows.npz", x=X, y=y)
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"dataset: {{path: rows.npz}}\nlayers: [{layers}]\n")
    done = mlpcli("check", spec)
    assert done.status == 2
    assert told in done.err


def test_rows_of_other_steps_are_refused(tmp_path: Path) -> None:
    from mlpcli.data.rows import read_rows
    from mlpcli.errors import DataError

    np.savez(tmp_path / "rows.npz", x=X, y=LARGEST)
    dataset = load(tmp_path, f"dataset: {{path: rows.npz}}\nlayers: [{SOFTMAX}]\n")
    np.savez(tmp_path / "more.npz", x=X, y=LARGEST[:, :2])
    with pytest.raises(DataError, match=r"array 'y' must have the shape \(rows, 4\), received \(rows, 2\)"):
        read_rows(tmp_path / "more.npz", dataset.contract, target=True)
