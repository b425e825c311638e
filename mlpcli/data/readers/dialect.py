"""How a table writes its values: numbers, missing cells, character set, header."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from mlpcli.data.types import NumberType

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "null", "NULL", "None", "?", "-")
"""Spellings of a cell without a value."""

LABELS = ("None", "?", "-")
"""The spellings among them that are values in a column of labels, since classes have such names."""

SPACES = " \t\n\v\f\r\u00a0\u2007\u2008\u2009\u200a\u202f\u3000\ufeff"
"""Blanks around and inside numbers; no-break and narrow ones separate thousands in many languages."""

MINUS = "\u2212\u2013\u2012\ufe63\uff0d"
"""Characters that stand for a minus sign before a number."""

THOUSANDS = {",": ",", ".": r"\.", " ": "[ \u00a0\u2007\u2009\u202f]", "'": "['\u2019]"}
"""Separators of thousands, as in specs, each with a pattern of the characters that it stands for."""

CURRENCY = re.compile(
    r"(?:(?:US|AU|CA|NZ|HK|[ACRS])?\$|NT\$|[\u00a2-\u00a5\u20a0-\u20c0\u0e3f\uff04\uffe0\uffe1\uffe5]|"
    r"USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|RUB|TRY|KRW|SGD|HKD|"
    r"Rs\.?|kr\.?|Fr\.?|z\u0142|DM)"
)
"""Signs and codes of currencies, which stand before or after a number."""

UNIT = re.compile(r"[^\W\d_]+(?:[./ \u00b7*^][^\W\d_]+)*[\u00b2\u00b3]?|[%\u2030\u00b0\"'\u2032\u2033][CF]?")
"""What else may stand after a number: `%`, `kg`, `km/h`, `\u00b0C`."""

BLANKS = " "
"""As a delimiter: one or more blanks or tabs."""

MAX_UNIT, MAX_CELL = 16, 64
"""The most characters of a unit, and of a number with one."""


@dataclass(frozen=True)
class Notation:
    """How a column writes its numbers.

    Attributes:
        decimal: the decimal sign, `.` or `,`.
        thousands: the separator of thousands: `,`, `.`, a space, `'`; empty for none.
        unit: what stands before or after each number, such as `%`, `kg` or `$`; empty for nothing.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    @property
    def plain(self) -> bool:
        """Whether the numbers are plain, apart from their decimal sign."""
        return not (self.thousands or self.unit)

    @cached_property
    def body(self) -> re.Pattern[str]:
        """The pattern of a number without sign and unit."""
        point = re.escape(self.decimal)
        whole = r"\d+"
        if self.thousands:
            sign = THOUSANDS[self.thousands]
            grouped = rf"[1-9]\d{{0,2}}(?:{sign}\d{{3}})+"
            lakhs = rf"|[1-9]\d?(?:{sign}\d{{2}})*{sign}\d{{3}}" if self.thousands == "," else ""
            whole = rf"(?:{grouped}{lakhs}|\d+)"
        return re.compile(rf"(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?", re.ASCII)

    def number(self, text: str) -> float:
        """Return the number that a cell holds: NaN if it holds none, infinity if it is too large."""
        cell = split_number(text)
        if cell is None or not self._fits(cell.unit):
            return math.nan
        if not self.body.fullmatch(cell.digits):
            infinite = not cell.unit and cell.digits.lower() in ("inf", "infinity")
            return (-math.inf if cell.negative else math.inf) if infinite else math.nan
        bare = re.sub(THOUSANDS[self.thousands], "", cell.digits) if self.thousands else cell.digits
        number = float(bare.replace(self.decimal, "."))
        return -number if cell.negative else number

    def _fits(self, unit: str) -> bool:
        """Return whether a cell's unit is the column's; where it is a currency, a number may have none."""
        return unit == self.unit or (not unit and is_currency(self.unit))


@dataclass(frozen=True)
class NumberCell:
    """A cell that may hold a number.

    Attributes:
        negative: whether it has a minus sign, or is in parentheses.
        digits: the number without its sign.
        unit: what stands before or after it.
    """

    negative: bool
    digits: str
    unit: str = ""


_CELL = re.compile(
    rf"(?P<open>\(?)\s*(?P<sign>[+\-{MINUS}]?)\s*(?P<before>{CURRENCY.pattern})?\s*"
    rf"(?P<open2>\(?)\s*(?P<sign2>[+\-{MINUS}]?)\s*(?P<digits>[\d.,](?:[\d.,'\u2019\s]*[\d.,])?(?:[eE][+-]?\d+)?|"
    r"(?:[iI][nN][fF](?:[iI][nN][iI][tT][yY])?))"
    rf"(?P<gap>\s*)(?P<after>(?:{CURRENCY.pattern}|{UNIT.pattern}))?\s*(?P<close>\)?)(?P<last>-?)"
)


def split_number(text: str) -> NumberCell | None:
    """Return the parts of a cell that may hold a number; None if it holds something else."""
    bare = text.strip(SPACES)
    if NUMBER.fullmatch(bare):
        return NumberCell(bare[0] == "-", bare.lstrip("+-"))
    match = _CELL.fullmatch(bare) if len(bare) <= MAX_CELL else None
    if match is None:
        return None
    signs = [sign for sign in (match["sign"], match["sign2"], match["last"]) if sign]
    opened = len(match["open"] + match["open2"])
    bracketed = opened > 0
    if len(signs) + opened > 1 or bracketed != bool(match["close"]):
        return None
    before, after = match["before"] or "", match["after"] or ""
    if (before and after and before != after) or not _is_unit(after, match["gap"]):
        return None
    return NumberCell(bracketed or any(sign != "+" for sign in signs), match["digits"], before or after)


def _is_unit(after: str, gap: str) -> bool:
    """Return whether a text after a number is a unit: a single letter without a gap belongs to a code."""
    if not after or CURRENCY.fullmatch(after):
        return True
    return len(after) <= MAX_UNIT and (bool(gap) or len(after) > 1 or not after.isalpha())


def is_currency(unit: str) -> bool:
    """Return whether a unit is a currency."""
    return bool(CURRENCY.fullmatch(unit))


@dataclass(frozen=True)
class Dialect:
    """How a table, or one column of it, writes its values.

    Attributes:
        decimal: the decimal sign of its numbers, `.` or `,`.
        missing: spellings of a missing cell besides the usual ones, as listed in the spec.
        thousands: the separator of thousands; empty for none.
        unit: of a column, what stands before or after each number.
        charset: the character set of the file; empty to detect it.
        certain: whether a declared character set holds also for a file that is UTF-8: not for new rows.
        header: whether the first row names the columns; None to detect it.
        delimiter: between the cells of a text; a blank stands for one or more; empty to detect it.
        comment: how the lines of a text begin that are no rows; empty for none.
        sheet: the name of the sheet of a workbook; empty for its first.
        query: the SELECT statement whose rows a database gives.
        width: of a table without a header, the number of its columns.
        values: by column, spellings that are values of texts though they usually mean a missing cell; those
            of every column are under an empty name.
        notations: by column, how it writes its numbers, where that is not as above.
        numbers: how numbers are kept until they are scaled, and dates are read; see `NumberType`.
        optional: whether options of a command can say otherwise: in a file of new rows.
    """

    decimal: str = "."
    missing: tuple[str, ...] = ()
    thousands: str = ""
    unit: str = ""
    charset: str = ""
    certain: bool = field(default=True, compare=False)
    header: bool | None = None
    delimiter: str = ""
    comment: str = ""
    sheet: str = ""
    query: str = ""
    width: int = 0
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notations: Mapping[str, Notation] = field(default_factory=dict)
    numbers: NumberType = "float64"
    optional: bool = field(default=False, compare=False)

    def of(self, name: str, *, labels: bool = False) -> Dialect:
        """Return the dialect of one column; in a column of labels, `None`, `?` and `-` are values."""
        notation = self.notations.get(name, self.notation)
        values = (*self.values.get("", ()), *self.values.get(name, ()), *(LABELS if labels else ()))
        if notation == self.notation and not values:
            return self
        return replace(
            self,
            decimal=notation.decimal,
            thousands=notation.thousands,
            unit=notation.unit,
            values={"": values} if values else {},
            notations={},
        )

    @cached_property
    def notation(self) -> Notation:
        """How numbers are written."""
        return Notation(self.decimal, self.thousands, self.unit)

    @cached_property
    def missing_spellings(self) -> tuple[str, ...]:
        """Every spelling of a missing cell of numbers, dates and booleans."""
        return tuple(dict.fromkeys((*MISSING, *self.missing)))

    @cached_property
    def missing_texts(self) -> tuple[str, ...]:
        """Every spelling of a missing cell of texts; what the spec lists under `missing` is always one."""
        values = {text for text in self.values.get("", ()) if text not in self.missing}
        return tuple(text for text in self.missing_spellings if text not in values)

    @cached_property
    def missing_numbers(self) -> tuple[float, ...]:
        """Numbers that mark a cell as missing."""
        found = (self.number(text) for text in self.missing)
        return tuple(number for number in found if not math.isnan(number))

    def number(self, text: str) -> float:
        """Return the number that a cell holds: NaN if it holds none, infinity if it is too large."""
        return self.notation.number(text)


PLAIN = Dialect()

LABEL_GAPS = frozenset(PLAIN.of("", labels=True).missing_texts)
"""Spellings of a missing label, unless the spec says otherwise."""


def dialect_to_json(dialect: Dialect) -> dict[str, object]:
    """Return a table's dialect as plain JSON values; what is as usual is left out, as older runs have it."""
    notations = {
        name: {"decimal": each.decimal, "thousands": each.thousands, "unit": each.unit}
        for name, each in sorted(dialect.notations.items())
    }
    more = {
        "thousands": dialect.thousands,
        "charset": dialect.charset,
        "header": dialect.header,
        "delimiter": dialect.delimiter,
        "comment": dialect.comment,
        "sheet": dialect.sheet,
        "query": dialect.query,
        "width": dialect.width,
        "values": {name: list(texts) for name, texts in sorted(dialect.values.items()) if texts},
        "notations": notations,
    }
    given = {key: value for key, value in more.items() if value or value is False}
    return {"decimal": dialect.decimal, "missing": list(dialect.missing), **given}
