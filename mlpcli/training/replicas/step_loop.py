"""The epochs of a training whose batches are divided: among processes, or among the devices of one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mlpcli.keras_import import keras
from mlpcli.keras_internals import begins_at
from mlpcli.training.compiled import hooks
from mlpcli.training.compiled.fit_settings import FitSettings
from mlpcli.training.compiled.forward import Evaluator
from mlpcli.training.compiled.row_arrays import epoch_order
from mlpcli.training.compiled.xla_programs import Logs

CHUNK_SECONDS = 0.3


class Divided(Protocol):
    """What trains on a batch, each part of it elsewhere."""

    def begin_training(self) -> None:
        """Begin, after the callbacks have restored a checkpoint."""

    def begin_epoch(self) -> None:
        """Begin an epoch, without logs."""

    def train(self, rows: np.ndarray) -> None:
        """Train on a batch: (some,) int, positions of its rows."""

    def end_epoch(self) -> None:
        """Make the model that of the end of the epoch."""

    def logs(self) -> Logs:
        """Return the loss and metrics of the epoch so far, over all rows."""

    def decided(self, number: int) -> int:
        """Return what is decided for all who train: a number that one of them passes."""


def run_epochs(
    model: keras.Model,
    divided: Divided,
    settings: FitSettings,
    *,
    rows: int,
    evaluator: Evaluator | None,
) -> keras.callbacks.History:
    """Train, and return the history.

    Args:
        model: The model of the callbacks, the checkpoints and the validation.
        divided: What trains it.
        settings: Which epochs, on which batches.
        rows: Of training.
        evaluator: Of the validation rows; None without any.
    """
    steps, last = -(-rows // settings.batch_size), settings.epochs
    events = keras.callbacks.CallbackList(
        list(settings.callbacks), add_history=True, model=model, verbose=0, epochs=last, steps=steps
    )
    model.stop_training = False
    events.on_train_begin()
    # A callback may have found a backup here alone.
    first = divided.decided(begins_at(model) or settings.initial_epoch)
    divided.begin_training()
    run = _Run(model, divided, settings, rows, steps, events, evaluator, seen=first * steps)
    logs: Logs = {}
    for epoch in range(first, last):
        logs = _train_epoch(run, epoch)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.optimizers.Optimizer) and last > 0:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    events.on_train_end(logs)
    return model.history


@dataclass
class _Run:
    """A training, and how fast its last steps were."""

    model: keras.Model
    divided: Divided
    settings: FitSettings
    rows: int  # of training
    steps: int  # of an epoch, the one on a short batch included
    events: keras.callbacks.CallbackList
    evaluator: Evaluator | None
    seen: int = 0  # training steps since the first epoch
    pace: int = 4  # steps of the next chunk, by the clock
    listeners: list[keras.callbacks.Callback] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listeners = [each for each in self.events.callbacks if hooks.listens(each)]


def _train_epoch(run: _Run, epoch: int) -> Logs:
    """Run one epoch and its validation between the calls that callbacks expect; return the logs."""
    run.model.reset_metrics()
    run.events.on_epoch_begin(epoch)
    run.divided.begin_epoch()
    rows, seed = run.rows, run.settings.order_seed
    order = np.arange(rows) if seed is None else epoch_order(seed, epoch, rows)
    logs: Logs = {}
    for first, last in _chunks(run):
        logs = _run_chunk(run, order, first, last)
    run.divided.end_epoch()
    if run.evaluator is not None:
        results = run.evaluator.run(run.events)
        logs |= {f"val_{name}": value for name, value in results.items()}
    run.events.on_epoch_end(epoch, logs)
    run.model.stop_training = bool(run.divided.decided(int(bool(run.model.stop_training))))
    return logs


def _chunks(run: _Run) -> Iterator[tuple[int, int]]:
    """Yield the first step of each chunk of an epoch, and the one after its last."""
    first = 0
    while first < run.steps:
        steps = hooks.chunk_steps(run.listeners, run.seen, left=run.steps - first, pace=run.pace)
        wanted = 0 if run.model.stop_training else steps
        if not (chunk := run.divided.decided(wanted)):
            run.model.stop_training = True
            return
        yield first, first + chunk
        first += chunk


def _run_chunk(run: _Run, order: np.ndarray, first: int, last: int) -> Logs:
    """Run the steps first <= step < last, and call the callbacks around them; return the logs so far."""
    if run.listeners:
        run.events.on_train_batch_begin(first)
    begun, size = time.perf_counter(), run.settings.batch_size
    for step in range(first, last):
        run.divided.train(order[step * size : (step + 1) * size])
    rate = (last - first) / max(time.perf_counter() - begun, 1e-6)
    run.pace = max(1, min(int(rate * CHUNK_SECONDS), 8 * run.pace))
    logs = run.divided.logs()
    hooks.end_chunk(run.events, run.listeners, run.seen, range(first, last), logs)
    run.seen += last - first
    if run.settings.on_progress is not None:
        run.settings.on_progress(last, run.steps, logs)
    return logs
