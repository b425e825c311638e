"""The callbacks of a run: those the spec names, those that every run has, and our own keeper of files."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from mlpcli import runs
from mlpcli.engine.parts import make_part
from mlpcli.engine.plugins import NONE, Plugins
from mlpcli.errors import Problem, SpecError, TrainingError
from mlpcli.files import write_text, write_with
from mlpcli.spec.schema import PartSpec, Spec
from mlpcli.start import import_keras

keras = import_keras()

FILES: dict[str, tuple[str, str]] = {
    "ModelCheckpoint": ("filepath", "checkpoints"),
    "CSVLogger": ("filename", "log.csv"),
    "TensorBoard": ("log_dir", runs.TENSORBOARD),
    "BackupAndRestore": ("backup_dir", "checkpoints/backup"),
}
"""Callbacks that write: the argument that says where, and where in the run folder when it is left out."""

KEEP_SECONDS = 1.0
"""Epochs shorter than this share one write of the checkpoints, so that files never cost more than epochs."""


def make_callbacks(spec: Spec, run_dir: Path, plugins: Plugins = NONE) -> list[Any]:
    """The spec's callbacks, writing inside `run_dir`, and TensorBoard when the spec does not name it.

    Raises:
        SpecError: Keras refuses an argument, or a file would lie outside the run folder.
    """
    problems: list[Problem] = []
    made = []
    for index, part in enumerate(spec.callbacks):
        try:
            made.append(_make_callback(part, index, run_dir, plugins))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    if not any(part.class_name == "TensorBoard" for part in spec.callbacks):
        made.append(keras.callbacks.TensorBoard(log_dir=str(run_dir / runs.TENSORBOARD), write_graph=False))
    return [callback for callback in made if callback is not None]


def _make_callback(part: PartSpec, index: int, run_dir: Path, plugins: Plugins) -> Any:
    argument, default = FILES.get(part.class_name, ("", ""))
    if not argument:
        return make_part(part, "callbacks", ("callbacks", index), plugins)
    given = part.arguments.get(argument)
    if given is None and part.class_name == "ModelCheckpoint":
        return None  # checkpoints/best.keras and last.keras are kept by ours
    inside = PurePath(str(given)) if given is not None else PurePath(default)
    if inside.is_absolute() or ".." in inside.parts:
        path = ("callbacks", index, part.class_name, argument)
        rule = "must be a path inside the run folder"
        raise SpecError(
            Problem(rule, path=path, received=given, hint="give a name such as checkpoints/mine.keras")
        )
    folder = str(run_dir)
    if part.class_name == "ModelCheckpoint":
        folder = folder.replace("{", "{{").replace("}", "}}")  # Keras fills in {epoch} with str.format
    arguments = part.arguments | {argument: f"{folder}/{inside}"}
    return make_part(part.model_copy(update={"arguments": arguments}), "callbacks", ("callbacks", index))


def keeps_best(spec: Spec) -> bool:
    """Whether the run's model is its best epoch's: the spec has ModelCheckpoint: {save_best_only: true}."""
    return any(
        part.class_name == "ModelCheckpoint" and part.arguments.get("save_best_only", False)
        for part in spec.callbacks
    )


def best_monitor(spec: Spec, *, validation: bool) -> tuple[str, bool]:
    """The metric that says which epoch is best, and whether more of it is better."""
    for part in spec.callbacks:
        if part.class_name in ("ModelCheckpoint", "EarlyStopping") and "monitor" in part.arguments:
            monitor = str(part.arguments["monitor"])
            mode = part.arguments.get("mode", "auto")
            return monitor, mode == "max" or (mode == "auto" and _more_is_better(monitor))
    return ("val_loss" if validation else "loss"), False


def _more_is_better(name: str) -> bool:
    words = ("acc", "auc", "precision", "recall", "f1", "fbeta", "r2", "iou", "similarity", "at_")
    return any(word in name for word in words)


class KeepRun(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Keeps history.csv, the last checkpoint and the best one, and stops a run that has diverged."""

    def __init__(
        self,
        run_dir: Path,
        *,
        monitor: str,
        more_is_better: bool,
        on_epoch: Callable[[int, dict[str, float], float], None],
    ) -> None:
        super().__init__()
        self.run_dir, self.monitor, self.more_is_better = run_dir, monitor, more_is_better
        self.on_epoch = on_epoch
        self.history: list[dict[str, float]] = []
        self.best: float | None = None
        self.best_epoch: int | None = None
        self._best_values: list[Any] | None = None
        self._best_written = True
        self._began = self._written = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the epoch's clock."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch to the history; write the files when a second has passed since the last time."""
        values = loss_first({name: float(value) for name, value in (logs or {}).items()})
        values.setdefault("learning_rate", _learning_rate(self.model))
        self.history.append({"epoch": epoch + 1, **values})
        self._stop_if_diverged(epoch + 1, values)
        self._note_best(epoch + 1, values)
        self.on_epoch(epoch + 1, values, time.monotonic() - self._began)
        if time.monotonic() - self._written >= KEEP_SECONDS:
            self.write()

    def write(self) -> None:
        """Write the history and both checkpoints, each whole or not at all."""
        write_text(self.run_dir / runs.HISTORY, history_csv(self.history))
        write_with(self.run_dir / runs.LAST_CHECKPOINT, self.model.save)
        if not self._best_written and self._best_values is not None:
            with self._holding(self._best_values):
                write_with(self.run_dir / runs.BEST_CHECKPOINT, self.model.save)
            self._best_written = True
        self._written = time.monotonic()

    def restore_best(self) -> None:
        """Put the best epoch's variables into the model."""
        if self._best_values is not None:
            _assign(self.model, self._best_values)

    def _note_best(self, epoch: int, values: dict[str, float]) -> None:
        value = values.get(self.monitor)
        if value is None or math.isnan(value):
            return
        if self.best is None or (value > self.best if self.more_is_better else value < self.best):
            self.best, self.best_epoch = value, epoch
            self._best_values = _copies(self.model)
            self._best_written = False

    def _stop_if_diverged(self, epoch: int, values: dict[str, float]) -> None:
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            rate = values["learning_rate"]
            rule = f"the training diverged in epoch {epoch}: {', '.join(bad)} is not a finite number"
            hint = f"lower the learning rate (it was {rate:g}), scale the inputs, or set clipnorm"
            raise Diverged(Problem(rule, hint=hint))

    def _holding(self, values: list[Any]) -> Any:
        return _Holding(self.model, values)


class Diverged(TrainingError):
    """A loss or metric is no longer a finite number."""


class _Holding:
    """The model with other values for a while."""

    def __init__(self, model: Any, values: list[Any]) -> None:
        self.model, self.values = model, values

    def __enter__(self) -> None:
        self.kept = _copies(self.model)
        _assign(self.model, self.values)

    def __exit__(self, *error: object) -> None:
        _assign(self.model, self.kept)


def loss_first(values: dict[str, float]) -> dict[str, float]:
    """The same values with the loss before the metrics, training before validation."""
    return dict(sorted(values.items(), key=_loss_first))


def _loss_first(item: tuple[str, float]) -> tuple[bool, bool]:
    return item[0].startswith("val_"), not item[0].endswith("loss")


def _copies(model: Any) -> list[Any]:
    return [np.array(variable.numpy()) for variable in model.variables]


def _assign(model: Any, values: list[Any]) -> None:
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)


def _learning_rate(model: Any) -> float:
    return float(model.optimizer.learning_rate.numpy())


def history_csv(rows: list[dict[str, float]]) -> str:
    """The history as CSV: a row an epoch, every digit kept, `epoch` first and from 1."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "learning_rate"))
    names += ["learning_rate"] if rows else []
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
