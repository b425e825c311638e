"""Mappings of names to columns, which a Python program hands in, as tables."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.column_contents import in_own_order, type_problem, values_problem
from mlpcli.data.frames import plain_series
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, listing

if TYPE_CHECKING:
    import pyarrow as pa


ONE_VALUE = (str, bool, int, float, np.generic, datetime.date, type(None))
"""What is one cell, and no column."""


def from_mapping(data: Mapping[object, object], name: str) -> pa.Table:
    """Return a mapping of names to columns as a table.

    Args:
        data: arrays of one dimension, of NumPy or PyArrow, Series, or sequences of values.
        name: of the data, for messages.

    Raises:
        DataError: columns have the same name, other lengths, or values that no table holds; all of them.
    """
    import pyarrow as pa

    if data and all(isinstance(value, ONE_VALUE) for value in data.values()):
        rule = f"the {name}: a mapping has a list for each column, this one has single values"
        raise DataError(Problem(rule, hint="hand in one row as a list of one mapping: [row]"))
    counts = Counter(map(str, data))
    problems = []
    if twice := [key for key, count in counts.items() if count > 1]:
        rule = f"the {name}: several columns are called {listing(map(repr, twice))}"
        problems.append(Problem(rule, hint="rename them: names that are no texts become texts"))
    columns: dict[str, pa.Array] = {}
    for key, values in data.items():
        try:
            columns[str(key)] = _column(values, f"the {name} column {str(key)!r}")
        except DataError as error:
            problems += error.problems
    lengths = Counter(map(len, columns.values()))
    if len(lengths) > 1:
        usual = lengths.most_common(1)[0][0]
        other = [f"{key!r} has {len(each):,}" for key, each in columns.items() if len(each) != usual]
        rule = f"the {name}: all columns must have a value for each row, {listing(other)}"
        problems.append(Problem(rule, hint=f"the others have {usual:,}"))
    if problems:
        raise DataError(*problems)
    return pa.table(columns)


def by_column(rows: Sequence[Mapping[object, object]], name: str) -> dict[object, list[object]]:
    """Return rows, such as those of `csv.DictReader`, as a mapping of names to columns.

    Args:
        rows: at least one.
        name: of the data, for messages.

    Raises:
        DataError: a row has other columns than the first.
    """
    first = list(rows[0])
    for place, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            apart = [repr(key) for key in (*first, *row) if (key in row) is not (key in rows[0])]
            where = f"the {name} row {place + 1}"
            rule = f"{where}: must have the same columns as the first row, not so {listing(apart)}"
            raise DataError(Problem(rule, hint="None stands for an empty cell"))
    return {key: [row[key] for row in rows] for key in first}


def _column(values: object, where: str) -> pa.Array:
    """Return the values of a column; NaN in numbers stays one, which is read as an empty cell.

    Args:
        values: of the column.
        where: names the column.

    Raises:
        DataError: they are no column.
    """
    import pyarrow as pa

    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    rows = _rows(values, where)
    try:
        return pa.array(_plain(rows), from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        kind = getattr(rows, "dtype", None)
        if kind is not None and getattr(kind, "kind", "") not in "OU":
            raise DataError(type_problem(where, kind, error)) from None
        one_type = "make them one: [str(value) for value in values], or [float(value) for value in values]"
        raise DataError(values_problem(where, list(rows), one_type, error)) from None


def _rows(values: object, where: str) -> Array | Sequence[object]:
    """Return what has a value for each row.

    Raises:
        DataError: the values have no rows, or several axes.
    """
    shape = getattr(values, "shape", None)
    if isinstance(shape, tuple) and len(shape) != 1:
        hint = "hand in each of its columns under its own name; arrays of rows are called x and y"
        hint = "it holds one value: hand in one for each row" if not shape else hint
        raise DataError(Problem(f"{where}: must have one dimension", received=shape, hint=hint))
    if shape is not None:
        return values  # type: ignore[return-value]  # an array, or what is like one
    if isinstance(values, str | bytes | Mapping | set | frozenset) or not hasattr(values, "__iter__"):
        rule = f"{where}: must be an array or a list, with a value for each row"
        raise DataError(Problem(rule, received=type(values).__name__))
    return list(values)


def _plain(rows: Array | Sequence[object]) -> object:
    """Return rows as PyArrow takes them."""
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "U":
        return rows.tolist()  # PyArrow would keep the zeros at the end of a text
    if isinstance(rows, np.ndarray):
        return in_own_order(rows)
    return plain_series(rows) if hasattr(rows, "iloc") else rows
