"""Run the epochs on an engine: one program of XLA's, one graph, or Keras's own `fit` where neither can."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlpcli import signals
from mlpcli.checks.log_names import loss_first
from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.stored.sampled_rows import is_stored
from mlpcli.errors import Problem, TrainingError
from mlpcli.keras_import import keras  # before `compiled`, which imports TensorFlow without hiding its log
from mlpcli.runs.record_models import EngineName
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.schema import Spec
from mlpcli.training import compiled
from mlpcli.training.averaged_weights import EndsWithAverages
from mlpcli.training.compiled.row_arrays import Structure
from mlpcli.training.compiled.xla_programs import Logs
from mlpcli.training.divergence import DivergenceGuard
from mlpcli.training.engine import GRAPH, KERAS, Choice, choose_engine
from mlpcli.training.replicas.fit_shared import fit_shared
from mlpcli.training.replicas.mirrored import Build, devices, divides, fit_mirrored
from mlpcli.training.replicas.peers import Peers
from mlpcli.training.replicas.shard_errors import ONE_DEVICE, check_can_share
from mlpcli.training.replicas.together import lost
from mlpcli.training.replicas.wire import Left
from mlpcli.training.time_limit import TimeIsUp


def fit_model(
    model: keras.Model,
    spec: Spec,
    dataset: Dataset,
    callbacks: list[keras.callbacks.Callback],
    watcher: Watcher,
    *,
    initial_epoch: int = 0,
    recorded: EngineName | None = None,
    on_engine: Callable[[dict[str, str | int]], None] = lambda record: None,
    check_time: Callable[[], None] = lambda: None,
    peers: Peers | None = None,
    build_again: Build | None = None,
) -> dict[str, str | int]:
    """Train the model in place, on the engine that the spec asks for if possible.

    Args:
        model: The compiled model.
        spec: The spec.
        dataset: Its data.
        callbacks: Called as in `model.fit`.
        watcher: Receives the progress.
        initial_epoch: Epochs that are already done.
        recorded: The engine of the run that is resumed or repeated; a spec that names one overrides it.
        on_engine: Receives what `run.json` says about the engine, before the first epoch.
        check_time: Called within epochs; raises `TimeIsUp` to end the training.
        peers: The other workers that train the model; None for this process alone.
        build_again: Builds the model once more, for `fit.distribute`.

    Returns:
        What `run.json` says about the engine at the end.
    """
    start = time.monotonic()
    build = build_again if divides(spec) else None
    choice = choose_engine(model, spec.fit.engine, recorded)
    if build is not None:
        choice = Choice(GRAPH, f"each batch is divided among {len(devices())} devices")
    while True:
        begins = _Begins(choice, watcher, on_engine)
        done = initial_epoch >= spec.fit.epochs
        ends = EndsWithAverages(callbacks, exact=choice.name != KERAS, done=done)
        every = [begins, *callbacks, ends]
        job = _Job(model, spec, dataset, every, watcher, initial_epoch, check_time, peers)
        try:
            _fit(job, choice, build)
            break
        except compiled.CannotCompile as error:
            choice = choice.instead(str(error))
        except TimeIsUp:
            model.optimizer.finalize_variable_values(model.trainable_weights)  # what `fit` ends with
            for callback in job.callbacks:
                callback.on_train_end()
            break
    if peers is not None:
        peers.leave(done=True)  # what follows is for worker 0 alone, and may take long
    epochs = len(model.history.epoch)
    seconds = time.monotonic() - start
    return choice.record() | {"rows_per_second": round(epochs * len(dataset.train) / seconds)}


Fit = Callable[[keras.Model, compiled.Arrays, compiled.FitSettings], keras.callbacks.History]
"""Trains a model on rows."""


@dataclass(frozen=True)
class _Job:
    """What an engine is given."""

    model: keras.Model
    spec: Spec
    dataset: Dataset
    callbacks: list[keras.callbacks.Callback]
    watcher: Watcher
    initial_epoch: int
    check_time: Callable[[], None]
    peers: Peers | None


class _Begins(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports the engine once it is known that it can run the model, before the first epoch."""

    def __init__(
        self, choice: Choice, watcher: Watcher, on_engine: Callable[[dict[str, str | int]], None]
    ) -> None:
        super().__init__()
        self.choice, self.watcher, self.on_engine = choice, watcher, on_engine

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.watcher.engine(self.choice.name, self.choice.reason)
        self.on_engine(self.choice.record())


def _loop(choice: Choice) -> compiled.Loop:
    if choice.name == GRAPH:
        return compiled.GRAPH
    return compiled.QUICK_XLA if choice.strict else compiled.XLA


def _fit(job: _Job, choice: Choice, build: Build | None) -> None:
    """Train by an engine.

    Args:
        job: What is trained.
        choice: The engine.
        build: Builds the model again, to divide each batch among devices; None for one device.

    Raises:
        CannotCompile: It cannot run the model, which has not changed.
        SpecError: Several devices cannot train it as one does.
        TrainingError: No engine can, or another worker is gone.
    """
    if build is not None:
        rows = _arrays(job.dataset.train)
        check_can_share(job.model, rows, spec=job.spec, who="devices", hint=ONE_DEVICE)
        try:
            _fit_loop(job, compiled.GRAPH, partial(fit_mirrored, build=build))
        except compiled.CannotCompile as error:
            rule = f"several devices cannot train this network ({error})"
            problem = Problem(rule, path=("fit", "distribute"), hint="remove it, to train on one device")
            raise TrainingError(problem) from None
    elif job.peers is not None:
        _fit_with_others(job, job.peers, choice)
    elif choice.name == KERAS:
        _fit_keras(job)
    else:
        _fit_loop(job, _loop(choice), compiled.fit)


def _fit_with_others(job: _Job, peers: Peers, choice: Choice) -> None:
    """Train in step with other workers.

    Raises:
        CannotCompile: This engine cannot run the model, which has not changed.
        TrainingError: None can, or another worker is gone.
    """
    if choice.name == KERAS:
        rule = f"several workers cannot train this network ({choice.reason})"
        raise TrainingError(Problem(rule, hint="train it in one process"))
    try:
        _fit_loop(job, _loop(choice), partial(fit_shared, peers=peers))
    except Left as left:
        if left.done:
            raise
        raise lost(peers, left) from None


def _fit_loop(job: _Job, loop: compiled.Loop, fit: Fit) -> None:
    """Train in a loop over steps of ours.

    Args:
        job: What is trained.
        loop: What runs the steps.
        fit: `compiled.fit`, or one for several workers or devices.

    Raises:
        CannotCompile: It cannot run the model, which has not changed.
    """
    spec, dataset, epochs = job.spec, job.dataset, job.spec.fit.epochs
    memory = spec.fit.memory_bytes
    counter, guard = _Counter(), DivergenceGuard(job.model)

    def show(done: int, total: int, logs: Logs) -> None:
        values = loss_first({name: float(value) for name, value in logs.items()})
        signals.raise_if_interrupted()
        guard.within_epoch(counter.epoch, values)
        if done < total:
            job.check_time()
        job.watcher.step(counter.epoch, epochs, done, total, values)

    settings = compiled.FitSettings(
        validation=_arrays(dataset.validation) if dataset.validation is not None else None,
        epochs=epochs,
        initial_epoch=job.initial_epoch,
        batch_size=spec.fit.batch_size,
        shuffle=spec.fit.shuffle,
        seed=spec.seed,
        callbacks=[counter, *job.callbacks],
        on_progress=show,
        loop=loop,
        chunk_bytes=compiled.CHUNK_BYTES if memory is None else memory,
    )
    fit(job.model, _arrays(dataset.train), settings)


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

    def __init__(self, job: _Job, batches: _Batches) -> None:
        super().__init__()
        self.watcher, self.epochs, self.batches = job.watcher, job.spec.fit.epochs, batches
        self.check_time = job.check_time
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
            if batch + 1 < self.steps:
                self.check_time()
            self.watcher.step(self.epoch, self.epochs, batch + 1, self.steps, values)


def _validation(split: Split, spec: Spec) -> Structure | _Batches:
    """Return the validation rows as `model.fit` takes them; those in files batch by batch."""
    if not is_stored(split):
        return _arrays(split).structure()
    in_order = spec.model_copy(update={"fit": spec.fit.model_copy(update={"shuffle": False})})
    return _Batches(split, in_order)


def _fit_keras(job: _Job) -> None:
    """Train by Keras's own `fit`."""
    spec, validation = job.spec, job.dataset.validation
    batches = _Batches(job.dataset.train, spec)
    job.model.fit(
        batches,
        epochs=spec.fit.epochs,
        initial_epoch=job.initial_epoch,
        shuffle=False,
        validation_data=None if validation is None else _validation(validation, spec),
        validation_batch_size=spec.fit.batch_size,
        callbacks=[_Epochs(job, batches), *job.callbacks],
        verbose=0,
    )
