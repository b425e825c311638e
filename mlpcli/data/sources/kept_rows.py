"""Leave out the rows of a table in which a target is missing; messages still count the rows of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mlpcli.data.label_keys import missing_labels
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.readers.row_errors import ManyOrigin, Origin
from mlpcli.data.readers.table_values import is_label_type, labels
from mlpcli.data.readers.tables import Table
from mlpcli.data.types import Array


class KeptOrigin(Origin):
    """Some rows of a file."""

    def __init__(self, whole: Origin, kept: Array) -> None:
        """Keep where the rows are: `kept` holds their positions in the file, in order."""
        super().__init__(whole.label)
        self.whole, self.kept = whole, kept

    def at(self, row: int) -> tuple[Origin, int]:
        """Return the single file that holds a row, and the row's position there."""
        return self.whole.at(int(self.kept[row]))


def file_numbers(origin: Origin, rows: int) -> Array:
    """Return for each row the number of its file among those of a table, (rows,); 0 where there is one.

    Args:
        origin: of the rows.
        rows: how many there are.
    """
    if isinstance(origin, KeptOrigin):
        return file_numbers(origin.whole, int(origin.kept.max(initial=-1)) + 1)[origin.kept]
    if isinstance(origin, ManyOrigin):
        return np.repeat(np.arange(len(origin.parts)), [count for _, count in origin.parts])
    return np.zeros(rows, np.int64)


def drop_missing(table: Table, targets: Mapping[str, bool]) -> Table:
    """Return a table without the rows in which one of some targets is missing.

    Args:
        table: that was read.
        targets: columns, and whether each is read as labels.

    Returns:
        The table, which knows how many rows were left out.

    Raises:
        DataError: no row is left.
    """
    missing = np.zeros(table.rows, bool)
    for name, labelled in targets.items():
        missing |= _missing_cells(table.columns[name], labelled=labelled)
    kept = np.flatnonzero(~missing)
    if len(kept) == table.rows:
        return table
    if not len(kept):
        table.origin.refuse("has no row with a target", hint="see dataset.target, and dataset.missing")
    return replace(
        table,
        origin=KeptOrigin(table.origin, kept),
        columns={name: each.keep(~missing) for name, each in table.columns.items()},
        rows=len(kept),
        left_out=table.rows - len(kept),
    )


def _missing_cells(column: ParsedColumn, *, labelled: bool) -> Array:
    """Return (rows,) bool: which cells of a target are missing; one that cannot be read is not."""
    if labelled and is_label_type(column):
        coded = labels(column)
        return np.isin(coded.codes, list(missing_labels(coded.values, coded.gaps)))
    numbers = column.numbers
    missing: Array = np.isnan(numbers.values)
    missing[numbers.unreadable] = False
    return missing
