"""Read a date as an instant from its characters: one arithmetic for NumPy and for the saved model.

`ops` is `numpy` or `keras.ops`: only functions that both have are used, so both agree in every digit. Neither
`datetime.fromisoformat` nor `tf.strings` would do: the exported model has no such function, and a Keras
model holds no operations of TensorFlow's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from types import ModuleType

import numpy as np

from mlpcli.data.types import Array

CHARACTERS = "0123456789-/.,:+ TZUCGMAPamp"
"""The characters of a date: each is the number 2 + its position here, any other is 1, and 0 is none."""

LENGTH = 44
"""Characters of a cell that are read; one without an end among them is not a date."""

DAY = 86_400
TAIL = 6
"""Characters of the longest zone, such as `+05:30`."""

LAST_CENTURY = 69
"""Years of two digits from this one on are of the twentieth century."""

GROWTH = 3
"""Zeros that a cell may lack: those of month, day and hour."""


@dataclass(frozen=True)
class Layout:
    """The positions of the digits of a date.

    Attributes:
        format: such as `%Y-%m-%d`.
        year: position of its first digit.
        month: position of its first digit.
        day: position of its first digit; None where the date is the first of a month.
        size: characters of the date without a time.
        digits: of the year; with two, 69 to 99 are 1969 to 1999, and 00 to 68 are 2000 to 2068, as in Python.
    """

    format: str
    year: int
    month: int
    day: int | None
    size: int
    digits: int = 4

    @property
    def parts(self) -> tuple[int, ...]:
        """Where month and day begin, in their order."""
        return tuple(sorted(place for place in (self.month, self.day) if place is not None))

    @property
    def sign(self) -> str:
        """The character between year, month and day; empty for none."""
        return next((letter for letter in self.format if letter in "-/."), "")

    @property
    def time(self) -> tuple[int, int, int]:
        """The positions of hour, minute and second, each of two digits."""
        return self.size + 1, self.size + 4, self.size + 7

    @property
    def padded(self) -> tuple[int, ...]:
        """Where month, day and hour begin, in their order; without a separator only the hour may be short."""
        return (*(self.parts if self.sign else ()), self.size + 1)

    @property
    def separators(self) -> dict[int, str]:
        """The characters between year, month and day, by position."""
        digits = {self.year + place for place in range(self.digits)}
        digits |= {start + place for start in self.parts for place in range(2)}
        return dict.fromkeys(sorted(set(range(self.size)) - digits), self.sign)


@dataclass(frozen=True)
class Instants:
    """Dates in UTC, (rows,) each; meaningless where `valid` is false.

    Attributes:
        valid: bool, whether a text is a date.
        zoned: bool, whether it names a zone, such as `Z` or `+09:00`; one without counts as UTC.
        days: whole days since 1970-01-01.
        seconds: whole seconds since midnight.
        fraction: of a second, float64.
    """

    valid: Array
    zoned: Array
    days: Array
    seconds: Array
    fraction: Array


class _Cells:
    """The characters of some cells, (rows, LENGTH) int32, and tests of them, (rows,) bool each."""

    def __init__(self, ops: ModuleType, ids: Array) -> None:
        self.ops, self.ids = ops, ids
        self.digits = ids - 2
        self.is_digit = ops.logical_and(self.digits >= 0, self.digits <= 9)

    def number(self, place: int, count: int) -> Array:
        """Return adjacent digits as a number."""
        total: Array = self.digits[:, place]
        for index in range(place + 1, place + count):
            total = total * 10 + self.digits[:, index]
        return total

    def are_digits(self, place: int, count: int) -> Array:
        """Return whether some adjacent characters are all digits."""
        found: Array = self.ops.all(self.is_digit[:, place : place + count], axis=1)
        return found

    def holds(self, place: int, characters: str) -> Array:
        """Return whether the character at a position is one of some."""
        tests = [self.ops.equal(self.ids[:, place], 2 + CHARACTERS.index(each)) for each in characters]
        return reduce(self.ops.logical_or, tests)

    def both(self, *tests: Array) -> Array:
        return reduce(self.ops.logical_and, tests)


def with_zeros(ops: ModuleType, ids: Array, layout: Layout) -> Array:
    """Return cells with two digits for each month, day and hour: `05/01/2024 08:30` for `5/1/2024 8:30`.

    Args:
        ops: `numpy` or `keras.ops`.
        ids: (rows, characters) int32; of a cell that grows, the last character is cut off.
        layout: where the digits of the date are.

    Returns:
        (rows, characters) int32.
    """
    zero = np.int32(2 + CHARACTERS.index("0"))
    for place in layout.padded:
        longer = ops.concatenate([ids[:, :place], ids[:, :1] * 0 + zero, ids[:, place:-1]], axis=1)
        ids = ops.where(lacks_zero(ops, ids, place)[:, None], longer, ids)
    return ids


def lacks_zero(ops: ModuleType, ids: Array, place: int) -> Array:
    """Return (rows,) bool, whether a cell has one digit at a position, and then something else."""
    cells = _Cells(ops, ids[:, place : place + 2])
    found: Array = ops.logical_and(cells.is_digit[:, 0], ops.logical_not(cells.is_digit[:, 1]))
    return found


def without_halves(ops: ModuleType, ids: Array) -> tuple[Array, Array, Array]:
    """Return cells without `AM` or `PM` at their end; whether they had one, and whether it was `PM`."""
    length = ops.sum(ops.where(ids > 0, 1, 0), axis=1)
    places = ops.expand_dims(length, 1) + np.arange(-3, 0, dtype=np.int32)
    last = _Cells(ops, ops.take_along_axis(ids, ops.clip(places, 0, ids.shape[1] - 1), axis=1))
    second = last.holds(1, "Pp")
    halved = last.both(last.holds(2, "Mm"), ops.logical_or(second, last.holds(1, "Aa")), length > 3)
    size = ops.where(halved, ops.where(last.holds(0, " "), 3, 2), 0)
    kept = ops.expand_dims(length - size, 1) > np.arange(ids.shape[1], dtype=np.int32)
    return ops.where(kept, ids, 0), halved, second


def read_instants(
    ops: ModuleType,
    ids: Array,
    layout: Layout,
    real: Callable[[Array], Array],
    *,
    timed: bool = True,
    zoned: bool = True,
    halves: tuple[Array, Array] | None = None,
) -> Instants:
    """Read dates, with or without a time, a fraction of a second and a zone: `2024-05-31T08:00:00.25+02:00`.

    Args:
        ops: `numpy` or `keras.ops`.
        ids: (rows, characters) int32, the numbers of the characters; see `CHARACTERS`. No cell is longer than
            that, or it is not a date; the fewest are `size + 10`.
        layout: where the digits of the date are.
        real: casts to float64.
        timed: whether any cell may have a time; False saves work.
        zoned: whether any cell may have a fraction of a second or a zone.
        halves: (rows,) bool each, whether hours go from 1 to 12, and whether they are those after noon; None
            if all go from 0 to 23.

    Returns:
        The instants.
    """
    cells = _Cells(ops, ids)
    valid, days = _read_date(cells, layout)
    length = ops.sum(ops.where(ids > 0, 1, 0), axis=1)
    valid = ops.logical_and(valid, length < ids.shape[1])
    nothing = length < 0
    if not timed:
        whole = ops.equal(length, layout.size)
        return Instants(ops.logical_and(valid, whole), nothing, days, days * 0, real(days * 0))
    with_time = length > layout.size
    time_valid, end, seconds = _read_clock(cells, layout, halves)
    fraction, with_zone = real(days * 0), nothing
    if zoned:
        fraction_valid, end, fraction = _read_fraction(cells, layout, end, real)
        zone_valid, with_zone, offset = _read_zone(cells, length, end)
        time_valid = cells.both(time_valid, fraction_valid, zone_valid)
        seconds = seconds - offset
    else:
        time_valid = ops.logical_and(time_valid, ops.equal(length, end))
    total = ops.where(with_time, seconds, 0)
    shift = total // DAY
    without = ops.logical_not(with_time)
    if halves is not None:
        without = ops.logical_and(without, ops.logical_not(halves[0]))
    return Instants(
        valid=ops.logical_and(valid, ops.logical_or(without, time_valid)),
        zoned=ops.logical_and(with_time, with_zone),
        days=days + shift,
        seconds=total - shift * DAY,
        fraction=ops.where(with_time, fraction, 0.0),
    )


MONTHS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0], np.int32)


def _read_date(cells: _Cells, layout: Layout) -> tuple[Array, Array]:
    """Return whether the cells begin with dates of the calendar, and their days since 1970."""
    ops = cells.ops
    year, month = cells.number(layout.year, layout.digits), cells.number(layout.month, 2)
    day = month * 0 + 1 if layout.day is None else cells.number(layout.day, 2)
    if layout.digits == 2:
        year = year + ops.where(year >= LAST_CENTURY, 1900, 2000)
    by_four, by_hundred = ops.equal(year % 4, 0), ops.equal(year % 100, 0)
    by_four_hundred = ops.equal(year % 400, 0)
    leap = ops.logical_and(by_four, ops.logical_or(ops.logical_not(by_hundred), by_four_hundred))
    most = ops.take(MONTHS, ops.clip(month, 0, 13), axis=0)
    most = ops.where(ops.logical_and(leap, ops.equal(month, 2)), 29, most)
    valid = cells.both(
        cells.are_digits(layout.year, layout.digits),
        *(cells.are_digits(place, 2) for place in layout.parts),
        *(cells.holds(place, sign) for place, sign in layout.separators.items()),
        year >= 1,
        day >= 1,
        day <= most,
    )
    return valid, days_of(ops, year, month, day)


def _read_clock(
    cells: _Cells, layout: Layout, halves: tuple[Array, Array] | None
) -> tuple[Array, Array, Array]:
    """Return whether hour, minute and second are valid, where they end, and the seconds since midnight."""
    ops, start = cells.ops, layout.size
    hour, minute, second = (cells.number(place, 2) for place in layout.time)
    with_seconds = cells.holds(start + 6, ":")
    second_valid = ops.logical_and(cells.are_digits(start + 7, 2), second <= 60)  # 60 is a leap second
    valid = cells.both(
        cells.holds(start, " T"),
        cells.are_digits(start + 1, 2),
        cells.holds(start + 3, ":"),
        cells.are_digits(start + 4, 2),
        hour <= 23,
        minute <= 59,
        ops.logical_or(ops.logical_not(with_seconds), second_valid),
    )
    if halves is not None:
        halved, after_noon = halves
        within = ops.logical_and(hour >= 1, hour <= 12)
        valid = ops.logical_and(valid, ops.logical_or(ops.logical_not(halved), within))
        hour = ops.where(halved, hour % 12 + ops.where(after_noon, 12, 0), hour)
    end = ops.where(with_seconds, start + 9, start + 6)
    return valid, end, hour * 3600 + minute * 60 + ops.where(with_seconds, second, 0)


def _read_fraction(
    cells: _Cells, layout: Layout, end: Array, real: Callable[[Array], Array]
) -> tuple[Array, Array, Array]:
    """Return whether a fraction of a second has digits, where it ends, and the fraction."""
    ops, start = cells.ops, layout.size + 10
    there = ops.logical_and(ops.equal(end, start - 1), cells.holds(start - 1, ".,"))
    run = ops.cumprod(ops.where(cells.is_digit[:, start:], 1, 0), axis=1)
    count = ops.sum(run, axis=1)
    weights = 10.0 ** -np.arange(1.0, 1 + cells.ids.shape[1] - start)
    fraction = ops.sum(real(run * cells.digits[:, start:]) * weights, axis=1)
    valid = ops.logical_or(ops.logical_not(there), count >= 1)
    return valid, ops.where(there, start + count, end), ops.where(there, fraction, 0.0)


def _read_zone(cells: _Cells, length: Array, end: Array) -> tuple[Array, Array, Array]:
    """Return whether the rest of the cells is a zone or nothing, whether it is a zone, and its seconds.

    A zone is `Z`, `UTC`, `GMT`, `+09`, `+0900` or `+09:00`, with or without spaces before it.
    """
    ops = cells.ops
    places = ops.expand_dims(length, 1) + np.arange(-TAIL, 0, dtype=np.int32)
    last = _Cells(ops, ops.take_along_axis(cells.ids, ops.clip(places, 0, cells.ids.shape[1] - 1), axis=1))

    def word(text: str) -> Array:
        start = TAIL - len(text)
        return last.both(*(last.holds(start + place, letter) for place, letter in enumerate(text)))

    named = reduce(ops.logical_or, [word("UTC"), word("GMT")])
    hours = last.both(last.holds(3, "+-"), last.are_digits(4, 2))
    plain = last.both(last.holds(1, "+-"), last.are_digits(2, 4))
    colon = last.both(last.holds(0, "+-"), last.are_digits(1, 2), last.holds(3, ":"), last.are_digits(4, 2))
    size = ops.where(last.holds(5, "Z"), 1, 0)
    hour, sign = length * 0, length * 0 + 1
    for test, count, first in ((hours, 3, 4), (plain, 5, 2), (colon, 6, 1)):
        size = ops.where(test, count, size)
        hour = ops.where(test, last.number(first, 2), hour)
        sign = ops.where(test, ops.where(last.holds(first - 1, "-"), -1, 1), sign)
    minute = ops.where(ops.logical_or(plain, colon), last.number(4, 2), 0)
    size = ops.where(named, 3, size)
    start = length - size
    after = ops.less_equal(ops.expand_dims(end, 1), np.arange(cells.ids.shape[1], dtype=np.int32))
    blank = ops.logical_and(ops.equal(cells.ids, 2 + CHARACTERS.index(" ")), after)
    blanks = ops.sum(ops.where(blank, 1, 0), axis=1)
    valid = last.both(ops.equal(blanks, start - end), hour <= 23, minute <= 59)
    return valid, size > 0, sign * (hour * 3600 + minute * 60)


def days_of(ops: ModuleType, year: Array, month: Array, day: Array) -> Array:
    """Return days since 1970-01-01 of the Gregorian calendar.

    By H. Hinnant's `days_from_civil` (https://howardhinnant.github.io/date_algorithms.html).
    """
    shifted = year - ops.where(month <= 2, 1, 0)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days: Array = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return days


def date_of(ops: ModuleType, days: Array) -> tuple[Array, Array, Array]:
    """Return year, month and day of days since 1970-01-01, by H. Hinnant's `civil_from_days`."""
    shifted = days + 719468
    era = shifted // 146097
    of_era = shifted - era * 146097
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * of_year + 2) // 153
    month = ops.where(from_march < 10, from_march + 3, from_march - 9)
    day = of_year - (153 * from_march + 2) // 5 + 1
    return year_of_era + era * 400 + ops.where(month <= 2, 1, 0), month, day
