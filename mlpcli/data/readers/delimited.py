"""Text tables (CSV, TSV): the header, checks of the whole file, and the line of every bad row.

Python's `csv` module finds lines and cells for messages, since PyArrow, which reads the rows, knows neither.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

from mlpcli.data.readers.find_files import ending_of
from mlpcli.data.readers.row_errors import MAX_SHOWN, Origin, RowError, check_memory
from mlpcli.errors import DataError, Problem, listing
from mlpcli.files import open_ordinary

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_PIECE = 1 << 20

MAX_COLUMNS = 50_000
MAX_LINE_BYTES = 32 << 20
"""Of one line and of one cell: a file of a single line is in memory several times at once."""

MAX_BLANK_LINES = 10_000
"""The number of blank lines that may precede the header, and the first row."""

_STARTS = {
    b"\x1f\x8b": "gzip data",
    b"PK\x03\x04": "a zip or spreadsheet file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
    b"\x93NUMPY": "a NumPy file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


@dataclass(frozen=True)
class Header:
    """The header of a text table.

    Attributes:
        names: of the columns, stripped; a column without a name is called `(column 3)`.
        delimiter: between cells.
        lines: the physical lines of the header, with blank lines before it.
        quoted: whether the file contains quotes, so that a cell may contain a line break.
    """

    names: tuple[str, ...]
    delimiter: str
    lines: int
    quoted: bool

    @property
    def unnamed(self) -> tuple[str, ...]:
        """The columns to which the file gives no name."""
        return tuple(name for place, name in enumerate(self.names, 1) if name == f"(column {place})")


@dataclass(frozen=True)
class TextRow:
    """A row of the file: its first physical line, from 1, and its cells."""

    line: int
    cells: list[str]


class TextOrigin(Origin):
    """A text table, which knows the line and the cells of a row."""

    def __init__(self, label: str, path: Path, header: Header) -> None:
        super().__init__(label)
        self.path = path
        self.header = header
        self._known: dict[int, TextRow] = {}

    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """Return the physical line on which each row begins."""
        return {row: record.line for row, record in self.text_rows(rows).items()}

    def text_rows(self, rows: Iterable[int]) -> dict[int, TextRow]:
        """Return some rows as the file has them; it is read once up to the last of them."""
        wanted = set(rows)
        missing = wanted - self._known.keys()
        if missing:
            last = max(missing)
            for row, record in enumerate(read_text_rows(self.path, self.header)):
                if row in missing:
                    self._known[row] = record
                if row == last:
                    break
        return {row: self._known[row] for row in wanted if row in self._known}


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file's bytes, unpacked if its name ends in .gz."""
    if path.suffix.lower() == ".gz":
        open_ordinary(path).close()
        return cast(IO[bytes], gzip.open(path, "rb"))
    return open_ordinary(path)


def _open_text(path: Path) -> IO[str]:
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


def read_text_rows(path: Path, header: Header) -> Iterator[TextRow]:
    """Yield the rows below the header, by Python's csv module; blank lines are not rows."""
    with _open_text(path) as file:
        reader = csv.reader(file, delimiter=header.delimiter)
        before = 0
        for cells in reader:
            if cells and before >= header.lines:
                yield TextRow(before + 1, cells)
            before = reader.line_num


def read_header(path: Path, label: str) -> Header:
    """Read the header, and check the whole file for content that no text table has.

    Args:
        path: of the file.
        label: its name in messages.

    Returns:
        The header.

    Raises:
        DataError: the file is empty, binary, not UTF-8, or has no usable header or no rows.
    """
    origin = Origin(label)
    quoted = _check_content(path, origin)
    csv.field_size_limit(MAX_LINE_BYTES)
    try:
        return find_header(lambda: _open_text(path), origin, quoted=quoted, tabs=ending_of(path) == ".tsv")
    except UnicodeDecodeError:
        refuse_encoding(path, origin)
    except csv.Error as error:
        origin.refuse(LONG_LINE if "field larger" in str(error) else f"the header cannot be read ({error})")
    raise AssertionError


def _check_content(path: Path, origin: Origin) -> bool:
    """Return whether the file contains quotes; refuse an empty or binary one."""
    if path.stat().st_size == 0:
        origin.refuse("is empty (0 bytes)")
    try:
        with open_bytes(path) as file:
            return _check_bytes(file, origin, packed=path.suffix.lower() == ".gz", stored=path.stat().st_size)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        origin.refuse("cannot be decompressed as gzip", hint="the file is damaged or incomplete")


LONG_LINE = f"has a line, or a quote that is never closed, of more than {MAX_LINE_BYTES >> 20} MiB"


def _check_bytes(file: IO[bytes], origin: Origin, *, packed: bool, stored: int) -> bool:
    quoted, size, line, run = False, 0, 1, 0
    while piece := file.read(_PIECE):
        if size == 0:
            refuse_start(piece, origin)
        nul = piece.find(b"\0")
        if nul >= 0:
            line += piece[:nul].count(b"\n")
            origin.refuse(f"must be text, line {line} holds a NUL byte", hint="save it as UTF-8 text")
        quoted = quoted or b'"' in piece
        size += len(piece)
        line += piece.count(b"\n")
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        run = run + len(piece) if end < 0 else len(piece) - end - 1
        if run > MAX_LINE_BYTES:
            origin.refuse(LONG_LINE)
        if packed:
            check_memory(size, origin, packed=stored)
    if size == 0:
        origin.refuse("is empty (0 bytes when decompressed)")
    return quoted


def refuse_start(piece: bytes, origin: Origin) -> None:
    """Raise a DataError if a file begins like one of another format."""
    for start, kind in _STARTS.items():
        if piece[: len(start)] == start:
            hint = "save it as UTF-8" if "UTF-16" in kind else "is its extension right?"
            origin.refuse(f"must be UTF-8 text, this is {kind}", hint=hint)


def find_header(opened: Callable[[], IO[str]], origin: Origin, *, quoted: bool, tabs: bool) -> Header:
    """Return the header of a text.

    Args:
        opened: opens the text at its start, as often as it is called.
        origin: of the text.
        quoted: whether it contains quotes.
        tabs: whether cells are separated by tabs; otherwise the delimiter is detected.

    Returns:
        The header.

    Raises:
        DataError: there is no usable header, or no row below it.
        UnicodeDecodeError: the text is not UTF-8.
        csv.Error: the first lines cannot be read.
    """
    delimiter = "\t" if tabs else _sniff(opened)
    with opened() as file:
        reader = csv.reader(file, delimiter=delimiter)
        lead = islice(reader, MAX_BLANK_LINES)
        cells = next((cells for cells in lead if any(cell.strip() for cell in cells)), None)
        lines = reader.line_num
        if cells is None:
            where = "" if next(reader, None) is None else f" in its first {MAX_BLANK_LINES:,} lines"
            origin.refuse(f"holds no header{where}" if where else "holds no header and no rows")
        if len(cells) > MAX_COLUMNS:
            rule = f"has {len(cells):,} columns, a table may have at most {MAX_COLUMNS:,}"
            origin.refuse(rule, hint="save wide rows of numbers as .npy or .npz")
        has_rows = any(islice(reader, MAX_BLANK_LINES))
    names = tuple(cell.strip() or f"(column {place})" for place, cell in enumerate(cells, 1))
    problems = [Problem(f"{origin.label}: {rule}", hint=hint) for rule, hint in _header_errors(names)]
    if not has_rows and not problems:
        problems.append(Problem(f"{origin.label}: has a header but no rows"))
    if problems:
        raise DataError(*problems)
    return Header(names, delimiter, lines, quoted)


def _sniff(opened: Callable[[], IO[str]]) -> str:
    """Return the delimiter that divides header and first row into equally many cells, and the most.

    Equally many, since `1,5;2` below `a;b` contains a comma, and a name may contain a semicolon.
    `csv.Sniffer` would not do: it raises an error for a table of one column.
    """

    def cells(delimiter: str) -> tuple[bool, int]:
        with opened() as file:
            read = islice(csv.reader(file, delimiter=delimiter), MAX_BLANK_LINES)
            rows = (row for row in read if any(map(str.strip, row)))
            sizes = [len(row) for row in islice(rows, 2)] or [0]
        return sizes[0] == sizes[-1] > 1, sizes[0]

    return max(_DELIMITERS, key=cells)


def _header_errors(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    repeated = (
        sorted(name for name, count in Counter(names).items() if count > 1)
        if len(set(names)) < len(names)
        else []
    )[:MAX_SHOWN]
    if _looks_like_data(names):
        hint = "add a line of names above the rows"
        yield f"the first row must name the columns, it holds numbers ({listing(names, 4)})", hint
    elif repeated:
        for name in repeated:
            places = [str(place) for place, other in enumerate(names, 1) if other == name]
            yield (
                f"column name {name!r} occurs more than once (columns {', '.join(places)})",
                "rename all but one",
            )
    if len(names) == 1 and "|" in names[0]:
        yield f"columns must be separated by {', '.join(_DELIMITERS.values())}", f"the header is {names[0]!r}"


def _looks_like_data(names: tuple[str, ...]) -> bool:
    """Return whether the first row is data: only numbers, or decimal numbers and one label.

    0, 1, 2, ... are names, which pandas gives to columns without one.
    """
    if len(names) > 1 and list(names) == [str(place) for place in range(len(names))]:
        return False
    numbers = [name for name in names if NUMBER.fullmatch(name)]
    decimals = sum("." in name for name in numbers)
    return len(numbers) == len(names) or (len(numbers) == len(names) - 1 and decimals > 1)


def refuse_encoding(path: Path, origin: Origin) -> None:
    """Raise a DataError that names the first byte that is not UTF-8; return if there is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with open_bytes(path) as file:
        while True:
            piece = file.read(_PIECE)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                start = error.start - pending  # negative if the bad character began in the last piece
                line += piece[: max(0, start)].count(b"\n")
                byte = error.object[error.start]
                origin.refuse(
                    f"must be UTF-8 text, line {line} holds byte 0x{byte:02x}", hint="save it as UTF-8"
                )
            if not piece:
                return
            line += piece.count(b"\n")


def refuse_rows(origin: TextOrigin) -> None:
    """Raise a DataError for rows with too many or too few cells; return if there are none."""
    expected = len(origin.header.names)
    row_errors: list[RowError] = []
    total = 0
    for row, record in enumerate(read_text_rows(origin.path, origin.header)):
        if len(record.cells) != expected:
            total += 1
            if len(row_errors) < MAX_SHOWN:
                row_errors.append(RowError(row, "", f"must have {expected} cells", len(record.cells)))
    problems = origin.problems(row_errors, total=total)
    if problems:
        raise DataError(*problems)


def refuse_open_quote(origin: TextOrigin) -> None:
    """Raise a DataError if a quote is never closed, so that one cell contains all rows below it."""
    rows, line = 0, origin.header.lines + 1
    for record in read_text_rows(origin.path, origin.header):
        rows, line = rows + 1, record.line
    try:  # such a quote is in the last row, the only one that is parsed strictly
        with _open_text(origin.path) as file:
            for _ in csv.reader(islice(file, line - 1, None), delimiter=origin.header.delimiter, strict=True):
                pass
    except csv.Error as error:
        if "end of data" in str(error):
            where = f"{origin.label} row {rows} (line {line})"
            raise DataError(Problem(f"{where}: has a quote that is never closed")) from error
