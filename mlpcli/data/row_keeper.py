"""Where the encoded rows of a dataset are kept: in memory, or by a subclass in files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.data.dataset import Split
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.unknown_values import apply_policy, cell_errors
from mlpcli.data.readers.arrays import ArrayFile, read_npy
from mlpcli.data.readers.broken_rules import raise_row_errors
from mlpcli.data.readers.tables import Table, TableFile, read_table
from mlpcli.data.splitter import RowsOfSplit
from mlpcli.data.types import Array


class RowKeeper:
    """Keeps the rows of a dataset in memory."""

    def read(
        self, file: TableFile, columns: Sequence[str], *, text: Collection[str] = (), codes: bool = False
    ) -> Table:
        """Read some columns of a table; see `read_table`."""
        return read_table(file, columns, text=text, codes=codes)

    def encode(
        self, rows_of: Mapping[str, RowsOfSplit], preprocessor: Preprocessor
    ) -> dict[str, RowsOfSplit]:
        """Return the splits of a table with their rows encoded.

        Raises:
            DataError: a cell that cannot be used.
        """
        whole: dict[int, Array] = {}  # by the rows' source, which splits share
        for each in rows_of.values():
            if id(each.source_rows) not in whole and each.source_rows.table is not None:
                raw = each.source_rows.table
                found = preprocessor.transform(raw.columns)
                rejected = apply_policy(preprocessor, found.found, "bucket").rejected
                errors = cell_errors(preprocessor, rejected, raw.columns, range(raw.rows), raw.origin)
                raise_row_errors(raw.origin, errors)
                whole[id(each.source_rows)] = found.x
        return {
            name: replace(each, x=whole[id(each.source_rows)][each.rows]) for name, each in rows_of.items()
        }

    def read_array(self, path: Path, label: str) -> ArrayFile:
        """Read the rows of an .npy file; see `read_npy`."""
        return read_npy(path, label)

    def place(self, rows_of: dict[str, RowsOfSplit]) -> dict[str, RowsOfSplit]:
        """Return splits of arrays, whose rows need no encoding, as they are kept."""
        return rows_of

    def slim(self, numbers: Array) -> Array:
        """Return whole numbers in the type in which all rows have them in memory before they are kept."""
        return numbers

    def keep(self, split: Split) -> Split:
        """Return a split, whose rows are encoded and whose targets are scaled, as the dataset has it."""
        return split


IN_MEMORY = RowKeeper()
