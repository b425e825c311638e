"""Find the header of a text table: its delimiter, lines above it, and the names of its columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO

from mlpcli.data.readers.charset import UTF_8
from mlpcli.data.readers.dialect import MISSING, NUMBER, SPACES, split_number
from mlpcli.data.readers.row_errors import MAX_SHOWN, Origin
from mlpcli.errors import DataError, Problem, listing

_DELIMITERS = (",", ";", "\t", "|")

MAX_COLUMNS = 50_000
MAX_BLANK_LINES = 10_000
"""The number of blank lines that may precede the header, and the first row."""

SAMPLE_ROWS = 200
"""Rows below the header that show whether it is one, and how many columns there are."""

MAX_SAMPLE_CELLS = 40_000
"""Of a wide table fewer rows are looked at."""

MIN_TITLED = 3
"""A line of one cell above rows of at least this many cells is a title."""

_BARE = re.compile(r"column_\d+")  # what the columns of a table without a header are called

_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)  # Excel's first line


class NoHeaderError(DataError):
    """The first row of a table is data, and nothing says that it has no header."""


@dataclass(frozen=True)
class Header:
    """The header of a text table.

    Attributes:
        names: of the columns, stripped; a column without a name is called `(column 3)`, and in a table
            without a header `column_3`.
        delimiter: between cells.
        lines: the physical lines of the header, with blank lines, comments and titles before it.
        quoted: whether the file contains quotes, so that a cell may contain a line break.
        charset: of the file.
        comment: how lines begin that are no rows.
        notes: what a person should know of how the file is read.
        skips: whether rows with too many or too few cells are left out, instead of being an error.
    """

    names: tuple[str, ...]
    delimiter: str
    lines: int
    quoted: bool
    charset: str = UTF_8
    comment: str = ""
    notes: tuple[str, ...] = ()
    skips: bool = False

    @property
    def unnamed(self) -> tuple[str, ...]:
        """The columns to which the file gives no name."""
        return tuple(name for place, name in enumerate(self.names, 1) if name == f"(column {place})")


@dataclass(frozen=True)
class _Lead:
    """The first rows of a text that are not blank.

    Attributes:
        rows: their cells.
        before: the number of physical lines above each.
        ends: the physical line on which each ends, from 1.
        skipped: how many of them are comments or titles.
    """

    rows: list[list[str]]
    before: list[int]
    ends: list[int]
    skipped: int = 0

    @property
    def body(self) -> list[list[str]]:
        """The rows without comments and titles."""
        return self.rows[self.skipped :]


def find_header(
    opened: Callable[[], IO[str]],
    origin: Origin,
    *,
    quoted: bool,
    delimiter: str,
    header: bool | None = None,
    whole: bool = True,
    lines: str = "line",
) -> Header:
    """Return the header of a text.

    Args:
        opened: opens the text at its start, as often as it is called.
        origin: of the text.
        quoted: whether it contains quotes.
        delimiter: between cells; empty to detect it.
        header: whether the first row names the columns; None to check that it seems to.
        whole: whether the text ends where the file does.
        lines: what a line of the text is called.

    Returns:
        The header.

    Raises:
        NoHeaderError: the first row seems to be data.
        NoRowsError: there is no row below the header.
        DataError: there is no usable header.
        csv.Error: the first lines cannot be read.
    """
    delimiter = delimiter or _sniff(opened)
    lead = _read_lead(opened, delimiter)
    if not lead.rows:
        with opened() as file:
            more = next(islice(csv.reader(file), MAX_BLANK_LINES, None), None)
        where = "" if more is None else f" in its first {MAX_BLANK_LINES:,} lines"
        origin.refuse(f"holds no header{where}" if where else "holds no header and no rows")
    first, below = lead.body[0], lead.body[1:]
    if len(first) > MAX_COLUMNS:
        rule = f"has {len(first):,} columns, a table may have at most {MAX_COLUMNS:,}"
        origin.refuse(rule, hint="save wide rows of numbers as .npy or .npz")
    below = below if whole or len(below) >= SAMPLE_ROWS else below[:-1]
    notes = _notes(lead, origin, lines)
    width = Counter(len(row) for row in [first, *below]).most_common(1)[0][0]
    bare = tuple(f"column_{place}" for place in range(1, width + 1))
    if header is False and not all(_BARE.fullmatch(cell.strip()) for cell in first):
        return Header(bare, delimiter, lead.before[lead.skipped], quoted, notes=notes)
    names = _all_names([cell.strip() for cell in first], below)
    if header is None and _looks_like_data(names[: len(first)], below):
        rule = f"the first row must name the columns, it holds data ({listing(names, 4)})"
        called = f"column_1 to column_{len(first)}" if len(first) > 1 else "column_1"
        hint = f"add a line of names, or set dataset: {{header: false}}, which calls the columns {called}"
        raise NoHeaderError(Problem(f"{origin.label}: {rule}", hint=hint))
    _check_names(names, origin, has_rows=len(lead.body) > 1 or _has_more(opened, lead, delimiter))
    return Header(names, delimiter, lead.ends[lead.skipped], quoted, notes=notes)


def _notes(lead: _Lead, origin: Origin, called: str) -> tuple[str, ...]:
    if not lead.skipped:
        return ()
    lines = lead.ends[lead.skipped - 1]
    shown = next(cell.strip() for cell in lead.rows[0] if cell.strip())
    what = f"{called} is no header and is" if lines == 1 else f"{lines} {called}s are no header and are"
    return (f"{origin.label}: the first {what} skipped ({listing([shown[:40]])})",)


def _check_names(names: tuple[str, ...], origin: Origin, *, has_rows: bool) -> None:
    problems = [Problem(f"{origin.label}: {rule}", hint=hint) for rule, hint in _header_errors(names)]
    if problems:
        raise DataError(*problems)
    if not has_rows:
        origin.refuse_without_rows("has a header but no rows")


def _has_more(opened: Callable[[], IO[str]], lead: _Lead, delimiter: str) -> bool:
    """Return whether there is a row below the header, blanks in it included."""
    with opened() as file:
        reader = csv.reader(file, delimiter=delimiter)
        end = lead.ends[lead.skipped]
        return any(cells and reader.line_num > end for cells in islice(reader, end + MAX_BLANK_LINES))


def _read_lead(opened: Callable[[], IO[str]], delimiter: str, most: int = SAMPLE_ROWS + 1) -> _Lead:
    """Return the first rows, and how many of them are comments or titles above the header."""
    lead = _Lead([], [], [])
    with opened() as file:
        reader = csv.reader(file, delimiter=delimiter)
        blank = before = 0
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lead.rows.append(cells)
                lead.before.append(before)
                lead.ends.append(reader.line_num)
            else:
                blank += 1
            before = reader.line_num
            wide = len(lead.rows) > MIN_TITLED and len(lead.rows) * len(cells) > MAX_SAMPLE_CELLS
            if len(lead.rows) >= most or wide or blank >= MAX_BLANK_LINES:
                break
    return _Lead(lead.rows, lead.before, lead.ends, _titles(lead.rows))


def _titles(rows: list[list[str]]) -> int:
    """Return how many rows at the top are comments, titles, or Excel's `sep=;`."""
    sizes = [sum(1 for cell in cells if cell.strip()) for cells in rows]
    count = 0
    while count < len(rows) - 1:
        width = Counter(len(cells) for cells in rows[count + 1 :]).most_common(1)[0][0]
        separator = count == 0 and _SEPARATOR.fullmatch(",".join(rows[0]).strip())
        comment = rows[count][0].lstrip().startswith("#") and (
            len(rows[count]) != width or rows[count + 1][0].lstrip().startswith("#")
        )
        following = next((place for place in range(count, len(rows)) if sizes[place] > 1), 0)
        title = sizes[count] == 1 and following and len(rows[following]) == width >= MIN_TITLED
        if not (separator or comment or title):
            break
        count += 1
    return count


def _sniff(opened: Callable[[], IO[str]]) -> str:
    """Return the delimiter that divides header and rows into equally many cells, most of them numbers.

    Equally many, since `1,5;2` below `a;b` contains a comma, and a name may contain a semicolon.
    `csv.Sniffer` would not do: it raises an error for a table of one column.
    """
    with opened() as file:
        first = next((line for line in islice(file, MAX_BLANK_LINES) if line.strip()), "")
    if named := _SEPARATOR.fullmatch(first.strip("\r\n ")):
        return named[1]

    def fit(delimiter: str) -> tuple[bool, bool, bool, float, int]:
        lead = _read_lead(opened, delimiter, most=20)
        sizes = [len(row) for row in lead.body] or [0]
        agree = sizes[0] > 1 and sizes.count(sizes[0]) >= 0.9 * len(sizes)
        cells = [cell for row in lead.body[1:] for cell in row[:50]]
        divided = [cell for cell in cells if "\t" in cell.strip() or split_number(cell) is None]
        numbers = 1 - len(divided) / max(1, len(cells))
        return sizes[0] == sizes[:2][-1] > 1, not lead.skipped, agree, numbers if agree else 0.0, sizes[0]

    return max(reversed(_DELIMITERS), key=fit)  # numbers hold commas, seldom semicolons, never tabs


def _all_names(first: list[str], below: list[list[str]]) -> tuple[str, ...]:
    """Return the names of all columns: rows may end with a delimiter, or begin with R's names of rows."""
    names = list(first)
    if below and all(len(row) == len(first) + 1 for row in below):
        if not any(row[-1].strip() for row in below):
            names.append("")
        elif len({row[0] for row in below}) == len(below) > 1:
            names.insert(0, "")
    return tuple(name or f"(column {place})" for place, name in enumerate(names, 1))


def _header_errors(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    repeated = (
        sorted(name for name, count in Counter(names).items() if count > 1)
        if len(set(names)) < len(names)
        else []
    )[:MAX_SHOWN]
    for name in repeated:
        places = [str(place) for place, other in enumerate(names, 1) if other == name]
        yield (
            f"column name {name!r} occurs more than once (columns {', '.join(places)})",
            "rename all but one",
        )


def _looks_like_data(names: Sequence[str], below: list[list[str]]) -> bool:
    """Return whether the first row is data, as the rows below it are.

    In columns of numbers a name is not a number, unless it counts: 0, 1, 2, ... are names that pandas gives,
    and 1990, 1991, ... are years. In columns of text a name is not one of the values below it.
    """
    if len(names) > 1 and list(names) == [str(place) for place in range(len(names))]:
        return False
    numbers = [name for name in names if NUMBER.fullmatch(name)]
    decimals = sum("." in name for name in numbers)
    if len(numbers) == len(names) or (len(numbers) == len(names) - 1 and decimals > 1):
        return True
    rows = [row for row in below if len(row) == len(names)]
    return len(rows) > 1 and _same_kinds(names, rows)


def _same_kinds(names: Sequence[str], rows: list[list[str]]) -> bool:
    """Return whether no name differs in kind from the cells below it, and enough do not."""
    alike: list[str] = []
    text_alike = texts = 0
    for place, name in enumerate(names):
        if name in MISSING:
            continue
        cells = [cell for row in rows if (cell := row[place].strip(SPACES)) not in MISSING]
        numbers = [number for number in map(split_number, cells) if number is not None]
        if cells and len(numbers) >= 0.9 * len(cells):
            named = split_number(name)
            if named is None or named.unit not in {"", *(number.unit for number in numbers)}:
                return False  # a name such as `10 Min Average` only looks like a number with a unit
            alike.append(name)
        elif cells:
            texts += 1
            text_alike += name in cells
    if alike:
        return not _counting(alike) and (len(alike) > 1 or text_alike > 0 or "." in alike[0])
    return texts > 1 and text_alike >= 0.6 * texts


def _counting(names: list[str]) -> bool:
    """Return whether names are whole numbers in rising or falling order, as years are."""
    if len(names) < 2 or not all(name.isdigit() for name in names):
        return False
    numbers = [int(name) for name in names]
    return numbers in (sorted(set(numbers)), sorted(set(numbers), reverse=True))
