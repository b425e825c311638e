"""Layers of one run as the start of another network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.inference.evaluate import EvaluateOptions, evaluate_run
from mlpcli.model.trained_model import load_trained
from mlpcli.runs.folder import find_run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from mlpcli.training.job import TRIAL
from mlpcli.training.prepare import prepare
from mlpcli.training.session import train_into
from tests.bare_runs import train_bare
from tests.conftest import Result

SECOND = """\
name: second
dataset: {name: iris}
layers:
  - Normalization
  - Dense: {units: UNITS, activation: relu}
  - {Dense: {units: 3, activation: softmax}, name: head}
loss: sparse_categorical_crossentropy
start_from: {run: tiny, layers: LAYERS, freeze: FREEZE}
fit: {epochs: 1, engine: graph}
"""


@pytest.fixture
def tiny_run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, since a second one is trained beside it."""
    return Path(shutil.copytree(tiny_run, tmp_path / "runs"))


def second_spec(
    folder: Path, *, freeze: bool, units: int = 8, layers: str = "[normalization, dense]"
) -> Path:
    text = SECOND.replace("UNITS", str(units)).replace("LAYERS", layers)
    spec = folder / "second.yaml"
    spec.write_text(text.replace("FREEZE", str(freeze).lower()), encoding="utf-8")
    return spec


@pytest.mark.parametrize("freeze", [pytest.param(True, marks=pytest.mark.slow), False])
def test_layers_start_where_another_run_ended(freeze: bool, tmp_path: Path, tiny_run: Path) -> None:
    run = train_bare(second_spec(tmp_path, freeze=freeze), tiny_run)
    first, second = (
        load_trained(each).model.get_layer("dense").get_weights()[0]
        for each in (find_run("tiny", tiny_run), run)
    )
    assert np.array_equal(first, second) is freeze  # a layer that is not frozen learns on ...
    np.testing.assert_allclose(first, second, atol=0.1)  # ... from where it was
    assert run.record.metrics["test"] == pytest.approx(
        evaluate_run(run, options=EvaluateOptions(intervals=False)).metrics, rel=1e-6
    )


def test_reused_layers_compute_what_they_did_in_their_run(tmp_path: Path, tiny_run: Path) -> None:
    from mlpcli.keras_import import keras

    trained = load_trained(find_run("tiny", tiny_run))
    spec = tmp_path / "second.yaml"
    text = SECOND.replace("run: tiny", f"run: {trained.run.folder}").replace("UNITS", "8")
    spec.write_text(text.replace("LAYERS", "null").replace("FREEZE", "false"), encoding="utf-8")
    folded = ["dataset.fold={number: 1, of: 3}"]  # its layers hold what they learned in variables
    for settings in ([], folded):
        model = prepare(load_spec(spec, settings=settings)).model  # other training rows: another seed
        rows = np.linspace(0, 7, 20, dtype=np.float32).reshape(5, 4)
        one, other = (
            keras.Model(each.input, each.get_layer("dense").output)(rows) for each in (model, trained.model)
        )
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("inside", [False, True], ids=["layer", "network"])
@pytest.mark.parametrize("name", ["Normalization", "Discretization", "IntegerLookup"])
def test_what_a_layer_has_learned_is_taken_over(name: str, inside: bool) -> None:
    from mlpcli.keras_import import keras
    from mlpcli.model.learned_values import learned_width, learns_beside_weights, take_learned

    arguments = {"num_bins": 3} if name == "Discretization" else {}
    rows = np.array([[1.0, 2.0], [4.0, 9.0], [4.0, 6.0], [5.0, 7.0]])
    layers, models = [], []
    for values in (rows, rows[::-1] * 3):
        layer = getattr(keras.layers, name)(**arguments)
        layer.adapt(values)
        models.append(keras.Sequential([keras.Input((2,)), layer]))
        layers.append(models[-1] if inside else layer)
    before, wanted = (np.asarray(model(rows)) for model in models)
    assert not np.array_equal(before, wanted)
    assert learns_beside_weights(layers[0]) is (name != "Normalization")
    assert learned_width(layers[0]) is None
    take_learned(*layers)
    np.testing.assert_array_equal(models[0](rows), wanted)


def test_a_copy_of_weights_in_variables_stays_in_them() -> None:
    from mlpcli.keras_import import keras, tf
    from mlpcli.model.learned_values import follow_weights

    layer = keras.layers.Normalization()
    layer.adapt(np.array([[1.0], [3.0]]))
    layer.mean = held = tf.Variable(layer.mean, trainable=False)
    layer.set_weights([np.array([5.0]), np.array([4.0]), np.array(0)])
    follow_weights([layer])
    assert layer.mean is held
    assert (held.numpy().item(), np.asarray(layer.variance).item()) == (5.0, 4.0)


def lookups(vocabulary: list[int]) -> Any:
    """A compiled network that looks numbers up among those that it has seen."""
    from mlpcli.keras_import import keras

    keras.utils.clear_session()
    layer = keras.layers.IntegerLookup(output_mode="multi_hot", max_tokens=4)
    layer.adapt(np.array(vocabulary))
    model = keras.Sequential([keras.Input((1,), dtype="int64"), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_a_network_with_another_vocabulary_or_with_plug_ins_is_another() -> None:
    from mlpcli.model.learned_constants import same_network

    model = lookups([3, 5, 5])
    assert same_network(None, model, plugins=False) is model
    assert same_network(model, lookups([3, 5, 5]), plugins=False) is model
    for vocabulary, plugins in (([4, 5, 5], False), ([3, 5, 5], True)):
        fresh = lookups(vocabulary)
        assert same_network(model, fresh, plugins=plugins) is fresh


LOOKED_UP = """\
name: looked_up
dataset: {path: ids.npz, test: null}
layers:
  - IntegerLookup
  - IntegerLookup: {output_mode: tf_idf, max_tokens: 40}
  - Dense: {units: 1, activation: sigmoid}
fit: {epochs: 1, batch_size: 20}
callbacks: [TensorBoard: false]
"""


def test_a_run_whose_layers_learned_a_vocabulary_is_loaded_with_it(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(100, 130, (60, 2)) * 1000
    np.savez(tmp_path / "ids.npz", x=ids, y=np.arange(60) % 2)
    (tmp_path / "spec.yaml").write_text(LOOKED_UP)
    prepared = prepare(load_spec(tmp_path / "spec.yaml"))
    (tmp_path / "run").mkdir()
    outcome = train_into(prepared.job(tmp_path / "run", Watcher(), options=TRIAL))
    rows = np.array([[100_000, 129_000], [7, 110_000]])
    loaded = load_trained(outcome.run).model
    np.testing.assert_array_equal(loaded(rows), prepared.model(rows))
    assert loaded.layers[1].get_vocabulary() == prepared.model.layers[1].get_vocabulary()


def test_the_width_of_an_output_may_be_learned() -> None:
    from mlpcli.keras_import import keras
    from mlpcli.model.learned_values import learned_width

    layer = keras.layers.Discretization(num_bins=3, output_mode="one_hot")
    layer.adapt(np.arange(12.0))
    assert learned_width(layer) == 3


def test_layers_that_do_not_fit_are_told(
    mlpcli: Callable[..., Result], tmp_path: Path, tiny_run: Path
) -> None:
    spec = second_spec(tmp_path, freeze=True, units=9, layers="[dense, haed]")
    done = mlpcli("train", spec, "--runs-dir", tiny_run)
    assert done.status == 2
    place = f"{tmp_path / 'second.yaml'}:8:"
    assert (
        f"{place}34 start_from.layers[0]: layer 'dense' has weights of shapes 4 x 9, 9, the run's has 4 x 8, 8"
        in done.err
    )
    assert (
        f"{place}41 start_from.layers[1]: is not a layer of this network, received 'haed'; did you mean 'head'?"
        in done.err
    )


def test_a_run_that_is_not_there_is_told_with_its_place(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    done = mlpcli("train", second_spec(tmp_path, freeze=True), "--runs-dir", tmp_path / "runs")
    assert done.status == 2
    assert f"{tmp_path / 'second.yaml'}:8:19 start_from.run: there is no run 'tiny'" in done.err
