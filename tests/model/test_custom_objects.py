"""Our own Keras parts: threshold units, the perceptron loss and its rule, the warm-up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

PERCEPTRON = """\
name: perceptron
seed: 3
dataset: {name: breast_cancer, test: null, validation: 0.2}
layers:
  - Normalization
  - Dense: {units: 1, activation: ACTIVATION}
loss: perceptron
optimizer: {SGD: {learning_rate: 1.0}}
metrics: [accuracy]
fit: {epochs: 3, batch_size: 1}
"""


def _keras() -> Any:
    from mlpcli.keras_import import import_keras

    return import_keras()


def _setosa() -> tuple[Any, Any]:
    from sklearn.datasets import load_iris

    iris = load_iris()
    return iris.data[:, 2:].astype(np.float32), (iris.target == 0).astype(np.int64)


def _separable() -> tuple[Any, Any]:
    numbers = np.random.default_rng(5)
    x = numbers.normal(size=(120, 4)).astype(np.float32)
    margin = x @ np.array([1.0, -2.0, 0.5, 1.5]) + 0.3
    keep = np.abs(margin) > 0.2
    return x[keep], (margin[keep] > 0).astype(np.int64)


@pytest.mark.parametrize(
    ("activation", "data", "labels"),
    [
        ("heaviside", _setosa, (0, 1)),
        ("heaviside", _separable, (-1, 1)),
        ("sign", _separable, (0, 1)),
        ("sign", _setosa, (-1, 1)),
        (None, _separable, (-1, 1)),
    ],
)
def test_each_update_is_that_of_scikit_learns_perceptron(
    activation: str | None, data: Callable[[], tuple[Any, Any]], labels: tuple[int, int]
) -> None:
    from sklearn.linear_model import Perceptron

    keras = _keras()
    from mlpcli.model import custom_objects

    x, y = data()
    order = np.random.default_rng(1).permutation(len(x))  # classes mixed, so that mistakes go on
    x, y = x[order], y[order]
    start = np.array([0.3, -0.2, 0.1, 0.4])[: x.shape[1]]
    layer = keras.layers.Dense(1, activation=getattr(custom_objects, activation) if activation else None)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    layer.set_weights([start[:, None].astype(np.float32), np.zeros(1, np.float32)])
    model.compile(loss=custom_objects.Perceptron(), optimizer=keras.optimizers.SGD(1.0))
    rival = Perceptron(eta0=1.0, shuffle=False)
    rows = x.astype(np.float64)
    rival.partial_fit(rows[:1], y[:1], classes=[0, 1])  # to have weights that can be set
    rival.coef_, rival.intercept_ = start[None].copy(), np.zeros(1)
    updates = 0
    for row, exact, label in zip(x, rows, y, strict=True):
        before = rival.coef_.copy()
        rival.partial_fit(exact[None], [label])
        updates += not np.array_equal(before, rival.coef_)
        model.train_on_batch(row[None], np.array([labels[label]]))
        kernel, bias = layer.get_weights()
        np.testing.assert_allclose(kernel[:, 0], rival.coef_[0], atol=2e-5)
        np.testing.assert_allclose(bias, rival.intercept_, atol=1e-6)
    assert updates >= 3


def test_an_update_is_the_mistake_times_the_row() -> None:
    keras = _keras()
    from mlpcli.model import custom_objects

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation=custom_objects.heaviside)])
    model.compile(loss=custom_objects.Perceptron(), optimizer=keras.optimizers.SGD(1.0))
    for weights, row, label in [
        ([0.5, 1.0], [1.0, 2.0], 0),
        ([-0.5, 0.25], [4.0, 1.0], 1),
        ([1, 1], [1, 1], 1),
    ]:
        row, kernel = np.array([row], np.float32), np.array(weights, np.float32)
        model.layers[0].set_weights([kernel[:, None], np.zeros(1, np.float32)])
        predicted = float(model(row)[0, 0])
        assert predicted == (row @ kernel >= 0)
        model.train_step((row, np.array([[label]])))
        np.testing.assert_array_equal(
            model.layers[0].get_weights()[0][:, 0], kernel + (label - predicted) * row[0]
        )


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["heaviside", "sign"])
def test_a_perceptron_trains_reloads_and_is_served_by_plain_tensorflow(
    activation: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = spec_file(PERCEPTRON.replace("ACTIVATION", activation))
    run = train_bare(spec, tmp_path / "runs", options=replace(BARE, saved_model=True))
    assert run.record.to_json()["engine"]["name"] == "compiled"
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["train"]["accuracy"] > 0.95
    assert metrics["train"]["loss"] == pytest.approx(1 - metrics["train"]["accuracy"], abs=1e-6)
    told = mlpcli("evaluate", run.folder, "--split", "train", "--json", "--no-figures")
    evaluated = json.loads(told.out)
    assert evaluated["metrics"]["accuracy"] == pytest.approx(metrics["train"]["accuracy"])
    confusion = np.array(evaluated["confusion"])
    assert np.trace(confusion) / confusion.sum() == pytest.approx(metrics["train"]["accuracy"])
    from sklearn.datasets import load_breast_cancer

    rows = tmp_path / "rows.npy"
    np.save(rows, load_breast_cancer().data[:40].astype(np.float32))
    assert mlpcli("predict", run.folder, rows, "-o", tmp_path / "out.npy").status == 0
    served = subprocess.run(
        [sys.executable, "-c", SERVE, str(run / "saved_model"), str(rows)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    np.testing.assert_array_equal(json.loads(served.stdout), np.load(tmp_path / "out.npy"))


SERVE = """
import json, sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
print(json.dumps(model.serve(np.load(sys.argv[2])).numpy().tolist()))
assert "mlpcli" not in sys.modules
"""


def test_a_warm_up_rises_in_a_line_and_then_follows_its_schedule() -> None:
    keras = _keras()
    from mlpcli.model.custom_objects import Warmup

    inner = keras.optimizers.schedules.CosineDecay(0.1, 50)
    rate = Warmup(10, inner, start=0.02)
    assert [float(rate(step)) for step in (0, 5, 10, 35)] == pytest.approx(
        [0.02, 0.06, 0.1, float(inner(25))]
    )
    assert [float(Warmup(4, 0.5)(step)) for step in (0, 1, 4, 100)] == pytest.approx([0, 0.125, 0.5, 0.5])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert [float(again(step)) for step in range(60)] == [float(rate(step)) for step in range(60)]


def test_a_warm_up_drives_the_compiled_loop(spec_file: Callable[[str], Path], tmp_path: Path) -> None:
    text = """\
name: warm
dataset: {name: iris, test: null, validation: null}
layers: [Normalization, Dense: {units: 3, activation: softmax}]
loss: sparse_categorical_crossentropy
optimizer: {SGD: {learning_rate: {Warmup: {steps: 20, to: {CosineDecay:
  {initial_learning_rate: 0.5, decay_steps: 30}}}}}}
fit: {epochs: 5, batch_size: 15}
"""
    run = train_bare(spec_file(text), tmp_path / "runs")
    assert run.record.to_json()["engine"]["name"] == "compiled"
    lines = (run / "history.csv").read_text().splitlines()
    rates = [float(line.rsplit(",", 1)[1]) for line in lines[1:]]
    cosine = [0.5 * (1 + np.cos(np.pi * step / 30)) / 2 for step in (10, 20, 30)]
    assert rates == pytest.approx([0.25, 0.5, *cosine], abs=1e-6)
    again = train_bare(run / "resolved.yaml", tmp_path / "again")
    assert (again / "history.csv").read_text() == (run / "history.csv").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("loss: perceptrn", "loss: unknown loss, received 'perceptrn'; did you mean 'perceptron'?"),
        ("loss: {Perceptron: {margin: 1}}", "loss.Perceptron.margin: Perceptron has no such argument"),
        (
            "optimizer: {SGD: {learning_rate: {Warmup: {steps: 0, to: 0.1}}}}",
            "must be a positive integer, {share: 0.5} (of the training) or {epochs: 5}, received 0",
        ),
        ("optimizer: {SGD: {learning_rate: {Warmup: {steps: 5}}}}", "Warmup needs the argument 'to'"),
        (
            "optimizer: {SGD: {learning_rate: {Warmup: {steps: 5, to: -1}}}}",
            "must be a positive number, received -1",
        ),
        (
            "optimizer: {SGD: {learning_rate: {Warmup: {steps: 5, to: {CosinDecay: {}}}}}}",
            "unknown learning-rate schedule, received 'CosinDecay'; did you mean 'CosineDecay'?",
        ),
        ("layers: [Dense: {units: 1, activation: heavyside}]", "did you mean 'heaviside'?"),
    ],
)
def test_mistakes_with_our_parts_are_told_like_those_with_keras_own(
    text: str, told: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    lines = {"dataset": "dataset: {name: iris}", "layers": "layers: [Flatten]", "loss": "loss: mse"}
    lines[text.split(":")[0]] = text
    result = mlpcli("train", spec_file("\n".join(lines.values()) + "\n"))
    assert result.status == 2
    assert told in result.err
