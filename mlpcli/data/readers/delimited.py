"""Text tables (CSV, TSV): the header, checks of the whole file, and the line of every bad row.

Python's `csv` module finds lines and cells for messages, since PyArrow, which reads the rows, knows neither.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, cast

from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors, raise_row_errors
from mlpcli.data.readers.charset import UTF_8, Utf8Reader, charset_note
from mlpcli.data.readers.dialect import BLANKS, PLAIN, Dialect
from mlpcli.data.readers.find_files import ending_of
from mlpcli.data.readers.header import Header, find_header
from mlpcli.data.readers.line_filter import LineFilter
from mlpcli.data.readers.packed import PACKING_ERRORS, open_bytes, packing_of
from mlpcli.data.readers.row_errors import Origin, RowError, check_memory
from mlpcli.errors import DataError, Problem
from mlpcli.printable import counted

_PIECE = 1 << 20

MAX_LINE_BYTES = 32 << 20
"""Of one line and of one cell: a file of a single line is in memory several times at once."""


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
        self._lines: dict[int, int] = {}

    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """Return the physical line on which each row begins; cells are not kept, so that rows may be many."""
        wanted = set(rows)
        missing = wanted - self._lines.keys()
        if missing:
            last = max(missing)
            for row, record in enumerate(read_text_rows(self.path, self.header)):
                if row in missing:
                    self._lines[row] = record.line
                if row == last:
                    break
        return {row: self._lines[row] for row in wanted if row in self._lines}

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


def filtered(file: Utf8Reader, comment: str, delimiter: str) -> IO[bytes]:
    """Return a text without its comment lines, and with one blank for several where these divide cells."""
    if comment or delimiter == BLANKS:
        return cast(IO[bytes], LineFilter(cast(IO[bytes], file), comment, blanks=delimiter == BLANKS))
    return cast(IO[bytes], file)


def open_utf8(path: Path, charset: str = UTF_8, comment: str = "", delimiter: str = "") -> IO[bytes]:
    """Open a text's bytes as UTF-8, without a byte-order mark and comments; for PyArrow and the csv module.

    Raises:
        DataError: the text is not of its character set.
    """
    return filtered(Utf8Reader(open_bytes(path), Origin(str(path)), charset), comment, delimiter)


def open_table_text(path: Path, header: Header) -> IO[bytes]:
    """Open the text of a table whose header is known, as UTF-8 without comments."""
    return open_utf8(path, header.charset, header.comment, header.delimiter)


def _open_text(path: Path, charset: str, comment: str, delimiter: str) -> IO[str]:
    return io.TextIOWrapper(open_utf8(path, charset, comment, delimiter), encoding="utf-8", newline="")


def read_text_rows(path: Path, header: Header) -> Iterator[TextRow]:
    """Yield the rows below the header, by Python's csv module; blank lines are not rows.

    Where the header says so, rows with too many or too few cells are none either.
    """
    wanted = len(header.names)
    with _open_text(path, header.charset, header.comment, header.delimiter) as file:
        reader = csv.reader(file, delimiter=header.delimiter)
        before = 0
        for cells in reader:
            if cells and before >= header.lines and (not header.skips or len(cells) == wanted):
                yield TextRow(before + 1, cells)
            before = reader.line_num


def delimiter_of(path: Path, dialect: Dialect) -> str:
    """Return what divides the cells of a file; empty where that is still to be detected."""
    return dialect.delimiter or ("\t" if ending_of(path) == ".tsv" else "")


def read_header(path: Path, label: str, dialect: Dialect = PLAIN) -> Header:
    """Read the header, and check the whole file for content that no text table has.

    Args:
        path: of the file.
        label: its name in messages.
        dialect: what is known of its character set and its header.

    Returns:
        The header.

    Raises:
        DataError: the file is empty, binary, of an unknown character set, or has no usable header or no rows.
    """
    origin = Origin(label)
    content = _check_content(path, origin, dialect)
    csv.field_size_limit(MAX_LINE_BYTES)
    try:
        header = find_header(
            lambda: _open_text(path, content.charset, dialect.comment, dialect.delimiter),
            origin,
            quoted=content.quoted,
            delimiter=delimiter_of(path, dialect),
            header=dialect.header,
        )
    except UnicodeDecodeError:
        refuse_encoding(path, origin)
        raise
    except csv.Error as error:
        origin.refuse(LONG_LINE if "field larger" in str(error) else f"the header cannot be read ({error})")
    return replace(
        header, charset=content.charset, comment=dialect.comment, notes=(*content.notes, *header.notes)
    )


@dataclass(frozen=True)
class _Content:
    """What a whole file holds: whether there are quotes, and its character set with a note on it."""

    quoted: bool
    charset: str
    notes: tuple[str, ...]


def _check_content(path: Path, origin: Origin, dialect: Dialect) -> _Content:
    """Return what a file holds; refuse an empty or binary one."""
    if path.stat().st_size == 0:
        origin.refuse("is empty (0 bytes)")
    packing = packing_of(path)
    try:
        with open_bytes(path) as file:
            reader = Utf8Reader(file, origin, dialect.charset, certain=dialect.certain)
            packed = bool(packing)
            quoted = _check_bytes(reader, origin, packed=packed, stored=path.stat().st_size)
    except PACKING_ERRORS:
        if not packing:
            raise
        origin.refuse(f"cannot be decompressed as {packing}", hint="the file is damaged or incomplete")
    note = charset_note(origin.label, reader)
    return _Content(quoted, reader.charset, (note,) if note and not dialect.charset else ())


LONG_LINE = f"has a line, or a quote that is never closed, of more than {MAX_LINE_BYTES >> 20} MiB"


def _check_bytes(file: Utf8Reader, origin: Origin, *, packed: bool, stored: int) -> bool:
    quoted, size, line, run = False, 0, 1, 0
    while piece := file.read(_PIECE):
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
    if size == 0 and packed:
        origin.refuse("is empty (0 bytes when decompressed)")
    return quoted


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
                rule = f"must be UTF-8 text, line {line} holds byte 0x{byte:02x}"
                origin.refuse(rule, hint="save it as UTF-8, or set dataset: {charset: windows-1252}")
            if not piece:
                return
            line += piece.count(b"\n")


def refuse_rows(origin: TextOrigin) -> None:
    """Raise a DataError for rows with too many or too few cells; return if there are none."""
    expected = len(origin.header.names)
    row_errors: list[RowError] = []
    total = rows = 0
    sizes: set[int] = set()
    for row, record in enumerate(read_text_rows(origin.path, origin.header)):
        rows += 1
        if len(record.cells) != expected:
            total += 1
            sizes.add(len(record.cells))
            if len(row_errors) < MAX_DESCRIBED:
                row_errors.append(
                    RowError(row, "", f"must have {counted(expected, 'cell')}", len(record.cells))
                )
    if total and total == rows and len(sizes) == 1:
        rule = f"the header has {counted(expected, 'name')}, every row has {counted(sizes.pop(), 'cell')}"
        origin.refuse(rule, hint="name every column once, in the first row")
    raise_row_errors(origin, RowErrors(row_errors, total))


def refuse_open_quote(origin: TextOrigin) -> None:
    """Raise a DataError if a quote is never closed, so that one cell contains all rows below it."""
    rows, line = 0, origin.header.lines + 1
    for record in read_text_rows(origin.path, origin.header):
        rows, line = rows + 1, record.line
    try:  # such a quote is in the last row, the only one that is parsed strictly
        header = origin.header
        with _open_text(origin.path, header.charset, header.comment, header.delimiter) as file:
            for _ in csv.reader(islice(file, line - 1, None), delimiter=origin.header.delimiter, strict=True):
                pass
    except csv.Error as error:
        if "end of data" in str(error):
            where = f"{origin.label} row {rows} (line {line})"
            raise DataError(Problem(f"{where}: has a quote that is never closed")) from error
