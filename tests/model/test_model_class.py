"""A keras.Model subclass of a plug-in as the network: built, adapted, trained, saved and served."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.runs.folder import find_run
from tests.bare_runs import BARE, train_bare
from tests.conftest import ROOT, Result

pytestmark = pytest.mark.slow

LAYERS = """\
layers:
  - {Normalization: {}, name: norm_wide, from: wide}
  - {Normalization: {}, name: norm_deep, from: deep}
  - {Dense: {units: 8, activation: relu}, name: hidden1}
  - {Dense: {units: 8, activation: relu}, name: hidden2}
  - {Concatenate: {}, from: [norm_wide, hidden2], name: joined}
  - {Dense: {units: 1}, name: output}
  - {Dense: {units: 1}, name: aux_output, from: hidden2}
"""

SPEC = """\
name: NAME
seed: 5
dataset:
  path: rows.csv
  target: {output: y, aux_output: y}
inputs:
  wide: {columns: [a, b, c]}
  deep: {columns: [b, c, d, e]}
NETWORK
loss: {output: mse, aux_output: mse}
loss_weights: {output: 0.9, aux_output: 0.1}
optimizer: {Adam: {learning_rate: 0.02}}
metrics: [RootMeanSquaredError]
fit: {epochs: 15, batch_size: 32}
"""

CLASSIFIER = """\
import keras


class Classifier(keras.Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.Normalization()
        self.scale = keras.layers.Rescaling(2.0)
        self.again = keras.layers.Normalization()
        self.hidden = keras.layers.Dense(units, activation="relu")
        self.drop = keras.layers.Dropout(0.1)
        self.top = keras.layers.Dense(3, activation="softmax")

    def call(self, inputs, training=False):
        x = self.again(self.scale(self.norm(inputs)))
        return self.top(self.drop(self.hidden(x), training=training))
"""

IRIS = """\
name: classifier
plugins: [classifier.py]
dataset: {name: iris}
model: {Classifier: {units: 10}}
loss: sparse_categorical_crossentropy
optimizer: {Adam: {learning_rate: 0.02}}
metrics: [accuracy]
fit: {epochs: 8, batch_size: 16}
"""


def _rows(folder: Path) -> None:
    numbers = np.random.default_rng(3)
    x = numbers.normal(loc=[5, -2, 0, 1, 30], scale=[1, 2, 1, 0.5, 9], size=(400, 5))
    y = (
        x[:, 0]
        - 0.5 * x[:, 1]
        + np.maximum(x[:, 3], 1)
        + 0.02 * x[:, 4]
        + numbers.normal(scale=0.1, size=400)
    )
    lines = [",".join(f"{value:.5f}" for value in row) for row in np.column_stack([x, y])]
    (folder / "rows.csv").write_text("\n".join(["a,b,c,d,e,y", *lines]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder: the same network as a class and as a list of layers, trained alike."""
    folder = tmp_path_factory.mktemp("both")
    _rows(folder)
    parts = (ROOT / "configs/chapter/plugins/wide_and_deep.py").read_text(encoding="utf-8")
    (folder / "wide_and_deep.py").write_text(parts, encoding="utf-8")
    network = {
        "listed": LAYERS,
        "subclassed": "plugins: [wide_and_deep.py]\nmodel: {WideAndDeep: {units: 8}}",
    }
    for name, text in network.items():
        spec = folder / f"{name}.yaml"
        spec.write_text(SPEC.replace("NAME", name).replace("NETWORK", text), encoding="utf-8")
        train_bare(spec, folder / "runs", options=replace(BARE, saved_model=name == "subclassed"))
    return folder / "runs"


def _metrics(runs_dir: Path, name: str) -> dict[str, float]:
    found: dict[str, float] = json.loads((find_run(name, runs_dir) / "metrics.json").read_text())["test"]
    return found


def test_a_class_learns_what_the_same_layers_learn(both: Path) -> None:
    listed, own = _metrics(both, "listed"), _metrics(both, "subclassed")
    assert set(listed) == set(own)
    record = find_run("subclassed", both).record.to_json()
    assert record["engine"]["name"] == "compiled"
    parameters = [
        find_run(name, both).record.to_json()["model"]["parameters"] for name in ("listed", "subclassed")
    ]
    assert parameters[0] == parameters[1]
    assert own["output_root_mean_squared_error"] < 0.5
    assert own["output_root_mean_squared_error"] == pytest.approx(
        listed["output_root_mean_squared_error"], abs=0.3
    )


def test_the_layers_inside_learned_from_the_training_rows(both: Path) -> None:
    from mlpcli.model.trained_model import load_trained

    models = {name: load_trained(find_run(name, both)).model for name in ("listed", "subclassed")}
    (inner,) = [layer for layer in models["subclassed"].layers if type(layer).__name__ == "WideAndDeep"]
    for name in ("norm_wide", "norm_deep"):
        ours, theirs = getattr(inner, name), models["listed"].get_layer(name)
        np.testing.assert_allclose(np.asarray(ours.mean), np.asarray(theirs.mean), rtol=1e-5)
        np.testing.assert_allclose(np.asarray(ours.variance), np.asarray(theirs.variance), rtol=1e-4)


def test_a_reloaded_class_computes_the_same_and_is_served_by_plain_tensorflow(
    both: Path, mlpcli: Callable[..., Result]
) -> None:
    import tensorflow as tf

    from mlpcli.data.load import read_rows
    from mlpcli.inference.evaluate import predict_outputs
    from mlpcli.model.trained_model import load_trained

    run = find_run("subclassed", both)
    evaluated = json.loads(mlpcli("evaluate", run.folder, "--json", "--no-figures").out)["metrics"]
    assert evaluated == pytest.approx(_metrics(both, "subclassed"), rel=1e-5)
    predicted = mlpcli("predict", run.folder, both.parent / "rows.csv", "--json")
    assert predicted.status == 0, predicted.err
    trained = load_trained(run)
    rows = read_rows(both.parent / "rows.csv", trained.contract, target=False)
    expected = predict_outputs(trained, rows.x)
    assert run.record.to_json()["saved_model"]["verified"] == "in a clean process"
    values = np.loadtxt(both.parent / "rows.csv", delimiter=",", skiprows=1)[:, :5]
    columns = {name: tf.constant(column) for name, column in zip("abcde", values.T, strict=True)}
    loaded = tf.saved_model.load(str(run / "saved_model"))  # kept: its functions refer to its variables
    served = loaded.serve(columns)
    assert {*served} == {"output_value", "aux_output_value"}
    for name, found in served.items():
        np.testing.assert_allclose(found, expected[name.removesuffix("_value")], atol=1e-5)


def test_a_class_with_one_input_trains_from_its_resolved_spec_too(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "classifier.py").write_text(CLASSIFIER, encoding="utf-8")
    checked = mlpcli("check", spec_file(IRIS))
    assert checked.status == 0, checked.err
    lines = [line.split() for line in checked.out.splitlines()]
    assert ["hidden", "Dense", "10", "50"] in [line[1:] for line in lines if line[2:3] == ["Dense"]]
    assert ["drop", "Dropout", "0"] in [line[1:] for line in lines]  # whose shape only a call would show
    run = train_bare(spec_file(IRIS), tmp_path / "runs")
    assert run.record.to_json()["engine"]["name"] == "compiled"
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.8
    again = train_bare(run / "resolved.yaml", tmp_path / "again")
    assert (again / "history.csv").read_text() == (run / "history.csv").read_text()


def test_layers_inside_learn_from_what_reaches_them(tmp_path: Path) -> None:
    from mlpcli.spec.load import load_spec
    from mlpcli.training.find_data import load_data
    from mlpcli.training.prepare import build_checked, complete

    (tmp_path / "classifier.py").write_text(CLASSIFIER, encoding="utf-8")
    (tmp_path / "iris.yaml").write_text(IRIS, encoding="utf-8")
    loaded = load_spec(tmp_path / "iris.yaml")
    dataset = load_data(loaded)
    model = build_checked(complete(loaded, dataset), dataset)
    (inner,) = [layer for layer in model.layers if type(layer).__name__ == "Classifier"]
    np.testing.assert_allclose(np.ravel(inner.norm.mean), dataset.train.x.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(np.ravel(inner.again.mean), 0, atol=1e-5)
    np.testing.assert_allclose(np.ravel(inner.again.variance), 4, rtol=1e-3)


def _without_norms(text: str) -> str:
    return text.replace("self.again(self.scale(self.norm(inputs)))", "inputs")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda t: t.replace("return self.top(", "return x, self.top("),
            "returns 2 outputs, the spec has",
        ),
        (
            lambda t: t + "\n    def train_step(self, data):\n        return {}\n",
            "Classifier defines train_step, which would never be called",
        ),
        (lambda t: t.replace("keras.Model", "keras.layers.Layer"), "Classifier of classifier.py is a layer"),
        (
            lambda t: t.replace("self.hidden(x)", "self.hidden(x[:, :, 0])"),
            "Classifier cannot be called on inputs",
        ),
        (
            lambda t: _without_norms(t).replace("units, **kwargs", "units, depth, **kwargs"),
            "needs the argument 'depth'",
        ),
    ],
)
def test_what_is_wrong_with_a_class_is_told_before_training(
    change: Callable[[str], str],
    told: str,
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    (tmp_path / "classifier.py").write_text(change(CLASSIFIER), encoding="utf-8")
    result = mlpcli("train", spec_file(IRIS), "--runs-dir", tmp_path / "runs")
    assert result.status == 2, result.err
    assert told in result.err
    assert "spec.yaml:4:" in result.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (IRIS + "layers: [Flatten]\n", "model: a spec has layers or a model, not both"),
        (IRIS.replace("model: {Classifier: {units: 10}}\n", ""), "layers: is required"),
        (
            IRIS.replace("Classifier: {", "Clasifier: {"),
            "unknown model class, received 'Clasifier'; did you mean",
        ),
        (IRIS.replace("plugins: [classifier.py]\n", ""), "list its file under plugins"),
    ],
)
def test_a_spec_has_layers_or_a_model(
    text: str, told: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "classifier.py").write_text(CLASSIFIER, encoding="utf-8")
    result = mlpcli("train", spec_file(text))
    assert result.status == 2
    assert told in result.err


def test_inputs_are_given_by_name_to_a_call_that_names_them(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    _rows(tmp_path)
    text: Any = (ROOT / "configs/chapter/plugins/wide_and_deep.py").read_text(encoding="utf-8")
    text = text.replace("def call(self, inputs):", "def call(self, deep, wide):")
    text = text.replace("input_wide, input_deep = inputs", "input_wide, input_deep = wide, deep")
    text = text.replace("return self.main_output(joined), self.aux_output(hidden2)", NAMED)
    (tmp_path / "wide_and_deep.py").write_text(text, encoding="utf-8")
    network = "plugins: [wide_and_deep.py]\nmodel: {WideAndDeep: {units: 8}}"
    text = SPEC.replace("NAME", "named").replace("NETWORK", network)
    spec = spec_file(text.replace("epochs: 15,", "epochs: 2, engine: graph,"))
    run = train_bare(spec, tmp_path / "runs")
    evaluated = mlpcli("evaluate", run.folder, "--json", "--no-figures")
    assert evaluated.status == 0, evaluated.err
    wanted = _metrics(tmp_path / "runs", "named")
    assert json.loads(evaluated.out)["metrics"] == pytest.approx(wanted, rel=1e-5)


NAMED = 'return {"aux_output": self.aux_output(hidden2), "output": self.main_output(joined)}'
