"""Dates in text, read by the places of their digits: the same arithmetic in NumPy here and in Keras there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlpcli.data.types import Array

LENGTH = 19
"""Characters of a cell that are looked at: a date, a blank or T, hours, minutes, seconds."""


@dataclass(frozen=True)
class Layout:
    """Where the digits of a date stand: places of the first digit of year, month, day, hour, minute."""

    format: str
    year: int
    month: int
    day: int
    size: int  # characters of the date alone

    @property
    def time(self) -> tuple[int, int, int]:
        """Places of hour, minute and second, each of two digits."""
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
    """What a date in a format looks like."""
    digits = re.escape(name).replace("%Y", r"\d{4}")
    return re.compile(re.sub("%[md]", r"\\d{2}", digits) + _TIME, re.ASCII)


_PATTERNS = {name: _pattern(name) for name in LAYOUTS}


@dataclass(frozen=True)
class ParsedDates:
    """Dates as numbers; where `valid` is false the others mean nothing. All (rows,).

    days: int64, since 1970-01-01; seconds: int64, of the day; year, month, day: int64.
    """

    valid: Array
    days: Array
    seconds: Array
    year: Array
    month: Array
    day: Array


def find_format(counts: Mapping[str, int], share: float = 1.0) -> str | None:
    """The format that texts are written in, or None; `%m/%d/%Y` where it could be either.

    counts: rows by text. share: of the rows that must be written so.
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
    """Whether any of the texts holds a time of day besides midnight."""
    return bool((parse_dates(texts, name).seconds > 0).any())


def parse_dates(texts: list[str], name: str) -> ParsedDates:
    """Dates in a format; what is not one, by its digits or as a month of 13, is not valid."""
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
    """Digits that stand side by side as a number."""
    value = np.zeros(len(table), np.int64)
    for digit in range(place, place + count):
        value = value * 10 + table[:, digit]
    return value


def civil_days(year: Array, month: Array, day: Array) -> Array:
    """Days since 1970-01-01 of the Gregorian calendar.

    By H. Hinnant's `days_from_civil`, for years from 1 on (https://howardhinnant.github.io/date_algorithms.html).
    """
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return np.asarray(era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468)
