"""Name image files in messages."""

from __future__ import annotations

from collections.abc import Sequence

from mlpcli.data.readers.row_errors import ManyOrigin, Origin


class ImageOrigin(Origin):
    """One image file, which is one row."""

    def place(self, row: int, location: str, line: int | None) -> str:
        """Return the file."""
        del row, line
        return self.label + (f", {location}" if location else "")


class FolderOrigin(ManyOrigin):
    """The image files of a folder, a row each."""

    def __init__(self, label: str, names: Sequence[str]) -> None:
        """Keep the names of the files, relative to the folder; an empty label for files of no folder."""
        stem = f"{label.rstrip('/')}/" if label else ""
        super().__init__(label, [(ImageOrigin(stem + name), 1) for name in names])
        self.names = tuple(names)

    def at(self, row: int) -> tuple[Origin, int]:
        """Return the file that is a row."""
        return self.parts[row][0], 0
