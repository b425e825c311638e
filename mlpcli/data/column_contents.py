"""What keeps the values of a column that a Python program hands in from being a column of a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from mlpcli.data.types import Array
from mlpcli.errors import Problem, listing

MOST_TYPES = 4
"""Types of values that a message names."""

MOST_DIGITS = 24
INT64 = range(-(2**63), 2**63)
LONG = ("float96", "float128")
CONVERT = "convert it to numbers, texts, booleans or dates"


def in_own_order(values: Array) -> Array:
    """Return an array with the byte order of this machine, the only one that PyArrow takes."""
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def type_problem(where: str, kind: object, error: Exception) -> Problem:
    """Return the problem of a column whose values are of a type that no table holds.

    Args:
        where: names the column.
        kind: the type.
        error: of PyArrow.
    """
    reason = "; ".join(str(part) for part in error.args[:1]) or type(error).__name__
    hint = "convert it: .astype('float64')" if str(kind) in LONG else CONVERT
    return Problem(f"{where}: {kind} is not read ({reason})", hint=hint)


def values_problem(where: str, values: Iterable[object], one_type: str, error: Exception) -> Problem:
    """Return the problem of a column of Python's objects.

    Args:
        where: names the column.
        values: of the column.
        one_type: how values are made ones of one type.
        error: of PyArrow.
    """
    known = [(row, value) for row, value in enumerate(values, 1) if value is not None]
    kinds = Counter(type(value).__name__ for _, value in known)
    if len(kinds) > 1:
        shown = listing((f"{kind} ({count:,})" for kind, count in kinds.most_common()), MOST_TYPES)
        return Problem(f"{where}: the values must be of one type, these are {shown}", hint=one_type)
    for row, value in known:
        if isinstance(value, int | np.integer) and int(value) not in INT64:
            rule = f"{where}, row {row}: must be from -2^63 to 2^63 - 1, it is {_size(int(value))}"
            return Problem(rule, hint="make the values floats, or texts where they are names")
        if isinstance(value, str) and not _is_unicode(value):
            rule = f"{where}, row {row}: must be Unicode, {str(value)!a} holds half of a surrogate pair"
            return Problem(rule, hint="replace it: text.encode('utf-8', 'replace').decode()")
    return Problem(f"{where}: values of type {next(iter(kinds), 'object')} are not read", hint=CONVERT)


def _size(value: int) -> str:
    """Return a whole number, which may have more digits than Python writes."""
    digits = int(math.log10(abs(value)))
    return str(value) if digits < MOST_DIGITS else f"a number of {digits + 1:,} digits"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
