"""Run folders: their names, their files, how one is made, found and described."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlpcli.errors import Problem, RunError, TrainingError, nearest
from mlpcli.files import SCRATCH, Displaced, held_at, holding, overwrite, sweep, write_json

SPEC = "spec.yaml"
RESOLVED = "resolved.yaml"
RECORD = "run.json"
HISTORY = "history.csv"
METRICS = "metrics.json"
MODEL = "model.keras"
SAVED_MODEL = "saved_model"
CHECKPOINTS = "checkpoints"
LAST_CHECKPOINT = "checkpoints/last.keras"
BEST_CHECKPOINT = "checkpoints/best.keras"
STATE = "checkpoints/state.ckpt"
LOCK = "lock"
TENSORBOARD = "tensorboard"
PLUGINS = "plugins"
SEARCH = "search.json"  # beside run.json where the run is a search
PLOTS = "plots"
LEARNING_CURVES = "plots/learning_curves.png"
MODEL_PICTURE = "plots/model.png"
DECISION_BOUNDARY = "plots/decision_boundary.png"
SUMMARY = "summary.txt"

WITHIN_SEARCH = ("trials", "promoted")
"""Folders of a search that hold runs."""

RUNNING, COMPLETED, INTERRUPTED, DIVERGED, FAILED = (
    "running",
    "completed",
    "interrupted",
    "diverged",
    "failed",
)

RESERVE = 2**16
"""Bytes that a folder's lock sets aside while it is held: enough for a `run.json` on a full disk."""

TIMESTAMP = "%Y-%m-%d_%H-%M-%S"
_STAMPED = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")


@dataclass(frozen=True)
class Run:
    """A run folder and what its `run.json` says."""

    folder: Path
    record: dict[str, Any]
    trusted: bool = False  # its plug-ins may run, wherever they come from

    @property
    def label(self) -> str:
        """`name/timestamp`, as every command takes it; of a search's trial, `name/timestamp/trials/0001`."""
        parts = self.folder.absolute().parts
        return "/".join(parts[-4:] if parts[-2] in WITHIN_SEARCH else parts[-2:])

    @property
    def status(self) -> str:
        """One of running, completed, interrupted, diverged, failed."""
        return str(self.record.get("status", FAILED))

    def describe(self) -> str:
        """How the run stands: "is running", "was killed", "is completed"."""
        if self.status == RUNNING and not is_locked(self.folder):
            return "was killed"
        return f"is {self.status}" if self.status in (RUNNING, COMPLETED) else f"was {self.status}"

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def require(self, name: str) -> Path:
        """The path of a file of the run.

        Raises:
            RunError: the run has no such file.
        """
        path = self.folder / name
        if not path.exists():
            rule = f"run {self.label} has no {name} (it {self.describe()})"
            raise RunError(Problem(rule, hint="choose a finished run, or train again"))
        return path


def create_run(runs_dir: Path, name: str) -> Path:
    """A new, empty folder `runs_dir/name/<now>`; waits for the next second when one stands there.

    Raises:
        RunError: the folder cannot be made.
    """
    while True:
        folder = runs_dir / name / datetime.datetime.now().strftime(TIMESTAMP)
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if not folder.is_dir():
                raise RunError(Problem(f"{folder} is in the way of a run folder")) from None
            time.sleep(0.05)
        except OSError as error:
            hint = "choose another folder with --runs-dir"
            raise RunError(Problem(f"cannot make {folder} ({error.strerror})", hint=hint)) from None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone: a run, or a search.

    The lock is the system's, on an open file, so a process that dies, however it dies, lets go of it.
    On a file system without locks, and on Windows, nothing is held.

    The lock's file has some room in it that `make_room` gives back, for a last word when the disk is full.

    Raises:
        RunError: another process holds it.
        TrainingError: it cannot be held; or it, or a part of it, was moved, deleted or replaced meanwhile.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        hint = "make room, or see that the folder is writable"
        raise TrainingError(
            Problem(f"{folder / LOCK} cannot be written ({error.strerror})", hint=hint)
        ) from None
    try:
        if not _take(handle) and not _take_soon(handle):
            holder = os.read(handle, 100).decode("utf-8", errors="replace").strip() or "another process"
            hint = "wait until it has ended, or stop it"
            raise RunError(Problem(f"{folder} is in use by {holder}", hint=hint))
        with contextlib.suppress(OSError):  # it is held all the same
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()}\n".encode())
            os.write(handle, b" " * RESERVE)
        with holding(folder, handle):
            yield
        _shrink(handle)
    except Displaced as error:
        hint = "if it was moved, go on in its new place, with --resume and the folder"
        raise TrainingError(Problem(f"{error.strerror}; nothing was written elsewhere", hint=hint)) from error
    finally:
        os.close(handle)


def make_room(folder: Path) -> None:
    """Give the system back the room that the lock of a held folder has set aside."""
    for held in held_at(folder / LOCK):
        _shrink(held.lock)


def _shrink(lock: int) -> None:
    """Cut what is set aside off a lock's file; who holds it stays."""
    with contextlib.suppress(OSError):
        os.ftruncate(lock, min(os.fstat(lock).st_size, 64))


def is_locked(folder: Path) -> bool:
    """Whether a living process holds the folder."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _take(handle)
    finally:
        os.close(handle)


def _take_soon(handle: int) -> bool:
    """Try again for a moment: somebody may only have looked whether the folder is held."""
    for _ in range(4):
        time.sleep(0.05)
        if _take(handle):
            return True
    return False


def _take(handle: int) -> bool:
    """Lock an open file unless another process has; True where there is nothing to lock with."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def check_inside(folder: Path) -> None:
    """Refuse to write in a run folder from which a link leads elsewhere: it may come from a stranger.

    Raises:
        RunError: there is a link in it.
    """
    for path in folder.rglob("*"):
        if path.is_symlink():
            hint = "a run's files are its own; take the link away"
            raise RunError(Problem(f"{path} is a link, and might lead outside the run", hint=hint))


def resume_command(folder: Path) -> str:
    """What to type to go on with the run in a folder."""
    name, runs_dir = f"{folder.parent.name}/{folder.name}", folder.parent.parent
    verb = "tune" if (folder / SEARCH).is_file() else "train"
    if not _STAMPED.fullmatch(folder.name):
        return f"mlpcli {verb} --resume {shlex.quote(str(folder))}"
    where = "" if runs_dir == Path("runs") else f" --runs-dir {shlex.quote(str(runs_dir))}"
    return f"mlpcli {verb} --resume {name}{where}"


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write `run.json`, whole or not at all."""
    write_json(folder / RECORD, record)


def write_last_record(folder: Path, record: dict[str, Any]) -> None:
    """Write `run.json` by all means: over the old one where the disk is full or takes no new files.

    Raises:
        OSError: not even that can be done.
    """
    make_room(folder)
    try:
        write_record(folder, record)
    except Displaced:
        raise
    except OSError:
        try:
            overwrite(folder / RECORD, json.dumps(record, default=str) + "\n")
        except OSError:  # it is longer than the old one: what matters most
            old = open_run(folder).record
            overwrite(folder / RECORD, json.dumps(old | {"status": record["status"]}))


def tidy(folder: Path) -> None:
    """Delete what a process that was killed may have left in a finished run, unless someone is using it."""
    with contextlib.suppress(OSError, RunError, TrainingError):
        if not any(folder.rglob(f".*{SCRATCH}")):
            return
        check_inside(folder)
        with locked(folder):
            sweep(folder)


def discard(folder: Path) -> None:
    """Delete a run folder in which no run has begun: all that it holds is written before `run.json`."""
    with contextlib.suppress(OSError):
        if {path.name for path in folder.iterdir()} - {SPEC, RESOLVED, PLUGINS, LOCK}:
            return
        for path in (folder / SPEC, folder / RESOLVED, *(folder / PLUGINS).glob("*.py"), folder / LOCK):
            path.unlink(missing_ok=True)
        if (folder / PLUGINS).is_dir():
            (folder / PLUGINS).rmdir()
        folder.rmdir()


@contextlib.contextmanager
def new_run(runs_dir: Path, name: str) -> Iterator[Path]:
    """A new run folder, as `create_run` makes it, which is deleted again when no run begins in it.

    Raises:
        RunError: the folder cannot be made.
    """
    folder = create_run(runs_dir, name)
    made = folder.stat()
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            if os.path.samestat(made, folder.lstat()):
                discard(folder)
        raise


def open_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        RunError: there is no readable `run.json`.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(Problem(f"{folder} is not a run folder (it holds no {RECORD})")) from None
    except (OSError, ValueError) as error:
        raise RunError(Problem(f"{path} cannot be read ({error})")) from None
    if not isinstance(record, dict):
        raise RunError(Problem(f"{path} does not hold a mapping"))
    return Run(folder, record)


@contextlib.contextmanager
def reading_record(run: Run) -> Iterator[None]:
    """Where what `run.json` holds is taken apart: what is not as we write it is the file's fault.

    Raises:
        RunError: something is missing in it, or of another kind.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        rule = f"{run.folder / RECORD} is damaged ({type(error).__name__}: {error})"
        raise RunError(Problem(rule, hint="train again; the file was changed")) from error


def find_run(text: str, runs_dir: Path, *, unfinished: bool = False, trusted: bool = False) -> Run:
    """The run that `text` names: a run folder, `name/timestamp`, or a name (its newest finished run).

    unfinished: a name stands for its newest run, finished or not.
    trusted: the user has said that the run's plug-ins may run.

    Raises:
        RunError: nothing of that name, or no finished run among them; the message lists what there is.
    """
    for folder in (Path(text), runs_dir / text):
        if (folder / RECORD).is_file():
            return replace(open_run(folder), trusted=trusted)
    for folder in (runs_dir / text, Path(text)):
        runs = list(_runs_in(folder))
        finished = [run for run in runs if unfinished or run.status == COMPLETED]
        if finished:
            return replace(finished[-1], trusted=trusted)
        if runs:
            newest = runs[-1]
            rule = f"{text} has no finished run: {newest.label} {newest.describe()}"
            raise RunError(Problem(rule, hint=f"finish it with {resume_command(newest.folder)}"))
    raise RunError(Problem(f"there is no run {text!r} under {runs_dir}", hint=_what_there_is(text, runs_dir)))


def list_runs(runs_dir: Path, name: str | None = None, *, within: bool = False) -> list[Run]:
    """Every run under a folder, or those of one experiment, oldest first; damaged ones are left out.

    within: also the runs that a search is made of, after it.

    Raises:
        RunError: there is no such experiment.
    """
    if name is not None and not (runs_dir / name).is_dir():
        hint = _what_there_is(name, runs_dir)
        raise RunError(Problem(f"there is no experiment {name!r} under {runs_dir}", hint=hint))
    names = [name] if name else sorted(child.name for child in runs_dir.glob("*") if child.is_dir())
    found = []
    for each in names:
        for folder in sorted(path.parent for path in (runs_dir / each).glob(f"*/{RECORD}")):
            inner = sorted(folder.glob(f"*/*/{RECORD}")) if within else []
            members = [path.parent for path in inner if path.parts[-3] in WITHIN_SEARCH]
            for member in (folder, *members):
                with contextlib.suppress(RunError):
                    found.append(open_run(member))
    return found


def find_logs(name: str | None, runs_dir: Path) -> Path:
    """The folder below which TensorBoard finds the logs of a run, an experiment, or of all.

    Raises:
        RunError: there is nothing of that name.
    """
    if name is None:
        if not runs_dir.is_dir():
            hint = "train one first: mlpcli train SPEC"
            raise RunError(Problem(f"there are no runs under {runs_dir}", hint=hint))
        return runs_dir
    return runs_dir / name if (runs_dir / name).is_dir() else find_run(name, runs_dir).folder


def _runs_in(folder: Path) -> Iterator[Run]:
    """The runs of one experiment, oldest first."""
    if not folder.is_dir():
        return
    for child in sorted(folder.iterdir()):
        if _STAMPED.match(child.name) and (child / RECORD).is_file():
            yield open_run(child)


def _what_there_is(text: str, runs_dir: Path) -> str:
    name, _, stamp = text.partition("/")
    if stamp and (runs_dir / name).is_dir():
        return nearest(text, (run.label for run in _runs_in(runs_dir / name))) or f"{name} has other runs"
    names = sorted(child.name for child in runs_dir.iterdir() if child.is_dir()) if runs_dir.is_dir() else []
    if not names:
        return "train one first: mlpcli train SPEC"
    return nearest(text, names) or f"there are {', '.join(names[:8])}"
