"""The end of a training: the files of a complete run, and the message when one could not be written."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.errors import Problem, TrainingError
from mlpcli.files import Displaced, held_at
from mlpcli.training.disk_space import write_failure
from mlpcli.training.job import TrainingJob
from mlpcli.training.run_record import plugin_files

if TYPE_CHECKING:
    from mlpcli.training.run_callback import RunCallback

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def promised_files(job: TrainingJob, record: Mapping[str, object], callback: RunCallback) -> list[str]:
    """Return the files that a complete run has, besides its record.

    Args:
        job: The training.
        record: `run.json`.
        callback: Has kept the run's files.
    """
    options = job.options
    names = [runs.SPEC, runs.RESOLVED, runs.HISTORY, runs.METRICS, runs.MODEL, runs.STATE]
    names += plugin_files(record)
    names += [runs.HELD_OUT] if job.dataset.held_out is not None else []
    if callback.models:
        names += [runs.LAST_CHECKPOINT]
        names += [runs.BEST_CHECKPOINT] if callback.best_values is not None else []
    if options.saved_model:
        names += [f"{runs.SAVED_MODEL}/saved_model.pb"]
    if options.figures:
        names += [runs.LEARNING_CURVES, runs.MODEL_PICTURE, runs.SUMMARY]
    return names


def check_complete(run_dir: Path, promised: list[str]) -> None:
    """Check that every file of a complete run is there, and is no link.

    Args:
        run_dir: The run folder.
        promised: The files, relative to it.

    Raises:
        Displaced: A file was deleted, moved or replaced while the run was trained.
    """
    check_folder(run_dir)
    for name in promised:
        path = run_dir / name
        if path.is_symlink():
            raise Displaced(f"{path} was replaced by a link while this process was using it")
        if not path.is_file():
            raise Displaced(f"{path} was moved or deleted while this process was using it")


def check_folder(run_dir: Path) -> None:
    """Check that a run's folder, and all that was written in it, was not moved.

    Raises:
        Displaced: It was moved, deleted or replaced.
    """
    for held in held_at(run_dir / runs.RECORD):
        held.check_all()


def displaced(run_dir: Path) -> Displaced | None:
    """Return how a run's folder was moved or deleted; None where it is in place."""
    try:
        check_folder(run_dir)
    except Displaced as error:
        return error
    return None


def failure(error: BaseException, run_dir: Path, *, saved: int, recorded: bool = True) -> TrainingError:
    """Return the error for a file that could not be written.

    Args:
        error: The cause.
        run_dir: The run folder.
        saved: The epochs in the checkpoint on the disk.
        recorded: `run.json` says that the run failed.
    """
    whole = f"the checkpoint of epoch {saved} is intact" if saved else "no epoch was saved"
    rule = f"a file could not be written: {write_failure(error)}; {whole}"
    if not recorded:
        rule += f"; not even {runs.RECORD} could be written, which still says that the run is running"
    full = not isinstance(error, OSError) or error.errno in NO_ROOM
    first = "free disk space" if full else "fix the cause"
    started = (run_dir / runs.RECORD).exists()
    next_step = f"resume with: {runs.resume_command(run_dir)}" if started else "train again"
    return TrainingError(Problem(rule, hint=f"{first} and {next_step}"))
