"""Rows that cannot be used, and how a message names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from mlpcli.errors import ABSENT, DataError, Problem, listing, nearest
from mlpcli.machine import format_bytes, memory_bytes

MAX_SHOWN = 10
"""Faults of one file that are shown in full; the rest is counted in one closing problem."""


@dataclass(frozen=True)
class RowError:
    """One row, or one cell of it, that breaks a rule; `row` counts from 0, messages count from 1."""

    row: int
    location: str  # "column 'MedInc'" or "array 'y'"; empty for the row as a whole
    rule: str
    received: Any = ABSENT
    hint: str = ""
    file: str = ""  # of several files, the one that the row stands in


class Origin:
    """A file, or a built-in dataset, that rows came from; names them in messages."""

    def __init__(self, label: str) -> None:
        self.label = label

    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """The physical line, from 1, on which each row begins; empty where there are no lines."""
        del rows
        return {}

    def at(self, row: int) -> tuple[Origin, int]:
        """The one file that a row stands in, and its position there."""
        return self, row

    def problems(self, row_errors: Sequence[RowError], *, total: int | None = None) -> list[Problem]:
        """The first faults in the order of the rows, and a closing problem for the rest of `total`."""
        shown = sorted(row_errors, key=lambda row_error: row_error.row)[:MAX_SHOWN]
        places = [self.at(row_error.row) for row_error in shown]
        lines = {
            origin: origin.lines({row for other, row in places if other is origin})
            for origin in dict.fromkeys(origin for origin, _ in places)
        }
        problems = []
        for row_error, (origin, row) in zip(shown, places, strict=True):
            line = f" (line {lines[origin][row]})" if row in lines[origin] else ""
            where = f"{origin.label} row {row + 1}{line}" + (
                f", {row_error.location}" if row_error.location else ""
            )
            problems.append(
                Problem(f"{where}: {row_error.rule}", received=row_error.received, hint=row_error.hint)
            )
        rest = (len(row_errors) if total is None else total) - len(shown)
        if rest > 0:
            problems.append(Problem(f"{self.label}: and {rest:,} more like these"))
        return problems

    def refuse(self, rule: str, *, received: Any = ABSENT, hint: str = "") -> NoReturn:
        """Raise a DataError about the file as a whole."""
        raise DataError(Problem(f"{self.label}: {rule}", received=received, hint=hint))

    def refuse_columns(self, missing: Sequence[str], names: Sequence[str]) -> NoReturn:
        """Raise a DataError with a problem for each column that is missing."""
        problems = [
            Problem(
                f"{self.label}: column {name!r} is missing",
                hint=nearest(name, names) or f"the columns are {listing(names)}",
            )
            for name in missing[:MAX_SHOWN]
        ]
        if len(missing) > MAX_SHOWN:
            problems.append(
                Problem(f"{self.label}: and {len(missing) - MAX_SHOWN:,} more columns are missing")
            )
        raise DataError(*problems)


class ManyOrigin(Origin):
    """Several files, one after the other."""

    def __init__(self, label: str, parts: Sequence[tuple[Origin, int]]) -> None:
        """Take each file with how many rows it has."""
        super().__init__(label)
        self.parts = tuple(parts)

    def at(self, row: int) -> tuple[Origin, int]:
        """The file that a row stands in, and its position there."""
        for origin, rows in self.parts:
            if row < rows:
                return origin, row
            row -= rows
        raise IndexError(row)


MAX_REPEATED_BYTES = 256 << 20
MAX_PACKING_RATIO = 200


def check_memory(size: int, origin: Origin, *, packed: int = 0) -> None:
    """Refuse what cannot be held: rows stay in memory, so no honest file unpacks to more than there is.

    A ratio alone would not do as a limit: deflate packs an honest array of zeros a thousandfold. But what is
    large, and nothing but repetition, was made to fill the memory.

    packed: the bytes that the file itself takes up, where it is packed.

    Raises:
        DataError: `size` bytes are more than the machine's memory.
    """
    if packed and size > MAX_REPEATED_BYTES and size > MAX_PACKING_RATIO * packed:
        rule = (
            f"unpacks to more than {MAX_REPEATED_BYTES >> 20} MiB and {MAX_PACKING_RATIO} times its own size"
        )
        origin.refuse(rule, hint="if it is right, save it unpacked, as np.savez does")
    memory = memory_bytes()
    if memory is not None and size > memory:
        sizes = f"{format_bytes(size)}, more than this machine's memory of {format_bytes(memory)}"
        origin.refuse(f"unpacks to {sizes}")
