"""Whole numbers that float64 rounds: from 2^53 on, two neighbours may become one number."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.parse_cells import ParsedColumn, is_text, plain_type
from mlpcli.data.types import EXACT, Array


def exact_numbers(column: ParsedColumn) -> Array | None:
    """Return the numbers of a column where float64 rounds some of them.

    Args:
        column: of numbers.

    Returns:
        (present,) int64, uint64 or Decimal objects, without missing and unreadable cells; None where float64
        holds every number as it is written.
    """
    import pyarrow as pa

    values = column.numbers.values
    with np.errstate(invalid="ignore"):
        large = np.abs(values) >= EXACT
    if not large.any():
        return None
    arrow = plain_type(column.arrow)
    known = np.flatnonzero(~np.isnan(values))
    if pa.types.is_integer(arrow.type):
        return np.asarray(arrow.take(pa.array(known)).to_numpy())
    if pa.types.is_decimal(arrow.type):
        found = np.empty(len(known), object)
        found[:] = arrow.take(pa.array(known)).to_pylist()
        return found
    if not is_text(arrow.type):
        return None
    cells = column.texts
    decimals = np.empty(len(cells.values), object)
    decimals[:] = [None if text is None else _decimal(text, column.dialect) for text in cells.values]
    return np.asarray(decimals[cells.codes][known])


def _decimal(text: str, dialect: Dialect) -> Decimal:
    """Return the number that a cell holds, exactly where it is written plainly."""
    try:
        return Decimal(text.replace(dialect.decimal, ".", 1))
    except ArithmeticError:
        return Decimal(dialect.number(text))
