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
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.readers.row_errors import MAX_SHOWN, RowError, raise_row_errors
from mlpcli.data.readers.tables import Table, TableFile
from mlpcli.data.row_keeper import RowKeeper
from mlpcli.data.splitter import RowsOfSplit
from mlpcli.data.stored.placed_rows import PlacedRows
from mlpcli.data.stored.stored_array import StoredArray, bytes_of
from mlpcli.data.stored.stored_column import StoredColumn
from mlpcli.data.stored.table_store import TableStore
from mlpcli.data.types import Array

LEAST_MEMORY = 1 << 20
"""Less than a megabyte is not worth a part of its own."""


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
        places = np.full(table.rows, -1, np.int64 if table.rows > 2**31 - 1 else np.int32)
        first = 0
        for chosen in rows.values():
            places[chosen] = np.arange(first, first + len(chosen))
            first += len(chosen)
        path, shape = self._path(), (preprocessor.width,)
        errors: list[RowError] = []
        total = 0
        size = max(1, self.memory // (64 * max(1, preprocessor.width)))
        with PlacedRows(path, first, shape, np.dtype(np.float32), memory=self.memory) as placed:
            for start in range(0, table.rows, size):
                stop = min(start + size, table.rows)
                columns = {name: _part(table, name, start, stop) for name in preprocessor.names}
                encoded = preprocessor.transform(columns)
                rejected = apply_policy(preprocessor, encoded.found, "bucket").rejected
                positions, missing = range(start, stop), MAX_SHOWN - len(errors)
                if rejected and missing > 0:
                    errors += cell_errors(preprocessor, rejected, columns, positions, table.origin)[:missing]
                total += len(rejected)
                placed.put(encoded.x, places[start:stop])
            raise_row_errors(table.origin, errors, total)
        first, found = 0, {}
        for name, chosen in rows.items():
            found[name] = self._open(path, (len(chosen), *shape), np.dtype(np.float32), first)
            first += len(chosen)
        return found

    def keep(self, split: Split) -> Split:
        """Return a split with its targets, weights and positions in files too."""
        y, weights = self._written(split.y), self._written(split.weights)
        return Split(split.x, y, self._written(split.rows), weights)

    def _written(self, arrays: Any) -> Any:
        if arrays is None or isinstance(arrays, StoredArray):
            return arrays
        if isinstance(arrays, dict):
            return {name: self._written(each) for name, each in arrays.items()}
        path = self._path()
        with path.open("xb") as file:
            file.write(bytes_of(np.ascontiguousarray(arrays)))
        return self._open(path, arrays.shape, arrays.dtype)

    def _path(self) -> Path:
        return self.folder / f"{next(self._numbers):04}.rows"

    def _open(self, path: Path, shape: Sequence[int], dtype: np.dtype, first: int = 0) -> StoredArray:
        return StoredArray(path, shape, dtype, most_bytes=self.limit, first=first)


def _part(table: Table, name: str, start: int, stop: int) -> ParsedColumn:
    column = table.columns[name]
    assert isinstance(column, StoredColumn)
    return column.part(start, stop)
