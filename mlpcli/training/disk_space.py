"""Space on the disk: checked before a training, and the cause when a file could not be written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.errors import Problem, RunError, TrainingError
from mlpcli.files import why_not_writable
from mlpcli.machine import format_bytes

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

STATE_COPIES = 10
"""The size of a run's files as a multiple of its model: weights, two moments, the best epoch and that of
early stopping, all twice while the checkpoint is replaced; then three models with their optimizers."""

SMALL_FILES = 8 * 2**20
"""Bytes of everything else: figures, logs, records, a SavedModel's graph."""

FULL = ("No space left", "Disk quota exceeded", "File too large", "Read-only file system")


def check_place(runs_dir: Path, name: str = "") -> None:
    """Check, before anything is loaded, that a runs folder can be written; create nothing.

    Args:
        runs_dir: The runs folder.
        name: Of the experiment, whose folder in the runs folder must be writable.

    Raises:
        RunError: It cannot be a folder, is not writable, or has a path that TensorFlow cannot use.
    """
    why = why_not_writable(runs_dir / name) or _why_not_utf8(runs_dir)
    if why:
        hint = "choose another folder with --runs-dir"
        raise RunError(Problem(f"{runs_dir} cannot be the runs folder: {why}", hint=hint))


def _why_not_utf8(folder: Path) -> str:
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        return "TensorFlow needs a path in UTF-8"
    return ""


def check_run_writable(folder: Path) -> None:
    """Check that the folder of a run or search, which is to be resumed, can be written.

    Raises:
        RunError: It cannot.
    """
    if why := why_not_writable(folder):
        hint = "make it writable, or copy the folder to a place that is"
        raise RunError(Problem(f"{folder} cannot be resumed: {why}", hint=hint))


def check_room(runs_dir: Path, model: keras.Model, name: str = "", *, count: int = 1) -> None:
    """Check that the disk has space for the files of a run.

    Args:
        runs_dir: The runs folder, or the folder of a run that is resumed.
        model: The compiled model.
        name: Of the experiment, whose folder may be on another disk.
        count: How many such runs there will be.

    Raises:
        TrainingError: The run's files need more space.
    """
    place = (runs_dir / name).absolute()
    while not place.exists():
        place = place.parent
    needed = SMALL_FILES + STATE_COPIES * count * sum(int(v.numpy().nbytes) for v in model.variables)
    free = shutil.disk_usage(place).free
    if free < needed:
        what = "a run of this model needs" if count == 1 else f"{count} runs of this model need"
        sizes = f"has {format_bytes(free)} free, {what} about {format_bytes(needed)}"
        hint = "free disk space, or choose another folder with --runs-dir"
        raise TrainingError(Problem(f"{runs_dir} {sizes}", hint=hint))


def write_failure(error: BaseException) -> str | None:
    """Return why a file could not be written, in a few words; None when an error has another cause.

    TensorFlow and HDF5 have errors of their own for a full disk, whose texts contain the system's message.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    text = str(error)
    if known := [words for words in FULL if words.lower() in text.lower()]:
        return known[0]
    return text if isinstance(error, OSError) else None
