"""Find files again after their folders were moved or copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlpcli.data.readers.find_files import MISSING, exists
from mlpcli.errors import Problem
from mlpcli.near_paths import broken_link
from mlpcli.spec.file_words import is_server, split_scheme
from mlpcli.spec.locations import VARIABLE

PACKED_DATA = "packed_data"
"""The folder of a run that was packed with its data, which holds its files."""


@dataclass(frozen=True)
class Move:
    """A folder whose files are now in another folder."""

    old: Path
    new: Path

    def apply(self, path: str) -> str:
        """Return the path after the move; unchanged if it was elsewhere, or is not in the new folder."""
        scheme, path = split_scheme(path)
        if VARIABLE.search(path) or not Path(path).is_relative_to(self.old):
            return scheme + path
        found = self.new / Path(path).relative_to(self.old)
        return scheme + (str(found) if exists(found) else path)


def moves_to(paths: Sequence[str], near: Path) -> Iterator[Move]:
    """Yield moves that lead from absolute paths to files in or above a folder, the most likely first.

    The data of a run that was unpacked with it lies in a folder of the run, or of the one that a run is in.

    Args:
        paths: absolute paths of files.
        near: the folder.

    Yields:
        The moves.
    """
    seen = set()
    for path in paths:
        if is_server(path):
            continue
        parts = Path(split_scheme(path)[1]).parts
        for length in range(len(parts) - 1, 0, -1):  # the longer the common end of the paths, the more likely
            old, piece = Path(*parts[:-length]), Path(*parts[-length:])
            for folder in (*_packed(near), near, *near.parents):
                move = Move(old, folder)
                if folder != old and move not in seen and exists(folder / piece):
                    seen.add(move)
                    yield move


def _packed(near: Path) -> list[Path]:
    """Return the folders of data that lie in a run's folder, or in that of the run or search it is in."""
    return [folder / PACKED_DATA for folder in (near, *near.parents[:4]) if (folder / PACKED_DATA).is_dir()]


def gone(problem: Problem, way: str = "") -> Problem:
    """Return the problem of a run's file that is not there as what it is, with where it was looked for.

    Args:
        problem: of a file that the run's own spec names; another one is returned as it is.
        way: how else the command takes data, after "or".
    """
    path = Path(str(problem.received))
    if problem.rule != MISSING or broken_link(path):
        return problem
    pieces = [str(Path(*path.parts[-length:])) for length in (2, 1) if len(path.parts) > length]
    looked = f"it was looked for as {' and '.join(map(repr, pieces))} in the run's folder and those above it"
    return replace(problem, hint=f"{looked} too; put it there{f', or {way}' if way else ''}")
