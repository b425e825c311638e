"""Write the cells of a column to a file, block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.parse_cells import ParsedColumn, is_text, plain_type
from mlpcli.data.stored.stored_array import StoredArray, bytes_of
from mlpcli.data.stored.stored_column import Recent, StoredColumn
from mlpcli.data.types import EXACT, Array, ArrowColumn

UNLIMITED = 1 << 62

CODES = np.dtype(np.int32)
UNKNOWN = np.dtype(np.int8)
"""Of cells as long as none has a value."""


class ColumnWriter:
    """The cells of one column; numbers keep their type, other values become texts.

    Attributes:
        rows: how many were written.
        is_text: whether the cells are texts; None as long as none has a value.
        mixed: whether numbers and other values occur, so that the column must be read as text.
        texts: the code of each distinct text.
    """

    def __init__(self, folder: Path, number: int, *, as_text: bool = False) -> None:
        """Create the files.

        Args:
            folder: in which they are created.
            number: by which they are called.
            as_text: write numbers as texts too.
        """
        self.rows, self.as_text = 0, as_text
        self.is_text: bool | None = None
        self.mixed = self.has_gaps = False
        self.dtype = UNKNOWN
        self.texts: dict[str | None, int] = {}
        self._cells = (folder / f"{number:04}.cells").open("wb")
        self._present = (folder / f"{number:04}.present").open("wb")

    def add(self, column: ArrowColumn) -> None:
        """Add the cells of some rows."""
        import pyarrow as pa

        column = plain_type(column)
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        kind = column.type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if pa.types.is_null(kind):
            self._add_gaps(len(column))
        elif (numeric or pa.types.is_boolean(kind)) and not self.as_text:
            self._add_numbers(column)
        else:
            self._add_texts(column)
        self.rows += len(column)

    def _add_gaps(self, rows: int) -> None:
        fill = self._code(None) if self.is_text else 0
        self._write(np.full(rows, fill, self.dtype), np.zeros(rows, bool))

    def _add_numbers(self, column: ArrowColumn) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_decimal(column.type):
            column = pc.cast(column, pa.float64(), safe=False)
        dtype = np.dtype(column.type.to_pandas_dtype())
        if self.is_text or (self.is_text is False and (self.dtype.kind == "b") != (dtype.kind == "b")):
            self.mixed = True
            return
        wider = dtype if self.is_text is None else np.promote_types(self.dtype, dtype)
        self._change(wider)
        self.is_text = False
        present = column.is_valid().to_numpy(zero_copy_only=False)
        if column.null_count:
            column = pc.fill_null(column, False if dtype.kind == "b" else 0)
        cells = column.to_numpy(zero_copy_only=False)
        self.mixed |= _is_rounded(cells, self.dtype)
        self._write(cells.astype(self.dtype, copy=False), present)

    def _add_texts(self, column: ArrowColumn) -> None:
        if self.is_text is False:
            self.mixed = True
            return
        if self.is_text is None:
            self.is_text = True
            self._change(CODES, self._code(None) if self.rows else 0)
        if is_text(column.type):
            coded = column.dictionary_encode(null_encoding="encode")
            values, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False)
        else:
            values, codes = ParsedColumn(column).texts.values, ParsedColumn(column).texts.codes
        own = np.array([self._code(value) for value in values] or [0], CODES)
        self._write(own[codes], np.ones(len(codes), bool))

    def _code(self, text: str | None) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def _write(self, cells: Array, present: Array) -> None:
        self.has_gaps |= not bool(present.all())
        for file, array in ((self._cells, cells), (self._present, present)):
            file.write(bytes_of(np.ascontiguousarray(array)))

    def _change(self, dtype: np.dtype, value: int | None = None) -> None:
        """Write the cells so far again in another type; with a value, all of them are this."""
        before, self.dtype = self.dtype, dtype
        if before == dtype or not self.rows:
            return
        self._cells.close()
        path = Path(self._cells.name)
        old = StoredArray(path, (self.rows,), before, most_bytes=UNLIMITED)
        scratch = path.with_suffix(".changed")
        with scratch.open("wb") as file:
            for block in old.blocks():
                self.mixed |= _is_rounded(block, dtype)
                cells = block.astype(dtype) if value is None else np.full(len(block), value, dtype)
                file.write(bytes_of(cells))
        scratch.replace(path)
        self._cells = path.open("ab")

    def finish(self, recent: Recent, dialect: Dialect) -> StoredColumn:
        """Return the column that was written."""
        if self.is_text is None:  # no cell has a value
            self.is_text = True
            self._change(CODES, self._code(None))
        self._cells.close()
        self._present.close()
        cells = StoredArray(Path(self._cells.name), (self.rows,), self.dtype, most_bytes=UNLIMITED)
        present = None
        if self.has_gaps and not self.is_text:
            name = Path(self._present.name)
            present = StoredArray(name, (self.rows,), np.dtype(bool), most_bytes=UNLIMITED)
        return StoredColumn(cells, present, list(self.texts) if self.is_text else None, recent, dialect)

    def discard(self) -> None:
        """End writing, and remove the files."""
        for file in (self._cells, self._present):
            file.close()
            Path(file.name).unlink()


def _is_rounded(cells: Array, dtype: np.dtype) -> bool:
    """Return whether a type of floats would round some whole numbers."""
    if cells.dtype.kind not in "iu" or dtype.kind != "f":
        return False
    return bool((np.abs(cells.astype(np.float64)) >= EXACT).any())
