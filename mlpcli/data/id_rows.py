"""Rows for a network of ids: whole numbers, of which none is rounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.types import Array

ID_RULE = "must be a whole number below 2^63, an id"


def reads_ids(contract: Contract) -> bool:
    """Return whether a network reads the numbers of a row as they are, and as ids."""
    return contract.dtype == "int64" and contract.preprocessor is None


def is_id(values: Array) -> Array:
    """Return which numbers are whole and fit into int64, bool of the same shape."""
    if values.dtype.kind == "f":
        return np.asarray((np.floor(values) == values) & (np.abs(values) < 2.0**63))
    return np.asarray(values <= np.iinfo(np.int64).max)


def as_ids(values: Array) -> Array:
    """Return numbers as int64; 0 for what is no id."""
    return np.ascontiguousarray(np.where(is_id(values), values, 0), dtype=np.int64)


def id_errors(
    values: Array,
    positions: Array,
    *,
    columns: Sequence[str] = (),
    what: str = "array 'x'",
    most: int | None = None,
) -> list[tuple[int, RowError]]:
    """Return an error for each number that is no id, with the place of its row among these.

    Args:
        values: (rows, ...), integers or floats.
        positions: (rows,) of the rows in their file.
        columns: names of the columns of a table; none of an array.
        what: the name of an array in messages.
        most: how many errors are returned; None for all.
    """
    found = []
    for place in np.argwhere(~is_id(values))[:most].tolist():
        where = f"{what} at {place[1:]}" if len(place) > 1 else what
        where = f"column {columns[place[1]]!r}" if columns else where
        value = values[tuple(place)].item()
        found.append((place[0], RowError(int(positions[place[0]]), where, ID_RULE, value)))
    return found
