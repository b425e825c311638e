"""Name image files in messages, and in files of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlpcli.data.readers.row_errors import ManyOrigin, Origin, listed


class ImageOrigin(Origin):
    """One image file, which is one row.

    Its label is the name in the folder, which stays when the folder is moved; messages show the whole path.
    """

    def __init__(self, label: str, folder: str) -> None:
        super().__init__(label)
        self.path = f"{folder.rstrip('/')}/{label}" if folder else label

    def where(self, rows: Sequence[int], location: str, lines: Mapping[int, int], more: str = "") -> str:
        """Return the file."""
        del rows, lines
        return listed([self.path], more) + (f", {location}" if location else "")

    def name(self, row: int, label: str) -> str:
        """Return the file."""
        del row, label
        return self.label


class FolderOrigin(ManyOrigin):
    """The image files of a folder, a row each."""

    def __init__(self, label: str, names: Sequence[str]) -> None:
        """Keep the names of the files, relative to the folder; an empty label for files of no folder."""
        super().__init__(label, [(ImageOrigin(name, label), 1) for name in names])
        self.names = tuple(names)

    def at(self, row: int) -> tuple[Origin, int]:
        """Return the file that is a row."""
        return self.parts[row][0], 0
