"""The callbacks of a training hear at each batch and epoch what they hear in `model.fit`."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from mlpcli.training.compiled import GRAPH, Arrays
from mlpcli.training.compiled import loop as compiled_loop
from mlpcli.training.compiled.fit_settings import XLA, Loop
from tests.training.small_models import fit_by_keras, fit_ours, head, small, some_rows, stack, twins

# Keras 3.15 itself converts tensors in a way that NumPy 2 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("fresh_keras"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


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


# What calls them is the same code for a program of XLA's and for a graph, which is made sooner.


@pytest.mark.parametrize(("stop_at", "loop"), [(None, XLA), (1, GRAPH)])
def test_batch_callbacks_hear_what_they_hear_in_model_fit(stop_at: int | None, loop: Loop) -> None:
    ours, stock, data = twins(lambda: small("sgd"))
    mine, theirs = _Recorder(stop_at=stop_at), _Recorder(stop_at=stop_at)
    fit_ours(ours, data, head(data, 11), callbacks=[mine], loop=loop)
    fit_by_keras(stock, data, head(data, 11), callbacks=[theirs])
    assert mine.calls == theirs.calls


class _HalvedRate(keras.callbacks.Callback):  # type: ignore[misc]
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = 0.1 / (batch + 1)


def test_a_learning_rate_set_at_each_batch_counts_at_that_batch() -> None:
    ours, stock, data = twins(lambda: small("sgd"))
    fit_ours(ours, data, callbacks=[_HalvedRate()], loop=GRAPH)
    fit_by_keras(stock, data, None, callbacks=[_HalvedRate()])
    for one, other in zip(ours.weights, stock.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)


def test_epoch_callbacks_of_keras_work_as_in_model_fit(tmp_path: Path) -> None:
    kinds = keras.callbacks

    def train(
        run: Callable[..., Any], model: keras.Model, data: Arrays, folder: Path, **settings: Any
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
        history = run(model, data, head(data, 11), epochs=6, callbacks=callbacks, **settings)
        return history, sorted(path.name for path in folder.iterdir())

    ours, stock, data = twins(lambda: small("sgd"))
    mine, my_files = train(fit_ours, ours, data, tmp_path / "ours", loop=GRAPH)
    theirs, their_files = train(fit_by_keras, stock, data, tmp_path / "stock")
    assert my_files == their_files
    assert ours.history is mine
    assert mine.epoch == theirs.epoch
    assert {name: pytest.approx(values, abs=1e-5) for name, values in mine.history.items()} == theirs.history


def test_callbacks_that_need_no_batches_cost_no_chunks(tmp_path: Path) -> None:
    model, data = small("sgd")
    kinds, chunks = keras.callbacks, []
    quiet = [
        kinds.EarlyStopping("loss"),
        kinds.TerminateOnNaN(),
        kinds.ModelCheckpoint(tmp_path / "unused.keras", monitor="loss", save_freq=10**6),
        kinds.TensorBoard(tmp_path),
        kinds.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    ]
    fit_ours(
        model, data, callbacks=quiet, epochs=1, loop=GRAPH, on_progress=lambda done, *_: chunks.append(done)
    )
    assert chunks == [3, 4]


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    model, data = small(keras.optimizers.SGD(1e30))
    history = fit_ours(model, data, callbacks=[keras.callbacks.TerminateOnNaN()], epochs=5, loop=GRAPH)
    assert len(history.epoch) < 5


def test_tensorboard_gets_the_batches_it_asks_for(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model, data = small("sgd")
    board = keras.callbacks.TensorBoard(tmp_path, update_freq=2)
    fit_ours(model, data, head(data, 11), callbacks=[board], loop=GRAPH)
    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    assert [event.step for event in events.Tensors("batch_loss")] == [2, 4, 6, 8]
    assert [event.step for event in events.Tensors("epoch_loss")] == [0, 1]


def test_the_profiler_gets_its_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It takes seconds to start; tests/training/test_boards.py reads what it writes.
    calls: list[object] = []
    profiler = tf.profiler.experimental
    monkeypatch.setattr(profiler, "start", lambda *_, **__: calls.append("start"))
    monkeypatch.setattr(profiler, "stop", lambda *_, **__: calls.append("stop"))
    model, data = small("sgd")
    board = keras.callbacks.TensorBoard(tmp_path, profile_batch=(2, 3), write_graph=False)
    done = lambda number, *_: calls.append(number)  # noqa: E731
    fit_ours(model, data, callbacks=[board], epochs=1, on_progress=done, loop=GRAPH)
    assert calls == ["start", "stop", 1, "start", 2, "stop", 3, 4]  # first to warm it up


def test_progress_moves_within_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_loop, "CHUNK_SECONDS", 0.0)
    model, data = small("sgd")
    seen: list[tuple[int, int, bool]] = []
    fit_ours(
        model,
        data,
        on_progress=lambda done, total, logs: seen.append((done, total, "loss" in logs)),
        epochs=2,
        loop=GRAPH,
    )
    assert seen[-2:] == [(3, 4, True), (4, 4, True)]
    assert len(seen) > 4


def test_an_interrupt_is_answered_within_a_second() -> None:
    model = stack(layers.Dense(512, activation="relu"), layers.Dense(512, activation="relu"))
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
        fit_ours(model, some_rows(400_000), epochs=1, on_progress=once_begun)
    # Within a second where nothing else is running; the epoch itself takes a quarter of a minute.
    assert time.perf_counter() - sent[-1] < 4
