"""Run folders: their names and files; create, find, list and describe them."""

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

from mlpcli.errors import Problem, RunError, TrainingError, nearest
from mlpcli.files import (
    SCRATCH,
    Displaced,
    overwrite,
    remove_below,
    sweep,
    write_json,
)
from mlpcli.near_paths import near_path
from mlpcli.runs.guard import OF_MEMBERS, STAMPED, WITHIN_SEARCH, check_inside, check_way, outermost
from mlpcli.runs.lock import LOCK, is_locked, locked, make_room
from mlpcli.runs.record_models import DataFacts, ListedRecord, RunRecord, read_record
from mlpcli.runs.shell_options import runs_dir_option
from mlpcli.runs.subfolders import subfolders

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
DECISION_BOUNDARY, RELIABILITY = "plots/decision_boundary.png", "plots/reliability.png"
SUMMARY = "summary.txt"
OUT_OF_FOLD = "out_of_fold.csv"
HELD_OUT = "held_out.npz"  # of a fold: the network's outputs for its held-out rows

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
    """A run folder and its `run.json`.

    Attributes:
        folder: the run folder.
        record: its `run.json`.
        trusted: whether its plug-ins may run even if they are not known on this machine.
        left_out: damaged runs of the same name, which were not considered when this one was chosen.
        settings: values as of `--set` that say where its data is in this process.
    """

    folder: Path
    record: RunRecord
    trusted: bool = False
    left_out: tuple[Problem, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """`name/timestamp`, as every command accepts it; for a trial, `name/timestamp/trials/0001`."""
        place = self.folder.absolute()
        return "/".join(place.parts[len(outermost(place).parts) - 2 :])

    @property
    def status(self) -> str:
        """One of running, completed, interrupted, diverged, failed."""
        return self.record.status

    def describe(self) -> str:
        """Return the status in words: "is running", "was killed", "is completed"."""
        if self.status == RUNNING and not is_locked(self.folder):
            return "was killed"
        return f"is {self.status}" if self.status in (RUNNING, COMPLETED) else f"was {self.status}"

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def require(self, name: str) -> Path:
        """Return the path of a file of the run.

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
    """Runs that were found, oldest first, and a problem for each that cannot be read.

    The records of `list_runs` have no `data`, which would take most of the time.

    Attributes:
        runs: the runs.
        damaged: a problem for each that cannot be read.
        unstarted: folders of runs that have no record yet, and their state: `starting` or `not started`.
    """

    runs: tuple[Run, ...]
    damaged: tuple[Problem, ...] = ()
    unstarted: tuple[tuple[Path, str], ...] = ()


def create_run(runs_dir: Path, name: str) -> Path:
    """Create an empty folder `runs_dir/name/<now>`; wait for the next second if it exists.

    Raises:
        RunError: the folder cannot be created, or a link would lead it elsewhere.
    """
    while True:
        folder = runs_dir / name / datetime.datetime.now().strftime(TIMESTAMP)
        check_way(folder, runs_dir)
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if not folder.is_dir():
                raise RunError(
                    Problem(f"cannot create the run folder {folder}: a file has this name")
                ) from None
            time.sleep(0.05)
        except OSError as error:
            hint = "choose another folder with --runs-dir"
            raise RunError(Problem(f"cannot create {folder} ({error.strerror})", hint=hint)) from None


def resume_command(folder: Path) -> str:
    """Return the command that resumes the run in a folder, or the run that it is a fold of."""
    if folder.parent.name in OF_MEMBERS and not STAMPED.match(folder.name):
        folder = folder.parent.parent
    name, runs_dir = f"{folder.parent.name}/{folder.name}", folder.parent.parent
    verb = "tune" if (folder / SEARCH).is_file() else "train"
    if not STAMPED.fullmatch(folder.name):
        return f"mlpcli {verb} --resume {shlex.quote(str(folder))}"
    return f"mlpcli {verb} --resume {name}{runs_dir_option(runs_dir)}"


def write_record(folder: Path, record: dict[str, object]) -> None:
    """Write `run.json` atomically."""
    write_json(folder / RECORD, record)


def write_last_record(folder: Path, record: dict[str, object]) -> None:
    """Write `run.json`; where the disk is full or no file can be created, overwrite the old one.

    Raises:
        OSError: that is not possible either.
    """
    make_room(folder)
    try:
        write_record(folder, record)
    except Displaced:
        raise
    except OSError:
        try:
            overwrite(folder / RECORD, json.dumps(record, default=str) + "\n")
        except OSError:  # it is longer than the old one: write the status only
            old = open_run(folder).record
            overwrite(folder / RECORD, json.dumps(old.to_json() | {"status": record["status"]}))


def tidy(folder: Path) -> None:
    """Delete the temporary files of killed processes in a finished run, unless it is locked."""
    with contextlib.suppress(OSError, RunError, TrainingError):
        if not any(folder.rglob(f".*{SCRATCH}")):
            return
        check_inside(folder)
        with locked(folder):
            sweep(folder)


def discard(folder: Path) -> None:
    """Delete a run folder in which no run has started: all its files are written before `run.json`."""
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
    """Create a run folder with `create_run`, and delete it again if no run starts in it.

    Raises:
        RunError: the folder cannot be created.
    """
    folder = create_run(runs_dir, name)
    created = folder.stat()
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            if os.path.samestat(created, folder.lstat()):
                discard(folder)
        raise


def open_run(folder: Path, model: type[RunRecord] = RunRecord) -> Run:
    """Open the run in a folder.

    Args:
        folder: the run folder.
        model: what is read of its record.

    Raises:
        RunError: there is no readable `run.json`, or it does not fit its model.
    """
    try:
        return Run(folder, read_record(folder / RECORD, model))
    except FileNotFoundError:
        raise RunError(Problem(f"{folder} is not a run folder (it has no {RECORD})")) from None


def data_facts(run: Run) -> DataFacts:
    """Return the data of a run's record.

    Raises:
        RunError: it has none; the run failed before it had read its data.
    """
    if run.record.data is None:
        rule = f"{run / RECORD} has no entry for the run's data (the run {run.describe()})"
        raise RunError(Problem(rule, hint="choose a finished run, or train again"))
    return run.record.data


def finished_runs(text: str, runs_dir: Path) -> tuple[Run, ...]:
    """Return the finished runs of an experiment, the oldest first; none if the text names one run."""
    if any(os.path.lexists(folder / RECORD) for folder in (Path(text), runs_dir / text)):
        return ()
    for folder in (runs_dir / text, Path(text)):
        finished = tuple(run for run in _runs_in(folder).runs if run.status == COMPLETED)
        if finished:
            return finished
    return ()


def find_run(text: str, runs_dir: Path, *, unfinished: bool = False, trusted: bool = False) -> Run:
    """Find a run by its folder, by `name/timestamp`, or by its name (the newest finished run).

    Args:
        text: what the user typed.
        runs_dir: the folder of the runs.
        unfinished: a name means its newest run, finished or not.
        trusted: the user allows the run's plug-ins to run.

    Raises:
        RunError: there is no such run, or no finished one; the message lists the runs that exist.
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
    """List the runs under a folder, or those of one experiment, oldest first; and the damaged ones.

    Args:
        runs_dir: the folder of the runs.
        name: of an experiment; None for all.
        within: also list the runs inside searches, after each search.

    Raises:
        RunError: there is no such experiment.
    """
    if name is not None and not (name and _is_folder(runs_dir / name)):
        hint = _existing_runs(name, runs_dir)
        raise RunError(Problem(f"there is no experiment {name!r} under {runs_dir.absolute()}", hint=hint))
    names = sorted(child.name for child in subfolders(runs_dir)) if name is None else [name]
    folders: list[Path] = []
    unstarted: list[tuple[Path, str]] = []
    for folder in (each for experiment in names for each in subfolders(runs_dir / experiment)):
        if (folder / RECORD).exists():
            inner = sorted(folder.glob(f"*/*/{RECORD}")) if within else []
            members = [path.parent for path in inner if path.parts[-3] in WITHIN_SEARCH]
            folders += [folder, *members]
        elif STAMPED.fullmatch(folder.name) and not os.path.lexists(folder / RECORD):
            unstarted.append((folder, "starting" if is_locked(folder) else "not started"))
    return replace(_read_all(folders, ListedRecord), unstarted=tuple(unstarted))


def _read_all(folders: list[Path], model: type[RunRecord] = RunRecord) -> Listing:
    found: list[Run] = []
    damaged: list[Problem] = []
    for folder in folders:
        try:
            found.append(open_run(folder, model))
        except RunError as error:
            damaged += error.problems
    return Listing(tuple(found), tuple(damaged))


def find_logs(name: str | None, runs_dir: Path) -> Path:
    """Return the folder in which TensorBoard finds the logs of a run, an experiment, or of all.

    Raises:
        RunError: there is no run or experiment of that name.
    """
    if name is None:
        if not runs_dir.is_dir():
            hint = "train one first: mlpcli train SPEC"
            raise RunError(Problem(f"there are no runs under {runs_dir.absolute()}", hint=hint))
        return runs_dir
    return runs_dir / name if _is_folder(runs_dir / name) else find_run(name, runs_dir).folder


def _is_folder(path: Path) -> bool:
    """Return whether there is such a folder; False for names that the system does not allow."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _runs_in(folder: Path) -> Listing:
    """List the runs of one experiment."""
    stamped = [child for child in subfolders(folder) if STAMPED.match(child.name)]
    return _read_all([child for child in stamped if os.path.lexists(child / RECORD)])


def _not_found(text: str, runs_dir: Path) -> RunError:
    """Return the error for a name without a run: nothing has it, or its run was stopped before it started."""
    started = [runs_dir / text, Path(text)]
    started = [folder for folder in started if _is_folder(folder) and STAMPED.fullmatch(folder.name)]
    started += [child for child in reversed(subfolders(runs_dir / text)) if STAMPED.fullmatch(child.name)]
    if started:
        in_use = is_locked(started[0])
        how = "has just been started" if in_use else "was stopped before its training started"
        hint = "wait for it" if in_use else "start it again: mlpcli train SPEC, or mlpcli tune SPEC"
        return RunError(Problem(f"{started[0]} is not a run yet: it {how} (it has no {RECORD})", hint=hint))
    rule = f"there is no run {text!r} under {runs_dir.absolute()}"
    if Path(text).suffix in (".yaml", ".yml"):
        hint = f"give the name of a run, not of its spec: {Path(text).stem}"
        return RunError(Problem(rule, hint=hint))
    if _is_folder(runs_dir / text):
        rule = f"{runs_dir / text} contains no runs"
    return RunError(Problem(rule, hint=_existing_runs(text, runs_dir)))


def _existing_runs(text: str, runs_dir: Path) -> str:
    """Return the most similar name, or the names that exist, as a hint."""
    name, _, stamp = text.partition("/")
    if name and stamp and _is_folder(runs_dir / name):
        labels = [run.label for run in _runs_in(runs_dir / name).runs]
        return nearest(text, labels) or (f"{name} has other runs" if labels else f"{name} has no runs")
    names = [child.name for child in subfolders(runs_dir) if child.name != text]
    if not names:
        near = "" if _is_folder(runs_dir) else near_path(runs_dir)
        meant = near.replace("did you mean", "did you mean --runs-dir") if near.startswith("did you") else ""
        return meant or "train one first: mlpcli train SPEC"
    path = Path(text)
    elsewhere = near_path(path) if len(path.parts) > 1 and _is_folder(Path(path.parts[0])) else ""
    near = nearest(text, names) or (elsewhere if elsewhere.startswith("did you mean") else "")
    return near or f"available: {', '.join(names[:8])}"
