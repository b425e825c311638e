"""The callback that keeps a run's files: it remembers every epoch, and writes when it is time to."""

from __future__ import annotations

import csv
import io
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import runs, signals
from mlpcli.checks.log_names import loss_first
from mlpcli.data.types import Array
from mlpcli.errors import Problem, RunError
from mlpcli.files import write_text, write_with
from mlpcli.keras_import import import_keras
from mlpcli.spec.schema import CheckpointSpec
from mlpcli.training.callback_state import (
    callback_state,
    matched_states,
    prepare_callback,
    restore_callback,
    settle_callbacks,
)
from mlpcli.training.checkpoint_file import write_checkpoint
from mlpcli.training.divergence import DivergenceGuard, learning_rate
from mlpcli.training.training_state import TrainingState
from mlpcli.training.variables import START_AGAIN, assign, check_fits, restore_variables

keras = import_keras()

SHARE = 0.02
"""The most that writing may cost of the time in between."""


@dataclass
class Rhythm:
    """Says when it is time to write again.

    Without `epochs` and `seconds`: after `pause` seconds at the earliest, and later when writing takes
    long, so that it never costs more than `SHARE` of the training. With them, as they say.
    """

    pause: float
    epochs: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        self.written = time.monotonic()
        self.cost, self.since = 0.0, 0

    def is_due(self) -> bool:
        """Ask once an epoch."""
        self.since += 1
        passed = time.monotonic() - self.written
        if self.epochs is None and self.seconds is None:
            return passed >= max(self.pause, self.cost / SHARE)
        by_epochs = self.epochs is not None and self.since >= self.epochs
        return by_epochs or (self.seconds is not None and passed >= self.seconds)

    def wrote(self, began: float) -> None:
        """Note that a writing that began at a time of `time.monotonic` has ended now."""
        self.written = time.monotonic()
        self.cost, self.since = self.written - began, 0


def state_rhythm(wanted: CheckpointSpec | None) -> Rhythm:
    """How often the checkpoint is written: as a spec's `fit.checkpoint` says, or by our own measure."""
    if wanted is None or (wanted.every is None and wanted.minutes is None):
        return Rhythm(1.0)
    return Rhythm(1.0, wanted.every, None if wanted.minutes is None else 60 * wanted.minutes)


@dataclass(frozen=True)
class Snapshot:
    """A training at the end of an epoch.

    model, optimizer: the values of every variable, by path in the variables' order.
    """

    epoch: int
    stopped: bool  # a callback has ended the training
    model: dict[str, Array]
    optimizer: dict[str, Array]
    callbacks: list[dict[str, Any]]
    generators: dict[str, Any]


class KeepRun(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Keeps history.csv, the checkpoint for going on, and the last and the best model; stops divergence.

    It must be the last of the callbacks: it takes what the others know.

    identity: what a checkpoint must agree with to be gone on from; see `resume`.
    models: the last and the best model are kept for Keras to load.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        monitor: str,
        more_is_better: bool,
        on_epoch: Callable[[int, dict[str, float], float], None],
        identity: dict[str, Any],
        rhythm: Rhythm | None = None,
        models: bool = True,
    ) -> None:
        super().__init__()
        self.run_dir, self.monitor, self.more_is_better = run_dir, monitor, more_is_better
        self.on_epoch, self.identity = on_epoch, identity
        self.models = models
        self.others: Sequence[Any] = ()
        self.resumed: TrainingState | None = None  # a checkpoint's state, to be put back
        self.history: list[dict[str, float]] = []
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.best_values: list[Array] | None = None
        self.snapshot: Snapshot | None = None  # of the last whole epoch, in this process or before it
        self.saved = 0  # epochs that the checkpoint on the disk has behind it
        self._state_rhythm = rhythm or Rhythm(1.0)
        self._model_rhythm = Rhythm(30.0)
        self._began = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin to watch the numbers; put a checkpoint back, now that the others have cleared themselves."""
        self.guard = DivergenceGuard(self.model)
        if self.resumed is not None:
            restore_training(self, self.resumed)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the epoch's clock."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch to the history, remember its state, and write what is due."""
        values = loss_first({name: float(value) for name, value in (logs or {}).items()})
        values.setdefault("learning_rate", learning_rate(self.model))
        del self.history[epoch:]
        self.history.append({"epoch": epoch + 1, **values})
        self.guard.check_logs(epoch + 1, values)
        snapshot = self._take(epoch + 1)
        self.guard.check_weights(epoch + 1, snapshot.model)
        self._note_best(snapshot, values)
        self.snapshot = snapshot
        self.on_epoch(epoch + 1, values, time.monotonic() - self._began)
        last = snapshot.stopped or epoch + 1 == self.params["epochs"]
        if self._state_rhythm.is_due() or last:
            self.write_state()
        if self._model_rhythm.is_due() and not last:
            self.write_models()
        signals.raise_if_interrupted()

    def resume(self, state: TrainingState, *, saved: bool) -> None:
        """Go on from a checkpoint: what it holds counts as the last whole epoch until there is another.

        The history on the disk is made to agree with it; the model changes when the training begins.

        saved: the checkpoint is this run's own, on the disk; one that a new run begins with is written there.

        Raises:
            RunError: the variables of the checkpoint are not those of the model.
        """
        check_fits(self.model, state)
        self.resumed = state
        take_up_history(self, state)
        self.snapshot = Snapshot(
            state.epoch,
            state.stopped,
            state.model,
            state.optimizer,
            [each.to_json() for each in state.callbacks],
            state.generators.to_json(),
        )
        if saved:
            self.saved = self.snapshot.epoch
            self.write_history()
        else:
            self.write_state()

    def take_callbacks(self, others: Sequence[Any]) -> None:
        """Know the other callbacks, and prepare them when there is a checkpoint to go on from."""
        self.others = others
        if self.resumed is not None:
            for callback, kept in matched_states(list(others), self.resumed.callbacks):
                prepare_callback(callback, kept)

    def write_state(self) -> None:
        """Write the checkpoint and the history of the last whole epoch, each whole or not at all."""
        if self.snapshot is None:
            return
        began = time.monotonic()
        settle_callbacks(list(self.others))
        write_checkpoint(self.run_dir / runs.STATE, self.state())
        self.saved = self.snapshot.epoch
        self.write_history()
        self._state_rhythm.wrote(began)

    def write_history(self) -> None:
        """Write the history up to the last whole epoch."""
        if self.snapshot is not None:
            write_text(self.run_dir / runs.HISTORY, history_csv(self.history[: self.snapshot.epoch]))

    def write_models(self) -> None:
        """Write the models of the last whole epoch and of the best one, for Keras to load."""
        if self.snapshot is None or not self.models:
            return
        began = time.monotonic()
        with _Holding(self.model, list(self.snapshot.model.values())):
            write_with(self.run_dir / runs.LAST_CHECKPOINT, self.model.save)
            if self.best_values is not None:
                assign(self.model, self.best_values)
                write_with(self.run_dir / runs.BEST_CHECKPOINT, self.model.save)
        self._model_rhythm.wrote(began)

    def restore_best(self) -> None:
        """Put the best epoch's variables into the model."""
        if self.best_values is not None:
            assign(self.model, self.best_values)

    def restore_last(self) -> None:
        """Put the variables of the last whole epoch into the model."""
        if self.snapshot is not None:
            assign(self.model, list(self.snapshot.model.values()))

    def state(self) -> dict[str, Any]:
        """What `checkpoints.write_checkpoint` is given."""
        snapshot = self.snapshot
        assert snapshot is not None
        return {
            "identity": self.identity,
            "epoch": snapshot.epoch,
            "stopped": snapshot.stopped,
            "history": self.history[: snapshot.epoch],
            "best": {
                "monitor": self.monitor,
                "value": self.best,
                "epoch": self.best_epoch,
                "values": self.best_values,
            },
            "model": snapshot.model,
            "optimizer": snapshot.optimizer,
            "callbacks": snapshot.callbacks,
            "generators": snapshot.generators,
        }

    def _take(self, epoch: int) -> Snapshot:
        callbacks = [{"class": type(each).__name__, "state": callback_state(each)} for each in self.others]
        return Snapshot(
            epoch,
            bool(self.model.stop_training),
            copies(self.model.variables),
            copies(self.model.optimizer.variables),
            callbacks,
            generator_states(),
        )

    def _note_best(self, snapshot: Snapshot, values: dict[str, float]) -> None:
        value = values.get(self.monitor)
        if value is None or math.isnan(value):
            return
        if self.best is None or (value > self.best if self.more_is_better else value < self.best):
            self.best, self.best_epoch = value, snapshot.epoch
            self.best_values = list(snapshot.model.values())


class _Holding:
    """The model with other values for a while."""

    def __init__(self, model: Any, values: list[Array]) -> None:
        self.model, self.values = model, values

    def __enter__(self) -> None:
        self.kept = list(copies(self.model.variables).values())
        assign(self.model, self.values)

    def __exit__(self, *error: object) -> None:
        assign(self.model, self.kept)


def copies(variables: Sequence[Any]) -> dict[str, Array]:
    """The values of variables by path; a path that stands twice is told apart by its place."""
    found: dict[str, Array] = {}
    for place, variable in enumerate(variables):
        name = variable.path if variable.path not in found else f"{variable.path}#{place}"
        found[name] = np.array(variable.numpy())
    return found


def generator_states() -> dict[str, Any]:
    """The states of Python's and NumPy's own random generators, which plug-ins may draw from."""
    name, keys, *rest = np.random.get_state()
    return {"python": random.getstate(), "numpy": (str(name), np.asarray(keys), *rest)}


def history_csv(rows: list[dict[str, float]]) -> str:
    """The history as CSV: a row an epoch, every digit kept, `epoch` first and from 1."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "learning_rate"))
    names += ["learning_rate"] if rows else []
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def take_up_history(keeper: KeepRun, state: TrainingState) -> None:
    """The epochs so far and the best of them."""
    keeper.history = [dict(row) for row in state.history]
    best = state.best
    if best.monitor == keeper.monitor:
        keeper.best, keeper.best_epoch, keeper.best_values = best.value, best.epoch, best.values


def restore_training(keeper: KeepRun, state: TrainingState) -> None:
    """Everything else, once the training has begun and the other callbacks have cleared themselves.

    Raises:
        RunError: the variables of the checkpoint are not those of the model, or a callback or a random
            generator does not take what it holds.
    """
    model = keeper.model
    check_fits(model, state)
    restore_variables(model.variables, state.model, "model")
    restore_variables(model.optimizer.variables, state.optimizer, "optimizer")
    for callback, kept in matched_states(list(keeper.others), state.callbacks):
        restore_callback(callback, kept)
    try:
        random.setstate(state.generators.python)
        np.random.set_state(state.generators.numpy)
    except (TypeError, ValueError, OverflowError) as error:
        rule = f"the checkpoint's states of the random generators are damaged ({error})"
        raise RunError(Problem(rule, hint=START_AGAIN)) from error
