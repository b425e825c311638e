"""Rules for numbers, and for lists of them: each says in words what a value must be, and tests it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeGuard

from mlpcli.spec.value_rules import Rule, either, list_of
from mlpcli.spec.values import Value, ValueMap


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a finite number; true and false are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is an integer; true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(words: str, least: int, most: float = math.inf) -> Rule:
    schema: ValueMap = {"type": "integer", "minimum": least}
    if math.isfinite(most):
        schema["maximum"] = most
    return Rule(words, lambda v: is_whole(v) and least <= v <= most, schema, whole=True)


POSITIVE_WHOLE = _whole("must be a positive integer", 1)
WHOLE = _whole("must be an integer of at least 0", 0)
FROM_TWO = _whole("must be an integer of at least 2", 2)
INTEGER = Rule("must be an integer", is_whole, {"type": "integer"}, whole=True)
NONE_OR_FROM_TWO = Rule(
    "must be an integer of at least 2, or 0 for none",
    lambda v: is_whole(v) and (v == 0 or v >= 2),
    {"anyOf": [{"const": 0}, FROM_TWO.schema]},
    whole=True,
)
NUMBER = Rule("must be a finite number", is_number, {"type": "number"})
POSITIVE = Rule(
    "must be a positive number", lambda v: is_number(v) and v > 0, {"type": "number", "exclusiveMinimum": 0}
)
NOT_NEGATIVE = Rule(
    "must be a number of at least 0", lambda v: is_number(v) and v >= 0, {"type": "number", "minimum": 0}
)
NOT_POSITIVE = Rule(
    "must be a number of at most 0", lambda v: is_number(v) and v <= 0, {"type": "number", "maximum": 0}
)
BELOW_ONE = Rule(
    "must be a number from 0 up to but not including 1",
    lambda v: is_number(v) and 0 <= v < 1,
    {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
)
SHARE = Rule(
    "must be a number from 0 to 1",
    lambda v: is_number(v) and 0 <= v <= 1,
    {"type": "number", "minimum": 0, "maximum": 1},
)
SHRINKS = Rule(
    "must be a number between 0 and 1",
    lambda v: is_number(v) and 0 < v < 1,
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
)
ABOVE_ZERO_TO_ONE = Rule(
    "must be a number above 0, up to 1",
    lambda v: is_number(v) and 0 < v <= 1,
    {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
)


def are_levels(value: object) -> bool:
    """Return whether a value is a list of rising numbers between 0 and 1, without these."""
    if not isinstance(value, list | tuple) or not value or not all(map(is_number, value)):
        return False
    ends = (0, *value, 1)
    return all(low < high for low, high in pairwise(ends))


LEVELS = Rule(
    "must be a list of rising numbers between 0 and 1, such as [0.05, 0.5, 0.95]",
    are_levels,
    list_of(SHRINKS, "").schema,
)

MAX_STEPS = 10_000
"""Keras makes a Python list, or a square matrix, as long as these arguments say."""
THRESHOLDS = _whole(f"must be an integer from 2 to {MAX_STEPS:,}", 2, MAX_STEPS)
BOUNDED_WHOLE = _whole(f"must be an integer from 0 to {MAX_STEPS:,}", 0, MAX_STEPS)
CLASSES = _whole(f"must be an integer from 1 to {MAX_STEPS:,}", 1, MAX_STEPS)

AXES = either(INTEGER, list_of(INTEGER, "a list of them", distinct=True))
NUMBERS = either(NUMBER, list_of(NUMBER, "a list of them"), words="a number, or a list of numbers")
WEIGHTS = either(
    NOT_NEGATIVE, list_of(NOT_NEGATIVE, ""), words="a number of at least 0, or a list of such numbers"
)
TWO_NUMBERS = list_of(NUMBER, "a list of two numbers, such as [0, 255]", least=2, most=2)


def _is_rising(value: Value) -> bool:
    if not isinstance(value, list | tuple) or not value:
        return False
    numbers = [each for each in value if is_number(each)]
    return len(numbers) == len(value) and all(low < high for low, high in pairwise(numbers))


RISING = Rule(
    "must be a list of rising numbers, such as [0, 10, 100]", _is_rising, list_of(NUMBER, "").schema
)


def _is_nested(value: Value) -> bool:
    return is_number(value) or (
        isinstance(value, list | tuple) and bool(value) and all(map(_is_nested, value))
    )


NESTED = Rule(
    "must be a number, or a list of numbers",
    _is_nested,
    {"anyOf": [{"type": "number"}, {"type": "array", "minItems": 1}]},
)


def sizes(count: int, least: int = 1) -> Rule:
    """Return the rule for the sizes along some axes: one integer for all, or a list with one for each.

    Args:
        count: how many axes there are.
        least: the smallest size, 0 or 1.
    """
    one = POSITIVE_WHOLE if least else WHOLE
    said = one.words.removeprefix("must be ")
    several = list_of(one, "", least=count, most=count)
    return either(one, several, words=said if count == 1 else f"{said}, or a list of {count} of them")


def margins(count: int) -> Rule:
    """Return the rule for what is added or removed at the two ends of some axes.

    Args:
        count: how many axes there are. Of several, each is an integer, or a pair of them.
    """
    pair = list_of(WHOLE, "", least=2, most=2)
    if count == 1:
        return either(WHOLE, pair, words="an integer of at least 0, or a list of 2 of them, such as [1, 0]")
    several = list_of(either(WHOLE, pair), "", least=count, most=count)
    example = f"[{', '.join(['[1, 0]'] * count)}]"
    words = f"an integer of at least 0, or a list of {count} of them, or of pairs, such as {example}"
    return either(WHOLE, several, words=words)


def factor(low: float, high: float, *, strict: bool = False, above: bool = False) -> Rule:
    """Return the rule for the strength of a random change: a number, or the two ends of a range.

    Args:
        low: the least.
        high: the greatest.
        strict: whether both ends of a range must lie between these, or whether it must only touch them.
        above: whether the least itself is too small.
    """
    said = f"above {low:g}, up to {high:g}" if above else f"from {low:g} to {high:g}"
    one = Rule(
        f"must be a number {said}",
        lambda v: is_number(v) and low <= v <= high and not (above and v == low),
        {"type": "number", "exclusiveMinimum" if above else "minimum": low, "maximum": high},
    )

    def is_range(value: Value) -> bool:
        if not TWO_NUMBERS.test(value) or not isinstance(value, list | tuple):
            return False
        first, second = (float(each) for each in value if is_number(each))
        return all(map(one.test, value)) if strict else first <= high and second >= low

    two = Rule("", is_range, TWO_NUMBERS.schema)
    return either(one, two, words=f"a number {said}, or a list of two of them")
