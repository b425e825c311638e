"""Run folders: their names, their files, how one is made, found and described."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlpcli.errors import Problem, RunError, TrainingError, nearest
from mlpcli.files import (
    SCRATCH,
    Displaced,
    overwrite,
    remove_below,
    sweep,
    write_json,
)
from mlpcli.runs.guard import STAMPED, WITHIN_SEARCH, check_inside, check_way
from mlpcli.runs.lock import LOCK, is_locked, locked, make_room
from mlpcli.runs.record_models import DataFacts, RunRecord, read_record

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
TENSORBOARD = "tensorboard"
PLUGINS = "plugins"
SEARCH = "search.json"  # beside run.json where the run is a search
PLOTS = "plots"
LEARNING_CURVES = "plots/learning_curves.png"
MODEL_PICTURE = "plots/model.png"
DECISION_BOUNDARY = "plots/decision_boundary.png"
SUMMARY = "summary.txt"

RUNNING, COMPLETED, INTERRUPTED, DIVERGED, FAILED = (
    "running",
    "completed",
    "interrupted",
    "diverged",
    "failed",
)

TIMESTAMP = "%Y-%m-%d_%H-%M-%S"


@dataclass(frozen=True)
class Run:
    """A run folder and what its `run.json` says.

    Attributes:
        trusted: Its plug-ins may run, wherever they come from.
        left_out: Damaged runs of the same name, which were not considered when this one was chosen.
    """

    folder: Path
    record: RunRecord
    trusted: bool = False
    left_out: tuple[Problem, ...] = ()

    @property
    def label(self) -> str:
        """`name/timestamp`, as every command takes it; of a search's trial, `name/timestamp/trials/0001`."""
        parts = self.folder.absolute().parts
        return "/".join(parts[-4:] if parts[-2] in WITHIN_SEARCH else parts[-2:])

    @property
    def status(self) -> str:
        """One of running, completed, interrupted, diverged, failed."""
        return self.record.status

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


@dataclass(frozen=True)
class Listing:
    """Runs that were found, oldest first, and what is wrong with those that cannot be read."""

    runs: tuple[Run, ...]
    damaged: tuple[Problem, ...] = ()


def create_run(runs_dir: Path, name: str) -> Path:
    """A new, empty folder `runs_dir/name/<now>`; waits for the next second when one stands there.

    Raises:
        RunError: the folder cannot be made, or a link would lead it elsewhere.
    """
    while True:
        folder = runs_dir / name / datetime.datetime.now().strftime(TIMESTAMP)
        check_way(folder, runs_dir)
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


def resume_command(folder: Path) -> str:
    """What to type to go on with the run in a folder."""
    name, runs_dir = f"{folder.parent.name}/{folder.name}", folder.parent.parent
    verb = "tune" if (folder / SEARCH).is_file() else "train"
    if not STAMPED.fullmatch(folder.name):
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
            overwrite(folder / RECORD, json.dumps(old.to_json() | {"status": record["status"]}))


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
            remove_below(path, folder)
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
        RunError: there is no readable `run.json`, or something in it is not as we write it.
    """
    try:
        return Run(folder, read_record(folder / RECORD, RunRecord))
    except FileNotFoundError:
        raise RunError(Problem(f"{folder} is not a run folder (it holds no {RECORD})")) from None


def data_facts(run: Run) -> DataFacts:
    """What a run's record says of its data.

    Raises:
        RunError: it says nothing; the run failed before it had read them.
    """
    if run.record.data is None:
        rule = f"{run / RECORD} says nothing of the run's data (it {run.describe()})"
        raise RunError(Problem(rule, hint="choose a finished run, or train again"))
    return run.record.data


def find_run(text: str, runs_dir: Path, *, unfinished: bool = False, trusted: bool = False) -> Run:
    """The run that `text` names: a run folder, `name/timestamp`, or a name (its newest finished run).

    unfinished: a name stands for its newest run, finished or not.
    trusted: the user has said that the run's plug-ins may run.

    Raises:
        RunError: nothing of that name, or no finished run among them; the message lists what there is.
    """
    for folder in (Path(text), runs_dir / text):
        if os.path.lexists(folder / RECORD):
            return replace(open_run(folder), trusted=trusted)
    for folder in (runs_dir / text, Path(text)):
        listing = _runs_in(folder)
        finished = [run for run in listing.runs if unfinished or run.status == COMPLETED]
        if finished:
            return replace(finished[-1], trusted=trusted, left_out=listing.damaged)
        if listing.runs:
            newest = listing.runs[-1]
            rule = f"{text} has no finished run: {newest.label} {newest.describe()}"
            raise RunError(Problem(rule, hint=f"finish it with {resume_command(newest.folder)}"))
        if listing.damaged:
            raise RunError(*listing.damaged[-3:])
    raise _not_found(text, runs_dir)


def list_runs(runs_dir: Path, name: str | None = None, *, within: bool = False) -> Listing:
    """Every run under a folder, or those of one experiment, oldest first; and the damaged ones.

    within: also the runs that a search is made of, after it.

    Raises:
        RunError: there is no such experiment.
    """
    if name is not None and not _is_folder(runs_dir / name):
        hint = _what_there_is(name, runs_dir)
        raise RunError(Problem(f"there is no experiment {name!r} under {runs_dir}", hint=hint))
    names = [name] if name else sorted(child.name for child in _folders(runs_dir))
    folders = []
    for each in names:
        for folder in sorted(path.parent for path in (runs_dir / each).glob(f"*/{RECORD}")):
            inner = sorted(folder.glob(f"*/*/{RECORD}")) if within else []
            members = [path.parent for path in inner if path.parts[-3] in WITHIN_SEARCH]
            folders += [folder, *members]
    return _read_all(folders)


def _read_all(folders: list[Path]) -> Listing:
    found: list[Run] = []
    damaged: list[Problem] = []
    for folder in folders:
        try:
            found.append(open_run(folder))
        except RunError as error:
            damaged += error.problems
    return Listing(tuple(found), tuple(damaged))


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
    return runs_dir / name if _is_folder(runs_dir / name) else find_run(name, runs_dir).folder


def _is_folder(path: Path) -> bool:
    """Whether there is such a folder; a name that the system cannot have names none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _folders(place: Path) -> list[Path]:
    """The folders in a folder, by name; none where it cannot be read."""
    try:
        return sorted(child for child in place.iterdir() if child.is_dir())
    except (OSError, ValueError):
        return []


def _runs_in(folder: Path) -> Listing:
    """The runs of one experiment."""
    stamped = [child for child in _folders(folder) if STAMPED.match(child.name)]
    return _read_all([child for child in stamped if os.path.lexists(child / RECORD)])


def _not_found(text: str, runs_dir: Path) -> RunError:
    """Why a name leads to no run: there is nothing, or what is there was stopped before it began."""
    begun = [runs_dir / text, Path(text)]
    begun = [folder for folder in begun if _is_folder(folder) and STAMPED.fullmatch(folder.name)]
    begun += [child for child in reversed(_folders(runs_dir / text)) if STAMPED.fullmatch(child.name)]
    if begun:
        held = is_locked(begun[0])
        how = "has only just been started" if held else "was stopped before its training began"
        hint = "wait for it" if held else "start it again: mlpcli train SPEC, or mlpcli tune SPEC"
        return RunError(Problem(f"{begun[0]} is no run yet: it {how} (it holds no {RECORD})", hint=hint))
    rule = f"there is no run {text!r} under {runs_dir}"
    if _is_folder(runs_dir / text):
        rule = f"{runs_dir / text} holds no runs"
    return RunError(Problem(rule, hint=_what_there_is(text, runs_dir)))


def _what_there_is(text: str, runs_dir: Path) -> str:
    name, _, stamp = text.partition("/")
    if stamp and _is_folder(runs_dir / name):
        labels = [run.label for run in _runs_in(runs_dir / name).runs]
        return nearest(text, labels) or (f"{name} has other runs" if labels else f"{name} has no runs")
    names = [child.name for child in _folders(runs_dir) if child.name != text]
    if not names:
        return "train one first: mlpcli train SPEC"
    return nearest(text, names) or f"there are {', '.join(names[:8])}"
