"""Read text tables in blocks of whole rows, which PyArrow parses.

PyArrow's own `open_csv` would not do: it fixes the types after its first block, and names neither the row nor
the line of a cell that it cannot convert.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Literal, Self, TypeAlias

import numpy as np

from mlpcli.data.readers.charset import Utf8Reader, charset_note
from mlpcli.data.readers.delimited import MAX_LINE_BYTES, filtered
from mlpcli.data.readers.delimited_columns import FALSE, TRUE
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.header import Header, find_header
from mlpcli.data.readers.row_errors import Origin, RowError, first_line
from mlpcli.data.types import Array, ArrowColumn

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.csv import InvalidRow

Handler: TypeAlias = "Callable[[InvalidRow], Literal['skip']]"

BLOCK_BYTES = 8 << 20
MAX_BLOCK_BYTES = 2 * MAX_LINE_BYTES
_THREAD_BYTES = 1 << 20  # that one thread of PyArrow parses at a time


@dataclass(frozen=True)
class Block:
    """Some rows of a table.

    Attributes:
        columns: by name.
        positions: (rows,) int64, the position of each row in the table, from 0.
        ragged: errors of rows with too many or too few cells, which are not in `columns`.
        content: the rows as the file has them, in UTF-8.
        pixels: in place of columns that name image files, by name: what is in the files.
    """

    columns: dict[str, ArrowColumn]
    positions: Array
    ragged: list[RowError] = field(default_factory=list)
    content: bytes = b""
    pixels: dict[str, ArrowColumn] = field(default_factory=dict)


class BlockReader:
    """Reads a text table a block at a time; memory holds one block."""

    def __init__(self, file: IO[bytes], origin: Origin, dialect: Dialect, *, delimiter: str = "") -> None:
        """Read the first block and find the header in it.

        Args:
            file: the bytes of the table.
            origin: of the table.
            dialect: how its cells are written.
            delimiter: between cells; empty for the dialect's, or to detect it.

        Raises:
            DataError: the block has no header, or is not text.
        """
        self.origin, self.dialect = origin, dialect
        delimiter = delimiter or dialect.delimiter
        self.file = Utf8Reader(file, origin, dialect.charset, certain=dialect.certain)
        self.lines = filtered(self.file, dialect.comment, delimiter)
        self.rest, whole = b"", False
        while len(self.rest) < BLOCK_BYTES and not whole:
            read = self.lines.read(BLOCK_BYTES - len(self.rest))
            self.rest, whole = self.rest + read, not read
        if not self.rest:
            origin.refuse("is empty (0 bytes)")
        self.header = replace(self._find_header(delimiter, whole), comment=dialect.comment)
        self.rest = self.rest[self._header_bytes() :]

    @classmethod
    def of_header(cls, text: IO[bytes], origin: Origin, dialect: Dialect, header: Header) -> Self:
        """Return the reader of a table whose header is known.

        Args:
            text: of the table, in UTF-8 without comments, from its beginning.
            origin: of the table.
            dialect: how its cells are written.
            header: of the table.
        """
        reader = cls.__new__(cls)
        reader.origin, reader.dialect, reader.header = origin, dialect, header
        reader.lines, reader.rest = text, b""
        while len(reader.rest) < BLOCK_BYTES and (read := text.read(BLOCK_BYTES - len(reader.rest))):
            reader.rest += read
        reader.rest = reader.rest[reader._header_bytes() :]
        return reader

    @property
    def note(self) -> str:
        """What a person should know of the character set, as far as the text has been read."""
        return charset_note(self.origin.label, self.file)

    def _opened(self) -> IO[str]:
        return io.TextIOWrapper(io.BytesIO(self.rest), encoding="utf-8", newline="", errors="replace")

    def _find_header(self, delimiter: str, whole: bool) -> Header:
        try:
            return find_header(
                self._opened,
                self.origin,
                quoted=b'"' in self.rest,
                delimiter=delimiter,
                header=self.dialect.header,
                whole=whole,
            )
        except csv.Error as error:
            self.origin.refuse(f"the header cannot be read ({error})")

    def _header_bytes(self) -> int:
        """Return the bytes of the header, and of what is above it."""
        place = 0
        for _ in range(self.header.lines):
            ends = [end for end in (self.rest.find(b"\n", place), self.rest.find(b"\r", place)) if end >= 0]
            place = min(ends) + 1
            if self.rest[place - 1 : place + 1] == b"\r\n":
                place += 1
        return place

    def blocks(
        self, columns: Sequence[str], *, text: Collection[str], numbers: Collection[str]
    ) -> Iterator[Block]:
        """Yield all rows, with some of their columns.

        Args:
            columns: to read.
            text: columns that are kept as they are written.
            numbers: columns that are read as numbers, unless a cell is not one.

        Yields:
            The rows in their order.

        Raises:
            DataError: the table is not UTF-8 text, or a row is too long.
        """
        position = 0
        for content in self._contents():
            block = self._parse(content, columns, text, numbers, position)
            position += len(block.positions) + len(block.ragged)
            yield replace(block, content=content)

    def _contents(self) -> Iterator[bytes]:
        """Yield bytes that end with the end of a row."""
        size, at_end = BLOCK_BYTES, False
        while self.rest or not at_end:
            if not at_end and len(self.rest) < size:
                read = self.lines.read(size - len(self.rest))
                at_end = not read
                self.rest += read
                continue
            cut = len(self.rest) if at_end else last_row_end(self.rest, self.header.delimiter)
            if cut == 0:
                size = min(2 * size, MAX_BLOCK_BYTES)
                if len(self.rest) >= MAX_BLOCK_BYTES:
                    self.origin.refuse(
                        "has a row, or a quote that is never closed, of more than "
                        f"{MAX_BLOCK_BYTES >> 20} MiB"
                    )
                continue
            content, self.rest = self.rest[:cut], self.rest[cut:]
            size = BLOCK_BYTES
            nul = content.find(b"\0")
            if nul >= 0:
                self.origin.refuse("must be text, it holds a NUL byte", hint="save it as UTF-8 text")
            yield content

    def _parse(
        self,
        content: bytes,
        columns: Sequence[str],
        text: Collection[str],
        numbers: Collection[str],
        first: int,
    ) -> Block:
        import pyarrow as pa

        kinds = {name: pa.float64() for name in numbers} | {name: pa.string() for name in text}
        try:
            table = self._read(content, columns, kinds, None)
        except pa.ArrowInvalid:
            return self._parse_with_errors(content, columns, text, first)
        return Block(_columns(table, columns), first + np.arange(table.num_rows))

    def _parse_with_errors(
        self, content: bytes, columns: Sequence[str], text: Collection[str], first: int
    ) -> Block:
        """Parse a block with cells that are not numbers, or rows with too many or too few cells."""
        import pyarrow as pa

        self._refuse_encoding(content)  # PyArrow passes rows to the handler as text, without a check
        expected = len(self.header.names)
        ragged: list[tuple[int, int]] = []

        def skip(row: InvalidRow) -> Literal["skip"]:
            ragged.append((int(row.number), int(row.actual_columns)))
            return "skip"

        try:
            table = self._read(content, columns, {name: pa.string() for name in text}, skip)
        except pa.ArrowInvalid as error:
            self.origin.refuse(f"cannot be read as a table ({first_line(error)})")
        found = [number - 1 for number, _ in ragged]  # PyArrow counts the rows of a block from 1
        all_rows = np.arange(table.num_rows + len(ragged))
        positions = first + np.delete(all_rows, found)
        row_errors = [
            RowError(first + number - 1, "", f"must have {expected} cells", count) for number, count in ragged
        ]
        return Block(_columns(table, columns), positions, row_errors)

    def _read(
        self, content: bytes, columns: Sequence[str], types: dict[str, pa.DataType], skip: Handler | None
    ) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv as reader

        return reader.read_csv(
            pa.BufferReader(content),
            read_options=reader.ReadOptions(
                column_names=list(self.header.names),
                block_size=_THREAD_BYTES if skip is None and b'"' not in content else len(content) + 1,
                use_threads=skip is None,  # PyArrow numbers the rows only in a single thread
            ),
            parse_options=reader.ParseOptions(
                delimiter=self.header.delimiter,
                newlines_in_values=b'"' in content,
                invalid_row_handler=skip,
            ),
            convert_options=reader.ConvertOptions(
                include_columns=list(columns),
                column_types=types,
                null_values=list(self.dialect.missing_spellings),
                strings_can_be_null=False,
                true_values=list(TRUE),
                false_values=list(FALSE),
                decimal_point=self.dialect.decimal,
            ),
        )

    def _refuse_encoding(self, content: bytes) -> None:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = content[error.start]
            self.origin.refuse(f"must be UTF-8 text, it holds byte 0x{byte:02x}", hint="save it as UTF-8")


def with_cells(row_errors: Sequence[RowError], block: Block, header: Header) -> list[RowError]:
    """Return errors of rows of a block with the cells of these rows; surplus cells stay with the last."""
    if not row_errors:
        return []
    first = min(int(place) for place in (*block.positions[:1], *(each.row for each in block.ragged)))
    text = io.StringIO(block.content.decode("utf-8", "replace"), newline="")
    rows = [cells for cells in csv.reader(text, delimiter=header.delimiter) if cells]
    last = len(header.names) - 1
    found = []
    for each in row_errors:
        cells = rows[each.row - first]
        cells = [*cells[:last], header.delimiter.join(cells[last:]), *[""] * last]
        found.append(replace(each, cells=dict(zip(header.names, cells, strict=False))))
    return found


def _columns(table: pa.Table, names: Sequence[str]) -> dict[str, ArrowColumn]:
    return {name: table.column(name) for name in names}


def last_row_end(content: bytes, delimiter: str) -> int:
    """Return the number of bytes up to the end of the last whole row; 0 if there is none.

    A quote opens only at the start of a cell, so `5" pipe` is plain text.

    Args:
        content: bytes that begin with a row.
        delimiter: between cells.

    Returns:
        The position after the row's line break.
    """
    end = content.rfind(b"\n")
    if end < 0 or b'"' not in content:
        return end + 1
    sign = re.escape(delimiter.encode())
    quoted = re.compile(rb"(?:(?<=[\n\r" + sign + rb'])|\A)"[^"]*(?:""[^"]*)*(?:"|\Z)')
    inside = [match.span() for match in quoted.finditer(content) if b"\n" in match[0]]
    for start, stop in reversed(inside):
        if start < end < stop:
            end = content.rfind(b"\n", 0, start)
    return end + 1
