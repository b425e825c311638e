"""Parse dates by the positions of their digits: in NumPy here, by the same arithmetic in the saved model.

Neither `datetime.strptime` nor `pyarrow.compute.strptime` would do: the exported model has no such function,
and both must agree in every digit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlpcli.data.types import Array

LENGTH = 19
"""Characters of a cell that are read: a date, a blank or T, hours, minutes, seconds."""


@dataclass(frozen=True)
class Layout:
    """The positions of the digits of a date.

    Attributes:
        format: such as `%Y-%m-%d`.
        year: position of its first digit.
        month: position of its first digit.
        day: position of its first digit.
        size: characters of the date without a time.
    """

    format: str
    year: int
    month: int
    day: int
    size: int

    @property
    def time(self) -> tuple[int, int, int]:
        """The positions of hour, minute and second, each of two digits."""
        return self.size + 1, self.size + 4, self.size + 7


LAYOUTS = {
    layout.format: layout
    for layout in (
        Layout("%Y-%m-%d", 0, 5, 8, 10),
        Layout("%Y/%m/%d", 0, 5, 8, 10),
        Layout("%d.%m.%Y", 6, 3, 0, 10),
        Layout("%d/%m/%Y", 6, 3, 0, 10),
        Layout("%m/%d/%Y", 6, 0, 3, 10),
        Layout("%d-%m-%Y", 6, 3, 0, 10),
        Layout("%Y%m%d", 0, 4, 6, 8),
    )
}

_TIME = r"([ T]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?"


def _pattern(name: str) -> re.Pattern[str]:
    """Return the pattern of a date in a format."""
    digits = re.escape(name).replace("%Y", r"\d{4}")
    return re.compile(re.sub("%[md]", r"\\d{2}", digits) + _TIME, re.ASCII)


_PATTERNS = {name: _pattern(name) for name in LAYOUTS}


@dataclass(frozen=True)
class ParsedDates:
    """Dates as numbers, all (rows,) int64 except `valid`; meaningless where that is false.

    Attributes:
        valid: (rows,) bool, whether a text is a date.
        days: since 1970-01-01.
        seconds: since midnight.
        year: of the date.
        month: from 1.
        day: of the month, from 1.
    """

    valid: Array
    days: Array
    seconds: Array
    year: Array
    month: Array
    day: Array


def find_format(counts: Mapping[str, int], share: float = 1.0) -> str | None:
    """Return the format of texts, or None; `%m/%d/%Y` if it could also be `%d/%m/%Y`.

    Args:
        counts: rows by text.
        share: of the rows that must have the format.

    Returns:
        One of `LAYOUTS`, or None.
    """
    texts, least = list(counts), share * sum(counts.values())
    weights = np.array(list(counts.values()))
    best: tuple[int, str] | None = None
    for name in ("%m/%d/%Y", *(each for each in LAYOUTS if each not in ("%m/%d/%Y", "%Y%m%d"))):
        written = np.array([_PATTERNS[name].fullmatch(text) is not None for text in texts], bool)
        if not texts or weights[written].sum() < least:
            continue
        rows = int(weights[written & parse_dates(texts, name).valid].sum())
        if rows >= least and (best is None or rows > best[0]):
            best = rows, name
    return best[1] if best else None


def has_time(texts: list[str], name: str) -> bool:
    """Return whether any text has a time of day besides midnight."""
    return bool((parse_dates(texts, name).seconds > 0).any())


def parse_dates(texts: list[str], name: str) -> ParsedDates:
    """Parse dates in a format; a text with other characters, or a month of 13, is not valid."""
    layout = LAYOUTS[name]
    joined = np.array([text.encode("ascii", "replace")[:LENGTH] for text in texts] or [b""], f"S{LENGTH}")
    table = joined.view(np.uint8).reshape(-1, LENGTH)[: len(texts)].astype(np.int64) - ord("0")
    digits = (table >= 0) & (table <= 9)
    year = _number(table, layout.year, 4)
    month, day = _number(table, layout.month, 2), _number(table, layout.day, 2)
    places = [*range(layout.year, layout.year + 4)]
    places += [layout.month, layout.month + 1, layout.day, layout.day + 1]
    valid = (
        digits[:, places].all(axis=1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year > 0)
    )
    seconds = np.zeros(len(texts), np.int64)
    for place, unit in zip(layout.time, (3600, 60, 1), strict=True):
        with_time = digits[:, place : place + 2].all(axis=1)
        seconds += np.where(with_time, _number(table, place, 2) * unit, 0)
    return ParsedDates(valid, civil_days(year, month, day), seconds, year, month, day)


def _number(table: Array, place: int, count: int) -> Array:
    """Return adjacent digits as a number."""
    value = np.zeros(len(table), np.int64)
    for digit in range(place, place + count):
        value = value * 10 + table[:, digit]
    return value


def civil_days(year: Array, month: Array, day: Array) -> Array:
    """Return days since 1970-01-01 of the Gregorian calendar.

    By H. Hinnant's `days_from_civil`, for years from 1 on (https://howardhinnant.github.io/date_algorithms.html).
    """
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return np.asarray(era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468)
