"""The callbacks of a run: those the spec names, and TensorBoard; `run_callback.py` has our own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from mlpcli import runs
from mlpcli.checks.file_names import check_inside, check_output_file, check_placeholders
from mlpcli.checks.log_names import more_is_better
from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.files import held_at, write_with
from mlpcli.keras_import import import_keras
from mlpcli.keras_internals import checkpoint_path
from mlpcli.model.components import make_component
from mlpcli.model.plugins import NONE, Plugins
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.training.ending import check_folder

keras = import_keras()

FILES: dict[str, tuple[str, str]] = {
    "ModelCheckpoint": ("filepath", "checkpoints"),
    "CSVLogger": ("filename", "log.csv"),
    "TensorBoard": ("log_dir", runs.TENSORBOARD),
}
"""Callbacks that write: the argument that says where, and where in the run folder when it is left out."""

EXAMPLES = {"ModelCheckpoint": "checkpoints/mine.keras", "CSVLogger": "my_log.csv", "TensorBoard": "my_logs"}
"""A path that each of them may write, for hints."""

OURS = ("BackupAndRestore",)
"""Callbacks whose work `run_callback.KeepRun` does exactly; two of them would collide."""


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


def _make_callback(part: ComponentSpec, index: int, run_dir: Path, plugins: Plugins) -> Any:
    if part.off or part.class_name in OURS:
        return None
    argument, default = FILES.get(part.class_name, ("", ""))
    if not argument:
        return make_component(part, "callbacks", ("callbacks", index), plugins)
    given = part.arguments.get(argument)
    if given is None and part.class_name == "ModelCheckpoint":
        return None  # checkpoints/best.keras and last.keras are kept by ours
    inside = PurePath(str(given)) if given is not None else PurePath(default)
    check_output_file(
        str(inside),
        ("callbacks", index, part.class_name, argument),
        example=EXAMPLES[part.class_name],
        folder=part.class_name == "TensorBoard",
    )
    folder = str(run_dir)
    if part.class_name == "TensorBoard":
        _check_metadata(part.arguments.get("embeddings_metadata"), ("callbacks", index, "TensorBoard"))
    if part.class_name == "ModelCheckpoint":
        check_placeholders(str(given), ("callbacks", index, "ModelCheckpoint", argument))
        folder = folder.replace("{", "{{").replace("}", "}}")  # Keras fills in {epoch} with str.format
    arguments = part.arguments | {argument: f"{folder}/{inside}"}
    made = make_component(part.model_copy(update={"arguments": arguments}), "callbacks", ("callbacks", index))
    if part.class_name == "ModelCheckpoint":
        made.__class__ = ModelCheckpoint  # made and checked as Keras's; only how it writes is another
    return made


def _check_metadata(names: Any, path: KeyPath) -> None:
    """TensorBoard shows the file of labels that a log names, so it must be one of the run's."""
    for name in names.values() if isinstance(names, dict) else [names]:
        if name is not None:
            check_inside(str(name), (*path, "embeddings_metadata"), example="labels.tsv")


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):  # type: ignore[misc, name-defined]
    """Keras's own, each of whose files appears whole or not at all."""

    def _save_model(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = checkpoint_path(self, epoch, batch, logs)
        if path is not None:
            write_with(path, self.model.save_weights if self.save_weights_only else self.model.save)


def log_files(spec: Spec) -> list[str]:
    """What the callbacks write besides models, relative to the run folder: the first name of each path."""
    found = [runs.TENSORBOARD]
    for part in spec.callbacks:
        argument, default = FILES.get(part.class_name, ("", ""))
        if argument and not part.off and part.class_name != "ModelCheckpoint":
            found.append(PurePath(str(part.arguments.get(argument, default))).parts[0])
    return found


def close_logs(callbacks: Sequence[Any]) -> None:
    """Close the files of callbacks whose training was cut: Keras does so only when it ends."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.CSVLogger) and callback.csv_file is not None:
            with contextlib.suppress(OSError):
                callback.csv_file.close()


class CheckFolder(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Stops a training whose folder is gone, before other callbacks write in it: it is the first of them.

    logs: what other callbacks write, relative to the folder; it must stay there once it is.
    """

    def __init__(self, run_dir: Path, logs: list[str]) -> None:
        super().__init__()
        self.run_dir, self.logs = run_dir, logs

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check before the other callbacks open their files."""
        check_folder(self.run_dir)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check before the other callbacks write what they do per step."""
        check_folder(self.run_dir)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check before the validation's curves are begun."""
        check_folder(self.run_dir)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check before the epoch is written, and note which logs there are by now."""
        check_folder(self.run_dir)
        for held in held_at(self.run_dir / runs.RECORD)[-1:]:
            held.written |= {name for name in self.logs if (self.run_dir / name).exists()}


def keeps_models(spec: Spec) -> bool:
    """Whether checkpoints/last.keras and best.keras are kept: the spec has no `ModelCheckpoint: false`."""
    return not any(part.class_name == "ModelCheckpoint" and part.off for part in spec.callbacks)


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
            return monitor, mode == "max" or (mode == "auto" and more_is_better(monitor))
    return ("val_loss" if validation else "loss"), False
