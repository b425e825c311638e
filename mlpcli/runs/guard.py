"""Checks that a path is inside its run or search, before anything is written or deleted."""

from __future__ import annotations

import re
from pathlib import Path

from mlpcli.errors import Problem, RunError
from mlpcli.files import UnsafePathError, check_below, remove_below

FOLDS, SEEDS = "folds", "seeds"
OF_MEMBERS = (FOLDS, SEEDS)
"""Folders of a run with folds or seeds that hold its trainings, each of which is a run."""

WITHIN_SEARCH = ("trials", "promoted", *OF_MEMBERS)
"""Folders of a search, or of a run, that hold runs."""

STAMPED = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
"""The name of a run's folder."""


def check_inside(folder: Path) -> None:
    """Refuse to write in a run folder that is a link or contains one.

    It may come from somebody else. Links above the runs folder are the user's own.

    Raises:
        RunError: the path to the folder has a link in it, or the folder contains one.
    """
    check_way(folder, _runs_dir_of(folder))
    for path in folder.rglob("*"):
        if path.is_symlink():
            hint = "a run must not contain links; remove it"
            raise RunError(Problem(f"{path} is a link, and may point outside the run", hint=hint))


def empty_folder(folder: Path, owner: Path) -> None:
    """Create an empty folder for a run inside a search; what a killed process has left there is deleted.

    Args:
        folder: the folder to create.
        owner: the folder of the search.

    Raises:
        RunError: the folder is not inside the search, or its path has a link in it; nothing is deleted.
    """
    remove_inside(folder, owner)
    folder.mkdir(parents=True)


def remove_inside(path: Path, owner: Path) -> None:
    """Delete a file or folder of a run or search.

    Args:
        path: the file or folder to delete, if it exists.
        owner: the folder of the run or search that it must be in.

    Raises:
        RunError: it is not inside, or its path has a link in it; nothing is deleted.
    """
    check_way(owner, _runs_dir_of(owner))
    check_way(path, owner)
    remove_below(path, owner)


def check_way(path: Path, root: Path) -> None:
    """Refuse a path that leads out of a folder, or through a link in it.

    Args:
        path: the path to check.
        root: the folder that it must be in.

    Raises:
        RunError: it does.
    """
    try:
        check_below(path, root)
    except UnsafePathError as error:
        hint = "nothing is written or deleted there; name the real folder, or remove the link"
        raise RunError(Problem(f"{path}: {error.strerror}", hint=hint)) from None


def outermost(folder: Path) -> Path:
    """Return the folder of the run or search that a run lies in, by the names of its folders.

    A run that is named by its time lies in none: the folder above is its experiment, even one named `folds`.
    """
    place = folder.absolute()
    while place.parent.name in WITHIN_SEARCH and not STAMPED.match(place.name):
        place = place.parent.parent
    return place


def _runs_dir_of(folder: Path) -> Path:
    """Return the runs folder of a run, or of a run inside another; of a renamed one, its parent."""
    place = outermost(folder)
    return place.parent.parent if STAMPED.fullmatch(place.name) else place.parent
