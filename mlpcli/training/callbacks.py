"""The callbacks of a run: those that the spec names, and TensorBoard; `run_callback.py` has our own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from mlpcli import runs
from mlpcli.checks.file_names import check_inside, check_output_file, check_placeholders, fill_in
from mlpcli.checks.log_names import Mode, more_is_better
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.files import held_at, write_with
from mlpcli.keras_import import keras
from mlpcli.keras_internals import SkipsNan, saves_now, set_mode
from mlpcli.model.components import make_component
from mlpcli.model.plugins import NONE, Plugins, import_plugins
from mlpcli.model.schedule_steps import with_steps
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.training.averaged_weights import SwapEMAWeights
from mlpcli.training.boards import TensorBoard, extend_board
from mlpcli.training.ending import check_folder
from mlpcli.training.job import TrainingJob

Callback: TypeAlias = keras.callbacks.Callback

FILES: dict[str, tuple[str, str]] = {
    "ModelCheckpoint": ("filepath", "checkpoints"),
    "CSVLogger": ("filename", "log.csv"),
    "TensorBoard": ("log_dir", runs.TENSORBOARD),
}
"""Callbacks that write: the argument for the path, and its default, relative to the run folder."""

EXAMPLES = {"ModelCheckpoint": "checkpoints/mine.keras", "CSVLogger": "my_log.csv", "TensorBoard": "my_logs"}
"""A valid path for each of them, for hints."""

OURS = ("BackupAndRestore",)
"""Callbacks that are left out, because `run_callback.RunCallback` does exactly their work."""


def callbacks_of(
    job: TrainingJob, record: Mapping[str, object], modes: Mapping[str, Mode | None]
) -> list[Callback]:
    """Create the callbacks of a training, which know what they describe.

    Args:
        job: The training.
        record: `run.json`, as far as it is known.
        modes: The metrics that are logged, as `directions` returns them.
    """
    completed = job.completed
    created = make_callbacks(completed.spec, job.run_dir, import_plugins(completed.catalog), modes)
    for callback in created:
        if isinstance(callback, TensorBoard):
            callback.take_job(job, record)
        if isinstance(callback, keras.callbacks.CSVLogger):
            Path(callback.filename).parent.mkdir(parents=True, exist_ok=True)  # Keras would not create it
    return created


def make_callbacks(
    spec: Spec, run_dir: Path, plugins: Plugins = NONE, modes: Mapping[str, Mode | None] | None = None
) -> list[Callback]:
    """Create the spec's callbacks, which write inside `run_dir`, and TensorBoard if the spec omits it.

    Args:
        spec: The spec.
        run_dir: The run folder.
        plugins: Of the spec.
        modes: The metrics that are logged, as `directions` returns them; None where they are not known yet.

    Raises:
        SpecError: Keras refuses an argument, or a file would lie outside the run folder.
    """
    problems: list[Problem] = []
    created = []
    spec = with_steps(spec, spec.fit.batch_size, plugins.catalog)  # of the optimizer, which is not used here
    for index, component in enumerate(spec.callbacks):
        try:
            created.append(_make_callback(component, index, run_dir, plugins))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    if not any(component.class_name == "TensorBoard" for component in spec.callbacks):
        created.append(extend_board(keras.callbacks.TensorBoard(str(run_dir / runs.TENSORBOARD)), {}))
    found = [callback for callback in created if callback is not None]
    for callback in found:
        if type(callback) is keras.callbacks.SwapEMAWeights:
            callback.__class__ = SwapEMAWeights  # created and checked as Keras's
        _settle_direction(callback, modes or {})
    return found


def _settle_direction(callback: Callback, modes: Mapping[str, Mode | None]) -> None:
    """Let a callback that monitors a value know its direction, and take NaN for no improvement.

    Keras infers the direction only of metrics of a single output under their own names.
    """
    if type(callback) in MONITORS:
        callback.__class__ = MONITORS[type(callback)]  # created and checked as Keras's
    monitors = isinstance(callback, tuple(MONITORS))
    if monitors:
        mode = modes.get(callback.monitor) if callback.mode == "auto" else callback.mode
        if mode is not None:
            set_mode(callback, mode)


def _make_callback(component: ComponentSpec, index: int, run_dir: Path, plugins: Plugins) -> Callback | None:
    if component.off or component.class_name in OURS:
        return None
    argument, default = FILES.get(component.class_name, ("", ""))
    if not argument:
        made = make_component(component, "callbacks", ("callbacks", index), plugins)
        scheduled = component.class_name == "LearningRateScheduler"
        if scheduled and isinstance(made, keras.callbacks.LearningRateScheduler):
            made.schedule = _as_float(made.schedule)
        return made
    given = component.arguments.get(argument)
    if given is None and component.class_name == "ModelCheckpoint":
        return None  # RunCallback keeps checkpoints/best.keras and last.keras
    inside = PurePath(str(given)) if given is not None else PurePath(default)
    check_output_file(
        str(inside),
        ("callbacks", index, component.class_name, argument),
        example=EXAMPLES[component.class_name],
        folder=component.class_name == "TensorBoard",
    )
    folder = str(run_dir)
    if component.class_name == "TensorBoard":
        _check_metadata(component.arguments.get("embeddings_metadata"), ("callbacks", index, "TensorBoard"))
    if component.class_name == "ModelCheckpoint":
        check_placeholders(str(given), ("callbacks", index, "ModelCheckpoint", argument))
        folder = folder.replace("{", "{{").replace("}", "}}")  # Keras fills in {epoch} with str.format
    arguments = component.arguments | {argument: f"{folder}/{inside}"}
    made = make_component(
        component.model_copy(update={"arguments": arguments}), "callbacks", ("callbacks", index)
    )
    return extend_board(made, arguments) if isinstance(made, keras.callbacks.TensorBoard) else made


def _as_float(schedule: Callable[..., Any]) -> Callable[..., float]:
    """Return a schedule with its rate as the float that Keras asks for: Keras's own return tensors."""

    def rate(*arguments: object) -> float:
        return float(schedule(*arguments))

    return rate


def _check_metadata(names: object, path: KeyPath) -> None:
    """Check that the file of labels which TensorBoard would show lies in the run folder."""
    for name in names.values() if isinstance(names, dict) else [names]:
        if name is not None:
            check_inside(str(name), (*path, "embeddings_metadata"), example="labels.tsv")


class EarlyStopping(SkipsNan, keras.callbacks.EarlyStopping):  # type: ignore[misc]
    """Keras's own, for which NaN is never the best value."""

    best_weights: list[Array] | None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep no weights of an epoch without a value, which Keras's own does of the first."""
        kept = self.best_weights
        value = (logs or {}).get(self.monitor)
        super().on_epoch_end(epoch, logs)
        if value is not None and value != value:
            self.best_weights = kept


class ReduceLROnPlateau(SkipsNan, keras.callbacks.ReduceLROnPlateau):  # type: ignore[misc]
    """Keras's own, for which NaN is never the best value."""


class ModelCheckpoint(SkipsNan, keras.callbacks.ModelCheckpoint):  # type: ignore[misc]
    """Keras's own, for which NaN is never the best value, and whose files appear complete or not at all."""

    def _save_model(self, epoch: int, batch: int | None, logs: dict[str, float]) -> None:
        count = {} if batch is None or "batch" in logs else {"batch": batch + 1}
        path = Path(fill_in(self.filepath, logs | {"epoch": epoch + 1} | count))
        if saves_now(self, epoch, batch, logs, path):
            write_with(path, self.model.save_weights if self.save_weights_only else self.model.save)


MONITORS: dict[Any, Any] = {
    keras.callbacks.EarlyStopping: EarlyStopping,
    keras.callbacks.ReduceLROnPlateau: ReduceLROnPlateau,
    keras.callbacks.ModelCheckpoint: ModelCheckpoint,
}
"""Keras's callbacks that monitor a value, and ours of each."""


def log_files(spec: Spec) -> list[str]:
    """Return what the callbacks write besides models: the first name of each path in the run folder."""
    found = [runs.TENSORBOARD]
    for component in spec.callbacks:
        argument, default = FILES.get(component.class_name, ("", ""))
        if argument and not component.off and component.class_name != "ModelCheckpoint":
            found.append(PurePath(str(component.arguments.get(argument, default))).parts[0])
    return found


def close_logs(callbacks: Sequence[Callback]) -> None:
    """Close the files of callbacks whose training was stopped by an error: Keras leaves them open."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.CSVLogger) and callback.csv_file is not None:
            with contextlib.suppress(OSError):
                callback.csv_file.close()


class CheckFolder(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops a training whose folder is gone; it is the first callback, before others write there."""

    def __init__(self, run_dir: Path, logs: list[str]) -> None:
        """Create the callback.

        Args:
            run_dir: The run folder.
            logs: What other callbacks write there, relative to it; once written, it must stay.
        """
        super().__init__()
        self.run_dir, self.logs = run_dir, logs

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Check before the other callbacks open their files."""
        check_folder(self.run_dir)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Check before the other callbacks write what they log per step."""
        check_folder(self.run_dir)

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Check before other callbacks open their files for the validation."""
        check_folder(self.run_dir)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Check before the epoch is written, and note which logs exist by now."""
        check_folder(self.run_dir)
        for held in held_at(self.run_dir / runs.RECORD)[-1:]:
            held.written |= {name for name in self.logs if (self.run_dir / name).exists()}


def keeps_models(spec: Spec) -> bool:
    """Return whether last.keras and best.keras are kept: the spec has no `ModelCheckpoint: false`."""
    return not any(each.class_name == "ModelCheckpoint" and each.off for each in spec.callbacks)


def keeps_best(spec: Spec) -> bool:
    """Return whether the best epoch becomes the run's model: `ModelCheckpoint: {save_best_only: true}`."""
    return any(
        component.class_name == "ModelCheckpoint" and component.arguments.get("save_best_only", False)
        for component in spec.callbacks
    )


def best_monitor(
    spec: Spec, modes: Mapping[str, Mode | None] | None = None, *, validation: bool
) -> tuple[str, bool]:
    """Return the metric that decides which epoch is best, and whether a larger value is better.

    Args:
        spec: The spec.
        modes: The metrics that are logged, as `directions` returns them; of others the name decides.
        validation: There are validation rows.
    """
    for component in spec.callbacks:
        if component.class_name in ("ModelCheckpoint", "EarlyStopping") and "monitor" in component.arguments:
            monitor = str(component.arguments["monitor"])
            mode = component.arguments.get("mode", "auto")
            if mode == "auto":
                mode = (modes or {}).get(monitor) or ("max" if more_is_better(monitor) else "min")
            return monitor, mode == "max"
    return ("val_loss" if validation else "loss"), False
