"""Targets of every kind, weights of rows and classes, and losses that are chosen."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.dataset import Dataset
from mlpcli.errors import SpecError
from mlpcli.runs.folder import Run
from mlpcli.spec.load import load_spec
from mlpcli.training.job import TrainOptions
from tests.bare_runs import BARE, Notes, train_bare
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


def train(folder: Path, text: str, options: TrainOptions = BARE) -> tuple[Run, list[str]]:
    """Train a spec on the table; return the run and what its user is told."""
    spec, notes = folder / "spec.yaml", Notes()
    spec.write_text(text, encoding="utf-8")
    return train_bare(spec, folder / "runs", notes, options=options), notes.notes


def test_several_columns_of_0_and_1_are_labels(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    table = numbers()
    table |= {"warm": (table["a"] > 0).astype(int), "wet": (table["b"] > 0).astype(int)}
    path = write_rows(tmp_path, table)
    text = """\
name: weather
dataset: {path: table.csv, target: [warm, wet]}
layers: [{Dense: {units: 8, activation: relu}}, {Dense: {units: 2, activation: sigmoid}}]
optimizer: {Adam: {learning_rate: 0.05}}
fit: {epochs: 20, engine: graph}
"""
    _, notes = train(tmp_path, text)
    assert any("loss: binary_crossentropy, chosen for a target of 2 labels" in note for note in notes)
    predicted = mlpcli("predict", "weather", path, "--runs-dir", tmp_path / "runs").out.splitlines()
    assert predicted[0] == "predicted_warm,predicted_wet,probability_warm,probability_wet"
    options = ("--json", "--no-figures", "--runs-dir", tmp_path / "runs")
    told = json.loads(mlpcli("evaluate", "weather", *options).out)
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
fit: {epochs: 20, engine: graph}
"""
    train(tmp_path, text)
    rows = list(
        csv.DictReader(mlpcli("predict", "tags", path, "--runs-dir", tmp_path / "runs").out.splitlines())
    )
    assert list(rows[0]) == ["predicted_tags", "probability_warm", "probability_wet"]
    assert {row["predicted_tags"] for row in rows} == {"", "warm", "wet", "warm;wet"}
    options = ("--json", "--no-figures", "--runs-dir", tmp_path / "runs")
    told = mlpcli("evaluate", "tags", "--data", path, *options)
    assert json.loads(told.out)["labels"]["wet"]["f1"] > 0.8


@pytest.mark.parametrize(
    ("dataset", "network"),
    [
        ("path: table.csv, target: price", "layers: [Dense: {units: 1}]\nloss: mse"),
        ("path: table.csv, target: [a, price]", "layers: [Dense: {units: 2}]\nloss: mse"),
        ("name: iris", "layers: [Dense: {units: 3, activation: softmax}]"),
    ],
)
def test_a_separator_of_labels_is_refused_where_no_target_has_labels(
    dataset: str, network: str, tmp_path: Path
) -> None:
    priced_table(tmp_path)
    with pytest.raises(SpecError) as raised:
        load(tmp_path, f"name: price\ndataset: {{{dataset}, label_separator: ';'}}\n{network}\n")
    (problem,) = raised.value.problems
    assert problem.path == ("dataset", "label_separator")
    assert problem.rule == "is for a target of labels, this one holds none"
    assert problem.received == ";"


PRICES = """\
name: price
dataset: {path: table.csv, target: price, target_scaling: SCALING}
layers: [{Dense: {units: 16, activation: relu}}, {Dense: {units: 1, activation: ACTIVATION}}]
optimizer: {Adam: {learning_rate: 0.05}}
fit: {epochs: 20, batch_size: 16, engine: graph}
"""


def priced_table(folder: Path) -> dict[str, Any]:
    table: dict[str, Any] = dict(numbers())
    table["price"] = (200_000 + 50_000 * table["a"] - 20_000 * table["b"]).round(1)
    write_rows(folder, table)
    return table


@pytest.mark.parametrize(
    ("activation", "scaling", "expected"),
    [("sigmoid", "minmax", (0, 1)), ("tanh", "minmax", (-1, 1)), ("linear", "standardize", (0, 1))],
)
def test_a_target_is_scaled_to_what_the_activation_can_give(
    activation: str, scaling: str, expected: tuple[float, float], tmp_path: Path
) -> None:
    """From lowest to highest, or the mean and the deviation."""
    priced_table(tmp_path)
    y = load(tmp_path, PRICES.replace("SCALING", scaling).replace("ACTIVATION", activation)).train.y
    found = (y.min(), y.max()) if scaling == "minmax" else (y.mean(), y.std())
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_scaled_target_comes_back_in_its_own_units(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    table, runs = priced_table(tmp_path), ("--runs-dir", tmp_path / "runs")
    text = PRICES.replace("SCALING", "minmax").replace("ACTIVATION", "tanh")
    run, _ = train(tmp_path, text, replace(BARE, saved_model=True))
    predicted = mlpcli("predict", "price", tmp_path / "table.csv", *runs)
    ours = np.array([float(row["predicted_price"]) for row in csv.DictReader(predicted.out.splitlines())])
    rmse = np.sqrt(np.mean((ours - table["price"]) ** 2))
    assert rmse < 30_000
    options = ("--data", tmp_path / "table.csv", "--json", "--no-figures", *runs)
    told = json.loads(mlpcli("evaluate", "price", *options).out)
    assert told["metrics"]["root_mean_squared_error"] == pytest.approx(rmse, rel=1e-4)
    served = tf.saved_model.load(str(run / "saved_model"))
    columns = {name: tf.constant(table[name], tf.float64) for name in "ab"}
    np.testing.assert_allclose(served.serve(columns)["value"].numpy()[:, 0], ours, rtol=1e-5)
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


def test_weights_act_as_sample_weight_does_in_fit(tmp_path: Path) -> None:
    """The metrics of both engines agree, and differ from those without weights."""
    weighed_table(tmp_path)
    losses = {}
    for name, engine in (("compiled", "compiled"), ("keras", "keras"), ("plain", "graph")):
        text = WEIGHED if name != "plain" else WEIGHED.replace(", weights: weight", ", features: [a, b]")
        classes = "" if name == "plain" else ", class_weight: balanced"
        run, _ = train(tmp_path, f"name: {name}\n{text}fit: {{epochs: 2, engine: {engine}{classes}}}\n")
        losses[name] = json.loads((run / "metrics.json").read_text())["validation"]["loss"]
    assert losses["compiled"] == pytest.approx(losses["keras"], abs=1e-5)
    assert losses["plain"] != pytest.approx(losses["compiled"], abs=1e-3)


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
    (tmp_path / "spec.yaml").write_text(f"dataset: {{name: {dataset}}}\nlayers: [Normalization, {layer}]\n")
    shown, done = (mlpcli("check", tmp_path / "spec.yaml", *more) for more in ((), ("--resolved",)))
    assert f"loss: {loss}, chosen for " in shown.out + shown.err
    assert done.status == 0, done.err
    (tmp_path / "resolved.yaml").write_text(done.out)
    resolved = load_spec(tmp_path / "resolved.yaml").spec
    assert getattr(resolved.loss, "class_name", None) == loss
    assert [getattr(part, "class_name", None) for part in resolved.metrics or ()] == metrics
