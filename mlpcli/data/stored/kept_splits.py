"""Keep the rows of a dataset in files: encoded in parts, each split one after the other in its own order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.dataset import Split
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.unknown_values import apply_policy, cell_errors
from mlpcli.data.readers.arrays import ArrayFile
from mlpcli.data.readers.broken_rules import RowErrors, raise_row_errors
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.readers.tables import Table, TableFile
from mlpcli.data.row_keeper import RowKeeper
from mlpcli.data.splitter import RowsOfSplit
from mlpcli.data.stored.placed_rows import PlacedRows
from mlpcli.data.stored.stored_array import BLOCK_BYTES, StoredArray, bytes_of
from mlpcli.data.stored.stored_column import StoredColumn
from mlpcli.data.stored.stored_npy import stored_npy
from mlpcli.data.stored.table_store import TableStore
from mlpcli.data.types import Array
from mlpcli.errors import Problem, SpecError

LEAST_MEMORY = 1 << 20
"""Less than a megabyte is not worth a part of its own."""


class _Placing:
    """Where the rows of a source go: those of each split one after the other, in the split's order."""

    def __init__(
        self, path: Path, count: int, rows: Mapping[str, Array], shape: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self.sizes = {name: len(chosen) for name, chosen in rows.items()}
        self.places = np.full(count, -1, np.int64 if count > 2**31 - 1 else np.int32)
        first = 0
        for chosen in rows.values():
            self.places[chosen] = np.arange(first, first + len(chosen))
            first += len(chosen)

    def open(self, memory: int) -> PlacedRows:
        """Open the file for writing."""
        return PlacedRows(self.path, sum(self.sizes.values()), self.shape, self.dtype, memory=memory // 2)

    def splits(self, most_bytes: int) -> dict[str, StoredArray]:
        """Return the rows of each split, once they are written."""
        first, found = 0, {}
        for name, size in self.sizes.items():
            shape = (size, *self.shape)
            found[name] = StoredArray(self.path, shape, self.dtype, most_bytes=most_bytes, first=first)
            first += size
        return found


class StoredRows(RowKeeper):
    """Keeps the rows of a dataset in the files of a folder.

    Attributes:
        folder: of the encoded rows.
        memory: the bytes that a part of them may take.
    """

    def __init__(self, folder: Path, raw: Path, memory: int) -> None:
        """Keep the folders, which exist: of the encoded rows, and of the raw columns."""
        self.folder, self.memory = folder, max(memory, LEAST_MEMORY)
        self.limit = memory
        self.store = TableStore(raw)
        self._numbers = count()

    def read(
        self, file: TableFile, columns: Sequence[str], *, text: Collection[str] = (), codes: bool = False
    ) -> Table:
        """Read some columns of a table into files; see `read_table`."""
        return self.store.read(file, columns, text=text, codes=codes)

    def encode(
        self, rows_of: Mapping[str, RowsOfSplit], preprocessor: Preprocessor
    ) -> dict[str, RowsOfSplit]:
        """Return the splits of a table with their rows encoded.

        Raises:
            DataError: a cell that cannot be used.
        """
        found = dict(rows_of)
        for source in {id(each.source_rows): each.source_rows for each in rows_of.values()}.values():
            names = [name for name, each in rows_of.items() if each.source_rows is source]
            assert source.table is not None
            stored = self._encode(source.table, {name: rows_of[name].rows for name in names}, preprocessor)
            found |= {name: replace(found[name], x=x) for name, x in stored.items()}
        return found

    def _encode(
        self, table: Table, rows: Mapping[str, Array], preprocessor: Preprocessor
    ) -> dict[str, StoredArray]:
        """Encode the rows of a table in parts; each split's are written one after the other."""
        shape = (preprocessor.width,)
        errors = RowErrors()
        size = max(1, self.memory // (64 * max(1, preprocessor.width)))
        placing = _Placing(self._path(), table.rows, rows, shape, np.dtype(np.float32))
        with placing.open(self.memory) as placed:
            for start in range(0, table.rows, size):
                stop = min(start + size, table.rows)
                columns = {name: _part(table, name, start, stop) for name in preprocessor.names}
                encoded = preprocessor.transform(columns)
                rejected = apply_policy(preprocessor, encoded.found, "bucket").rejected
                positions = range(start, stop)
                more = cell_errors(preprocessor, rejected, columns, positions, table.origin)
                errors = errors.with_more(more)
                placed.put(encoded.x, placing.places[start:stop])
            raise_row_errors(table.origin, errors)
        return placing.splits(self.limit)

    def read_array(self, path: Path, label: str) -> ArrayFile:
        """Open the rows of an .npy file, which stay there."""
        return stored_npy(path, label, most_bytes=self.limit)

    def place(self, rows_of: dict[str, RowsOfSplit]) -> dict[str, RowsOfSplit]:
        """Return splits of arrays with their rows one after the other."""
        found = dict(rows_of)
        for source in {id(each.source_rows): each for each in rows_of.values()}.values():
            x = source.x
            if not isinstance(x, StoredArray):
                rule = "is for tables and for .npy files"
                raise SpecError(Problem(rule, path=("fit", "memory"), hint="remove it"))
            names = [name for name, each in rows_of.items() if each.source_rows is source.source_rows]
            rows = {name: rows_of[name].rows for name in names}
            placing = _Placing(self._path(), len(x), rows, x.shape[1:], x.dtype)
            start = 0
            with placing.open(self.memory) as placed:
                for block in x.blocks():
                    placed.put(block, placing.places[start : start + len(block)])
                    start += len(block)
            stored = placing.splits(self.limit)
            found |= {name: replace(found[name], x=each) for name, each in stored.items()}
        return found

    def slim(self, numbers: Array) -> Array:
        """Return whole numbers in half the memory, where they are class indices or positions of rows."""
        return numbers.astype(np.int32) if numbers.dtype == np.int64 else numbers

    def keep(self, split: Split) -> Split:
        """Return a split with its targets, weights and positions in files too."""
        y, weights = self._written(split.y), self._written(split.weights)
        return Split(split.x, y, self._written(split.rows), weights)

    def _written(self, arrays: Any) -> Any:
        if arrays is None or isinstance(arrays, StoredArray):
            return arrays
        if isinstance(arrays, dict):
            return {name: self._written(each) for name, each in arrays.items()}
        path, size = self._path(), max(1, BLOCK_BYTES // max(1, arrays[:1].nbytes))
        dtype = np.dtype(np.int64) if arrays.dtype == np.int32 else arrays.dtype  # see `slim`
        with path.open("xb") as file:
            for start in range(0, len(arrays), size):
                file.write(bytes_of(np.ascontiguousarray(arrays[start : start + size], dtype)))
        return self._open(path, arrays.shape, dtype)

    def _path(self) -> Path:
        return self.folder / f"{next(self._numbers):04}.rows"

    def _open(self, path: Path, shape: Sequence[int], dtype: np.dtype, first: int = 0) -> StoredArray:
        return StoredArray(path, shape, dtype, most_bytes=self.limit, first=first)


def _part(table: Table, name: str, start: int, stop: int) -> ParsedColumn:
    column = table.columns[name]
    assert isinstance(column, StoredColumn)
    return column.part(start, stop)
