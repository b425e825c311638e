"""Room on the disk: asked about before a training, and told about when it runs out all the same."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mlpcli.errors import Problem, RunError, TrainingError
from mlpcli.files import why_not_writable
from mlpcli.machine import format_bytes

STATE_COPIES = 10
"""A run's files in sizes of its model: weights, two moments, the best epoch and that of early stopping,
twice over while the checkpoint is replaced; then three models with their optimizers."""

SMALL_FILES = 8 * 2**20
"""Bytes of everything else: figures, logs, records, a SavedModel's graph."""

FULL = ("No space left", "Disk quota exceeded", "File too large", "Read-only file system")


def check_place(runs_dir: Path, name: str = "") -> None:
    """Refuse, before anything is loaded, a runs folder that cannot be written; nothing is made.

    name: of the experiment, whose folder in the runs folder must be writable.

    Raises:
        RunError: it cannot be a folder, is not writable, or has a name that TensorFlow cannot write.
    """
    why = why_not_writable(runs_dir / name) or _why_not_spelled(runs_dir)
    if why:
        hint = "choose another folder with --runs-dir"
        raise RunError(Problem(f"{runs_dir} cannot be the runs folder: {why}", hint=hint))


def _why_not_spelled(folder: Path) -> str:
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        return "TensorFlow writes only where the path is UTF-8"
    return ""


def check_run_writable(folder: Path) -> None:
    """Refuse to go on with a run or search whose folder cannot be written.

    Raises:
        RunError: it cannot.
    """
    if why := why_not_writable(folder):
        hint = "make it writable, or copy the folder to where you may write"
        raise RunError(Problem(f"{folder} cannot be gone on with: {why}", hint=hint))


def check_room(runs_dir: Path, model: Any, name: str = "") -> None:
    """Refuse to train what the disk has no room for.

    runs_dir: the runs folder, or the folder of a run that goes on.
    name: of the experiment, whose folder may be on another disk.

    Raises:
        TrainingError: there is less room than the run's files will take.
    """
    place = (runs_dir / name).absolute()
    while not place.exists():
        place = place.parent
    needed = SMALL_FILES + STATE_COPIES * sum(int(v.numpy().nbytes) for v in model.variables)
    free = shutil.disk_usage(place).free
    if free < needed:
        sizes = f"has {format_bytes(free)} free, a run of this model needs about {format_bytes(needed)}"
        hint = "make room, or choose another folder with --runs-dir"
        raise TrainingError(Problem(f"{runs_dir} {sizes}", hint=hint))


def write_failure(error: BaseException) -> str | None:
    """Why a file could not be written, in a few words; None when this error is about something else.

    TensorFlow and HDF5 have errors of their own for a full disk, whose texts hold the system's words.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    text = str(error)
    if known := [words for words in FULL if words.lower() in text.lower()]:
        return known[0]
    return text if isinstance(error, OSError) else None
