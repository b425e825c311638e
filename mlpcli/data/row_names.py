"""Name rows of a source as messages do: by file, row and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from mlpcli.data.readers.row_errors import ManyOrigin, Origin
from mlpcli.data.sources.kept_rows import KeptOrigin


@dataclass(frozen=True)
class RowName:
    """Where a row is.

    Attributes:
        file: the file, or the built-in dataset.
        row: its number in the file, from 1.
        line: the line on which it begins, from 1; None where the file has no lines.
    """

    file: str
    row: int
    line: int | None = None


def name_rows(origin: Origin, rows: Sequence[int]) -> list[RowName]:
    """Return the names of some rows.

    Args:
        origin: of the rows.
        rows: their positions, from 0.

    Raises:
        IndexError: the source has no such row.
    """
    places = [origin.at(row) for row in rows]
    wanted: dict[Origin, set[int]] = {}
    for file, row in places:
        wanted.setdefault(file, set()).add(row)
    lines = {file: file.lines(of_file) for file, of_file in wanted.items()}
    return [RowName(file.label, row + 1, lines[file].get(row)) for file, row in places]


def source_files(origin: Origin) -> list[tuple[Origin, int]]:
    """Return the files of a source, each with the position of its first row in all of them together.

    Args:
        origin: of the rows, some of which may have been left out.
    """
    while isinstance(origin, KeptOrigin):
        origin = origin.whole
    if not isinstance(origin, ManyOrigin):
        return [(origin, 0)]
    starts = accumulate((rows for _, rows in origin.parts), initial=0)
    return [(file, start) for (file, _), start in zip(origin.parts, starts, strict=False)]
