"""The compiled loop gives `model.fit`'s numbers, calls its callbacks and fails without a trace."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from mlpcli.training.compiled import (
    Arrays,
    CannotCompile,
    FitSettings,
    epoch_order,
    evaluate,
    fit,
    forward,
    predict,
    randomness,
)
from mlpcli.training.compiled import loop as compiled_loop

# Keras 3.15 itself converts tensors in a way that NumPy 2 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SEED, BATCH, ROWS = 7, 8, 29  # three full batches and one of five rows


@pytest.fixture(autouse=True)
def _fresh_keras() -> Iterator[None]:
    keras.utils.set_random_seed(1)
    yield
    keras.config.set_dtype_policy("float32")
    keras.backend.clear_session()


def _rows(count: int = ROWS, *, classes: int = 3, seed: int = 0) -> Arrays:
    """Four features; the label is the class of the largest of the first ones."""
    x = np.random.default_rng(seed).normal(size=(count, 4)).astype("float32")
    return Arrays(x, np.argmax(x[:, :classes], axis=1))


def _head(data: Arrays, count: int) -> Arrays:
    parts = (data.x, data.y, data.sample_weight)
    return Arrays(*keras.tree.map_structure(lambda leaf: None if leaf is None else leaf[:count], parts))


def _stack(*middle: keras.Layer, units: int = 3, activation: str | None = "softmax") -> keras.Model:
    return keras.Sequential([keras.Input((4,)), *middle, layers.Dense(units, activation=activation)])


def _small(optimizer: Any, **compile_args: Any) -> tuple[keras.Model, Arrays]:
    model = _stack(layers.Dense(6, activation="relu"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **compile_args)
    return model, _rows()


def _in_epoch_order(data: Arrays, epochs: int) -> Iterator[Any]:
    """The batches of every epoch, for `model.fit`, in the order the compiled loop takes them."""
    for epoch in range(epochs):
        order = epoch_order(SEED, epoch, data.rows)
        for start in range(0, data.rows, BATCH):
            rows = order[start : start + BATCH]
            yield keras.tree.map_structure(lambda leaf, rows=rows: leaf[rows], data.structure())


def _stock_fit(
    model: keras.Model, data: Arrays, validation: Arrays | None, epochs: int = 2, **kwargs: Any
) -> Any:
    return model.fit(
        _in_epoch_order(data, epochs),
        steps_per_epoch=-(-data.rows // BATCH),
        epochs=epochs,
        validation_data=None if validation is None else validation.structure(),
        validation_batch_size=BATCH,
        shuffle=False,
        verbose=0,
        **kwargs,
    )


def _fit(
    model: keras.Model, data: Arrays, validation: Arrays | None = None, epochs: int = 2, **kwargs: Any
) -> Any:
    settings = {"epochs": epochs, "batch_size": BATCH, "shuffle": True, "seed": SEED} | kwargs
    return fit(model, data, FitSettings(validation=validation, **settings))


# Models: each case returns a fresh compiled model and its rows; equal seeds make equal weights.


def batch_norm_and_dropout() -> tuple[keras.Model, Arrays]:
    model = _stack(
        layers.Dense(8, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.4),
        layers.Dropout(0.2),
    )
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, _rows()


def noise_and_l2() -> tuple[keras.Model, Arrays]:
    dense = layers.Dense(6, activation="selu", kernel_regularizer="l2", activity_regularizer="l1")
    model = _stack(layers.GaussianNoise(0.1), dense, layers.AlphaDropout(0.2))
    model.compile("nadam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, _rows()


def sample_weights() -> tuple[keras.Model, Arrays]:
    model = _stack(layers.Dense(6, activation="tanh"), units=1, activation=None)
    model.compile("adagrad", "mse", metrics=["RootMeanSquaredError", "mae"], weighted_metrics=["mape"])
    data = _rows()
    weights = np.random.default_rng(1).uniform(0.1, 3, ROWS).astype("float32")
    return model, Arrays(data.x, data.x.sum(axis=1) + 5, weights)


def wide_and_deep_with_two_outputs() -> tuple[keras.Model, Arrays]:
    wide, deep = keras.Input((2,), name="wide"), keras.Input((3,), name="deep")
    hidden = layers.Dense(5, activation="relu")(layers.Normalization(mean=0.1, variance=2.0)(deep))
    joined = layers.Concatenate()([wide, hidden])
    outputs = {"main": layers.Dense(1, name="main")(joined), "aux": layers.Dense(1, name="aux")(hidden)}
    model = keras.Model({"wide": wide, "deep": deep}, outputs)
    metrics = {"main": ["RootMeanSquaredError"], "aux": ["mae"]}
    losses, weights = {"main": "mse", "aux": "huber"}, {"main": 0.9, "aux": 0.1}
    model.compile(keras.optimizers.Adam(0.01, clipvalue=0.5), losses, loss_weights=weights, metrics=metrics)
    x = _rows().x
    y = x.sum(axis=1)
    return model, Arrays({"wide": x[:, :2], "deep": x[:, 1:]}, {"main": y, "aux": y * 0.5})


def inputs_and_outputs_by_position() -> tuple[keras.Model, Arrays]:
    first, second = keras.Input((2,)), keras.Input((2,))
    hidden = layers.Dense(4, activation="relu")(layers.Concatenate()([first, second]))
    model = keras.Model(
        [first, second], [layers.Dense(1)(hidden), layers.Dense(2, activation="softmax")(hidden)]
    )
    model.compile("adamax", ["mse", "sparse_categorical_crossentropy"], loss_weights=[1.0, 0.5])
    data = _rows()
    return model, Arrays((data.x[:, :2], data.x[:, 2:]), (data.x[:, 0], (data.y > 0).astype("int64")))


def auc_and_precision() -> tuple[keras.Model, Arrays]:
    model = _stack(layers.Dense(5, activation="relu"), units=1, activation="sigmoid")
    averaged = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3)
    model.compile(averaged, "binary_crossentropy", metrics=["AUC", "Precision", "accuracy"])
    data = _rows(classes=2)
    return model, Arrays(data.x.astype("float64"), data.y.astype("float64")[:, None])


def embedding() -> tuple[keras.Model, Arrays]:
    words = keras.Input((5,), dtype="int32")
    pooled = layers.GlobalAveragePooling1D()(layers.Embedding(11, 4)(words))
    model = keras.Model(words, layers.Dense(3, activation="softmax")(pooled))
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5, staircase=True)
    momentum = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, clipnorm=0.5)
    model.compile(momentum, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, Arrays(np.random.default_rng(2).integers(0, 11, (ROWS, 5)), _rows().y)


def convolution_over_bytes() -> tuple[keras.Model, Arrays]:
    stack = [
        layers.Rescaling(1 / 255),
        layers.Conv2D(3, 3, activation="relu", kernel_constraint="max_norm"),
        layers.MaxPooling2D(),
    ]
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), *stack, layers.Flatten(), layers.Dense(3, activation="softmax")]
    )
    model.compile("adamw", "sparse_categorical_crossentropy", metrics=["accuracy"])
    pixels = np.random.default_rng(3).integers(0, 256, (ROWS, 8, 8, 1)).astype("uint8")
    return model, Arrays(pixels, _rows().y.astype("uint8"))


@keras.saving.register_keras_serializable()
class Subclassed(keras.Model):  # type: ignore[misc]
    """Unbuilt until it meets its first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.drop, self.out = (
            layers.Dense(5, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(3),
        )

    def call(self, x: Any, training: bool = False) -> Any:
        return self.out(self.drop(self.hidden(x), training=training))


def subclassed_and_unbuilt() -> tuple[keras.Model, Arrays]:
    model = Subclassed()
    model.compile("ftrl", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model, _rows()


class OwnStep(Subclassed):
    """A train step of the user's own, whose logs are not metrics."""

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"batch_loss": loss, "norm": tf.linalg.global_norm(gradients)}


def own_train_step() -> tuple[keras.Model, Arrays]:
    model = OwnStep()
    accumulating = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2, global_clipnorm=0.4)
    model.compile(
        accumulating,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model, _rows()


MODELS = [
    batch_norm_and_dropout,
    noise_and_l2,
    sample_weights,
    wide_and_deep_with_two_outputs,
    inputs_and_outputs_by_position,
    auc_and_precision,
    embedding,
    convolution_over_bytes,
    subclassed_and_unbuilt,
    own_train_step,
]
# The others are among MODELS. Lamb and Adafactor agree as well; a test of each costs seconds.
OPTIMIZERS = ["Adadelta", "Lion"]


def _twins(case: Callable[[], tuple[keras.Model, Arrays]]) -> tuple[keras.Model, keras.Model, Arrays]:
    """Two equal models: for an unbuilt one, the same random seed serves instead of equal weights."""
    made = []
    for _ in range(2):
        keras.backend.clear_session()  # for equal names
        keras.utils.set_random_seed(11)
        made.append(case())
    return made[0][0], made[1][0], made[0][1]


def _assert_same_training(
    case: Callable[[], tuple[keras.Model, Arrays]], atol: float = 1e-5, **settings: Any
) -> None:
    ours, stock, data = _twins(case)
    validation = _head(data, 11)
    keras.utils.set_random_seed(12)
    history = _fit(ours, data, validation, **settings)
    keras.utils.set_random_seed(12)
    expected = _stock_fit(stock, data, validation)
    assert list(history.history) == list(expected.history)
    for name, values in expected.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=atol, atol=atol, err_msg=name)
    for mine, theirs in zip(ours.variables, stock.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=atol, rtol=0, err_msg=mine.path)
    for mine, theirs in zip(ours.optimizer.variables, stock.optimizer.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=10 * atol, rtol=atol, err_msg=mine.path)


@pytest.mark.parametrize("case", MODELS, ids=lambda case: case.__name__)
def test_two_epochs_equal_those_of_model_fit(case: Callable[[], tuple[keras.Model, Arrays]]) -> None:
    _assert_same_training(case)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_trains_as_in_model_fit(name: str) -> None:
    _assert_same_training(lambda: _small(getattr(keras.optimizers, name)(0.01)))


def test_mixed_precision_trains_as_in_model_fit_within_its_rounding() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    _assert_same_training(batch_norm_and_dropout, atol=2e-2)


@pytest.mark.parametrize("count", [1, 7, 33])
@pytest.mark.parametrize("first", [(0, 5), (2**32 - 1, 7), (2**64 - 2, 5), (2**64 - 1, 2**64 - 1)])
def test_random_numbers_are_those_of_tensorflow_s_kernels_at_any_counter(
    first: tuple[int, int], count: int
) -> None:
    draws = randomness.kernels
    given = tf.constant([2**63 + 12345], tf.uint64), tf.constant(first, tf.uint64), 1

    def draw() -> tuple[Any, ...]:
        shapes = [count], [count, 1]  # the latter is stored
        uniform = [draws.stateless_random_uniform_v2(shape, *given, dtype=tf.float32) for shape in shapes]
        return *uniform, draws.stateless_random_normal_v2([count], *given, dtype=tf.float32)

    with randomness.same_numbers_as_fit():
        ours = tf.function(draw, jit_compile=True).get_concrete_function()()
    plain, stored, normal = draw()
    np.testing.assert_array_equal(ours[0], plain)
    np.testing.assert_array_equal(ours[1], stored)
    np.testing.assert_allclose(ours[2], normal, atol=5e-6)


def test_order_of_rows_depends_on_seed_and_epoch_alone() -> None:
    assert sorted(epoch_order(3, 5, 50)) == list(range(50))
    assert (epoch_order(3, 5, 50) == epoch_order(3, 5, 50)).all()
    assert (epoch_order(3, 5, 50) != epoch_order(3, 6, 50)).any()
    assert (epoch_order(3, 5, 50) != epoch_order(4, 5, 50)).any()


def test_starting_at_a_later_epoch_continues_the_same_run() -> None:
    whole, parts, data = _twins(lambda: _small("adam"))
    _fit(whole, data, epochs=3)
    _fit(parts, data, epochs=1)
    _fit(parts, data, epochs=3, initial_epoch=1)
    for one, other in zip(whole.variables, parts.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("shuffle", [True, False])
def test_data_fed_in_pieces_trains_as_resident_data(shuffle: bool) -> None:
    resident, fed, data = _twins(convolution_over_bytes)
    _fit(resident, data, shuffle=shuffle)
    _fit(fed, data, shuffle=shuffle, chunk_bytes=3 * BATCH * 65)  # a batch at a time
    for one, other in zip(resident.variables, fed.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    "case", [auc_and_precision, wide_and_deep_with_two_outputs], ids=lambda case: case.__name__
)
def test_evaluate_and_predict_equal_those_of_keras(case: Callable[[], tuple[keras.Model, Arrays]]) -> None:
    model, data = case()
    expected = model.evaluate(data.x, data.y, batch_size=BATCH, verbose=0, return_dict=True)
    assert evaluate(model, data, batch_size=BATCH) == pytest.approx(expected, abs=1e-5)
    assert list(evaluate(model, data, batch_size=BATCH)) == list(expected)
    predicted = predict(model, data.x, batch_size=10)
    keras.tree.map_structure(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=1e-6),
        predicted,
        model.predict(data.x, verbose=0),
    )


def test_many_small_batches_are_evaluated_in_an_xla_loop_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = wide_and_deep_with_two_outputs()
    expected = model.evaluate(data.x, data.y, batch_size=BATCH, verbose=0, return_dict=True)
    monkeypatch.setattr(forward, "WORTH_A_LOOP", 0)
    evaluator = forward.Evaluator(model, data, batch_size=BATCH)
    assert evaluator.loop is not None
    events = keras.callbacks.CallbackList([], model=model)
    assert evaluator.run(events) == pytest.approx(expected, abs=1e-5)
    assert evaluator.run(events) == pytest.approx(expected, abs=1e-5)


def test_compiling_a_model_again_changes_what_evaluate_reports() -> None:
    model, data = _small("sgd")
    assert set(evaluate(model, data)) == {"loss", "accuracy"}
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["sparse_top_k_categorical_accuracy"])
    assert set(evaluate(model, data)) == {"loss", "sparse_top_k_categorical_accuracy"}


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes each call of a batch hook: its name, the batch and the loss."""

    def __init__(self, *, stop_at: int | None = None) -> None:
        super().__init__()
        self.calls: list[tuple[str, int, Any]] = []
        self.stop_at = stop_at

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("begin", batch, None))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("end", batch, round(logs["loss"], 4)))
        if self.stop_at == batch:
            self.model.stop_training = True

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("test", batch, round(logs["loss"], 4)))


@pytest.mark.parametrize("stop_at", [None, 1])
def test_batch_callbacks_hear_what_they_hear_in_model_fit(stop_at: int | None) -> None:
    ours, stock, data = _twins(lambda: _small("sgd"))
    mine, theirs = _Recorder(stop_at=stop_at), _Recorder(stop_at=stop_at)
    _fit(ours, data, _head(data, 11), callbacks=[mine])
    _stock_fit(stock, data, _head(data, 11), callbacks=[theirs])
    assert mine.calls == theirs.calls


class _HalvedRate(keras.callbacks.Callback):  # type: ignore[misc]
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = 0.1 / (batch + 1)


def test_a_learning_rate_set_at_each_batch_counts_at_that_batch() -> None:
    ours, stock, data = _twins(lambda: _small("sgd"))
    _fit(ours, data, callbacks=[_HalvedRate()])
    _stock_fit(stock, data, None, callbacks=[_HalvedRate()])
    for one, other in zip(ours.weights, stock.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)


def test_epoch_callbacks_of_keras_work_as_in_model_fit(tmp_path: Path) -> None:
    kinds = keras.callbacks

    def train(
        run: Callable[..., Any], model: keras.Model, data: Arrays, folder: Path
    ) -> tuple[Any, list[str]]:
        folder.mkdir()
        callbacks = [
            kinds.EarlyStopping(patience=2, min_delta=0.2, restore_best_weights=True),
            kinds.ReduceLROnPlateau(patience=1, min_delta=0.2),
            kinds.ModelCheckpoint(folder / "{epoch}.weights.h5", save_weights_only=True),
            kinds.CSVLogger(folder / "log.csv"),
            kinds.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            kinds.TerminateOnNaN(),
            kinds.BackupAndRestore(folder / "backup"),
        ]
        history = run(model, data, _head(data, 11), epochs=6, callbacks=callbacks)
        return history, sorted(path.name for path in folder.iterdir())

    ours, stock, data = _twins(lambda: _small("sgd"))
    mine, my_files = train(_fit, ours, data, tmp_path / "ours")
    theirs, their_files = train(_stock_fit, stock, data, tmp_path / "stock")
    assert my_files == their_files
    assert ours.history is mine
    assert mine.epoch == theirs.epoch
    assert {name: pytest.approx(values, abs=1e-5) for name, values in mine.history.items()} == theirs.history


def test_callbacks_that_need_no_batches_cost_no_chunks(tmp_path: Path) -> None:
    model, data = _small("sgd")
    kinds, chunks = keras.callbacks, []
    quiet = [
        kinds.EarlyStopping("loss"),
        kinds.TerminateOnNaN(),
        kinds.ModelCheckpoint(tmp_path / "unused.keras", monitor="loss", save_freq=10**6),
        kinds.TensorBoard(tmp_path),
        kinds.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    ]
    _fit(model, data, callbacks=quiet, epochs=1, on_progress=lambda done, *_: chunks.append(done))
    assert chunks == [3, 4]


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    model, data = _small(keras.optimizers.SGD(1e30))
    history = _fit(model, data, callbacks=[keras.callbacks.TerminateOnNaN()], epochs=5)
    assert len(history.epoch) < 5


def test_tensorboard_gets_the_batches_it_asks_for(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model, data = _small("sgd")
    _fit(model, data, _head(data, 11), callbacks=[keras.callbacks.TensorBoard(tmp_path, update_freq=2)])
    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    assert [event.step for event in events.Tensors("batch_loss")] == [2, 4, 6, 8]
    assert [event.step for event in events.Tensors("epoch_loss")] == [0, 1]


def test_the_profiler_gets_its_batches(tmp_path: Path) -> None:
    model, data = _small("sgd")
    chunks: list[int] = []
    board = keras.callbacks.TensorBoard(tmp_path, profile_batch=(2, 3), write_graph=False)
    _fit(model, data, callbacks=[board], epochs=1, on_progress=lambda done, *_: chunks.append(done))
    assert chunks == [1, 2, 3, 4]


def test_progress_moves_within_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_loop, "CHUNK_SECONDS", 0.0)
    model, data = _small("sgd")
    seen: list[tuple[int, int, bool]] = []
    _fit(
        model,
        data,
        on_progress=lambda done, total, logs: seen.append((done, total, "loss" in logs)),
        epochs=2,
    )
    assert seen[-2:] == [(3, 4, True), (4, 4, True)]
    assert len(seen) > 4


def _python_inside(x: Any) -> Any:
    return tf.ensure_shape(tf.py_function(lambda value: value * 2, [x], tf.float32), x.shape)


def _strings_inside(x: Any) -> Any:
    return x * tf.reshape(tf.strings.to_number(tf.strings.as_string(x[:1, :1])), [1, 1])


@keras.saving.register_keras_serializable()
class Forbidden(layers.Layer):  # type: ignore[misc]
    """Does what XLA cannot."""

    def __init__(self, function: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "named"), [(_python_inside, "EagerPyFunc"), (_strings_inside, "AsString")]
)
def test_what_xla_lacks_is_refused_and_leaves_the_model_as_it_was(function: Any, named: str) -> None:
    model = _stack(layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5), Forbidden(function))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = [value.numpy().copy() for value in model.variables]
    with pytest.raises(CannotCompile) as refusal:
        _fit(model, _rows())
    assert named in refusal.value.reason
    assert "\n" not in refusal.value.reason
    for value, kept in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), kept)
    assert all(
        not np.any(value.numpy()) for value in model.optimizer.variables if "learning" not in value.path
    )
    assert all(not np.any(value.numpy()) for metric in model.metrics for value in metric.variables)


def test_eager_models_and_strings_are_refused() -> None:
    model, data = _small("sgd", run_eagerly=True)
    with pytest.raises(CannotCompile, match="run_eagerly"):
        _fit(model, data)
    model, data = _small("sgd")
    with pytest.raises(CannotCompile, match="<U1"):
        _fit(model, Arrays(data.x.astype("<U1"), data.y))


def test_arrays_of_different_lengths_are_an_error() -> None:
    model, data = _small("sgd")
    with pytest.raises(ValueError, match=r"same number of rows, received \[28, 29\]"):
        _fit(model, Arrays(data.x, data.y[:-1]))


def test_fewer_rows_than_a_batch_train_too() -> None:
    ours, stock, data = _twins(lambda: _small("sgd"))
    few = _head(data, 5)
    history = _fit(ours, few)
    assert history.history["loss"] == pytest.approx(_stock_fit(stock, few, None).history["loss"], abs=1e-5)


def trained_digest() -> str:
    """Digest of the weights and logs of a short training, for comparison between processes."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(5)
    model, data = batch_norm_and_dropout()
    history = _fit(model, data, _head(data, 11))
    values = b"".join(value.numpy().tobytes() for value in model.variables)
    return hashlib.sha256(values + repr(history.history).encode()).hexdigest()


def test_a_fresh_process_trains_bit_equal_weights() -> None:
    program = "import test_compiled; print(test_compiled.trained_digest())"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["PYTHONPATH"] = str(Path(__file__).parent) + os.pathsep + environment["PYTHONPATH"]
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == trained_digest()


def test_an_interrupt_is_answered_within_a_second() -> None:
    model = _stack(layers.Dense(512, activation="relu"), layers.Dense(512, activation="relu"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    def once_begun(done: int, total: int, logs: Any) -> None:
        if done > 50 and not sent:
            threading.Timer(0.2, interrupt).start()
            sent.append(0.0)

    with pytest.raises(KeyboardInterrupt):
        _fit(model, _rows(400_000), epochs=1, on_progress=once_begun)
    # Within a second where nothing else is running; the epoch itself takes a quarter of a minute.
    assert time.perf_counter() - sent[-1] < 4
