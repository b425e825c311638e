"""Read a table in one pass into files, a file a column; memory holds one block of its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.readers.delimited import (
    TextOrigin,
    open_table_text,
    refuse_encoding,
    refuse_open_quote,
    refuse_rows,
)
from mlpcli.data.readers.delimited_columns import PLAIN_DIGITS
from mlpcli.data.readers.delimited_stream import BlockReader
from mlpcli.data.readers.keyed_columns import names_in_file, with_keys
from mlpcli.data.readers.parquet import parquet_batches
from mlpcli.data.readers.row_errors import ManyOrigin, Origin
from mlpcli.data.readers.table_values import written_cell
from mlpcli.data.readers.tables import Table, TableFile, refuse_without_rows
from mlpcli.data.stored.column_writer import ColumnWriter
from mlpcli.data.stored.release import release_memory
from mlpcli.data.stored.stored_column import Recent
from mlpcli.data.types import EXACT, Array, ArrowColumn

if TYPE_CHECKING:
    from mlpcli.data.readers.parse_cells import ParsedColumn

MOST_TEXTS = 1_000_000
"""The most distinct texts of a column, which are in memory."""


RELEASED = 8
"""Blocks after which PyArrow gives memory back that it keeps for later ones."""


@dataclass
class _Pass:
    """What one reading of all files has found.

    writers: by column.
    odd: the columns of a text file that must be read as text.
    padded: whether a cell may be a number with a zero before its other digits.
    parts: each file's origin and number of rows.
    """

    writers: dict[str, ColumnWriter]
    odd: set[str]
    padded: bool
    parts: list[tuple[Origin, int]]


class TableStore:
    """Reads tables into files of a folder; `read` is `read_table` for tables that do not fit into memory."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder, which exists."""
        self.folder, self.recent = folder, Recent()
        self._numbers = count()

    def read(
        self, file: TableFile, columns: Sequence[str], *, text: Collection[str] = (), codes: bool = False
    ) -> Table:
        """Read some columns of a table; see `read_table`.

        Raises:
            DataError: as `read_table`; or a column holds too many distinct texts.
        """
        as_text = {*text}
        found = self._pass(file, columns, as_text)
        whole = {name for name, each in found.writers.items() if each.dtype.kind in "iu" and not each.is_text}
        if codes and found.padded and whole:
            found.odd |= self._padded(file, sorted(whole - as_text))
        if found.odd:
            again = [name for name in columns if name in found.odd]
            for name in again:
                found.writers.pop(name).discard()
            try:
                found.writers |= self._pass(file, again, as_text | found.odd, again).writers
            except BaseException:
                _discard(found.writers.values())
                raise
        rows = sum(number for _, number in found.parts)
        if rows == 0:
            refuse_without_rows(file)
        origin = ManyOrigin(file.origin.label, found.parts) if file.more else found.parts[0][0]
        dialect = file.dialect
        stored: dict[str, ParsedColumn] = {
            name: found.writers[name].finish(self.recent, dialect.of(name)) for name in columns
        }
        return Table(origin, stored, rows, dialect)

    def _pass(
        self, file: TableFile, columns: Sequence[str], text: Collection[str], mixed: Collection[str] = ()
    ) -> _Pass:
        """Write some columns of all files; those of mixed types as texts."""
        writers = {
            name: ColumnWriter(self.folder, next(self._numbers), as_text=name in mixed) for name in columns
        }
        found = _Pass(writers, set(), False, [])
        try:
            self._fill(file, columns, text, found)
        except BaseException:
            _discard(writers.values())
            raise
        found.odd |= {name for name, writer in writers.items() if writer.mixed}
        return found

    def _fill(self, file: TableFile, columns: Sequence[str], text: Collection[str], found: _Pass) -> None:
        """Write the columns of all files."""
        for each in file.more or (file,):
            rows = 0
            for place, block in enumerate(_blocks(each, columns, text, found)):
                rows += self._add(each, block, found, text)
                if place % RELEASED == RELEASED - 1:
                    release_memory()
            found.parts.append((each.origin, rows))
        release_memory()

    def _add(
        self, file: TableFile, block: dict[str, ArrowColumn], found: _Pass, text: Collection[str]
    ) -> int:
        """Write the columns of some rows; return how many there are."""
        rows = 0
        for name, writer in found.writers.items():
            column = block[name]
            rows = len(column)
            if name in found.odd:
                continue
            if isinstance(file.origin, TextOrigin) and name not in text:
                before = sum(number for _, number in found.parts)
                if _is_odd(column, name, writer, file, before):
                    found.odd.add(name)
                    continue
            writer.add(column)
            if len(writer.texts) > MOST_TEXTS:
                rule = f"column {name!r} holds more than {MOST_TEXTS:,} distinct texts"
                hint = "with fit.memory these are in memory: leave the column out, kind: ignore; a target of "
                file.origin.refuse(rule, hint=f"{hint}numbers needs a loss such as mse")
        return rows

    def _padded(self, file: TableFile, whole: Sequence[str]) -> set[str]:
        """Return the columns of whole numbers in which some have a zero before another digit."""
        found = self._pass(file, whole, whole)
        odd = set()
        for name, writer in found.writers.items():
            trimmed = (text.strip() for text in writer.texts if text is not None)
            if any(len(text) > 1 and text.startswith("0") for text in trimmed):
                odd.add(name)
            writer.discard()
        return odd


def _discard(writers: Iterable[ColumnWriter]) -> None:
    for writer in writers:
        writer.discard()


def _blocks(
    file: TableFile, columns: Sequence[str], text: Collection[str], found: _Pass
) -> Iterator[dict[str, ArrowColumn]]:
    """Yield some columns of a file, some rows at a time.

    Raises:
        DataError: rows have too many or too few cells, or the file is damaged.
    """
    inside = names_in_file(columns, file.keys, file.own_names)
    first = 0
    for block in _blocks_of_file(file, inside, text, found):
        yield with_keys(block, columns, file.keys, file.origin, first=first) if file.keys else block
        first += len(next(iter(block.values())))


def _blocks_of_file(
    file: TableFile, columns: Sequence[str], text: Collection[str], found: _Pass
) -> Iterator[dict[str, ArrowColumn]]:
    origin = file.origin
    if not isinstance(origin, TextOrigin):
        batches = parquet_batches(file.path, columns, origin) if file.reader is None else None
        yield from batches if batches is not None else file.reader.batches(columns)  # type: ignore[union-attr]
        return
    quotes = 0
    with open_table_text(origin.path, origin.header) as opened:
        reader = BlockReader.of_header(opened, origin, file.dialect, origin.header)
        wanted = [name for name in text if name in columns]
        for block in reader.blocks(columns, text=wanted, numbers=()):
            if block.ragged:
                refuse_rows(origin)
            quotes += block.content.count(b'"')
            found.padded = found.padded or _may_be_padded(block.content, origin.header.delimiter)
            yield block.columns
    if quotes % 2:
        refuse_open_quote(origin)


def _may_be_padded(content: bytes, delimiter: str) -> bool:
    """Return whether a cell may begin with a zero and another digit."""
    values = np.frombuffer(content, np.uint8)
    starts = np.zeros(256, bool)
    starts[[ord(sign) for sign in '\n\r"' + " \t"]] = True
    starts[list(delimiter.encode())] = True
    digits = np.zeros(256, bool)
    digits[ord("0") : ord("9") + 1] = True
    zeros = np.flatnonzero(values[:-1] == ord("0"))
    zeros = zeros[digits[values[zeros + 1]]]
    return bool((starts[values[zeros - 1]] | (zeros == 0)).any()) if len(zeros) else False


def _is_odd(column: ArrowColumn, name: str, writer: ColumnWriter, file: TableFile, before: int) -> bool:
    """Return whether a column of a text file must be read as text, as `read_table` does.

    PyArrow would convert a time with a zone, and drop the digits of a number beyond 2^53.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    assert isinstance(file.origin, TextOrigin)
    if pa.types.is_binary(column.type):
        refuse_encoding(file.origin.path, file.origin)
    if pa.types.is_temporal(column.type):
        return True
    if not pa.types.is_floating(column.type):
        return False
    ends = pc.min_max(column).as_py().values()
    if not any(end is not None and EXACT <= abs(end) < np.inf for end in ends):
        return False
    values: Array = column.to_numpy()
    inside = int(np.flatnonzero(np.abs(np.nan_to_num(values)) >= EXACT)[0])
    cell = written_cell(file.origin, writer.rows - before + inside, name)
    return cell is not None and PLAIN_DIGITS.fullmatch(cell.strip()) is not None
