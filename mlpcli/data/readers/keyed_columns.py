"""Add the columns of a file that the names of its folders hold to those that were read from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from mlpcli.data.readers.broken_rules import RowErrors
from mlpcli.data.readers.parse_cells import python_values
from mlpcli.data.readers.partitions import FolderKey
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.types import ArrowColumn
from mlpcli.errors import DataError


def names_in_file(columns: Sequence[str], keys: Sequence[FolderKey], names: Sequence[str]) -> list[str]:
    """Return which columns are read from a file; one at least, so that its rows are counted.

    Args:
        columns: that are wanted.
        keys: of the file's folders.
        names: of the file's columns.
    """
    outside = {key.name for key in keys if not key.inside}
    found = [name for name in columns if name not in outside]
    return found or [name for name in names if name not in outside][: 1 if columns else 0]


def with_keys(
    read: Mapping[str, ArrowColumn],
    columns: Sequence[str],
    keys: Sequence[FolderKey],
    origin: Origin,
    *,
    first: int = 0,
) -> dict[str, ArrowColumn]:
    """Return the columns of some rows, with those of the folders' names.

    Args:
        read: what was read from the file, by column.
        columns: that are wanted.
        keys: of the file's folders.
        origin: of the file.
        first: the position in the file of the first row.

    Returns:
        The wanted columns, in their order.

    Raises:
        DataError: the file has a column of a key's name with another value.
    """
    by_name = {key.name: key for key in keys}
    rows = len(next(iter(read.values()))) if read else 0
    found: dict[str, ArrowColumn] = {}
    for name in columns:
        key = by_name.get(name)
        if key is not None and key.inside:
            _check(read[name], key, origin, first)
        found[name] = read[name] if key is None else key.column(rows)
    return found


def _check(column: ArrowColumn, key: FolderKey, origin: Origin, first: int) -> None:
    """Refuse a column that has another value than the folder's name."""
    import pyarrow.compute as pc

    distinct = python_values(pc.unique(column))
    wrong = {place for place, value in enumerate(distinct) if not key.equals(value)}
    if wrong:
        values = python_values(column)
        row = next(row for row, value in enumerate(values) if not key.equals(value))
        _refuse(key, origin, first + row, values[row])


def _refuse(key: FolderKey, origin: Origin, row: int, value: object) -> NoReturn:
    rule = f"must be {key.text}, as its folder {key.folder!r} says" if key.text else "must be empty"
    hint = "remove the column from the files, or rename it or the folders"
    raise DataError(*RowErrors([RowError(row, f"column {key.name!r}", rule, value, hint)]).problems(origin))
