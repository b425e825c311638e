"""Profile a column of a table: what it holds, judged by its values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from mlpcli.data.features.dates import TWINS, find_format, has_time, rows_in_format
from mlpcli.data.features.encoders import BOOLEANS, invalid_dates
from mlpcli.data.features.exact_numbers import exact_numbers
from mlpcli.data.readers.dialect import NUMBER, Dialect
from mlpcli.data.readers.notations import MIN_SHARE, holds_codes
from mlpcli.data.readers.parse_cells import ParsedColumn, Texts, is_text
from mlpcli.data.types import Array

MIN_ROWS_TO_JUDGE = 10
"""With fewer rows, no column is called constant or an identifier."""

DATE_SAMPLE = 1000
"""How many distinct texts are tried as dates; the others are parsed with the column."""

Content = Literal["nothing", "numbers", "booleans", "dates", "texts", "others"]

_ID_WORDS = frozenset(["id", "ids", "uuid", "guid", "index", "idx", "key", "row", "rowid", "unnamed"])
_COUNTERS = frozenset(["rownames", "rowname", "rownum", "rownumber", "obs", "serial"])
"""Names of columns that only name the rows if they count them, 1, 2, 3, ..."""


@dataclass(frozen=True)
class Profile:
    """What one column holds.

    Attributes:
        name: of the column.
        content: the kind of its values.
        rows: the number of rows.
        missing: the number of cells without a value.
        invalid: in a column of numbers or dates, the number of other cells, such as infinite ones.
        format: of dates.
        twin: another format that fits as many rows, with day and month exchanged; None where they can be told
            apart.
        with_time: whether dates have a time of day besides midnight.
        counts: rows by value, the most frequent first; for texts, booleans and dates.
        numbers: (rows,) float64, NaN where there is none; for numbers.
        exact: the same numbers without the missing ones, where float64 would round some of them.
    """

    name: str
    content: Content
    rows: int
    missing: int
    invalid: int = 0
    format: str | None = None
    twin: str | None = None
    with_time: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    numbers: Array | None = None
    exact: Array | None = None

    @property
    def present(self) -> int:
        """The number of cells with a value."""
        return self.rows - self.missing

    @cached_property
    def distinct(self) -> int:
        """The number of distinct values."""
        if self.numbers is not None:
            return len(np.unique(self.known))
        return len(self.counts)

    @property
    def known(self) -> Array:
        """The numbers without the missing ones, (present,): whole ones beyond 2^53 as exact objects."""
        assert self.numbers is not None
        return self.numbers[~np.isnan(self.numbers)] if self.exact is None else self.exact

    @property
    def constant(self) -> bool:
        """Whether every row has the same value."""
        if self.missing or self.rows < MIN_ROWS_TO_JUDGE:
            return False
        if self.numbers is not None:
            return len(self.known) > 0 and bool(self.known.min() == self.known.max())
        return len(self.counts) == 1

    @property
    def identifier(self) -> bool:
        """Whether the column only names the rows: distinct values, short texts or a name such as id."""
        if self.missing or self.rows < MIN_ROWS_TO_JUDGE:
            return False
        if self.content == "texts":
            worded = sum(" " in text for text in self.counts) > 0.5 * len(self.counts)
            distinct = len(self.counts) >= 0.95 * self.rows
            return distinct and not worded and max(map(len, self.counts)) <= 64
        if self.numbers is None or not self._has_name(_ID_WORDS | _COUNTERS):
            return False
        whole = bool((self.numbers % 1 == 0).all())
        return whole and (self._counts_rows() or (self._has_name(_ID_WORDS) and self.distinct == self.rows))

    def _has_name(self, known: frozenset[str]) -> bool:
        words = words_of(self.name)
        return bool(known & {*words[:1], *words[-1:]}) or self.name.startswith("(column ")

    def _counts_rows(self) -> bool:
        return bool((np.diff(self.known) == 1).all())

    @property
    def length(self) -> float:
        """The mean length of a text, in characters."""
        total = sum(len(text) * count for text, count in self.counts.items())
        return total / max(1, self.present)


def words_of(name: str) -> list[str]:
    """Return the words of a column's name in lower case: `customer`, `id` for `CustomerID`, `customer_id`."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]


def profile_column(name: str, column: ParsedColumn) -> Profile:
    """Return the profile of a column."""
    import pyarrow as pa

    kind, rows = column.kind, len(column)
    if is_text(kind):
        return _profile_text(name, column)
    if pa.types.is_null(kind):
        return Profile(name, "nothing", rows, rows)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _profile_numbers(name, column)
    if pa.types.is_boolean(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        counts = _counts(column.texts)
        missing = rows - sum(counts.values())
        if pa.types.is_boolean(kind):
            return Profile(name, "booleans", rows, missing, counts=counts)
        with_time = has_time(list(counts)[:DATE_SAMPLE], "%Y-%m-%d")
        invalid = len(invalid_dates(column, "%Y-%m-%d"))  # such as years beyond 9999
        if invalid == rows - missing:
            return Profile(name, "nothing", rows, missing, invalid)
        return Profile(
            name, "dates", rows, missing, invalid, format="%Y-%m-%d", with_time=with_time, counts=counts
        )
    return Profile(name, "others", rows, column.arrow.null_count)


def _profile_numbers(name: str, column: ParsedColumn) -> Profile:
    values, invalid = column.numbers.values, len(column.numbers.unreadable)
    missing = int(np.isnan(values).sum()) - invalid
    if missing + invalid == len(values):
        return Profile(name, "nothing", len(values), missing, invalid)
    exact = exact_numbers(column)
    return Profile(name, "numbers", len(values), missing, invalid, numbers=values, exact=exact)


def _counts(cells: Texts) -> dict[str, int]:
    """Return rows by value without the missing ones, the most frequent first."""
    counts = np.bincount(cells.codes, minlength=len(cells.values))
    order = np.argsort(-counts, kind="stable")
    found = ((cells.values[place], int(counts[place])) for place in order)
    return {value: count for value, count in found if value is not None and count}


def _profile_text(name: str, column: ParsedColumn) -> Profile:
    counts = _counts(column.texts)
    rows = len(column)
    missing = rows - sum(counts.values())
    if not counts:
        return Profile(name, "nothing", rows, missing)
    if all(text.lower() in BOOLEANS for text in counts) and not all(map(NUMBER.fullmatch, counts)):
        return Profile(name, "booleans", rows, missing, counts=counts)
    known, gaps = counts, missing
    if column.dialect.values:  # what may be a value of texts is none of numbers and dates
        known = {
            text: count for text, count in counts.items() if text not in column.dialect.missing_spellings
        }
        gaps = rows - sum(known.values())
    numeric = sum(count for text, count in known.items() if _resembles_number(text, column.dialect))
    if known and numeric >= MIN_SHARE * (rows - gaps) and not holds_codes(known):
        values, invalid = column.numbers.values, len(column.numbers.unreadable)
        if gaps + invalid == rows:
            return Profile(name, "nothing", rows, gaps, invalid)
        exact = exact_numbers(column)
        return Profile(name, "numbers", rows, gaps, invalid, numbers=values, exact=exact)
    sample = dict(list(known.items())[:DATE_SAMPLE])
    if found := find_format(sample, MIN_SHARE):
        found, twin = _of_twins(known, found)
        return Profile(
            name,
            "dates",
            rows,
            gaps,
            len(invalid_dates(column, found)),
            format=found,
            twin=twin,
            with_time=has_time(list(sample), found),
            counts=known,
        )
    return Profile(name, "texts", rows, missing, counts=counts)


def _of_twins(counts: Mapping[str, int], found: str) -> tuple[str, str | None]:
    """Return the format of a column after a sample of it, and a twin that fits as many of all rows."""
    twin = TWINS.get(found)
    if twin is None:
        return found, None
    rows, others = rows_in_format(counts, found), rows_in_format(counts, twin)
    return (found if rows >= others else twin), (twin if rows == others else None)


def _resembles_number(text: str, dialect: Dialect) -> bool:
    """Return whether a text is a number, or one with the other decimal sign: an error, not a category."""
    other = text.replace(",", ".", 1) if dialect.decimal == "." else text
    return not np.isnan(dialect.number(text)) or bool(NUMBER.fullmatch(other))
