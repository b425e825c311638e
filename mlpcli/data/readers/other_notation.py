"""What to do about a cell that is no number, or no date, as its column writes them, but is one otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlpcli.data.readers.dialect import THOUSANDS, Dialect, Notation
from mlpcli.data.readers.parse_cells import spell_number

SIGNS = {".": "point", ",": "comma"}
NAMED = {" ": "a blank", "'": "an apostrophe", ",": "a comma", ".": "a point"}
MOST = 2
"""The most ways to read a cell that are shown."""


def number_rule(text: str, dialect: Dialect) -> str:
    """Return what a cell must be: `a number`, and how it is to be written where that is what is wrong."""
    if not any(_others(text, dialect)):
        return "must be a number"
    between = f" and {NAMED[dialect.thousands]} between thousands" if dialect.thousands else ""
    source = ", as in the training file" if dialect.optional else ""
    return f"must be a number with a decimal {SIGNS[dialect.decimal]}{between}{source}"


def number_hint(text: str, dialect: Dialect) -> str:
    """Return what to do about a cell that is a number in another notation; empty for any other cell."""
    found: dict[float, Notation] = {}
    for other in _others(text, dialect):
        found.setdefault(other.number(text), other)
    ways = [
        f"{_option(other, dialect)} reads it as {spell_number(number)}"
        for number, other in list(found.items())[:MOST]
    ]
    if not ways:
        return ""
    if dialect.optional:
        return ", ".join(ways)
    return f"write a decimal {SIGNS[dialect.decimal]}, or set dataset: " + " or ".join(
        _setting(other, dialect) for other in list(found.values())[:MOST]
    )


def _others(text: str, dialect: Dialect) -> Iterator[Notation]:
    """Yield other notations in which a text is a number, those without a separator of thousands first."""
    unit = dialect.unit
    for thousands in dict.fromkeys((dialect.thousands, "", *THOUSANDS)):
        for decimal in (dialect.decimal, *(SIGNS.keys() - {dialect.decimal})):
            other = Notation(decimal, thousands, unit)
            if decimal != thousands and other != dialect.notation and math.isfinite(other.number(text)):
                yield other


def _option(other: Notation, dialect: Dialect) -> str:
    """Return the options that say a notation."""
    said = [] if other.decimal == dialect.decimal else [f"--decimal {other.decimal}"]
    kept = "" if dialect.thousands == other.decimal else dialect.thousands
    if other.thousands != kept:
        word = {"": "none", " ": "blank", "'": '"\'"'}.get(other.thousands, other.thousands)
        said.append(f"--thousands {word}")
    return " ".join(said)


def _setting(other: Notation, dialect: Dialect) -> str:
    """Return the keys of a dataset that say a notation."""
    said = [] if other.decimal == dialect.decimal else [f"decimal: {other.decimal!r}"]
    said += [] if other.thousands == dialect.thousands else [f"thousands: {other.thousands!r}"]
    return "{" + ", ".join(said) + "}"
