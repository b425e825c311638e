"""A raw column of a table that stays in a file; its cells are read in parts, or all of them for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.parse_cells import Numbers, ParsedColumn, Texts, strip_texts
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.types import Array, ArrowColumn

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


class Recent:
    """What was read last of some columns: the next question is mostly about the same one."""

    def __init__(self) -> None:
        self._key: tuple[object, str] = (None, "")
        self._value: object = None

    def recall(self, owner: object, what: str, compute: Callable[[], T]) -> T:
        """Return what was computed last if it is the same again, or compute it."""
        if self._key[0] is not owner or self._key[1] != what:
            self.forget()  # before the next is read
            self._value, self._key = compute(), (owner, what)
        found: T = self._value  # type: ignore[assignment]
        return found

    def forget(self) -> None:
        """Free what was read last."""
        self._key, self._value = (None, ""), None


class StoredColumn(ParsedColumn):
    """A column in files; its cells are read each time they are needed, since all columns would not fit.

    Attributes:
        cells: numbers or booleans, or the codes of texts, of every row of the file.
        present: bool, which cells are not missing; None where all are, and for texts.
        values: by code, the text as it is written; None where the column holds numbers.
        recent: what was read last of any column of the table.
        dialect: how its cells are written.
        rows: the positions of the rows that it has; None for all.
    """

    def __init__(
        self,
        cells: StoredArray,
        present: StoredArray | None,
        values: list[str | None] | None,
        recent: Recent,
        dialect: Dialect = PLAIN,
        rows: Array | None = None,
    ) -> None:
        self.cells, self.present, self.values, self.recent = cells, present, values, recent
        self.dialect, self.rows = dialect, rows

    def __len__(self) -> int:
        return len(self.cells) if self.rows is None else len(self.rows)

    @property
    def arrow(self) -> ArrowColumn:  # type: ignore[override]
        """All cells, which are read again each time."""
        return self._arrow(slice(0, len(self)))

    def _arrow(self, rows: Array | slice) -> pa.ChunkedArray:
        import pyarrow as pa

        if self.rows is not None:
            rows = self.rows[rows]
        cells = self.cells[rows]
        if self.values is not None:
            texts = pa.DictionaryArray.from_arrays(pa.array(cells), pa.array(self.values, pa.string()))
            return pa.chunked_array([texts])
        mask = None if self.present is None else ~self.present[rows]
        return pa.chunked_array([pa.array(cells, mask=mask)])

    @property
    def kind(self) -> pa.DataType:
        """The type of the cells."""
        import pyarrow as pa

        return pa.string() if self.values is not None else pa.from_numpy_dtype(self.cells.dtype)

    @property
    def written_kind(self) -> pa.DataType:
        """The type of the cells."""
        return self.kind

    def coded(self) -> tuple[list[object], Array]:
        """Return the distinct cells as they are written, and each row's position among them, (rows,)."""
        return super().coded() if self.values is None else self._coded(self.values)

    def _coded(self, values: list[str | None]) -> tuple[list[object], Array]:
        """Return the texts of the rows that it has, in the order of their first rows, and the codes."""
        if self.rows is None:
            return list(values), self.cells[:]
        used, first, codes = np.unique(self.cells[self.rows], return_index=True, return_inverse=True)
        order = np.argsort(first)
        places = np.empty(len(used), np.int32)
        places[order] = np.arange(len(used))
        return [values[code] for code in used[order].tolist()], places[codes]

    @property
    def numbers(self) -> Numbers:
        """The cells as numbers."""
        return self.recent.recall(self, "numbers", self._parse_numbers)

    def numbers_of(self, rows: Array) -> Array:
        """Return some of the cells as numbers, and forget the others."""
        found: Array = self.numbers.values[rows]
        self.release()
        return found

    @property
    def texts(self) -> Texts:
        """The cells as texts."""
        return self.recent.recall(self, "texts", self._stored_texts)

    def _stored_texts(self) -> Texts:
        if self.values is None:
            return ParsedColumn(self.arrow, self.dialect).texts
        values, codes = self._coded(self.values)
        return strip_texts([None if each is None else str(each) for each in values], codes, self.dialect)

    def value(self, row: int) -> object:
        """Return one cell as a Python value."""
        return self.part(row, row + 1).value(0)

    def part(self, start: int, stop: int) -> ParsedColumn:
        """Return consecutive rows, in memory."""
        return self._parsed(slice(start, stop))

    def take(self, rows: Array) -> ParsedColumn:
        """Return some of the rows, in memory."""
        return self._parsed(np.asarray(rows))

    def _parsed(self, rows: Array | slice) -> ParsedColumn:
        if self.values is None:
            return ParsedColumn(self._arrow(rows), self.dialect)
        cells = self.cells[rows if self.rows is None else self.rows[rows]]
        used, codes = np.unique(cells, return_inverse=True)
        return ParsedColumn(_texts([self.values[code] for code in used.tolist()], codes), self.dialect)

    def in_dialect(self, dialect: Dialect) -> StoredColumn:
        """Return the same cells, read in another dialect."""
        return StoredColumn(self.cells, self.present, self.values, self.recent, dialect, self.rows)

    def keep(self, rows: Array) -> StoredColumn:
        """Return the rows for which a mask, (rows,) bool, is true."""
        kept = np.flatnonzero(rows) if self.rows is None else self.rows[rows]
        return StoredColumn(self.cells, self.present, self.values, self.recent, self.dialect, kept)

    def release(self) -> None:
        """Free what was read last."""
        self.recent.forget()


def _texts(values: list[str | None], codes: Array) -> pa.ChunkedArray:
    """Return rows of texts: plain ones, as other readers give them."""
    import pyarrow as pa

    return pa.chunked_array([pa.array(values, pa.string()).take(pa.array(codes))])
