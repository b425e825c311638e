"""The engine is chosen by the layers, gives `model.fit`'s numbers, and is kept by whatever trains again."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from mlpcli.runs.folder import open_run
from mlpcli.runs.search_folder import load_search
from mlpcli.spec.load import load_spec
from mlpcli.training.compiled import GRAPH, QUICK_XLA, Arrays, CannotCompile
from mlpcli.training.engine import choose_engine, recorded_engine
from mlpcli.training.identity import differences
from mlpcli.training.job import TrainOptions
from mlpcli.training.training_state import read_state
from mlpcli.tuning.resume_search import open_spec
from tests.conftest import Result
from tests.training.small_models import ROWS, assert_same_training, fit_ours, own_train_step, twins
from tests.training.stopped_runs import Quiet, assert_same_files

# Keras 3.15 itself converts tensors in a way that NumPy 2 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("fresh_keras"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


class Block(keras.Model):  # type: ignore[misc]
    """A subclassed model, as plug-ins have them, with a convolution in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [layers.Dense(2), layers.Conv1D(2, 3)]

    def call(self, x: Any) -> Any:
        return self.blocks[1](self.blocks[0](x))


IMAGE, SERIES, ROW = (8, 8, 3), (6, 4), (4,)
NESTED = keras.Sequential([keras.Input(SERIES), keras.Sequential([layers.SeparableConv1D(2, 3)])])


@pytest.mark.parametrize(
    ("engine", "shape", "layer"),
    [
        ("compiled", ROW, layers.Dense(3)),
        ("compiled", SERIES, layers.LSTM(3)),
        ("compiled", SERIES, layers.Bidirectional(layers.GRU(3))),
        ("compiled", SERIES, layers.MultiHeadAttention(2, 2)),
        ("compiled", SERIES, layers.GlobalMaxPooling1D()),
        ("compiled", IMAGE, layers.RandomBrightness(0.2)),
        ("compiled", ROW, layers.Dropout(0.2)),
        ("graph", SERIES, layers.Conv1D(3, 2)),
        ("graph", IMAGE, layers.Conv2DTranspose(3, 2)),
        ("graph", IMAGE, layers.DepthwiseConv2D(2)),
        ("graph", SERIES, NESTED),
        ("graph", (2, *IMAGE), layers.TimeDistributed(layers.Conv2D(2, 3))),
        ("graph", (2, *SERIES), layers.Bidirectional(layers.ConvLSTM1D(2, 3))),
        ("graph", SERIES, layers.MaxPooling1D()),
        ("graph", SERIES, Block()),
        ("graph", IMAGE, layers.RandomZoom(0.2)),
        ("graph", IMAGE, layers.Pipeline([layers.RandomFlip(), layers.RandomRotation(0.1)])),
    ],
    ids=lambda value: value.name if isinstance(value, keras.Layer) else None,
)
def test_the_engine_follows_from_the_layers(engine: str, shape: tuple[int, ...], layer: keras.Layer) -> None:
    given = keras.Input(shape)
    out = layer(given, given) if isinstance(layer, layers.MultiHeadAttention) else layer(given)
    choice = choose_engine(keras.Model(given, out), "auto")
    assert choice.name == engine
    assert choose_engine(keras.Model(given, out), "auto", "keras").name == "keras"  # as recorded
    assert choose_engine(keras.Model(given, out), "compiled", "graph").name == "compiled"  # as asked


def images() -> tuple[keras.Model, Arrays]:
    """A convolution, normalisation, and random layers that XLA has and has not."""
    stack = [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.2),
        layers.RandomContrast(0.2),
        layers.Conv2D(3, 3, padding="same"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Dropout(0.3),
    ]
    head = [layers.Flatten(), layers.Dense(3, activation="softmax")]
    model = keras.Sequential([keras.Input(IMAGE), *stack, *head])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    generator = np.random.default_rng(0)
    return model, Arrays(generator.random((ROWS, *IMAGE)).astype("float32"), generator.integers(0, 3, ROWS))


@pytest.mark.parametrize("case", [images, own_train_step], ids=lambda case: case.__name__)
def test_the_graph_loop_gives_the_numbers_of_model_fit(
    case: Callable[[], tuple[keras.Model, Arrays]],
) -> None:
    assert_same_training(case, loop=GRAPH)


def test_an_operation_that_xla_is_slow_at_is_found_without_a_layer_of_that_name() -> None:
    class Smooth(layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return keras.ops.conv(x, tf.ones([2, 4, 1]))

    model = keras.Sequential([keras.Input(SERIES), Smooth(name="smooth"), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    data = Arrays(np.ones((ROWS, *SERIES), "float32"), np.ones(ROWS, "float32"))
    before = model.get_weights()
    assert choose_engine(model, "auto").name == "compiled"
    with pytest.raises(CannotCompile, match=r"slow at Conv2D in .*smooth"):
        fit_ours(model, data, loop=QUICK_XLA)
    np.testing.assert_equal(model.get_weights(), before)


def test_a_step_that_fails_as_a_graph_leaves_the_model_as_it_was() -> None:
    class Refusing(layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            tf.debugging.assert_less(x, 0.0)
            return x

    model, data = images()
    layer = Refusing()
    model = keras.Sequential([keras.Input(IMAGE), *model.layers[:-1], layer, model.layers[-1]])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    before = [value.numpy().copy() for value in (*model.variables, *model.optimizer.variables)]
    with pytest.raises(CannotCompile, match="InvalidArgumentError"):
        fit_ours(model, data, loop=GRAPH)
    now = [value.numpy() for value in (*model.variables, *model.optimizer.variables)]
    np.testing.assert_equal(now, before)


def test_operations_that_keras_chooses_by_python_s_generator_are_the_same_after_a_resumption() -> None:
    def augmented() -> tuple[keras.Model, Arrays]:
        _, data = images()
        mixed = [layers.AugMix((0, 1)), layers.Flatten(), layers.Dense(3, activation="softmax")]
        model = keras.Sequential([keras.Input(IMAGE), *mixed])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model, data

    whole, parts, data = twins(augmented)
    fit_ours(whole, data, epochs=2, loop=GRAPH)
    fit_ours(parts, data, epochs=1, loop=GRAPH)
    random.seed(99)
    fit_ours(parts, data, epochs=2, initial_epoch=1, loop=GRAPH)
    for one, other in zip(whole.variables, parts.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


CONVOLVING = """\
name: all
seed: 3
dataset: {name: iris}
layers:
  - Reshape: {target_shape: [2, 2, 1]}
  - RandomTranslation: {height_factor: 0.1, width_factor: 0.1}
  - GaussianNoise: {stddev: 0.1}
  - Conv2D: {filters: 4, kernel_size: 2, padding: same}
  - BatchNormalization
  - Dropout: {rate: 0.2}
  - Flatten
  - Dense: {units: 3, activation: softmax}
fit: {epochs: 3, batch_size: 16, checkpoint: {every: 1}}
callbacks:
  - CSVLogger
  - ModelCheckpoint: {filepath: mine.keras}
  - TensorBoard: false
"""
QUICK = TrainOptions(saved_model=False, figures=False)


@pytest.fixture(scope="module")
def convolved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; beside it, in `killed`, the run as it was after its epochs 1 and 2."""
    from mlpcli.training.session import train

    folder = tmp_path_factory.mktemp("engine")
    (folder / "all.yaml").write_text(CONVOLVING)
    spec = load_spec(folder / "all.yaml")
    return train(spec, runs_dir=folder / "runs", watcher=Quiet(folder / "killed")).run.folder


def _record(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def test_a_convolution_with_random_layers_resumes_exactly_after_any_epoch(convolved: Path) -> None:
    from mlpcli.training.resume import resume_run

    moments = sorted((convolved.parents[2] / "killed" / "all").iterdir())
    assert len(moments) == 2
    assert _record(moments[0])["engine"] == {
        "name": "graph",
        "reason": "Keras marks random_translation (RandomTranslation) as not for XLA",
    }
    for killed in moments:
        resume_run(open_run(killed), watcher=Quiet(), options=QUICK)
        assert_same_files(convolved, killed)
        assert _record(killed)["engine"]["name"] == "graph"
        assert _record(killed)["engine"]["reason"] == "as recorded for the run"


@pytest.fixture
def recorded(convolved: Path, tmp_path: Path) -> Path:
    """A copy of the run, which says that Keras's own `fit` has trained it."""
    run = tmp_path / "runs" / "all" / convolved.name
    shutil.copytree(convolved, run)
    (run / "run.json").write_text(json.dumps(_record(convolved) | {"engine": {"name": "keras"}}))
    return run


@pytest.mark.parametrize(
    "command", [("train", "--continue", "all", "--epochs", "1"), ("reproduce", "all", "--tolerance", "1")]
)
def test_what_trains_a_run_again_takes_its_recorded_engine(
    command: tuple[str, ...], recorded: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.training import reproduce, resume

    for module in (resume, reproduce):
        monkeypatch.setattr(module, "TrainOptions", lambda **given: replace(QUICK, **given))
    result = mlpcli(*command, "--runs-dir", recorded.parent.parent)
    assert result.err == ""
    assert "engine   keras: as recorded for the run" in result.out
    again = max(recorded.parent.iterdir())
    assert again != recorded
    assert _record(again)["engine"]["name"] == "keras"


def test_runs_of_earlier_versions_keep_the_compiled_engine_that_was_their_default(
    convolved: Path, tmp_path: Path
) -> None:
    old = (convolved / "resolved.yaml").read_text().replace("engine: auto", "engine: compiled")
    assert old.count("engine: compiled") == 1
    state = read_state(convolved / "checkpoints" / "state.ckpt")
    then = state.identity.model_copy(update={"spec": old})
    assert differences(then, state.identity, convolved) == []  # the same spec file, whose default is now auto
    named = state.identity.model_copy(update={"spec": old.replace("engine: compiled", "engine: keras")})
    assert len(differences(then, named, convolved)) == 1
    record = {key: value for key, value in _record(convolved).items() if key != "engine"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert recorded_engine(open_run(tmp_path), then) == "compiled"
    assert recorded_engine(open_run(tmp_path), state.identity) is None  # to be chosen, as at the start
    assert recorded_engine(open_run(convolved), then) == "graph"


def test_searches_of_earlier_versions_keep_the_compiled_engine(tmp_path: Path) -> None:
    for name in ("search.yaml", "spec.yaml"):
        (tmp_path / name).write_text(CONVOLVING.replace("filters: 4", "filters: {hp: int, min: 2, max: 4}"))
    spec = load_spec(tmp_path / "search.yaml")
    document = {
        "version": 1,
        "name": "all",
        "algorithm": "RandomSearch",
        "arguments": {},
        "objective": {"name": "val_loss", "direction": "min"},
        "seed": 3,
        "space": spec.space.to_json(),
        "spec": str(tmp_path / "search.yaml"),
    }
    for engine in ("compiled", "auto"):
        own = {} if engine == "compiled" else {"engine": engine}  # the key is new
        (tmp_path / "search.json").write_text(json.dumps(document | own))
        assert open_spec(load_search(tmp_path)).spec.fit.engine == engine
