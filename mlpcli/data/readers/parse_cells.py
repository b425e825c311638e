"""What stands in the cells of a column: numbers, texts, and what means that nothing is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlpcli.data.readers.delimited import NUMBER
from mlpcli.data.types import Array

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "null", "NULL", "None", "?", "-")
"""Spellings of a cell without a value."""

MISSING_LABELS = tuple(text for text in MISSING if text not in ("None", "?", "-"))
"""Of these, the ones that can hardly be the name of a class."""


@dataclass(frozen=True)
class Dialect:
    """How a table writes its values.

    decimal: the sign between a number's whole and its fraction, `.` or `,`.
    missing: spellings of a missing cell beside the usual ones, as the spec lists them.
    """

    decimal: str = "."
    missing: tuple[str, ...] = ()

    @cached_property
    def missing_spellings(self) -> tuple[str, ...]:
        """Every spelling of a missing cell."""
        return tuple(dict.fromkeys((*MISSING, *self.missing)))

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """Numbers that mean that a cell is missing."""
        found = (self.number(text) for text in self.missing)
        return tuple(number for number in found if not np.isnan(number))

    def number(self, text: str) -> float:
        """The number that a cell holds; NaN when it holds none, infinity when it is too large."""
        bare = text.strip()
        if self.decimal != ".":
            bare = "" if "." in bare else bare.replace(self.decimal, ".", 1)
        infinite = bare.lstrip("+-").lower() in ("inf", "infinity")
        return float(bare) if NUMBER.fullmatch(bare) or infinite else np.nan


PLAIN = Dialect()


@dataclass(frozen=True)
class NumberCells:
    """A column as numbers.

    values: (rows,) float32, NaN where missing or bad. bad: rows without a usable number that are not missing
    either. none: whether no cell holds a number, not even one that is too large.
    """

    values: Array
    bad: Array
    none: bool = False


@dataclass(frozen=True)
class TextCells:
    """A column as texts. values: the different ones, stripped, None for missing; codes: (rows,) int64."""

    values: list[str | None]
    codes: Array

    def mask(self, chosen: Collection[str | None]) -> Array:
        """(rows,) bool, where a value is among the chosen."""
        return np.array([value in chosen for value in self.values], dtype=bool)[self.codes]


def number_cells(column: Any, dialect: Dialect = PLAIN) -> NumberCells:
    """A PyArrow column as numbers; a finite number beyond float32 is bad, as an infinite one is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = plain_type(column)
    kind = column.type
    missing: Array | None = None
    if is_text(kind):
        wide, missing = _text_numbers(column, dialect)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        wide = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    elif pa.types.is_boolean(kind):
        wide = pc.cast(pc.cast(column, pa.uint8()), pa.float64()).to_numpy(zero_copy_only=False)
    else:
        wide = np.full(len(column), np.nan)
        missing = np.zeros(len(column), bool) if column.null_count < len(column) else None
    if dialect.numbers and missing is None:
        wide = np.where(np.isin(wide, dialect.numbers), np.nan, wide)
    with np.errstate(over="ignore", invalid="ignore"):
        values = wide.astype(np.float32)
    finite = np.isfinite(values)
    if finite.all():
        return NumberCells(values, np.empty(0, np.int64))
    absent = np.isnan(wide) if missing is None else missing
    bad = np.flatnonzero(~finite & ~absent)
    values[~finite] = np.nan
    return NumberCells(values, bad, none=bool(np.isnan(wide).all()))


def _text_numbers(column: Any, dialect: Dialect) -> tuple[Array, Array]:
    """Numbers among texts, NaN for the rest, and where cells are missing."""
    cells = text_cells(column, dialect)
    distinct = np.array([np.nan if text is None else dialect.number(text) for text in cells.values])
    return distinct[cells.codes], cells.mask((None,))


def text_cells(column: Any, dialect: Dialect = PLAIN) -> TextCells:
    """A PyArrow column as texts: numbers in their plain spelling, dates as ISO, `true` and `false`."""
    import pyarrow as pa

    column = plain_type(column)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not is_text(column.type):
        return TextCells(*_spell(column))
    coded = column.dictionary_encode(null_encoding="encode")
    missing_spellings = frozenset(dialect.missing_spellings)
    values = [_bare(text, missing_spellings) for text in coded.dictionary.to_pylist()]
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return TextCells(*_joined(values, codes))


def _bare(text: str | None, missing: frozenset[str]) -> str | None:
    """A cell without the blanks around it; None when it is missing. ASCII blanks, as TensorFlow strips."""
    bare = (text or "").strip(" \t\n\v\f\r")
    return None if bare in missing else bare


def _joined(values: list[str | None], codes: Array) -> tuple[list[str | None], Array]:
    """Values that are the same once stripped share one code."""
    places: dict[str | None, int] = {}
    moved = np.array([places.setdefault(value, len(places)) for value in values] or [0], dtype=np.int64)
    return list(places), moved[codes] if len(codes) else codes


def _spell(column: Any) -> tuple[list[str | None], Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        coded = column.dictionary_encode(null_encoding="encode")
        values = [None if value != value else spell_number(value) for value in coded.dictionary.to_pylist()]
    else:
        unlike_text = pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        if unlike_text or pa.types.is_fixed_size_binary(kind) or pa.types.is_binary_view(kind):
            text = pa.array(
                [None if value is None else repr(value) for value in python_values(column)], pa.string()
            )
        else:
            text = pc.cast(column, pa.string())
        coded = text.dictionary_encode(null_encoding="encode")
        values = coded.dictionary.to_pylist()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return _joined([None if value is None else str(value) for value in values], codes)


def python_values(column: Any) -> list[Any]:
    """The values of a PyArrow column as Python's own; nanoseconds, which Python has not, as text."""
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        if pa.types.is_nested(column.type):
            return [None if value is None else "..." for value in column.is_valid().to_pylist()]
        values = plain_type(column).cast(pa.string()).to_pylist()
    return values


def spell_number(value: Any) -> str | None:
    """A number as a person writes it: `3` for 3.0; None for None."""
    if value is None:
        return None
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def plain_type(column: Any) -> Any:
    """A column without a dictionary around its values."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def is_text(kind: Any) -> bool:
    """Whether a PyArrow type holds text."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
