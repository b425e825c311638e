"""Parse dates in NumPy; `instants.py` has the arithmetic, which the saved model shares.

`parse_dates` also reads them as version 0.1 did, for its runs: by the positions of their digits, without zone
and fraction of a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.features.instants import (
    CHARACTERS,
    GROWTH,
    LENGTH,
    Layout,
    date_of,
    days_of,
    lacks_zero,
    read_instants,
    with_zeros,
    without_halves,
)
from mlpcli.data.types import Array, NumberType

OLD_LENGTH = 19
"""Characters that version 0.1 read: a date, a blank or T, hours, minutes, seconds."""

LAYOUTS = {
    layout.format: layout
    for layout in (
        Layout("%m/%d/%Y", 6, 0, 3, 10),
        Layout("%d/%m/%Y", 6, 3, 0, 10),
        Layout("%Y-%m-%d", 0, 5, 8, 10),
        Layout("%Y/%m/%d", 0, 5, 8, 10),
        Layout("%d.%m.%Y", 6, 3, 0, 10),
        Layout("%d-%m-%Y", 6, 3, 0, 10),
        Layout("%m-%d-%Y", 6, 0, 3, 10),
        Layout("%Y-%m", 0, 5, None, 7),
        Layout("%m/%d/%y", 6, 0, 3, 8, 2),
        Layout("%d/%m/%y", 6, 3, 0, 8, 2),
        Layout("%d.%m.%y", 6, 3, 0, 8, 2),
        Layout("%Y%m%d", 0, 4, 6, 8),
    )
}
"""By format, in the order in which they are tried."""

DECLARED = ("%Y%m%d",)
"""Formats that are used only where the spec says so: such texts are numbers otherwise."""

_TWINS = {"%m/%d/%Y": "%d/%m/%Y", "%d-%m-%Y": "%m-%d-%Y", "%m/%d/%y": "%d/%m/%y"}
TWINS = _TWINS | {second: first for first, second in _TWINS.items()}
"""Formats that differ only in the order of day and month."""

_NUMBERS = np.ones(256, np.int32)
_NUMBERS[[0, *CHARACTERS.encode()]] = [0, *range(2, 2 + len(CHARACTERS))]
_LETTER_M = [2 + CHARACTERS.index(letter) for letter in "Mm"]


@dataclass(frozen=True)
class ParsedDates:
    """Dates as numbers, in UTC, all (rows,); meaningless where `valid` is false.

    Attributes:
        valid: bool, whether a text is a date.
        zoned: bool, whether it names its zone; one without counts as UTC.
        days: since 1970-01-01, whole.
        seconds: since midnight, float64.
        year: of the date.
        month: from 1.
        day: of the month, from 1.
    """

    valid: Array
    zoned: Array
    days: Array
    seconds: Array
    year: Array
    month: Array
    day: Array


def find_format(counts: Mapping[str, int], share: float = 1.0) -> str | None:
    """Return the format of texts, or None; of formats that fit equally many rows, the first of `LAYOUTS`.

    Args:
        counts: rows by text.
        share: of the rows that must have the format.

    Returns:
        One of `LAYOUTS`, or None.
    """
    rows = {name: rows_in_format(counts, name) for name in LAYOUTS if name not in DECLARED}
    best = max(rows, key=rows.__getitem__)
    return best if rows[best] and rows[best] >= share * sum(counts.values()) else None


def rows_in_format(counts: Mapping[str, int], name: str) -> int:
    """Return how many rows hold a date in a format, given the rows by text."""
    if not counts:
        return 0
    return int(np.array(list(counts.values()))[parse_dates(list(counts), name).valid].sum())


def has_time(texts: list[str], name: str) -> bool:
    """Return whether any text has a time of day besides midnight."""
    dates = parse_dates(texts, name)
    return bool((dates.seconds[dates.valid] > 0).any())


def parse_dates(texts: Sequence[str], name: str, numbers: NumberType = "float64") -> ParsedDates:
    """Parse dates in a format.

    Args:
        texts: without blanks around them.
        name: of the format.
        numbers: float32 for a run of version 0.1, which read digits by their positions and nothing else.

    Returns:
        The dates.
    """
    layout = LAYOUTS[name]
    if numbers == "float32":
        return _parse_as_version_0_1(texts, layout)
    table = _bytes(texts, LENGTH)
    longest = max(map(len, texts), default=0) + GROWTH
    ids = _NUMBERS[table[:, : min(LENGTH, max(longest, layout.size + 10) + 1)]]
    halves: tuple[Array, Array] | None = None
    if np.isin(ids, _LETTER_M).any():
        ids, *found_halves = without_halves(np, ids)
        halves = found_halves[0], found_halves[1]
    if any(lacks_zero(np, ids, place).any() for place in layout.padded):
        ids = with_zeros(np, ids, layout)
    clock = ids[:, layout.size + 6 :]
    found = read_instants(
        np,
        ids,
        layout,
        lambda values: values.astype(np.float64),
        timed=halves is not None or bool((ids[:, layout.size :] > 0).any()),
        zoned=bool(((clock > 11) & (clock != 2 + CHARACTERS.index(":")) | (clock == 1)).any()),
        halves=halves,
    )
    year, month, day = date_of(np, found.days)
    return ParsedDates(found.valid, found.zoned, found.days, found.seconds + found.fraction, year, month, day)


def _bytes(texts: Sequence[str], length: int) -> Array:
    """Return the first characters of texts, (rows, length) uint8; 0 after the end, `?` beyond ASCII."""
    cut = [text.encode("ascii", "replace")[:length] for text in texts] or [b""]
    return np.array(cut, f"S{length}").view(np.uint8).reshape(-1, length)[: len(texts)]


def _parse_as_version_0_1(texts: Sequence[str], layout: Layout) -> ParsedDates:
    table = _bytes(texts, OLD_LENGTH).astype(np.int64) - ord("0")
    digits = (table >= 0) & (table <= 9)
    year = _number(table, layout.year, 4)
    assert layout.day is not None
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
    zoned = np.zeros(len(texts), bool)
    return ParsedDates(valid, zoned, days_of(np, year, month, day), seconds, year, month, day)


def _number(table: Array, place: int, count: int) -> Array:
    """Return adjacent digits as a number."""
    value = np.zeros(len(table), np.int64)
    for digit in range(place, place + count):
        value = value * 10 + table[:, digit]
    return value
