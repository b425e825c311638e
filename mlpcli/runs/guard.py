"""What keeps the files of a run or a search inside it: asked before anything there is written or deleted."""

from __future__ import annotations

import re
from pathlib import Path

from mlpcli.errors import Problem, RunError
from mlpcli.files import UnsafePathError, check_below, remove_below

WITHIN_SEARCH = ("trials", "promoted")
"""Folders of a search that hold runs."""

STAMPED = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
"""The name of a run's folder."""


def check_inside(folder: Path) -> None:
    """Refuse to write in a run folder that is a link, or from which a link leads elsewhere.

    It may come from a stranger. Links above the runs folder are the user's own.

    Raises:
        RunError: there is a link on the way to it, or in it.
    """
    check_way(folder, _runs_dir_of(folder))
    for path in folder.rglob("*"):
        if path.is_symlink():
            hint = "a run's files are its own; take the link away"
            raise RunError(Problem(f"{path} is a link, and might lead outside the run", hint=hint))


def empty_folder(folder: Path, owner: Path) -> None:
    """Make an empty folder for a run inside a search; what a killed process has left there is deleted.

    Raises:
        RunError: it does not lie in the search, or a link is on the way; nothing is deleted.
    """
    remove_inside(folder, owner)
    folder.mkdir(parents=True)


def remove_inside(path: Path, owner: Path) -> None:
    """Delete a file or folder of a run or search.

    Args:
        path: What to delete, if it is there.
        owner: The folder of the run or search that it must lie in.

    Raises:
        RunError: it does not lie there, or a link is on the way; nothing is deleted.
    """
    check_way(owner, _runs_dir_of(owner))
    check_way(path, owner)
    remove_below(path, owner)


def check_way(path: Path, root: Path) -> None:
    """Refuse a path out of a folder, or through a link in it.

    Raises:
        RunError: it is one.
    """
    try:
        check_below(path, root)
    except UnsafePathError as error:
        hint = "nothing is written or deleted there; name the real folder, or take the link away"
        raise RunError(Problem(f"{path}: {error.strerror}", hint=hint)) from None


def _runs_dir_of(folder: Path) -> Path:
    """The runs folder that a run, or a run of a search, lies in; of a renamed one, the folder around it."""
    place = folder.absolute()
    if place.parent.name in WITHIN_SEARCH:
        place = place.parent.parent
    return place.parent.parent if STAMPED.fullmatch(place.name) else place.parent
