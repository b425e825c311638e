"""Targets of every kind, weights of rows and classes, and losses that are chosen."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.dataset import Dataset
from mlpcli.runs.folder import find_run
from mlpcli.spec.load import load_spec
from tests.conftest import Result

pytestmark = pytest.mark.slow

ROWS = 160


def write_rows(folder: Path, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> Path:
    path = folder / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def numbers(seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(size=ROWS).round(4) for name in "ab"}


def load(folder: Path, text: str) -> Dataset:
    from mlpcli.training.find_data import load_data

    spec = folder / "spec.yaml"
    spec.write_text(text, encoding="utf-8")
    return load_data(load_spec(spec))


def train(mlpcli: Callable[..., Result], folder: Path, text: str) -> Result:
    spec = folder / "spec.yaml"
    spec.write_text(text, encoding="utf-8")
    done = mlpcli("train", spec, "--runs-dir", folder / "runs")
    assert done.status == 0, done.err
    return done


def test_several_columns_of_0_and_1_are_labels(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    table = numbers()
    table |= {"warm": (table["a"] > 0).astype(int), "wet": (table["b"] > 0).astype(int)}
    path = write_rows(tmp_path, table)
    text = """\
name: weather
dataset: {path: table.csv, target: [warm, wet]}
layers: [{Dense: {units: 8, activation: relu}}, {Dense: {units: 2, activation: sigmoid}}]
optimizer: {Adam: {learning_rate: 0.05}}
fit: {epochs: 20}
"""
    done = train(mlpcli, tmp_path, text)
    assert "loss: binary_crossentropy, chosen for a target of 2 labels" in done.err + done.out
    predicted = mlpcli("predict", "weather", path, "--runs-dir", tmp_path / "runs").out.splitlines()
    assert predicted[0] == "predicted_warm,predicted_wet,probability_warm,probability_wet"
    told = json.loads(mlpcli("evaluate", "weather", "--json", "--runs-dir", tmp_path / "runs").out)
    assert told["labels"]["warm"]["f1"] > 0.8


def test_separated_labels_are_split_and_joined(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    table: dict[str, Any] = dict(numbers())
    table["tags"] = [
        "; ".join(name for name, on in (("wet", b > 0), ("warm", a > 0)) if on)
        for a, b in zip(table["a"], table["b"], strict=True)
    ]
    path = write_rows(tmp_path, table)
    text = """\
name: tags
dataset: {path: table.csv, target: tags, label_separator: ';'}
layers: [{Dense: {units: 8, activation: relu}}, {Dense: {units: 2, activation: sigmoid}}]
loss: binary_crossentropy
optimizer: {Adam: {learning_rate: 0.05}}
fit: {epochs: 20}
"""
    train(mlpcli, tmp_path, text)
    rows = list(
        csv.DictReader(mlpcli("predict", "tags", path, "--runs-dir", tmp_path / "runs").out.splitlines())
    )
    assert list(rows[0]) == ["predicted_tags", "probability_warm", "probability_wet"]
    assert {row["predicted_tags"] for row in rows} == {"", "warm", "wet", "warm;wet"}
    told = mlpcli("evaluate", "tags", "--data", path, "--runs-dir", tmp_path / "runs", "--json")
    assert json.loads(told.out)["labels"]["wet"]["f1"] > 0.8


@pytest.mark.parametrize(
    ("activation", "scaling"), [("sigmoid", "minmax"), ("tanh", "minmax"), ("linear", "standardize")]
)
def test_a_scaled_target_comes_back_in_its_own_units(
    activation: str, scaling: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    import tensorflow as tf

    table: dict[str, Any] = dict(numbers())
    table["price"] = (200_000 + 50_000 * table["a"] - 20_000 * table["b"]).round(1)
    path = write_rows(tmp_path, table)
    text = f"""\
name: price
dataset: {{path: table.csv, target: price, target_scaling: {scaling}}}
layers: [{{Dense: {{units: 16, activation: relu}}}}, {{Dense: {{units: 1, activation: {activation}}}}}]
optimizer: {{Adam: {{learning_rate: 0.02}}}}
fit: {{epochs: 60, batch_size: 16}}
"""
    dataset = load(tmp_path, text)
    low, high = dataset.train.y.min(), dataset.train.y.max()
    expected = {"sigmoid": (0, 1), "tanh": (-1, 1)}.get(activation)
    assert expected is None or (low, high) == pytest.approx(expected, abs=1e-6)

    train(mlpcli, tmp_path, text)
    run = find_run("price", tmp_path / "runs")
    rows = list(
        csv.DictReader(mlpcli("predict", "price", path, "--runs-dir", tmp_path / "runs").out.splitlines())
    )
    ours = np.array([float(row["predicted_price"]) for row in rows])
    rmse = np.sqrt(np.mean((ours - table["price"]) ** 2))
    assert rmse < 30_000
    told = json.loads(
        mlpcli("evaluate", "price", "--data", path, "--json", "--runs-dir", tmp_path / "runs").out
    )
    assert told["metrics"]["root_mean_squared_error"] == pytest.approx(rmse, rel=1e-4)
    served = tf.saved_model.load(str(run / "saved_model"))
    columns = {name: tf.constant(table[name], tf.float64) for name in "ab"}
    np.testing.assert_allclose(served.serve(columns)["value"].numpy()[:, 0], ours, rtol=1e-5)
    import keras

    loaded = keras.models.load_model(run / "model.keras", compile=False).predict(columns, verbose=0)
    np.testing.assert_allclose(loaded[:, 0], ours, rtol=1e-5)


def test_scaling_classes_is_refused(mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]) -> None:
    spec = spec_file(
        "dataset: {name: iris, target_scaling: minmax}\nlayers: [{Dense: {units: 3, activation: softmax}}]\n"
        "loss: sparse_categorical_crossentropy\n"
    )
    done = mlpcli("check", spec)
    assert done.status == 2
    rule = "dataset.target_scaling: is for a target of numbers, this one holds classes, received 'minmax'"
    assert f"{spec}:1:39 {rule}; remove it" in done.err


WEIGHED = """\
dataset: {path: table.csv, target: kind, weights: weight, test: null}
layers: [{Dense: {units: 2, activation: softmax}}]
loss: sparse_categorical_crossentropy
"""


def weighed_table(folder: Path) -> dict[str, Any]:
    table: dict[str, Any] = dict(numbers())
    table["kind"] = ["rare" if row % 8 == 0 else "usual" for row in range(ROWS)]
    table["weight"] = [1 + row % 3 for row in range(ROWS)]
    write_rows(folder, table)
    return table


def test_weights_of_rows_and_classes_multiply_in_every_split(tmp_path: Path) -> None:
    table = weighed_table(tmp_path)
    weight, rare = np.array(table["weight"]), np.array(table["kind"]) == "rare"
    dataset = load(tmp_path, WEIGHED + "fit: {class_weight: {rare: 5}}\n")
    assert dataset.contract.features == ("a", "b")
    assert dataset.validation is not None
    for split in (dataset.train, dataset.validation):
        expected = (weight * np.where(rare, 5, 1))[split.rows]
        np.testing.assert_allclose(split.weights, expected)


def test_balanced_classes_weigh_alike(tmp_path: Path) -> None:
    weighed_table(tmp_path)
    text = WEIGHED.replace(", weights: weight", ", features: [a, b]") + "fit: {class_weight: balanced}\n"
    dataset = load(tmp_path, text)
    totals = [float(dataset.train.weights[dataset.train.y == label].sum()) for label in (0, 1)]
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)
    assert sum(totals) == pytest.approx(len(dataset.train), rel=1e-5)


def test_weights_act_as_sample_weight_does_in_fit(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    """The metrics of both engines agree, and differ from those without weights."""
    weighed_table(tmp_path)
    losses = {}
    for name, more in (
        ("compiled", ""),
        ("keras", ", engine: keras"),
        ("plain", ""),
    ):
        text = WEIGHED if name != "plain" else WEIGHED.replace(", weights: weight", ", features: [a, b]")
        classes = "" if name == "plain" else ", class_weight: balanced"
        train(mlpcli, tmp_path, f"name: {name}\n{text}fit: {{epochs: 2{more}{classes}}}\n")
        found = json.loads((find_run(name, tmp_path / "runs") / "metrics.json").read_text())
        losses[name] = found["validation"]["loss"]
    assert losses["compiled"] == pytest.approx(losses["keras"], abs=1e-5)
    assert losses["plain"] != pytest.approx(losses["compiled"], abs=1e-3)


def test_several_outputs_are_weighed_by_class(tmp_path: Path) -> None:
    """Keras's fit refuses class weights here; they become weights of rows, output by output."""
    table = weighed_table(tmp_path)
    dataset = load(
        tmp_path,
        """\
dataset: {path: table.csv, target: {kind: kind, b: b}, features: [a]}
layers:
  - {Dense: {units: 2, activation: softmax}, name: kind}
  - {Dense: {units: 1}, name: b, from: input}
loss: {kind: sparse_categorical_crossentropy, b: mse}
fit: {class_weight: {rare: 7}}
""",
    )
    rare = (np.array(table["kind"]) == "rare")[dataset.train.rows]
    np.testing.assert_allclose(dataset.train.weights["kind"], np.where(rare, 7, 1))
    np.testing.assert_allclose(dataset.train.weights["b"], 1)


def test_a_class_that_is_not_there_cannot_be_weighed(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    spec = spec_file(
        "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\n"
        "fit: {class_weight: {setossa: 2}}\n"
    )
    done = mlpcli("check", spec)
    assert done.status == 2
    rule = "fit.class_weight.setossa: there is no such class, received 'setossa'; did you mean 'setosa'?"
    assert f"{spec}:3:22 {rule}" in done.err


@pytest.mark.parametrize(
    ("dataset", "layer", "loss", "metrics"),
    [
        ("iris", "{Dense: {units: 3, activation: softmax}}", "sparse_categorical_crossentropy", ["accuracy"]),
        ("breast_cancer", "{Dense: {units: 1, activation: sigmoid}}", "binary_crossentropy", ["accuracy"]),
        ("diabetes", "{Dense: {units: 1}}", "mse", ["RootMeanSquaredError", "mae"]),
    ],
)
def test_losses_and_metrics_that_are_left_out_are_chosen_and_told(
    dataset: str, layer: str, loss: str, metrics: list[str], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    text = (
        f"name: chosen\ndataset: {{name: {dataset}}}\nlayers: [Normalization, {layer}]\nfit: {{epochs: 1}}\n"
    )
    done = train(mlpcli, tmp_path, text)
    assert f"loss: {loss}, chosen for " in done.out + done.err
    resolved = load_spec(find_run("chosen", tmp_path / "runs") / "resolved.yaml").spec
    assert getattr(resolved.loss, "class_name", None) == loss
    assert [getattr(part, "class_name", None) for part in resolved.metrics or ()] == metrics
