"""What must hold of the rows, the folds and the probabilities in `out_of_fold.csv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors, raise_row_errors
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.readers.table_values import numeric_matrix, read_cells
from mlpcli.data.readers.tables import Table, check_columns
from mlpcli.data.types import Array

LARGEST = 2.0**53
"""The largest number up to which float64 holds every whole one."""

ROUNDING = 1e-6
"""By how much float32 may be off the ends of 0 to 1."""


def numbers(table: Table, name: str) -> Array:
    """Return a column of numbers, (rows,) float64.

    Raises:
        DataError: there is none, or a cell is no number.
    """
    check_columns(tuple(table.columns), [name], table.origin)
    values, errors = numeric_matrix(table, [name])
    raise_row_errors(table.origin, errors)
    return values[:, 0]


def whole_numbers(table: Table, name: str, most: int | None, rule: str) -> Array:
    """Return a column of whole numbers from 1, (rows,) int64.

    Args:
        table: that has the column.
        name: of the column.
        most: the largest that there may be; None for any.
        rule: what must hold, for the message.

    Raises:
        DataError: a cell holds anything else.
    """
    values = numbers(table, name)
    allowed = (values >= 1) & (values <= (LARGEST if most is None else most)) & (values == np.floor(values))
    _refuse(table, name, ~allowed, rule)
    return values.astype(np.int64)


def check_once(table: Table, name: str, rows: Array, files: Array | None) -> None:
    """Check that every row is there once.

    Args:
        table: that has the rows.
        name: of the column that holds their numbers.
        rows: (rows,) int64, their numbers.
        files: (rows,) the file of each; None where there is one.

    Raises:
        DataError: one is there again.
    """
    of_file = np.zeros(len(rows), np.int64) if files is None else np.unique(files, return_inverse=True)[1]
    _, first = np.unique(np.stack([of_file, rows], axis=1), axis=0, return_index=True)
    again = np.ones(len(rows), bool)
    again[first] = False
    _refuse(table, name, again, "must be there once, this is the same row again")


def check_probabilities(table: Table, names: Sequence[str]) -> None:
    """Check that columns hold probabilities.

    Raises:
        DataError: a number is not between 0 and 1.
    """
    for name in names:
        values = numbers(table, name)
        outside = (values < -ROUNDING) | (values > 1 + ROUNDING)
        _refuse(table, name, outside, "must be a probability, from 0 to 1")


def _refuse(table: Table, name: str, wrong: Array, rule: str) -> None:
    places = np.flatnonzero(wrong)
    cells = read_cells(table, name, places[:MAX_DESCRIBED])
    described = [RowError(row, f"column {name!r}", rule, cell) for row, cell in cells]
    raise_row_errors(table.origin, RowErrors(described, len(places)))


def check_sizes(origin: Origin, rows: Array, files: Sequence[str], sizes: Mapping[str, int]) -> None:
    """Check that the data have the rows.

    Args:
        origin: of the table that says which rows they are.
        rows: (rows,) int64, their numbers, from 1.
        files: the file of each.
        sizes: how many rows each file has.

    Raises:
        DataError: there is no such file, or it has no such row.
    """
    known = np.array([sizes.get(name, -1) for name in files])
    wrong = np.flatnonzero(rows > known)
    described = []
    for place in wrong[:MAX_DESCRIBED].tolist():
        row, name = int(rows[place]), files[place]
        if name in sizes:
            rule = f"must be a row of {name}, which has {sizes[name]:,}"
            described.append(RowError(place, "column 'row'", rule, row))
        else:
            described.append(RowError(place, "column 'file'", "must be a file of the run's data", name))
    raise_row_errors(origin, RowErrors(described, len(wrong)))
