"""Parse the cells of a column: as numbers, as texts, and which of them are missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.types import EXACT, Array, ArrowColumn

if TYPE_CHECKING:
    import pyarrow as pa

TOO_LARGE = 3.4028235677973366e38
"""The smallest number, of either sign, that float32 cannot hold."""


@dataclass(frozen=True)
class Numbers:
    """A column as numbers.

    Attributes:
        values: (rows,) float64, NaN where a cell is missing or unreadable.
        unreadable: positions of the rows, int64, whose cell is neither missing nor a usable number.
        none: whether no cell holds a number, not even one that is too large.
    """

    values: Array
    unreadable: Array
    none: bool = False


@dataclass(frozen=True)
class Texts:
    """A column as texts.

    Attributes:
        values: the distinct texts, stripped; None for a missing cell.
        codes: (rows,) int32, the position of each row's text in `values`.
    """

    values: list[str | None]
    codes: Array

    def mask(self, chosen: Collection[str | None]) -> Array:
        """Return (rows,) bool, true where a row's text is among the chosen."""
        return np.array([value in chosen for value in self.values], dtype=bool)[self.codes]


class ParsedColumn:
    """A PyArrow column whose cells are parsed once, when they are first needed.

    Inferring the kind, checking, fitting and encoding share the result. `release` drops it after encoding, so
    that a large table is not kept in memory twice.

    Attributes:
        arrow: the column as it was read.
        dialect: how its cells are written.
    """

    def __init__(self, arrow: ArrowColumn, dialect: Dialect = PLAIN) -> None:
        self.arrow = arrow
        self.dialect = dialect
        self._numbers: Numbers | None = None
        self._texts: Texts | None = None

    def __len__(self) -> int:
        return len(self.arrow)

    @property
    def numbers(self) -> Numbers:
        """The cells as numbers; a finite number beyond float32 is unreadable, as an infinite one is."""
        if self._numbers is None:
            self._numbers = self._parse_numbers()
        return self._numbers

    def numbers_of(self, rows: Array) -> Array:
        """Return some of the cells as numbers, (some,) float64."""
        found: Array = self.numbers.values[rows]
        return found

    @property
    def texts(self) -> Texts:
        """The cells as texts: numbers in their plain spelling, dates as ISO, `true` and `false`."""
        if self._texts is None:
            self._texts = _parse_texts(self.arrow, self.dialect)
        return self._texts

    @property
    def texts_without_gaps(self) -> Texts:
        """The cells as texts, where no spelling of a missing cell is a value: for dates and booleans."""
        if not self.dialect.values:
            return self.texts
        gaps = frozenset(self.dialect.missing_spellings)
        return Texts(
            *_merge([None if text in gaps else text for text in self.texts.values], self.texts.codes)
        )

    @property
    def kind(self) -> pa.DataType:
        """The type of the cells, without a dictionary around it."""
        import pyarrow as pa

        kind = self.arrow.type
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    @property
    def written_kind(self) -> pa.DataType:
        """The type of the cells as they are stored, which may be a dictionary."""
        return self.arrow.type

    def coded(self) -> tuple[list[object], Array]:
        """Return the distinct cells as they are written, and each row's position among them, (rows,)."""
        coded = plain_type(self.arrow).combine_chunks().dictionary_encode(null_encoding="encode")
        return python_values(coded.dictionary), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)

    def value(self, row: int) -> object:
        """Return one cell as a Python value."""
        return python_values(self.arrow[row : row + 1])[0]

    def in_dialect(self, dialect: Dialect) -> ParsedColumn:
        """Return the same cells, read in another dialect."""
        return ParsedColumn(self.arrow, dialect)

    def keep(self, rows: Array) -> ParsedColumn:
        """Return the rows for which a mask, (rows,) bool, is true, not parsed yet."""
        import pyarrow as pa

        return ParsedColumn(self.arrow.filter(pa.array(rows)), self.dialect)

    def take(self, rows: Array) -> ParsedColumn:
        """Return some of the rows, not parsed yet."""
        return ParsedColumn(self.arrow.take(rows), self.dialect)

    def release(self) -> None:
        """Drop the parsed cells; they are parsed again if they are needed again."""
        self._numbers = self._texts = None

    def _parse_numbers(self) -> Numbers:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = self.kind
        missing: Array | None = None
        if is_text(kind):
            return self._as_numbers(*self._numbers_of_texts())
        column = plain_type(self.arrow)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            wide = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        elif pa.types.is_boolean(kind):
            wide = pc.cast(pc.cast(column, pa.uint8()), pa.float64()).to_numpy(zero_copy_only=False)
        else:
            wide = np.full(len(column), np.nan)
            missing = np.zeros(len(column), bool) if column.null_count < len(column) else None
        return self._as_numbers(wide, missing)

    def _as_numbers(self, wide: Array, missing: Array | None) -> Numbers:
        """Return numbers, those that are no usable ones as NaN; with a mask of the missing cells if known."""
        if self.dialect.missing_numbers and missing is None:
            wide = np.where(np.isin(wide, self.dialect.missing_numbers), np.nan, wide)
        if not len(wide) or -TOO_LARGE < wide.min() <= wide.max() < TOO_LARGE:  # false where a cell is NaN
            return Numbers(wide, np.empty(0, np.int64))
        usable = np.abs(wide) < TOO_LARGE
        absent = np.isnan(wide) if missing is None else missing
        unreadable = np.flatnonzero(~usable & ~absent)
        return Numbers(np.where(usable, wide, np.nan), unreadable, none=bool(np.isnan(wide).all()))

    def _numbers_of_texts(self) -> tuple[Array, Array]:
        """Return the numbers among texts, NaN for the others, and a mask of the missing cells."""
        texts = self.texts
        distinct = [np.nan if text is None else self.dialect.number(text) for text in texts.values]
        gaps = {None, *self.dialect.missing_spellings}
        return np.array(distinct, np.float64)[texts.codes], texts.mask(gaps)


def _parse_texts(column: ArrowColumn, dialect: Dialect) -> Texts:
    import pyarrow as pa

    column = plain_type(column)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not is_text(column.type):
        return Texts(*_spell(column))
    coded = column.dictionary_encode(null_encoding="encode")
    texts: list[str | None] = coded.dictionary.to_pylist()
    return strip_texts(texts, coded.indices.to_numpy(zero_copy_only=False), dialect)


def strip_texts(texts: Sequence[str | None], codes: Array, dialect: Dialect) -> Texts:
    """Return texts as cells: without blanks around them, None where they mean a missing one.

    Args:
        texts: as they are written.
        codes: (rows,), the position of each row's text among them.
        dialect: how the cells are written.
    """
    spellings = frozenset(dialect.missing_texts)
    return Texts(*_merge([_strip(text, spellings) for text in texts], codes))


def _strip(text: str | None, missing: frozenset[str]) -> str | None:
    """Return a cell without the ASCII blanks around it, as TensorFlow strips; None if it is missing."""
    bare = (text or "").strip(" \t\n\v\f\r")
    return None if bare in missing else bare


def _merge(values: list[str | None], codes: Array) -> tuple[list[str | None], Array]:
    """Give values that are the same once stripped one code."""
    places: dict[str | None, int] = {}
    moved = np.array([places.setdefault(value, len(places)) for value in values] or [0], dtype=np.int32)
    return list(places), moved[codes] if len(codes) else codes.astype(np.int32)


def _spell(column: pa.Array) -> tuple[list[str | None], Array]:
    """Return the distinct spellings of values that are not text, and each row's position among them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    values: list[str | None]
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
    codes = coded.indices.to_numpy(zero_copy_only=False)
    return _merge([None if value is None else str(value) for value in values], codes)


def python_values(column: ArrowColumn) -> list[object]:
    """Return the values of a PyArrow column as Python's own; nanoseconds, which Python lacks, as text."""
    import pyarrow as pa

    try:
        values: list[object] = column.to_pylist()
    except (ValueError, OverflowError):
        if pa.types.is_nested(column.type):
            return [None if value is None else "..." for value in column.is_valid().to_pylist()]
        values = plain_type(column).cast(pa.string()).to_pylist()
    return values


def spell_number(value: float | None) -> str | None:
    """Return a number as a person writes it: `3` for 3.0; None for None."""
    if value is None:
        return None
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < EXACT else repr(number)


def plain_type(column: ArrowColumn) -> ArrowColumn:
    """Return a column without a dictionary around its values."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def is_text(kind: pa.DataType) -> bool:
    """Return whether a PyArrow type holds text."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
