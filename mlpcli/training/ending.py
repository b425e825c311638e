"""How a training ends: what must be in its folder when it is complete, and what is said when it failed."""

from __future__ import annotations

import errno
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import Problem, TrainingError
from mlpcli.files import Displaced, held_at
from mlpcli.training.disk_space import write_failure

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_complete(run_dir: Path, promised: list[str]) -> None:
    """Make sure that every file that a complete run has is there, as a file of its own.

    Raises:
        Displaced: one is not: it was deleted, moved or replaced while the run was trained.
    """
    check_folder(run_dir)
    for name in promised:
        path = run_dir / name
        if path.is_symlink():
            raise Displaced(f"{path} was replaced by a link while this process was using it")
        if not path.is_file():
            raise Displaced(f"{path} was moved or deleted while this process was using it")


def check_folder(run_dir: Path) -> None:
    """Make sure that a run's folder, and all that was written in it, is where it was.

    Raises:
        Displaced: it is not.
    """
    for held in held_at(run_dir / runs.RECORD):
        held.check_all()


def displaced(run_dir: Path) -> Displaced | None:
    """What has become of a run's folder, if something has."""
    try:
        check_folder(run_dir)
    except Displaced as error:
        return error
    return None


def failure(error: BaseException, run_dir: Path, *, saved: int, recorded: bool = True) -> TrainingError:
    """What to say of a file that could not be written.

    saved: the epochs that the checkpoint on the disk has behind it. recorded: `run.json` says that it failed.
    """
    whole = f"what was saved up to epoch {saved} is whole" if saved else "no epoch was saved"
    rule = f"a file could not be written: {write_failure(error)}; {whole}"
    if not recorded:
        rule += f"; not even {runs.RECORD} could be written, it still calls the run running"
    full = not isinstance(error, OSError) or error.errno in NO_ROOM
    first = "make room" if full else "put that right"
    begun = (run_dir / runs.RECORD).exists()
    next_step = f"go on with: {runs.resume_command(run_dir)}" if begun else "train again"
    return TrainingError(Problem(rule, hint=f"{first} and {next_step}"))
