"""Run the epochs on an engine: the compiled loop, or Keras's own `fit` where XLA cannot run the model."""

from __future__ import annotations

import time

import numpy as np

from mlpcli import signals
from mlpcli.checks.log_names import loss_first
from mlpcli.data.dataset import Dataset, Split
from mlpcli.keras_import import keras  # before `compiled`, which imports TensorFlow without hiding its log
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.schema import Spec
from mlpcli.training import compiled
from mlpcli.training.compiled.row_arrays import Structure
from mlpcli.training.compiled.xla_programs import Logs
from mlpcli.training.divergence import DivergenceGuard


def fit_model(
    model: keras.Model,
    spec: Spec,
    dataset: Dataset,
    callbacks: list[keras.callbacks.Callback],
    watcher: Watcher,
    *,
    initial_epoch: int = 0,
) -> dict[str, str | int]:
    """Train the model in place, on the engine that the spec asks for if possible.

    Args:
        model: The compiled model.
        spec: The spec.
        dataset: Its data.
        callbacks: Called as in `model.fit`.
        watcher: Receives the progress.
        initial_epoch: Epochs that are already done.

    Returns:
        What `run.json` says about the engine.
    """
    start = time.monotonic()
    reason = "the spec asks for it" if spec.fit.engine == "keras" else ""
    if not reason:
        try:
            _fit_compiled(model, spec, dataset, callbacks, watcher, initial_epoch)
        except compiled.CannotCompile as error:
            reason = str(error)
            watcher.note(f"training with stock model.fit: {reason}")
    if reason:
        _fit_keras(model, spec, dataset, callbacks, watcher, initial_epoch)
    epochs = len(model.history.epoch)
    seconds = time.monotonic() - start
    report: dict[str, str | int] = {
        "name": "keras" if reason else "compiled",
        "rows_per_second": round(epochs * len(dataset.train) / seconds),
    }
    return report | ({"reason": reason} if reason else {})


def _fit_compiled(
    model: keras.Model,
    spec: Spec,
    dataset: Dataset,
    callbacks: list[keras.callbacks.Callback],
    watcher: Watcher,
    initial_epoch: int,
) -> None:
    epochs = spec.fit.epochs
    counter, guard = _Counter(), DivergenceGuard(model)

    def show(done: int, total: int, logs: Logs) -> None:
        values = loss_first({name: float(value) for name, value in logs.items()})
        signals.raise_if_interrupted()
        guard.within_epoch(counter.epoch, values)
        watcher.step(counter.epoch, epochs, done, total, values)

    compiled.fit(
        model,
        _arrays(dataset.train),
        validation=_arrays(dataset.validation) if dataset.validation is not None else None,
        epochs=epochs,
        initial_epoch=initial_epoch,
        batch_size=spec.fit.batch_size,
        shuffle=spec.fit.shuffle,
        seed=spec.seed,
        callbacks=[counter, *callbacks],
        on_progress=show,
    )


def _arrays(split: Split) -> compiled.Arrays:
    return compiled.Arrays(split.x, split.y, split.weights)


class _Counter(keras.callbacks.Callback):  # type: ignore[misc]
    """Holds the number of the epoch, from 1."""

    epoch = 1

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch = epoch + 1


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of an epoch, in the same order as in the compiled loop."""

    def __init__(self, split: Split, spec: Spec) -> None:
        super().__init__()
        self.split, self.spec = split, spec
        self.reorder(0)

    def reorder(self, epoch: int) -> None:
        """Put the rows in the order of an epoch, counted from 0."""
        rows = len(self.split)
        shuffle = self.spec.fit.shuffle
        self.order = compiled.epoch_order(self.spec.seed, epoch, rows) if shuffle else np.arange(rows)

    def __len__(self) -> int:
        return -(-len(self.split) // self.spec.fit.batch_size)

    def __getitem__(self, index: int) -> Structure:
        size = self.spec.fit.batch_size
        chosen = self.order[index * size : (index + 1) * size]
        arrays = _arrays(self.split).structure()
        taken: Structure = keras.tree.map_structure(lambda array: array[chosen], arrays)
        return taken


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Orders the batches of Keras's `fit` by epoch, and reports its steps, at most ten times a second.

    `fit` calls a dataset's own `on_epoch_end` also once before the first epoch, so it cannot count them.
    """

    def __init__(self, watcher: Watcher, epochs: int, batches: _Batches) -> None:
        super().__init__()
        self.watcher, self.epochs, self.batches = watcher, epochs, batches
        self.steps = len(batches)
        self.epoch, self.reported = 1, 0.0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.guard = DivergenceGuard(self.model)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch = epoch + 1
        self.batches.reorder(epoch)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if time.monotonic() - self.reported > 0.1:
            self.reported = time.monotonic()
            values = loss_first({name: float(value) for name, value in (logs or {}).items()})
            signals.raise_if_interrupted()
            self.guard.within_epoch(self.epoch, values)
            self.watcher.step(self.epoch, self.epochs, batch + 1, self.steps, values)


def _fit_keras(
    model: keras.Model,
    spec: Spec,
    dataset: Dataset,
    callbacks: list[keras.callbacks.Callback],
    watcher: Watcher,
    initial_epoch: int,
) -> None:
    batches = _Batches(dataset.train, spec)
    validation = dataset.validation
    model.fit(
        batches,
        epochs=spec.fit.epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        validation_data=_arrays(validation).structure() if validation is not None else None,
        validation_batch_size=spec.fit.batch_size,
        callbacks=[_Epochs(watcher, spec.fit.epochs, batches), *callbacks],
        verbose=0,
    )
