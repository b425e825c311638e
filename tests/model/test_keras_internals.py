"""What is not public in Keras, TensorFlow and Keras Tuner is still there, and does what we use it for."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from mlpcli import keras_internals as internals
from mlpcli import tuner_internals
from mlpcli.keras_import import keras, tf


@pytest.fixture(scope="module")
def model() -> keras.Model:
    inner = keras.Sequential([keras.layers.Dense(3, name="inner_dense")], name="inner")
    x = keras.Input((2,), name="x")
    made = keras.Model(x, keras.layers.Dense(1, name="last")(inner(x)))
    made.compile(loss="mse", metrics=["mae"], optimizer="sgd")
    made.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
    return made


def test_layers_at_any_depth_are_found(model: keras.Model) -> None:
    assert {"inner_dense", "last"} <= {layer.name for layer in internals.all_layers(model)}
    assert model not in internals.all_layers(model, include_self=False)


def test_the_calls_of_a_functional_model_are_joined_by_tensors(model: keras.Model) -> None:
    edges = {
        (internals.producer(tensor).name, node.operation.name)
        for node in internals.graph_nodes(model)
        for tensor in node.input_tensors
    }
    assert edges == {("x", "inner"), ("inner", "last")}


def test_a_built_layer_knows_its_input_shape(model: keras.Model) -> None:
    assert list(internals.build_shapes(model.get_layer("last")).values()) == [(None, 3)]


def test_compiled_losses_and_metrics_are_found_and_built(model: keras.Model) -> None:
    loss, metrics, tracker = internals.compiled_parts(model)
    assert loss is not None
    assert metrics is not None
    assert loss.built
    assert metrics.built
    assert tracker in model.metrics
    assert [internals.holds_metrics(metric) for metric in model.metrics] == [False, True]


def test_the_function_of_a_metric_is_found() -> None:
    wrapped = keras.metrics.MeanMetricWrapper(keras.losses.mean_squared_error)
    assert internals.wrapped_function(wrapped) is keras.losses.mean_squared_error


def test_the_mask_of_an_output_is_found() -> None:
    x = np.array([[[1.0], [0.0]]], np.float32)
    mask = internals.mask_of(keras.layers.Masking()(x))
    assert mask is not None
    assert keras.ops.convert_to_numpy(mask).tolist() == [[True, False]]
    assert internals.mask_of(keras.layers.Dense(1)(x)) is None


def test_backup_and_restore_says_where_to_begin(model: keras.Model, tmp_path: Path) -> None:
    assert not internals.begins_at(model)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    x, y = np.ones((4, 2)), np.ones((4, 1))
    model.fit(x, y, epochs=2, verbose=0, callbacks=[backup])
    backup.on_train_begin()
    assert internals.begins_at(model) == 2
    model._initial_epoch = None


def test_no_strategy_is_no_distribution(model: keras.Model) -> None:
    assert internals.distribution(model) is None


def test_default_hooks_are_known_from_ones_own() -> None:
    class Own(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            pass

    assert internals.is_default(keras.callbacks.Callback().on_train_batch_end)
    assert not internals.is_default(Own().on_train_batch_end)


def test_checkpoints_count_batches_and_say_when_they_save(model: keras.Model, tmp_path: Path) -> None:
    often = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", save_freq=10)
    often.set_model(model)
    often.on_train_batch_end(0)
    often.on_train_batch_end(1)
    assert internals.batches_unsaved(often) == 2
    best = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True, monitor="loss")
    best.set_model(model)
    best.on_epoch_end(0, {"loss": 2.0})
    path = tmp_path / "2.keras"
    assert not internals.saves_now(best, 1, None, {"loss": 3.0}, path)
    assert internals.saves_now(best, 1, None, {"loss": 1.0}, path)


def test_tensorboard_says_which_batches_it_profiles(tmp_path: Path) -> None:
    profiled = keras.callbacks.TensorBoard(str(tmp_path), profile_batch=(3, 5))
    assert internals.profiled_batches(profiled) == (3, 5)


def test_a_tensorboard_has_writers_counts_and_images_of_weights(tmp_path: Path, model: keras.Model) -> None:
    class Board(internals.OpenBoard, keras.callbacks.TensorBoard):  # type: ignore[misc]
        images: ClassVar[list[str]] = []

        def write_weight_image(self, tag: str, weight: keras.Variable, epoch: int) -> None:
            self.images.append(tag)

    board = Board(str(tmp_path), histogram_freq=1, write_images=True, write_graph=False)
    model.fit(np.ones((4, 2)), np.ones((4, 1)), batch_size=2, verbose=0, callbacks=[board])
    assert board.counted_batches() == (2, 0)
    assert len(board.images) == len(model.weights)
    with board.writer("validation").as_default():
        tf.summary.scalar("x", 1.0, step=0)
    (file,) = (tmp_path / "validation").iterdir()
    assert b"scalars" in file.read_bytes()  # the end of `as_default` writes it: a checkpoint relies on that


@pytest.mark.parametrize("name", internals.CALLBACK_STATE)
def test_the_state_of_keras_callbacks_has_these_names(name: str, model: keras.Model, tmp_path: Path) -> None:
    arguments = {
        "ModelCheckpoint": {"filepath": str(tmp_path / "a.keras")},
        "TensorBoard": {"log_dir": str(tmp_path)},
        "EarlyStopping": {"monitor": "loss"},
        "ReduceLROnPlateau": {"monitor": "loss"},
    }
    callback = getattr(keras.callbacks, name)(**arguments.get(name, {}))
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[] if "EMA" in name else [callback])
    for attribute in internals.CALLBACK_STATE[name]:
        assert hasattr(callback, attribute), attribute


def test_links_of_callbacks_have_these_names(model: keras.Model) -> None:
    callback = keras.callbacks.Callback()
    callback.set_model(model)
    callback.set_params({})
    assert {"params", "_model"} == set(vars(callback)) & set(internals.CALLBACK_LINKS)


def test_random_kernels_have_the_names_that_the_loop_replaces() -> None:
    kernels = internals.random_kernels()
    for name in ("uniform_v2", "normal_v2", "uniform_full_int_v2"):
        assert callable(getattr(kernels, f"stateless_random_{name}"))


def test_oracles_are_quiet_seeded_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    from mlpcli.tuning.oracle import _keras_tuner

    with _keras_tuner() as tuner:
        space = tuner.HyperParameters()
        space.Float("rate", 0.0, 1.0)
        proposals = []
        for _ in range(2):
            oracle = tuner.oracles.RandomSearchOracle(objective="loss", hyperparameters=space, max_trials=3)
            tuner_internals.keep_quiet(oracle)
            tuner_internals.seed_proposal(oracle, 5, None)
            proposals.append(oracle.create_trial("worker").hyperparameters.values)
        assert proposals[0] == proposals[1]
        band = tuner.oracles.HyperbandOracle(
            objective="loss", max_epochs=9, factor=3, hyperparameters=space, hyperband_iterations=1
        )
        assert tuner_internals.hyperband_trials(band) == 23
    assert capsys.readouterr().out == ""


def test_a_hyperparameter_can_depend_on_another() -> None:
    from mlpcli.tuning.oracle import _keras_tuner

    with _keras_tuner() as tuner:
        space = tuner.HyperParameters()
        space.Choice("kind", ["0", "1"])
        condition = tuner_internals.parent_condition("kind", ["1"])
        space.merge([tuner.engine.hyperparameters.Float("rate", 0.0, 1.0, conditions=[condition])])
        assert space.get("kind") == "0"
        assert not space.is_active(space.space[-1])


def test_a_changed_saved_model_gets_its_own_fingerprint(tmp_path: Path) -> None:
    from mlpcli.keras_import import tf

    module = tf.Module()
    module.f = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec((None,))])
    tf.saved_model.save(module, str(tmp_path))
    fingerprint = (tmp_path / "fingerprint.pb").read_bytes()
    (tmp_path / "fingerprint.pb").write_bytes(b"")
    internals.write_fingerprint(tmp_path)
    written = tf.saved_model.experimental.read_fingerprint(str(tmp_path))
    (tmp_path / "fingerprint.pb").write_bytes(fingerprint)
    before = tf.saved_model.experimental.read_fingerprint(str(tmp_path))
    assert written.saved_model_checksum == before.saved_model_checksum


def test_compiled_metrics_have_directions_that_callbacks_take(model: keras.Model) -> None:
    ((output, (mae,)),) = internals.compiled_metrics(model)
    assert (output, mae.name, internals.metric_direction(mae)) == ("", "mae", "down")
    counts = keras.metrics.FalsePositives()
    assert internals.metric_direction(counts) is None
    internals.set_metric_direction(counts, "down")
    assert internals.metric_direction(counts) == "down"
    early = keras.callbacks.EarlyStopping(monitor="mae", min_delta=0.5)
    early.set_model(model)
    early.on_train_begin()
    internals.set_mode(early, "max")
    for epoch, value in enumerate((1.0, 2.0, 2.1)):
        early.on_epoch_end(epoch, {"mae": value})
    assert (early.best, early.wait) == (2.0, 1)


def test_nan_is_never_an_improvement(model: keras.Model) -> None:
    class Early(internals.SkipsNan, keras.callbacks.EarlyStopping):  # type: ignore[misc]
        pass

    early = Early(monitor="mae", mode="min")
    early.set_model(model)
    early.on_train_begin()
    for epoch, value in enumerate((float("nan"), 2.0, float("nan"), 1.0)):
        early.on_epoch_end(epoch, {"mae": value})
        assert early.best == (None, 2.0, 2.0, 1.0)[epoch]
