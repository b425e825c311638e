"""Files that are not where they were: where they may lie after folders were moved or copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpcli.data.readers.files import exists
from mlpcli.spec.locations import VARIABLE


@dataclass(frozen=True)
class Move:
    """What lay under one folder lies under another."""

    old: Path
    new: Path

    def apply(self, path: str) -> str:
        """The path after the move; as it is where it lay elsewhere, or was not moved along."""
        if VARIABLE.search(path) or not Path(path).is_relative_to(self.old):
            return path
        found = self.new / Path(path).relative_to(self.old)
        return str(found) if exists(found) else path


def moves_to(paths: Sequence[str], near: Path) -> Iterator[Move]:
    """Moves that would bring some absolute paths to files in or above a folder, the likeliest first."""
    seen = set()
    for path in paths:
        parts = Path(path).parts
        for length in range(len(parts) - 1, 0, -1):  # a longer piece of the path is likelier
            old, piece = Path(*parts[:-length]), Path(*parts[-length:])
            for folder in (near, *near.parents):
                move = Move(old, folder)
                if folder != old and move not in seen and exists(folder / piece):
                    seen.add(move)
                    yield move
