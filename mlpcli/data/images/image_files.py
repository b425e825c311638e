"""The files that a table's cells name: below the table's folder, or below a folder that the spec names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlpcli.data.readers.find_files import is_handed_in

EMPTY = "must name a file"
OUTSIDE = "must be below the folder of the table, or below the column's directory"


@dataclass(frozen=True)
class RefusedFile:
    """A cell that names no file that is read.

    Attributes:
        rule: that it breaks.
    """

    rule: str


ImageFile = Path | RefusedFile
"""A file, or why a cell names none."""


def folder_of_table(path: Path, directory: str) -> Path:
    """Return the folder from which the cells of a table start.

    Args:
        path: of the table. One that a Python program handed in is in no folder of its own: its cells start
            from the current folder.
        directory: of the column, relative to the table's folder; empty for that folder.
    """
    folder = Path() if is_handed_in(path) else path.parent
    return folder / directory


def named_file(folder: Path, cell: str) -> ImageFile:
    """Return the file that a cell names.

    A table may be a stranger's, and this is all that bounds what it can have read: its cells lead neither by
    `..` nor by an absolute path to other folders. Links are followed, as in any folder of images.

    Args:
        folder: from which it starts.
        cell: without blanks around it.
    """
    if not cell:
        return RefusedFile(EMPTY)
    if "\0" in cell:
        return folder / cell  # which cannot be opened, and says why
    base, place = (Path(os.path.normpath(each)) for each in (folder.absolute(), folder.absolute() / cell))
    return folder / cell if place.is_relative_to(base) else RefusedFile(OUTSIDE)
