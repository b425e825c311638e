"""Look into an Excel file before a library does: how much it unpacks to, its formulas without a value.

The last cell of a sheet decides how much memory is taken, though the sheet may hold two cells; and a file of
a few kilobytes may unpack to gigabytes, whatever sizes it claims.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from mlpcli.data.readers.row_errors import Origin, check_memory
from mlpcli.files import open_ordinary

CELL_BYTES = 64
"""That a cell takes in memory, at least."""

MAX_SPARSE_CELLS = 20_000_000
"""A sheet of more cells, up to its last, of which few hold something, was created to fill the memory."""

MIN_FILLED = 0.001

_BOOK, _LINKS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_MAX_SMALL = 16 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    ElementTree.ParseError,
)
_PIECE = 1 << 20
_OVERLAP = 4096
_CELL = re.compile(rb'<(?:\w+:)?c\s(?:[^<>]*?\s)?r="([A-Z]{1,3})(\d{1,7})"')
_TEXT = re.compile(rb'\bt="s"[^<>]*>\s*<(?:\w+:)?v>(\d{1,9})</')
_TEXT_END = re.compile(rb"</(?:\w+:)?si>")
_ERROR = re.compile(rb'<(?:\w+:)?c\s(?=[^<>]*\bt="e")(?:[^<>]*?\s)?r="([A-Z]{1,3}\d{1,7})"')
_EMPTY_FORMULA = re.compile(
    rb'<(?:\w+:)?c\s(?:[^<>]*?\s)?r="([A-Z]{1,3}\d{1,7})"[^<>]*>\s*<(?:\w+:)?f(?:/>|[^<>]*/>|[^<]*</(?:\w+:)?f>)\s*'
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


@dataclass(frozen=True)
class SheetFacts:
    """What the text of a sheet shows.

    Attributes:
        empty_formulas: cells, such as `B7`, whose formula has no stored value.
        errors: cells that hold an error, such as `#DIV/0!`.
    """

    empty_formulas: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class _Texts:
    """The texts that the sheets of a file share, of which any number of cells may show the same."""

    def __init__(self) -> None:
        self.rest, self.lengths = b"", list[int]()

    def add(self, piece: bytes, origin: Origin) -> None:
        """Measure the texts in some more of their file."""
        *texts, self.rest = _TEXT_END.split(self.rest + piece)
        self.lengths += map(len, texts)
        if len(self.rest) > _PIECE:
            origin.refuse(f"holds a text of more than {_PIECE >> 20} MiB")


class _Seen:
    """The cells of a sheet, as its text is read."""

    def __init__(self) -> None:
        self.rest, self.cells, self.row = b"", 0, 0
        self.columns: set[bytes] = set()
        self.texts: Counter[bytes] = Counter()
        self.empty: dict[str, None] = {}
        self.errors: dict[str, None] = {}

    def add(self, piece: bytes, origin: Origin) -> None:
        """Look for cells in some more of the text; what may go on in the next piece is looked at again."""
        text = self.rest + piece
        found = _CELL.findall(text)
        self.cells += len(found)
        self.columns.update(column for column, _ in found)
        self.texts.update(_TEXT.findall(text))
        self.row = max(self.row, *(int(row) for _, row in found), 0)
        self.empty.update(dict.fromkeys(cell.decode() for cell in _EMPTY_FORMULA.findall(text)))
        self.errors.update(dict.fromkeys(cell.decode() for cell in _ERROR.findall(text)))
        self.rest = text[min(text.rfind(b"<"), len(text) - _OVERLAP) :] if len(text) > _OVERLAP else text
        if len(self.rest) > _PIECE:
            origin.refuse("cannot be read as an Excel file", hint="the file is damaged")

    def check(self, origin: Origin, sheet: str) -> None:
        """Refuse a sheet whose last cell is far away."""
        widest = max((_number(column) for column in self.columns), default=0)
        cells = widest * self.row
        if cells > MAX_SPARSE_CELLS and self.cells < MIN_FILLED * cells:
            rule = (
                f"sheet {sheet!r} reaches to row {self.row:,} and column {widest:,} with {self.cells:,} cells"
            )
            origin.refuse(rule, hint="delete what is far from the table, or copy the table to a new sheet")
        check_memory(CELL_BYTES * cells, origin)


@dataclass(frozen=True)
class Book:
    """What the sheets of an Excel file hold, before a library reads them."""

    origin: Origin
    sheets: dict[str, _Seen]
    texts: _Texts

    def facts(self, sheet: str) -> SheetFacts:
        """Return what a sheet shows.

        Raises:
            DataError: it takes more memory than there is.
        """
        seen = self.sheets.get(sheet)
        if seen is None:
            return SheetFacts()
        seen.check(self.origin, sheet)
        lengths = self.texts.lengths
        repeated = (
            lengths[int(place)] * count for place, count in seen.texts.items() if int(place) < len(lengths)
        )
        check_memory(sum(repeated), self.origin)
        return SheetFacts(tuple(seen.empty), tuple(seen.errors))


def look_into(path: Path, origin: Origin) -> Book:
    """Check what an Excel file unpacks to, and look at the cells of its sheets.

    Args:
        path: of the file.
        origin: of the file.

    Raises:
        DataError: the file is no zip archive, or takes more memory than there is.
    """
    with open_ordinary(path) as file:
        stored = path.stat().st_size
        try:
            archive = zipfile.ZipFile(file)
            members = {member.filename: member for member in archive.infolist()}
            small = [members[name] for name in (_BOOK, _LINKS)]
            if any(member.file_size > _MAX_SMALL for member in small):
                raise ValueError
            parts = _sheet_parts(*(archive.read(member) for member in small))
        except _DAMAGED:
            hint = "the file is damaged, or its extension is wrong"
            origin.refuse("cannot be read as an Excel file", hint=hint)
        texts = _Texts()
        total, found = 0, {part: _Seen() for part in parts.values()}
        for name, member in members.items():
            for piece in _unpacked(file, member, origin):
                total += len(piece)
                check_memory(total, origin, packed=stored)
                if name in found:
                    found[name].add(piece, origin)
                elif name.endswith("sharedStrings.xml"):
                    texts.add(piece, origin)
        return Book(origin, {sheet: found[part] for sheet, part in parts.items()}, texts)


def _unpacked(file: IO[bytes], member: zipfile.ZipInfo, origin: Origin) -> Iterator[bytes]:
    """Yield what a member unpacks to, whatever size it claims."""
    file.seek(max(0, member.header_offset))  # a damaged directory may name a place before the file
    head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\3\4":
        origin.refuse("cannot be read as an Excel file", hint="the file is damaged")
    name, extra = struct.unpack("<HH", head[26:30])
    file.seek(member.header_offset + 30 + name + extra)
    if member.compress_type == zipfile.ZIP_STORED:
        for start in range(0, member.compress_size, _PIECE):
            yield file.read(min(_PIECE, member.compress_size - start))
        return
    inflate = zlib.decompressobj(-15)
    left = member.compress_size
    try:
        while not inflate.eof:
            packed = inflate.unconsumed_tail or file.read(min(_PIECE, left))
            left -= 0 if inflate.unconsumed_tail else len(packed)
            piece = inflate.decompress(packed, _PIECE)
            if not piece and not packed:
                return
            yield piece
    except zlib.error:
        origin.refuse("cannot be read as an Excel file", hint="the file is damaged")


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def column_letters(place: int) -> str:
    """Return Excel's name of a column: `A` for 0, `AA` for 26."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _sheet_parts(book: bytes, links: bytes) -> dict[str, str]:
    """Return the member that holds each sheet, by the sheet's name."""
    targets = {each.get("Id"): each.get("Target", "") for each in ElementTree.fromstring(links)}
    found = {}
    for each in ElementTree.fromstring(book).iter():
        if each.tag.rpartition("}")[2] == "sheet":
            link = next((value for key, value in each.attrib.items() if key.endswith("}id")), "")
            target = targets.get(link, "")
            found[each.get("name", "")] = target[1:] if target.startswith("/") else f"xl/{target}"
    return found
