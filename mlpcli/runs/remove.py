"""Delete runs: those that are named, or those that are of no more use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import Problem, RunError, listing
from mlpcli.files import remove_below
from mlpcli.printable import counted
from mlpcli.runs.best_run import best_of, comparable, scores_of, with_same_monitor
from mlpcli.runs.folder import (
    COMPLETED,
    DIVERGED,
    FAILED,
    RECORD,
    RESOLVED,
    Listing,
    Run,
    list_runs,
    open_run,
)
from mlpcli.runs.guard import STAMPED, check_way
from mlpcli.runs.lock import is_locked, locked
from mlpcli.runs.notes import read_notes
from mlpcli.runs.own_files import is_own
from mlpcli.runs.run_values import status_of


@dataclass(frozen=True)
class Removable:
    """A run folder that can be deleted.

    Attributes:
        folder: the folder.
        label: `name/timestamp`.
        status: of the run.
        reason: why it is of no more use; empty where the user named it.
        size: bytes of all its files.
    """

    folder: Path
    label: str
    status: str
    reason: str
    size: int


def named_for_removal(names: Sequence[str], runs_dir: Path) -> list[Removable]:
    """Return the runs that are named: each by its folder, `name/timestamp`, or a name with one run.

    Raises:
        RunError: a name has no run or several, or a run is in use, or inside another; all of them at once.
    """
    found: dict[Path, Removable] = {}
    problems: list[Problem] = []
    for text in names:
        try:
            folder = _folder_of(text, runs_dir)
            check_removable(folder)
            found.setdefault(folder.resolve(), removable(folder))
        except RunError as error:
            problems += error.problems
    if problems:
        raise RunError(*problems)
    return list(found.values())


def _folder_of(text: str, runs_dir: Path) -> Path:
    """Return the one folder that a text names.

    Raises:
        RunError: it names none, or several.
    """
    for folder in (Path(text), runs_dir / text):
        if os.path.lexists(folder / RECORD) or (folder.is_dir() and STAMPED.fullmatch(folder.name)):
            return folder
    known = list_runs(runs_dir, text)
    folders = sorted([*(run.folder for run in known.runs), *(folder for folder, _ in known.unstarted)])
    if len(folders) == 1:
        return folders[0]
    if not folders:
        raise RunError(Problem(f"{text} has no runs that can be read", hint="name the folder"))
    newest = f"{folders[-1].parent.name}/{folders[-1].name}"
    rule = f"{text} has {counted(len(folders), 'run')}"
    raise RunError(Problem(rule, hint=f"name them: mlpcli remove {newest}; mlpcli runs {text} lists them"))


def check_removable(folder: Path) -> None:
    """Refuse to delete a run that is in use, or that is not a folder of its own in a runs folder.

    Raises:
        RunError: it is.
    """
    place = folder.absolute()
    if foreign := _foreign(folder):
        rule = f"{folder} holds what no run writes: {listing(foreign, 3)}"
        raise RunError(Problem(rule, hint="it is no run of mlpcli, or has files of yours: move them first"))
    if not STAMPED.fullmatch(place.name):
        rule = f"{folder} is not a run of its own in a runs folder"
        raise RunError(Problem(rule, hint="remove the run or search that it belongs to"))
    check_way(place, place.parent.parent)
    if is_locked(folder):
        raise RunError(
            Problem(f"{folder} is in use by another process", hint="wait until it ends, or stop it")
        )


def _foreign(folder: Path) -> list[str]:
    """Return what is in a folder without a record and is of no run; of a run, all in it is its own."""
    if os.path.lexists(folder / RECORD):
        return []
    with contextlib.suppress(OSError):
        return sorted(each.name for each in folder.iterdir() if not is_own(each.name))
    return []


def removable(folder: Path, reason: str = "") -> Removable:
    """Return what is known of a folder that is to be deleted."""
    label = "/".join(folder.absolute().parts[-2:])
    try:
        status = status_of(open_run(folder))
    except RunError:
        status = "damaged" if os.path.lexists(folder / RECORD) else "not started"
    return Removable(folder, label, status, reason, size_of(folder))


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; links are not followed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def remove_run(folder: Path) -> None:
    """Delete a run folder; first its record, so that a deletion that is cut short leaves no half run.

    Raises:
        RunError: it is in use, or its path leads elsewhere; nothing is deleted.
        OSError: it cannot be deleted.
    """
    check_removable(folder)
    runs_dir = folder.absolute().parent.parent
    with locked(folder):  # nobody else trains in it now, and without a record nobody begins to
        remove_below(folder.absolute() / RECORD, runs_dir)
    remove_below(folder.absolute(), runs_dir)
    with contextlib.suppress(OSError):  # other runs are in it
        folder.absolute().parent.rmdir()


def users_of(chosen: Sequence[Removable], runs_dir: Path) -> list[tuple[Removable, Run]]:
    """Return which of some runs other runs, that stay, began with (`start_from`), and by which run."""
    going = {each.folder.resolve() for each in chosen}
    by_label = {each.label: each for each in chosen}
    found = []
    for run in list_runs(runs_dir).runs:
        begun = run.record.start_from
        used = None if begun is None else by_label.get(_outer(begun.run))
        if used is not None and run.folder.resolve() not in going:
            found.append((used, run))
    return found


def useless_runs(runs_dir: Path, *, older: bool = False) -> list[Removable]:
    """Return the runs that are of no more use, those of each experiment oldest first.

    They are runs that failed or diverged, folders in which no run started, stopped runs after which the same
    experiment was finished, and finished runs that a later one repeated with the same spec and data, or
    continued. A run with a note or a tag, one in use, and one that another began with are kept.

    Args:
        runs_dir: the runs folder.
        older: also finished runs that are neither the newest nor the best of their experiment.
    """
    known = list_runs(runs_dir)
    needed = {_outer(run.record.start_from.run) for run in known.runs if run.record.start_from is not None}
    reasons = dict(_reasons(known, older=older))
    labels = {folder: "/".join(folder.absolute().parts[-2:]) for folder in reasons}
    return [
        removable(folder, reason)
        for folder, reason in sorted(reasons.items())
        if labels[folder] not in needed and not is_locked(folder) and not _is_noted(folder)
    ]


def _outer(label: str) -> str:
    """Return the label of a run, or of the one that a fold or a trial is in."""
    return "/".join(label.split("/")[:2])


def _is_noted(folder: Path) -> bool:
    try:
        return not read_notes(folder).empty
    except RunError:
        return True


def _reasons(known: Listing, *, older: bool) -> Iterator[tuple[Path, str]]:
    """Yield the folders of useless runs, and why each is."""
    for folder, state in known.unstarted:
        if state != "starting" and not _foreign(folder) and not os.path.lexists(folder / runs.MODEL):
            yield folder, "never started"
    for _, group in groupby(known.runs, key=lambda run: run.folder.parent):
        several = list(group)
        finished = [run for run in several if run.status == COMPLETED]
        kept = _kept(finished) if older else []
        for run in several:
            reason = _reason(run, finished)
            if not reason and kept and run in finished and run not in kept:
                reason = f"older than {finished[-1].label}, and not the best"
            if reason:
                yield run.folder, reason


def _kept(finished: Sequence[Run]) -> list[Run]:
    """Return the runs of a name that are kept of its finished ones; none where none can be chosen.

    These are the newest, the best of those that can be compared with it, and the best of all: its rows may
    be others, and a run is not deleted on such grounds.
    """
    scores = scores_of(finished)
    best = (best_of(with_same_monitor(scores)), comparable(finished).best()) if scores else ()
    return [finished[-1], *(each.run for each in best if each is not None)] if scores else []


def _reason(run: Run, finished: Sequence[Run]) -> str:
    """Return why a run is of no more use; an empty text if it is."""
    if run.status in (FAILED, DIVERGED):
        return f"it {run.status}"
    later = [each for each in finished if each.folder.name > run.folder.name]
    if run.status != COMPLETED:
        return f"it was stopped, {later[-1].label} is finished" if later else ""
    for each in later:
        if each.record.parent is not None and each.record.parent.run == run.label:
            return f"{each.label} continued it"
        if _is_repeated(run, each):
            return f"{each.label} repeated it"
    return ""


def _is_repeated(run: Run, later: Run) -> bool:
    """Return whether a later run has the same spec and data."""
    if run.record.reproduces is not None or later.record.kind != run.record.kind:
        return False
    try:
        if (run / RESOLVED).read_bytes() != (later / RESOLVED).read_bytes():
            return False
        data = [open_run(each.folder).record.data for each in (run, later)]
    except (OSError, RunError):
        return False
    return data[0] is not None and data[1] is not None and data[0].fingerprint == data[1].fingerprint
