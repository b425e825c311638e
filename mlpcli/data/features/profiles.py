"""What a column of a table holds, as far as its values show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mlpcli.data.features.dates import find_format, has_time
from mlpcli.data.features.encoders import BOOLEANS, bad_dates
from mlpcli.data.readers.delimited import NUMBER
from mlpcli.data.readers.parse_cells import Dialect, TextCells, is_text, number_cells, plain_type, text_cells
from mlpcli.data.types import Array

MIN_SHARE = 0.9
"""From this share of its cells on a column is one of numbers, or of dates, and other cells are mistakes."""

MIN_ROWS_TO_JUDGE = 10
"""With fewer rows nothing is said to be constant or an identifier."""

DATE_SAMPLE = 1000
"""Different texts that are tried as dates; the rest is read when the column is."""

Content = Literal["nothing", "numbers", "booleans", "dates", "texts", "others"]

_ID_WORDS = frozenset(["id", "ids", "uuid", "guid", "index", "idx", "key", "row", "rowid", "unnamed"])


@dataclass(frozen=True)
class Profile:
    """One column.

    missing: cells without a value. distinct: different values; of numbers None when nobody asked.
    strange: of a column of numbers or dates written as text, cells that are none. format: of dates.
    counts: of texts and booleans, rows by value. numbers: (rows,) float32 with NaN, of numbers.
    """

    name: str
    content: Content
    rows: int
    missing: int
    invalid: int = 0
    format: str | None = None
    with_time: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    numbers: Array | None = None

    @property
    def present(self) -> int:
        """Cells with a value."""
        return self.rows - self.missing

    @property
    def distinct(self) -> int:
        """Different values."""
        if self.numbers is not None:
            return len(np.unique(self.numbers[~np.isnan(self.numbers)]))
        return len(self.counts)

    @property
    def constant(self) -> bool:
        """Whether every row has the same value."""
        if self.missing or self.rows < MIN_ROWS_TO_JUDGE:
            return False
        if self.numbers is not None:
            return bool(self.numbers.min() == self.numbers.max())
        return len(self.counts) == 1

    @property
    def identifier(self) -> bool:
        """Whether the column only names the rows: all different, and called so or, if text, short."""
        if self.missing or self.rows < MIN_ROWS_TO_JUDGE:
            return False
        if self.content == "texts":
            worded = sum(" " in text for text in self.counts) > 0.5 * len(self.counts)
            different = len(self.counts) >= 0.95 * self.rows
            return different and not worded and max(map(len, self.counts)) <= 64
        if self.numbers is None or not self._has_id_name():
            return False
        whole = bool((self.numbers == np.floor(self.numbers)).all())
        return whole and (self._counts_rows() or self.distinct == self.rows)

    def _has_id_name(self) -> bool:
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", self.name)
        return any(word.lower() in _ID_WORDS for word in words[:1] + words[-1:]) or self.name.startswith(
            "(column "
        )

    def _counts_rows(self) -> bool:
        assert self.numbers is not None
        return bool((np.diff(self.numbers) == 1).all())

    @property
    def length(self) -> float:
        """Characters of a text, on average over the rows."""
        total = sum(len(text) * count for text, count in self.counts.items())
        return total / max(1, self.present)


def profile_column(name: str, column: Any, dialect: Dialect) -> Profile:
    """Look a PyArrow column over."""
    import pyarrow as pa

    column = plain_type(column)
    kind, rows = column.type, len(column)
    if is_text(kind):
        return _profile_text(name, column, dialect)
    if pa.types.is_null(kind):
        return Profile(name, "nothing", rows, rows)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _profile_numbers(name, column, dialect)
    if pa.types.is_boolean(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        cells = text_cells(column, dialect)
        counts = _counts(cells)
        missing = rows - sum(counts.values())
        if pa.types.is_boolean(kind):
            return Profile(name, "booleans", rows, missing, counts=counts)
        with_time = has_time(list(counts)[:DATE_SAMPLE], "%Y-%m-%d")
        return Profile(name, "dates", rows, missing, format="%Y-%m-%d", with_time=with_time, counts=counts)
    return Profile(name, "others", rows, column.null_count)


def _profile_numbers(name: str, column: Any, dialect: Dialect) -> Profile:
    cells = number_cells(column, dialect)
    missing = int(np.isnan(cells.values).sum()) - len(cells.bad)
    if missing + len(cells.bad) == len(cells.values):
        return Profile(name, "nothing", len(cells.values), missing)
    return Profile(name, "numbers", len(cells.values), missing, len(cells.bad), numbers=cells.values)


def _counts(cells: TextCells) -> dict[str, int]:
    """Rows by value, the missing ones left out, the commonest first."""
    counts = np.bincount(cells.codes, minlength=len(cells.values))
    order = np.argsort(-counts, kind="stable")
    found = ((cells.values[place], int(counts[place])) for place in order)
    return {value: count for value, count in found if value is not None and count}


def _profile_text(name: str, column: Any, dialect: Dialect) -> Profile:
    cells = text_cells(column, dialect)
    counts = _counts(cells)
    rows = len(column)
    missing = rows - sum(counts.values())
    if not counts:
        return Profile(name, "nothing", rows, missing)
    if all(text.lower() in BOOLEANS for text in counts) and not all(map(NUMBER.fullmatch, counts)):
        return Profile(name, "booleans", rows, missing, counts=counts)
    numeric = sum(count for text, count in counts.items() if _resembles_number(text, dialect))
    if numeric >= MIN_SHARE * (rows - missing):
        numbers = number_cells(column, dialect)
        return Profile(name, "numbers", rows, missing, len(numbers.bad), numbers=numbers.values)
    sample = dict(list(counts.items())[:DATE_SAMPLE])
    if found := find_format(sample, MIN_SHARE):
        with_time = has_time(list(sample), found)
        invalid = len(bad_dates(column, found, dialect))
        return Profile(
            name, "dates", rows, missing, invalid, format=found, with_time=with_time, counts=counts
        )
    return Profile(name, "texts", rows, missing, counts=counts)


def _resembles_number(text: str, dialect: Dialect) -> bool:
    """A number, or one with the other decimal sign, which is a mistake and no category."""
    other = text.replace(",", ".", 1) if dialect.decimal == "." else text
    return not np.isnan(dialect.number(text)) or bool(NUMBER.fullmatch(other))
