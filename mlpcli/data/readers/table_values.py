"""Read values from a table's columns: a matrix of numbers, labels, the text of a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from mlpcli.data.labels import Labels
from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors
from mlpcli.data.readers.delimited import TextOrigin
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.other_notation import number_hint, number_rule
from mlpcli.data.readers.parse_cells import ParsedColumn, python_values
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.readers.tables import Table
from mlpcli.data.types import Array, ArrowColumn
from mlpcli.errors import ABSENT


def numeric_matrix(
    table: Table, names: Sequence[str], *, skip: str = "", gaps: str = ""
) -> tuple[Array, RowErrors]:
    """Return columns as a matrix of numbers; their parsed cells are released.

    Args:
        table: that holds the columns.
        names: of the columns.
        skip: what a message suggests for a column without any number.
        gaps: what else a message suggests for rows with a missing cell.

    Returns:
        (rows, names) float64, and the errors among the cells.
    """
    matrix = np.empty((table.rows, len(names)))
    errors = RowErrors()
    for place, name in enumerate(names):
        numbers = table.columns[name].numbers
        matrix[:, place] = numbers.values
        bad, missing = np.flatnonzero(np.isnan(numbers.values)), np.empty(0, np.int64)
        if numbers.none:
            bad = bad[:1]  # the rule is about the whole column
        else:
            missing, bad = np.setdiff1d(bad, numbers.unreadable), numbers.unreadable
        dialect = table.columns[name].dialect
        instead = skip if numbers.none and table.rows > 1 else None
        for rows in (bad, missing):
            cells = read_cells(table, name, rows[:MAX_DESCRIBED])
            described = [cell_error(row, name, cell, dialect, instead, gaps=gaps) for row, cell in cells]
            errors.add(described, len(rows))
        table.columns[name].release()
    return matrix, errors


def read_cells(table: Table, name: str, rows: Array) -> list[tuple[int, object]]:
    """Return some rows with their cell of a column: the text in a text table, otherwise the value."""
    return [(row, cell_at(table.origin, row, name, table.columns[name].value(row))) for row in rows.tolist()]


def cell_at(origin: Origin, row: int, name: str, value: object) -> object:
    """Return a cell as a text table has it, where it was not read as text; otherwise its value."""
    file, inside = origin.at(row)
    if isinstance(value, str) or not isinstance(file, TextOrigin):
        return value
    text = written_cell(file, inside, name)
    return value if text is None else text


def written_cell(origin: TextOrigin, row: int, name: str) -> str | None:
    """Return a cell as a text file has it; None if it divides rows differently, or lacks the column."""
    if name not in origin.header.names:  # a key of the file's folders
        return None
    record = origin.text_rows({row}).get(row)
    place = origin.header.names.index(name)
    return record.cells[place] if record is not None and place < len(record.cells) else None


def cell_error(
    row: int, name: str, value: object, dialect: Dialect, skip: str | None = None, *, gaps: str = ""
) -> RowError:
    """Return why a cell is no usable number.

    Args:
        row: position of the cell's row.
        name: of its column.
        value: of the cell.
        dialect: how cells are written.
        skip: what to do instead, if no cell of the column is a number; otherwise None.
        gaps: what else to do about rows with a missing cell.

    Returns:
        The error.
    """
    text = value.strip() if isinstance(value, str) else value
    number = number_in(text, dialect)
    rule, hint = "must be a number", ""
    if text is None or text in dialect.missing_spellings or text != text:
        rule = "must be a number, the cell is empty" if text in (None, "") else rule
        hint = f"fill it, or remove the row{gaps}"
    elif number is None:
        rule = f"must be a number, this is a {type(value).__name__}"
    elif not isinstance(text, str) or not math.isnan(number):
        digits = isinstance(text, str) and any(map(str.isdigit, text))  # `1e400` is finite as it is written
        infinite = math.isinf(number) and not digits
        rule = "must be a finite number" if infinite else "must fit in float32, up to 3.4e38"
    else:
        rule, hint = number_rule(text, dialect), number_hint(text, dialect)
    if skip is not None:
        hint = f"no cell of this column is a number{skip}"
    return RowError(row, f"column {name!r}", rule, ABSENT if rule.endswith("empty") else value, hint)


def number_in(cell: object, dialect: Dialect) -> float | None:
    """Return the number that a cell holds, NaN for a text that is none; None for other values."""
    if isinstance(cell, str):
        return dialect.number(cell)
    return float(cell) if isinstance(cell, int | float | Decimal) else None


def refuse_other_labels(table: Table, name: str) -> None:
    """Refuse a column whose values cannot be classes: lists, records, bytes.

    Raises:
        DataError: the column has such a type.
    """
    column = table.columns[name]
    if not is_label_type(column):
        table.origin.refuse(f"column {name!r} must hold labels, it is of type {column.kind}")


def is_label_type(column: ParsedColumn) -> bool:
    """Return whether a column's values can be classes: they are no lists, records or bytes."""
    import pyarrow as pa

    kind = column.kind
    others = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return not any(test(kind) for test in others)


def labels(column: ParsedColumn) -> Labels:
    """Return a column as labels; a missing one is None."""
    values, codes = column.coded()
    dialect = column.dialect.of("", labels=True)
    numbers = None
    if dialect.notation != PLAIN.notation:
        numbers = np.array([dialect.number(str(value)) for value in values], np.float64)
    return Labels(values, codes, frozenset(dialect.missing_texts), numbers)


def plain_column(column: ArrowColumn) -> Array:
    """Return a column to pass through, (rows,): numbers unchanged, everything else as text or objects."""
    import pyarrow as pa

    kind = column.type
    if column.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.asarray(column.to_numpy())
    if pa.types.is_temporal(kind):
        column = column.cast(pa.string())
    values = np.empty(len(column), dtype=object)
    values[:] = python_values(column)  # np.array would make a matrix of lists of equal length
    return values
