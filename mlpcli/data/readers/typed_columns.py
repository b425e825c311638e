"""Python's values of a column as a PyArrow array of one type, and arrays of several types as one.

A column whose values are of different types is text, spelled as a person writes them, as it would be in a
CSV file. So is one whose numbers float64 would change.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from mlpcli.data.readers.parse_cells import plain_type, python_values, spell_number
from mlpcli.data.types import EXACT, ArrowColumn

if TYPE_CHECKING:
    import pyarrow as pa

_INT64 = 2**63
_DAYS = frozenset([datetime.date, datetime.datetime])


def arrow_column(values: Sequence[object]) -> pa.Array:
    """Return values as an array: of numbers, texts, booleans, dates, or others; None is a missing cell."""
    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {str}:
        return pa.array(values, pa.string())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or -_INT64 <= value < _INT64 for value in values):  # type: ignore[operator]
        return pa.array(values, pa.int64())
    if kinds <= {int, float, Decimal} and kinds != {int} and not any(map(_is_rounded, values)):
        numbers = [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
        return pa.array(numbers, pa.float64())
    if kinds <= _DAYS and not any(getattr(value, "tzinfo", None) for value in values):
        return _days(values, kinds)
    if kinds & {list, dict, bytes, tuple, memoryview}:
        return pa.array([None if value is None else [repr(value)] for value in values], pa.list_(pa.string()))
    return pa.array(list(map(spelled, values)), pa.string())


def joined(columns: Sequence[ArrowColumn]) -> pa.ChunkedArray:
    """Return arrays one after the other, in a type that holds the values of all."""
    import pyarrow as pa

    if not columns:
        return pa.chunked_array([pa.nulls(0)])
    pieces = [
        piece for each in columns for piece in (each.chunks if isinstance(each, pa.ChunkedArray) else [each])
    ]
    kinds = {piece.type for piece in pieces if not pa.types.is_null(piece.type)}
    if len(kinds) > 1 and any(map(pa.types.is_dictionary, kinds)):
        pieces = [plain_type(piece) for piece in pieces]
        kinds = {piece.type for piece in pieces if not pa.types.is_null(piece.type)}
    if len(kinds) <= 1:
        kind = kinds.pop() if kinds else pa.null()
        return pa.chunked_array([piece.cast(kind) for piece in pieces], type=kind)
    if all(pa.types.is_date(kind) or pa.types.is_timestamp(kind) for kind in kinds):
        kind = pa.timestamp("us" if pa.timestamp("us") in kinds else "s")
        return pa.chunked_array([piece.cast(kind) for piece in pieces], type=kind)
    return pa.chunked_array([arrow_column([value for piece in pieces for value in python_values(piece)])])


def _is_rounded(value: object) -> bool:
    """Return whether float64 would change a whole number."""
    return isinstance(value, int) and abs(value) > EXACT


def _days(values: Sequence[object], kinds: set[type]) -> pa.Array:
    import pyarrow as pa

    if kinds == {datetime.date}:
        return pa.array(values, pa.date32())
    exact = any(getattr(value, "microsecond", 0) for value in values)
    moments = [
        datetime.datetime.combine(value, datetime.time())
        if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)
        else value
        for value in values
    ]
    return pa.array(moments, pa.timestamp("us" if exact else "s"))


def spelled(value: object) -> str | None:
    """Return a value as a person writes it in a table; None for a missing one."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return spell_number(value) if isinstance(value, float) else str(value)
