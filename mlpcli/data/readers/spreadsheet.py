"""Read a sheet of an Excel file by Calamine, which is maintained and many times faster than openpyxl."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from mlpcli.data.readers.batch_table import BATCH_ROWS, BatchTable
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.header import Header, find_header
from mlpcli.data.readers.import_reader import import_extra
from mlpcli.data.readers.row_errors import LineOrigin, Origin, first_line, listed, rows_of
from mlpcli.data.readers.typed_columns import arrow_column, spelled
from mlpcli.data.readers.workbook_limits import column_letters, look_into
from mlpcli.data.types import EXACT, ArrowColumn
from mlpcli.errors import NotInFileError, Problem, listing, nearest
from mlpcli.files import open_ordinary

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

LEAD_ROWS = 2_000
"""Rows at the top of a sheet in which its header is looked for."""

Found = TypeVar("Found")
_SHOWN = 4


class SheetOrigin(LineOrigin):
    """The rows of a sheet, whose cells are named as Excel does: B7."""

    def __init__(self, label: str, sheet: str, names: Sequence[str], first: int) -> None:
        """Keep the names of the columns, the first of which is A, and the sheet's row of the first row."""
        super().__init__(label, first)
        self.sheet = sheet
        self.letters = {f"column {name!r}": column_letters(place) for place, name in enumerate(names)}

    def where(self, rows: Sequence[int], location: str, lines: Mapping[int, int], more: str = "") -> str:
        """Return how a message names rows, or a cell of each."""
        if location in self.letters:
            cells = listed([f"{self.letters[location]}{lines[row]}" for row in rows], more)
            word = "cell" if len(rows) == 1 and not more else "cells"
            return f"{self.label} {word} {cells} (sheet {self.sheet!r}, {location})"
        numbers = rows_of([f"{lines[row]}" for row in rows], more)
        return f"{self.label} {numbers} (sheet {self.sheet!r})" + (f", {location}" if location else "")


class Sheet(BatchTable):
    """A sheet of an Excel file, which is in memory."""

    def __init__(self, path: Path, label: str, dialect: Dialect) -> None:
        """Read a sheet and find its header.

        Raises:
            DataError: the file cannot be read, or has no such sheet; the sheet has no usable header.
        """
        whole = Origin(label)
        import_extra("python_calamine", "excel", "an Excel file", whole)
        if path.stat().st_size == 0:
            whole.refuse("is empty (0 bytes)")
        book = look_into(path, whole)
        name, others = _choose(path, whole, dialect.sheet)
        facts = book.facts(name)
        self._sheet = _read_sheet(path, whole, name)
        place = Origin(f"{label} (sheet {name!r})")
        if self._sheet.start is None:
            place.refuse("holds no header and no rows")
        self._left = [""] * self._sheet.start[1]
        header = self._header(place, dialect)
        self.names, self.unnamed = header.names, header.unnamed
        self._skipped = header.lines
        self.origin = self._origin = SheetOrigin(label, name, self.names, self._skipped + 1)
        notes = [f"{label}: sheet {name!r} is read; it also has {listing(others, 5)}"] if others else []
        where = f"{label} (sheet {name!r})"
        if facts.empty_formulas:
            what = listing_of(facts.empty_formulas)
            notes.append(
                f"{where}: formulas without a stored value are missing cells ({what}); save it in Excel"
            )
        if facts.errors:
            notes.append(f"{where}: cells with errors are missing cells ({listing_of(facts.errors)})")
        if merged := self._merged():
            what = listing_of(merged)
            notes.append(f"{where}: merged cells hold a value in their first cell only ({what})")
        self.notes = (*notes, *header.notes)

    def batches(self, columns: Sequence[str]) -> Iterator[dict[str, ArrowColumn]]:
        """Yield some columns of all rows in their order; rows without any cell are no rows."""
        places = [self.names.index(name) for name in columns]
        width = len(self.names)
        rows = self._rows()
        while some := list(islice(rows, BATCH_ROWS)):
            for row, cells in some:
                if len(cells) > width and any(cell != "" for cell in cells[width:]):
                    first = next(place for place in range(width, len(cells)) if cells[place] != "")
                    cell = f"{column_letters(first)}{row}"
                    hint = "name its column in the header, or empty it"
                    self._origin.refuse(f"cell {cell} is right of the {width} columns", hint=hint)
            yield {
                name: arrow_column([_value(cells[place]) for _, cells in some])
                for name, place in zip(columns, places, strict=True)
            }

    def _rows(self) -> Iterator[tuple[int, list[object]]]:
        """Yield the rows below the header that hold a cell, each with its row of the sheet."""
        self._origin.blanks.clear()
        found = 0
        for row, cells in enumerate(self._sheet.iter_rows(), 1):
            if row <= self._skipped:
                continue
            if all(cell == "" for cell in cells):
                self._origin.blanks.append(found)
                continue
            found += 1
            yield row, [*self._left, *cells, *[""] * (len(self.names) - len(self._left) - len(cells))]

    def _header(self, origin: Origin, dialect: Dialect) -> Header:
        lead = [[*self._left, *map(_shown, cells)] for cells in islice(self._sheet.iter_rows(), LEAD_ROWS)]
        if not any(any(cells) for cells in lead):
            origin.refuse("holds no header and no rows")
        while lead[0] and not any(cells[-1] for cells in lead):
            lead = [cells[:-1] for cells in lead]
        text = io.StringIO(newline="")
        csv.writer(text, delimiter="\t", lineterminator="\n").writerows(lead)
        content = text.getvalue()
        whole = self._sheet.total_height <= LEAD_ROWS
        return find_header(
            lambda: io.StringIO(content, newline=""),
            origin,
            quoted=True,
            delimiter="\t",
            header=dialect.header,
            whole=whole,
            lines="row",
        )

    def _merged(self) -> list[str]:
        """Return the merged cells at or below the header, such as `A2:A5`."""
        return [
            f"{column_letters(start[1])}{start[0] + 1}:{column_letters(end[1])}{end[0] + 1}"
            for start, end in self._sheet.merged_cell_ranges or ()
            if end[0] + 1 >= self._skipped
        ]


def listing_of(cells: Sequence[str]) -> str:
    """Return the first of some cells: `B2, B3 and 5 more`."""
    more = f" and {len(cells) - _SHOWN:,} more" if len(cells) > _SHOWN else ""
    return ", ".join(cells[:_SHOWN]) + more


def _shown(cell: object) -> str:
    """Return a cell as a text on one line."""
    return " ".join((spelled(_value(cell)) or "").split())


def _value(cell: object) -> object:
    """Return a cell's value: None for an empty one; whole numbers as such; times and durations as text."""
    if cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < EXACT:
        return int(cell)
    return str(cell) if isinstance(cell, datetime.time | datetime.timedelta) else cell


def _choose(path: Path, origin: Origin, wanted: str) -> tuple[str, list[str]]:
    """Return the sheet to read, and the others if it was not asked for by its name."""
    names = _with_book(path, origin, _sheet_names)
    if not names:
        origin.refuse("holds no sheet")
    if not wanted:
        return names[0], names[1:]
    if wanted not in names:
        hint = nearest(wanted, names) or f"its sheets are {listing(names, 10)}"
        raise NotInFileError(Problem(f"{origin.label}: has no sheet {wanted!r}", hint=hint), key="sheet")
    return wanted, []


def _sheet_names(book: CalamineWorkbook) -> list[str]:
    """Return the sheets with cells: those that are shown first, and no charts."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [each for each in book.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    return [each.name for each in sorted(sheets, key=lambda each: each.visible != SheetVisibleEnum.Visible)]


def _read_sheet(path: Path, origin: Origin, name: str) -> CalamineSheet:
    return _with_book(path, origin, lambda book: book.get_sheet_by_name(name))


def _with_book(path: Path, origin: Origin, use: Callable[[CalamineWorkbook], Found]) -> Found:
    """Return what a function finds in a workbook."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    try:
        with open_ordinary(path) as file:
            return use(CalamineWorkbook.from_filelike(file))
    except PasswordError:
        origin.refuse("is protected by a password", hint="save it without one")
    except (CalamineError, OSError, ValueError, MemoryError) as error:
        _refuse(origin, error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust, which is no Exception
            raise
        _refuse(origin, error)


def _refuse(origin: Origin, error: BaseException) -> NoReturn:
    hint = "the file is damaged, or its extension is wrong"
    origin.refuse(f"cannot be read as an Excel file ({first_line(error)})", hint=hint)
