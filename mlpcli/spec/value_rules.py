"""What a rule for the value of an argument is, and the ways to make one of words, lists and other rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mlpcli.spec.values import Value, ValueMap


class Rule(NamedTuple):
    """What the value of an argument must be.

    Attributes:
        words: for the message: `must be a positive integer`.
        test: whether a value is so.
        schema: the same in JSON Schema, for `mlpcli schema`; it may accept more lists, texts and mappings.
        choices: the words that a value may be, of which the nearest is suggested.
        whole: whether a number must be an integer.
    """

    words: str
    test: Callable[[Value], bool]
    schema: ValueMap
    choices: tuple[str, ...] = ()
    whole: bool = False


SEARCHED: ValueMap = {"type": "object", "required": ["hp"]}
"""In a list, a value that a search sets."""

HAS_CAPITAL = "[A-Z]"


def one_of(*words: str, also: tuple[str, ...] = (), null: bool = False, folded: bool = False) -> Rule:
    """Return the rule for one of some words.

    Args:
        words: as Keras writes them.
        also: earlier names, which Keras still takes.
        null: whether null is another choice.
        folded: whether Keras reads capitals as small letters.
    """
    every = [*words, "null"] if null else list(words)
    said = every[0] if len(every) == 1 else f"{', '.join(every[:-1])} or {every[-1]}"
    taken = {*words, *also}
    small = {word.lower() for word in taken}

    def test(value: Value) -> bool:
        if value is None:
            return null
        return isinstance(value, str) and (value.lower() in small if folded else value in taken)

    choices: list[Value] = [*words, *also, None] if null else [*words, *also]
    schema: ValueMap = {"enum": choices}
    if folded:
        schema = {"anyOf": [schema, {"type": "string", "pattern": HAS_CAPITAL}]}
    return Rule(f"must be {said}", test, schema, choices=words)


def or_null(rule: Rule) -> Rule:
    """Return a rule that null fulfils too, where it means something though it is not the default."""
    schema: ValueMap = {"anyOf": [rule.schema, {"type": "null"}]}
    return rule._replace(test=lambda value: value is None or rule.test(value), schema=schema)


def list_of(
    rule: Rule, words: str, *, least: int = 1, most: int | None = None, distinct: bool = False
) -> Rule:
    """Return the rule for a list of values of which each fulfils a rule.

    Args:
        rule: of each.
        words: of the whole: `a list of positive integers`.
        least: how many values there must be.
        most: how many there may be; None for any number.
        distinct: whether no two may be the same.
    """

    def test(value: Value) -> bool:
        if not isinstance(value, list | tuple) or (distinct and len({*map(str, value)}) < len(value)):
            return False
        return least <= len(value) <= (len(value) if most is None else most) and all(map(rule.test, value))

    schema: ValueMap = {"type": "array", "items": {"anyOf": [rule.schema, SEARCHED]}, "minItems": least}
    if most is not None:
        schema["maxItems"] = most
    return Rule(f"must be {words}", test, schema, whole=rule.whole)


def either(*rules: Rule, words: str = "") -> Rule:
    """Return the rule that a value fulfils one of some rules.

    Args:
        rules: the rules.
        words: of all together; by default those of each, with `or`.
    """
    said = words or ", or ".join(each.words.removeprefix("must be ") for each in rules)
    return Rule(
        f"must be {said}",
        lambda value: any(each.test(value) for each in rules),
        {"anyOf": [each.schema for each in rules]},
        choices=tuple(word for each in rules for word in each.choices),
        whole=all(each.whole for each in rules),
    )


def _is_text(value: Value) -> bool:
    return isinstance(value, str) and bool(value.strip())


TEXT = Rule("must be a text that is not empty", _is_text, {"type": "string", "minLength": 1})
