"""Errors of single rows, and how a message names file, rows and lines."""

from __future__ import annotations

import ast
import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from mlpcli.errors import ABSENT, DataError, Problem, nearest_column
from mlpcli.machine import format_bytes, memory_bytes

REJECTS = "--rejects FILE writes such rows there and goes on"
"""What `predict` can do with rows that it cannot read."""

MAX_SHOWN = 10
"""The number of problems of one file that are shown; one more counts the others."""

AT = " at ["
"""Between the name of an array and the position in its row: `array 'x' at [3]`."""


@dataclass(frozen=True)
class RowError:
    """A row, or one cell of it, that breaks a rule.

    Attributes:
        row: its position, from 0; messages count from 1.
        location: `column 'MedInc'` or `array 'y'`; empty for the row as a whole.
        rule: what must hold.
        received: what was found instead.
        hint: what to do.
        file: of several files, the one that holds the row.
        cells: of the row by column, as they are written; empty if they are not kept.
    """

    row: int
    location: str
    rule: str
    received: object = ABSENT
    hint: str = ""
    file: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)

    @property
    def column(self) -> str:
        """The name of the column, as it is, in a place such as `column 'size'`; any other place whole."""
        shown = self.location.removeprefix("column ")
        if shown == self.location:
            return shown
        try:
            return str(ast.literal_eval(shown))  # the name is written as a Python literal
        except (SyntaxError, ValueError):
            return shown


def by_row(row_errors: Sequence[RowError]) -> list[list[RowError]]:
    """Return errors in lists, one for each row, in their order."""
    found: dict[tuple[str, int], list[RowError]] = {}
    for each in row_errors:
        found.setdefault((each.file, each.row), []).append(each)
    return list(found.values())


def all_reasons(row_errors: Sequence[RowError]) -> str:
    """Return why a row cannot be used, in a line: the only reason, or each with its place."""
    reasons = [Problem(each.rule, received=each.received, hint=each.hint).headline() for each in row_errors]
    if len(row_errors) == 1:
        return reasons[0]
    places = [f"{each.location}: " if each.location else "" for each in row_errors]
    return "; ".join(place + reason for place, reason in zip(places, reasons, strict=True))


def rows_of(numbers: Sequence[str], more: str = "") -> str:
    """Return `row 5`, `rows 5, 8 and 13` or `rows 5, 8, 13 and 4 more`."""
    return ("row " if len(numbers) == 1 and not more else "rows ") + listed(numbers, more)


def listed(items: Sequence[str], more: str = "") -> str:
    """Join items by commas and an `and` before the last; or before what counts those that are not named."""
    *others, last = [*items, *([more] if more else [])]
    return f"{', '.join(others)} and {last}" if others else last


class NoRowsError(DataError):
    """A file of a table holds no rows; of several files, one may."""


class Origin:
    """The file or the built-in dataset that rows come from; names them in messages."""

    def __init__(self, label: str) -> None:
        self.label = label

    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """Return the physical line, from 1, on which each row begins; empty without lines."""
        del rows
        return {}

    def at(self, row: int) -> tuple[Origin, int]:
        """Return the single file that holds a row, and the row's position there."""
        return self, row

    def named(self, row_error: RowError) -> RowError:
        """Return an error with the row and the location that a message names."""
        return row_error

    def where(self, rows: Sequence[int], location: str, lines: Mapping[int, int], more: str = "") -> str:
        """Return how a message names rows, or a cell of each.

        Args:
            rows: their positions in the file.
            location: of the cells in them; empty for the rows as a whole.
            lines: that are known, by row.
            more: counts rows that are not named; empty for none.
        """
        numbers = [f"{row + 1}" + (f" (line {lines[row]})" if row in lines else "") for row in rows]
        return f"{self.label} {rows_of(numbers, more)}" + (f", {location}" if location else "")

    def name(self, row: int, label: str) -> str:
        """Return how a message names a row: see `row_name`."""
        return f"row {row + 1}" + (f" of {self.label}" if self.label != label else "")

    def refuse(self, rule: str, *, received: object = ABSENT, hint: str = "") -> NoReturn:
        """Raise a DataError about the file as a whole."""
        raise DataError(Problem(f"{self.label}: {rule}", received=received, hint=hint))

    def refuse_without_rows(self, rule: str, *, hint: str = "") -> NoReturn:
        """Raise a NoRowsError."""
        raise NoRowsError(Problem(f"{self.label}: {rule}", hint=hint))

    def refuse_columns(
        self, missing: Sequence[str], names: Sequence[str], wanted: Collection[str] = ()
    ) -> NoReturn:
        """Raise a DataError with a problem for each column that is missing of those that are wanted."""
        problems = [
            Problem(
                f"{self.label}: column {name!r} is missing",
                hint=nearest_column(name, names, shown=len(missing) == 1, taken=wanted),
            )
            for name in missing[:MAX_SHOWN]
        ]
        if len(missing) > MAX_SHOWN:
            problems.append(
                Problem(f"{self.label}: and {len(missing) - MAX_SHOWN:,} more columns are missing")
            )
        raise DataError(*problems)


class LineOrigin(Origin):
    """Rows that are each one line of a file, or of a sheet; blank lines are no rows.

    Attributes:
        first: the line of the first row, if no blank one is above it.
        blanks: for each blank line, in their order, the number of rows above it.
    """

    def __init__(self, label: str, first: int = 1) -> None:
        super().__init__(label)
        self.first = first
        self.blanks: list[int] = []

    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """Return the line of each row, from 1."""
        return {row: self.first + row + bisect_right(self.blanks, row) for row in rows}


def row_name(origin: Origin, row: int, label: str) -> str:
    """Return how a message names a row: `row 8`, or `row 8 of more.csv` where the file is not `label`.

    Args:
        origin: of the row.
        row: its position, from 0.
        label: of the file that goes without saying.
    """
    file, inside = origin.at(row)
    return file.name(inside, label)


class ManyOrigin(Origin):
    """Several files, read one after the other."""

    def __init__(self, label: str, parts: Sequence[tuple[Origin, int]]) -> None:
        """Keep each file with its number of rows."""
        super().__init__(label)
        self.parts = tuple(parts)

    def at(self, row: int) -> tuple[Origin, int]:
        """Return the file that holds a row, and the row's position there."""
        for origin, rows in self.parts:
            if row < rows:
                return origin, row
            row -= rows
        raise IndexError(row)


class StepOrigin(Origin):
    """Rows with several steps each, where every step is counted as a row of its own."""

    def __init__(self, whole: Origin, steps: tuple[int, ...]) -> None:
        """Keep the origin of the rows, and how many steps each has, by axis."""
        super().__init__(whole.label)
        self.whole, self.steps = whole, steps

    def named(self, row_error: RowError) -> RowError:
        """Return an error with the row of its step, and the place of the step in it."""
        row, rest = divmod(row_error.row, math.prod(self.steps))
        places = [str(place) for place in self._places(rest)]
        name, _, value = row_error.location.partition(AT)
        inside = [*places, value.removesuffix("]")] if value else places
        located = replace(row_error, row=row, location=f"{name}{AT}{', '.join(inside)}]")
        return self.whole.named(located)

    def at(self, row: int) -> tuple[Origin, int]:
        """Return the file that holds a row with all its steps, and the row's position there."""
        return self.whole.at(row)

    def _places(self, rest: int) -> Iterator[int]:
        for axis in range(len(self.steps)):
            place, rest = divmod(rest, math.prod(self.steps[axis + 1 :]))
            yield place


MAX_REPEATED_BYTES = 256 << 20
MAX_PACKING_RATIO = 200


def check_memory(size: int, origin: Origin, *, packed: int = 0) -> None:
    """Refuse data that do not fit into memory, where all rows are kept.

    A ratio alone would not do as a limit: deflate packs an honest array of zeros a thousandfold. But large
    data that are nothing but repetition were created to fill the memory.

    Args:
        size: of the unpacked data, in bytes.
        origin: of the data.
        packed: the size of the packed file, in bytes; 0 if it is not packed.

    Raises:
        DataError: `size` exceeds the machine's memory, or is far more than the packed file.
    """
    if packed and size > MAX_REPEATED_BYTES and size > MAX_PACKING_RATIO * packed:
        most = f"{MAX_REPEATED_BYTES >> 20} MiB"
        rule = f"decompresses to more than {most} and {MAX_PACKING_RATIO} times its own size"
        origin.refuse(rule, hint="if the data are correct, save them uncompressed, as np.savez does")
    memory = memory_bytes()
    if memory is not None and size > memory:
        sizes = f"{format_bytes(size)}, more than this machine's memory of {format_bytes(memory)}"
        origin.refuse(f"decompresses to {sizes}")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
