"""Numbers that YAML reads as text: `1/255`, `20%`, `0,5`, `10**-3`, and numbers in quotes."""

from __future__ import annotations

import math
import re

from mlpcli.spec.values import Value
from mlpcli.spec.yaml_line import yaml_line

PLAIN = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
NUMBER = re.compile(PLAIN)
QUOTIENT = re.compile(rf"({PLAIN})\s*([/*])\s*({PLAIN})")
PERCENT = re.compile(rf"({PLAIN})\s*%")
POWER = re.compile(rf"({PLAIN})\s*(?:\*\*|\^)\s*\(?({PLAIN})\)?")
DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
GROUPED = re.compile(r"[-+]?[0-9]{1,3}(?:[_ ][0-9]{3})+|[-+]?[0-9]{1,3}(?:,[0-9]{3}){2,}")
LONGEST = 60


def number_meant(text: str) -> int | float | None:
    """Return the number that a text stands for, or None if it stands for none.

    Args:
        text: a scalar of a spec: `1/255` is 0.00392157, `20%` is 0.2, `0,5` is 0.5, `'16'` is 16.
    """
    text = text.strip().rstrip(",;").strip()
    if len(text) > LONGEST:
        return None
    try:
        number = _number_meant(text)
    except (OverflowError, ZeroDivisionError, ValueError, TypeError):  # a complex root
        return None
    if number is None or isinstance(number, int):
        return number
    return number if math.isfinite(number) else None


def _number_meant(text: str) -> int | float | None:
    if NUMBER.fullmatch(text):
        return _plain(text)
    if match := QUOTIENT.fullmatch(text):
        left, right = _plain(match[1]), _plain(match[3])
        return left / right if match[2] == "/" else left * right
    if match := PERCENT.fullmatch(text):
        return round(float(match[1]) / 100, 12)
    if match := POWER.fullmatch(text):
        return float(float(match[1]) ** float(match[2]))
    if DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    return int(re.sub("[_ ,]", "", text)) if GROUPED.fullmatch(text) else None


def _plain(text: str) -> int | float:
    return int(text) if re.fullmatch("[-+]?[0-9]+", text) else float(text)


def is_calculation(text: str) -> bool:
    """Return whether a text is a number only for who calculates or converts: `1/255`, `20%`, not `'16'`."""
    return number_meant(text) is not None and not NUMBER.fullmatch(text.strip())


def number_hint(value: Value, *, whole: bool = False) -> str:
    """Return what to write instead of a value that should be a number; an empty text if none is meant.

    Args:
        value: what the spec has: a text, or a float where an integer is wanted.
        whole: whether an integer is wanted.
    """
    if isinstance(value, bool) or not isinstance(value, str | float | int):
        return ""
    number = number_meant(value) if isinstance(value, str) else value
    if isinstance(value, int) or number is None or (isinstance(number, float) and not math.isfinite(number)):
        return ""
    if whole and float(number).is_integer():
        number = int(number)
    elif whole or number == value:
        return ""
    return f"{_why(value) if isinstance(value, str) else ''}write {yaml_line(number)}"


def _why(text: str) -> str:
    """Return why a text is no number to YAML, where that is not plain to see."""
    if DECIMAL_COMMA.fullmatch(text.strip()):
        return "the decimal sign is a point: "
    if GROUPED.fullmatch(text.strip()):
        return "a number has no spaces or commas: "
    return "YAML calculates nothing: " if is_calculation(text) else ""
