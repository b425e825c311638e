"""The callback that keeps a run's files: it remembers the state after every epoch and saves it."""

from __future__ import annotations

import csv
import io
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mlpcli import runs, signals
from mlpcli.checks.log_names import earlier_names, loss_first
from mlpcli.data.types import Array
from mlpcli.errors import Problem, RunError
from mlpcli.files import write_text, write_with
from mlpcli.keras_import import keras
from mlpcli.runs.record_models import Identity
from mlpcli.runs.watcher import Monitored
from mlpcli.training.averaged_weights import SwapEMAWeights, swap_back
from mlpcli.training.callback_state import (
    callback_state,
    cut_logs,
    flush_logs,
    matched_states,
    prepare_callback,
    restore_callback,
)
from mlpcli.training.checkpoint_file import write_checkpoint
from mlpcli.training.divergence import DivergenceGuard, learning_rate
from mlpcli.training.patience import epochs_waited
from mlpcli.training.save_interval import SaveInterval
from mlpcli.training.time_limit import Limit, TimeIsUp
from mlpcli.training.training_state import TrainingState
from mlpcli.training.variables import START_AGAIN, assign, check_fits, restore_variables


@dataclass(frozen=True)
class Snapshot:
    """A training at the end of an epoch.

    Attributes:
        epoch: The epochs that are done.
        stopped: A callback has stopped the training.
        model: The values of every variable of the model, by path in the variables' order.
        optimizer: Those of the optimizer, likewise.
        callbacks: The class and the state of each callback.
        generators: The states of the random generators.
    """

    epoch: int
    stopped: bool
    model: dict[str, Array]
    optimizer: dict[str, Array]
    callbacks: list[dict[str, object]]
    generators: dict[str, object]


class RunCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps history.csv, the checkpoint, and the last and the best model; stops a training that diverges.

    It must be the last of the callbacks: it saves the state of the others.

    Attributes:
        history: A row of numbers per epoch.
        best: The best value of the monitor so far.
        best_epoch: Its epoch, from 1.
        best_values: The model's values after it, in the variables' order.
        snapshot: The state after the last complete epoch, in this process or before it.
        saved: The epochs in the checkpoint on the disk.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        monitor: str,
        more_is_better: bool,
        on_epoch: Callable[[int, dict[str, float], float], None],
        identity: Identity,
        save_interval: SaveInterval | None = None,
        models: bool = True,
        limit: Limit | None = None,
    ) -> None:
        """Create the callback of one training.

        Args:
            run_dir: The run folder.
            monitor: The metric that decides which epoch is best.
            more_is_better: Whether a larger value of it is better.
            on_epoch: Called after each epoch with its number from 1, its logs and its seconds.
            identity: What a checkpoint must agree with to be resumed from.
            save_interval: How often the checkpoint is written.
            models: Keep the last and the best model, for Keras to load.
            limit: When the training ends although epochs are left.
        """
        super().__init__()
        self.run_dir, self.monitor, self.more_is_better = run_dir, monitor, more_is_better
        self.on_epoch, self.identity = on_epoch, identity
        self.models, self.limit = models, limit
        self.timed_out = False
        self._new_epochs = 0  # in this process
        self.others: Sequence[keras.callbacks.Callback] = ()
        self.resumed: TrainingState | None = None
        self.history: list[dict[str, float]] = []
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.best_values: list[Array] | None = None
        self.snapshot: Snapshot | None = None
        self.saved = 0
        self._state_interval = save_interval or SaveInterval(1.0)
        self._model_interval = SaveInterval(30.0)
        self._epoch_start = time.monotonic()

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start to check the numbers; restore a checkpoint, after the other callbacks were reset."""
        self.guard = DivergenceGuard(self.model)
        if self.resumed is not None:
            restore_training(self, self.resumed)
        cut_logs(self.others, self.resumed.epoch if self.resumed is not None else 0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the epoch's clock."""
        self._epoch_start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add the epoch to the history, remember the state after it, and write what is due."""
        values = loss_first({name: float(value) for name, value in (logs or {}).items()})
        values.setdefault("learning_rate", learning_rate(self.model))
        del self.history[epoch:]
        self.history.append({"epoch": epoch + 1, **values})
        self.guard.check_logs(epoch + 1, values)
        snapshot = self._take(epoch + 1)
        self.guard.check_weights(epoch + 1, snapshot.model)
        self._note_best(snapshot, values)
        self.snapshot = snapshot
        self.on_epoch(epoch + 1, values, time.monotonic() - self._epoch_start)
        self._new_epochs += 1
        last = snapshot.stopped or epoch + 1 == self.params["epochs"]
        if not last and self.limit is not None and self.limit.is_over(epoch + 1):
            # The state does not know of it: a training that is resumed goes on.
            self.timed_out = self.model.stop_training = last = True
        if self._state_interval.is_due() or last:
            self.write_state()
        if self._model_interval.is_due() and not last:
            self.write_models()
        signals.raise_if_interrupted()

    def check_time(self) -> None:
        """End a training within an epoch, which then counts as not begun, where the time is up.

        One epoch is always trained. Weights that a callback averages are exchanged between epochs only.

        Raises:
            TimeIsUp: The time is up; the model has the values of the last complete epoch.
        """
        if self.limit is None or not self._new_epochs or not self.limit.cuts():
            return
        if any(isinstance(each, SwapEMAWeights) for each in self.others) or self.snapshot is None:
            return
        assign(self.model, list(self.snapshot.model.values()))
        restore_variables(self.model.optimizer.variables, self.snapshot.optimizer, "optimizer")
        self.timed_out = True
        self.write_unsaved_state()
        raise TimeIsUp

    def resume(self, state: TrainingState, *, saved: bool) -> None:
        """Resume from a checkpoint, whose state counts as the last complete epoch until there is another.

        The history on the disk then agrees with it; the model changes only when the training begins.

        Args:
            state: The checkpoint's.
            saved: The checkpoint is this run's own, on the disk; otherwise it is written there.

        Raises:
            RunError: The variables of the checkpoint are not those of the model.
        """
        check_fits(self.model, state)
        self.resumed = state
        restore_history(self, state)
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

    def take_callbacks(self, others: Sequence[keras.callbacks.Callback]) -> None:
        """Take the other callbacks, and prepare them where the training resumes from a checkpoint."""
        self.others = others
        if self.resumed is not None:
            for callback, kept in matched_states(others, self.resumed.callbacks):
                prepare_callback(callback, kept)

    def monitored(self) -> Monitored:
        """Return what decides which epoch is best, and when the training stops."""
        history = tuple(self.history)
        return Monitored(self.monitor, self.more_is_better, history, partial(epochs_waited, self.others))

    def write_state(self) -> None:
        """Write the checkpoint and the history of the last complete epoch, each atomically."""
        if self.snapshot is None:
            return
        start = time.monotonic()
        flush_logs(self.others)
        write_checkpoint(self.run_dir / runs.STATE, self.state())
        self.saved = self.snapshot.epoch
        self.write_history()
        self._state_interval.saved(start)

    def write_unsaved_state(self) -> None:
        """Write the checkpoint of the last complete epoch, unless the disk has it."""
        if self.snapshot is not None and self.snapshot.epoch > self.saved:
            self.write_state()

    def write_history(self) -> None:
        """Write the history up to the last complete epoch."""
        if self.snapshot is not None:
            write_text(self.run_dir / runs.HISTORY, history_csv(self.history[: self.snapshot.epoch]))

    def write_epochs(self, count: int | None = None) -> None:
        """Write the history of the first `count` epochs, or of all, even one that diverged."""
        if rows := self.history[:count]:
            write_text(self.run_dir / runs.HISTORY, history_csv(rows))

    def write_models(self) -> None:
        """Write the models of the last complete epoch and of the best one, which Keras can load."""
        if self.snapshot is None or not self.models:
            return
        start = time.monotonic()
        with _with_values(self.model, list(self.snapshot.model.values())):
            write_with(self.run_dir / runs.LAST_CHECKPOINT, self.model.save)
            if self.best_values is not None:
                assign(self.model, self.best_values)
                write_with(self.run_dir / runs.BEST_CHECKPOINT, self.model.save)
        self._model_interval.saved(start)

    def write_last_models(self) -> None:
        """Restore the last complete epoch, and write the models."""
        if self.snapshot is not None:
            assign(self.model, list(self.snapshot.model.values()))
        self.write_models()

    def restore_best(self) -> None:
        """Assign the best epoch's values to the model."""
        if self.best_values is not None:
            assign(self.model, self.best_values)

    def state(self) -> dict[str, object]:
        """Return the state of the last complete epoch, as `write_checkpoint` takes it."""
        snapshot = self.snapshot
        assert snapshot is not None
        return {
            "identity": self.identity.model_dump(),
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
        callbacks: list[dict[str, object]] = [
            {"class": type(each).__name__, "state": callback_state(each)} for each in self.others
        ]
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


@contextmanager
def _with_values(model: keras.Model, values: list[Array]) -> Iterator[None]:
    """Give a model other values inside a `with`."""
    kept = list(copies(model.variables).values())
    assign(model, values)
    try:
        yield
    finally:
        assign(model, kept)


def copies(variables: Sequence[keras.Variable]) -> dict[str, Array]:
    """Return copies of the variables' values by path; a duplicate path gets its position."""
    found: dict[str, Array] = {}
    for place, variable in enumerate(variables):
        name = variable.path if variable.path not in found else f"{variable.path}#{place}"
        found[name] = np.array(variable.numpy())
    return found


def generator_states() -> dict[str, object]:
    """Return the states of Python's and NumPy's random generators, which plug-ins may use."""
    name, keys, *rest = np.random.get_state()
    return {"python": random.getstate(), "numpy": (str(name), np.asarray(keys), *rest)}


def history_csv(rows: list[dict[str, float]]) -> str:
    """Return the history as CSV: a row per epoch with all digits; `epoch` comes first and counts from 1."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "learning_rate"))
    names += ["learning_rate"] if rows else []
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def restore_history(callback: RunCallback, state: TrainingState) -> None:
    """Restore the epochs so far and the best of them."""
    names = earlier_names(callback.model)
    callback.history = [{names.get(name, name): row[name] for name in row} for row in state.history]
    best = state.best
    if names.get(best.monitor, best.monitor) == callback.monitor:
        callback.best, callback.best_epoch, callback.best_values = best.value, best.epoch, best.values


def restore_training(callback: RunCallback, state: TrainingState) -> None:
    """Restore everything else, once the training has begun and the other callbacks have reset themselves.

    Args:
        callback: The run's.
        state: The checkpoint's.

    Raises:
        RunError: The variables of the checkpoint are not those of the model, or a callback or a random
            generator does not take what it holds.
    """
    model = callback.model
    check_fits(model, state)
    restore_variables(model.variables, state.model, "model")
    restore_variables(model.optimizer.variables, state.optimizer, "optimizer")
    for other, kept in matched_states(callback.others, state.callbacks):
        restore_callback(other, kept)
    swap_back(model.optimizer, state.callbacks, callback.others)
    try:
        random.setstate(state.generators.python)
        np.random.set_state(state.generators.numpy)
    except (TypeError, ValueError, OverflowError) as error:
        rule = f"the checkpoint's states of the random generators are damaged ({error})"
        raise RunError(Problem(rule, hint=START_AGAIN)) from error
