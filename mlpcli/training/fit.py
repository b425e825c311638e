"""Which engine runs the epochs: the compiled loop, or Keras's own `fit` where XLA cannot go."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from mlpcli import signals
from mlpcli.data.dataset import Dataset, Split
from mlpcli.keras_import import import_keras
from mlpcli.spec.schema import Spec

keras = import_keras()  # before anything that imports TensorFlow in its own, noisy way
from mlpcli.checks.log_names import loss_first  # noqa: E402
from mlpcli.training import compiled  # noqa: E402
from mlpcli.training.divergence import DivergenceGuard  # noqa: E402


def fit_model(
    model: Any,
    spec: Spec,
    dataset: Dataset,
    callbacks: list[Any],
    watcher: Any,
    *,
    initial_epoch: int = 0,
) -> dict[str, Any]:
    """Train the model in place from `initial_epoch` on; returns what `run.json` says of the engine."""
    began = time.monotonic()
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
    seconds = time.monotonic() - began
    report = {
        "name": "keras" if reason else "compiled",
        "rows_per_second": round(epochs * len(dataset.train) / seconds),
    }
    return report | ({"reason": reason} if reason else {})


def _fit_compiled(
    model: Any, spec: Spec, dataset: Dataset, callbacks: list[Any], watcher: Any, initial_epoch: int
) -> None:
    epochs = spec.fit.epochs
    counter, guard = _Counter(), DivergenceGuard(model)

    def show(done: int, total: int, logs: dict[str, Any]) -> None:
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


class _Counter(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Knows which epoch it is, from 1."""

    epoch = 1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch + 1


class _Batches(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
    """The batches of an epoch, in the order that the compiled loop takes them too."""

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

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        size = self.spec.fit.batch_size
        chosen = self.order[index * size : (index + 1) * size]
        parts = _arrays(self.split).structure()
        taken: tuple[Any, ...] = keras.tree.map_structure(lambda array: array[chosen], parts)
        return taken


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Orders stock `fit`'s batches by epoch, and tells the watcher of its steps, ten times a second at most.

    `fit` calls a dataset's own `on_epoch_end` once before the first epoch too, so it cannot count them.
    """

    def __init__(self, watcher: Any, epochs: int, batches: _Batches) -> None:
        super().__init__()
        self.watcher, self.epochs, self.batches = watcher, epochs, batches
        self.steps = len(batches)
        self.epoch, self.told = 1, 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.guard = DivergenceGuard(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch + 1
        self.batches.reorder(epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if time.monotonic() - self.told > 0.1:
            self.told = time.monotonic()
            values = loss_first({name: float(value) for name, value in (logs or {}).items()})
            signals.raise_if_interrupted()
            self.guard.within_epoch(self.epoch, values)
            self.watcher.step(self.epoch, self.epochs, batch + 1, self.steps, values)


def _fit_keras(
    model: Any, spec: Spec, dataset: Dataset, callbacks: list[Any], watcher: Any, initial_epoch: int
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
