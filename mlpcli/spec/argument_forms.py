"""Arguments and values in another form than Keras's: what to write instead."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from mlpcli.errors import Hint, KeyPath, Problem, listing, nearest, suggest
from mlpcli.spec.component_forms import FROM_DATA, argument_meant
from mlpcli.spec.component_rules import kind_of_argument
from mlpcli.spec.number_rules import BELOW_ONE, is_number
from mlpcli.spec.number_texts import is_calculation, number_hint, number_meant
from mlpcli.spec.optimizer_keys import OWN_OPTIMIZER_KEYS, own_keys
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.schedule_lengths import LENGTH_RULES, length_hint
from mlpcli.spec.value_rules import Rule
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_line import entry_line, item_line

MEANT = 20
"""The most unknown arguments of one class that are compared with the missing one."""

TEXT_ENDINGS = (
    *("name", "token", "value", "dir", "path", "dtype"),
    *("separator", "vocabulary", "format", "encoding"),
)
"""Endings of arguments that take any text, also one that looks like a number."""

TRUE = ("true", "yes", "on", "y", "t", "1")
FALSE = ("false", "no", "off", "n", "f", "0")

MOST_WIDTHS = 8

FEWEST_PERCENT = 5
"""A rate of 50 is read as 50%, one of 2 is not."""


def means(word: str, name: str, missing: list[str], unknown: list[str]) -> bool:
    """Return whether an unknown argument stands for a missing one.

    Args:
        word: the unknown argument.
        name: the missing one.
        missing: all that are missing.
        unknown: all that are unknown.
    """
    alone = len(missing) == len(unknown) == 1
    return alone or bool(nearest(word, [name])) or argument_meant(word, [name]) == name


def unknown_argument(
    class_name: str,
    arguments: ValueMap,
    path: KeyPath,
    known: tuple[str, ...],
    missing: list[str],
    *,
    alone: bool,
) -> Problem:
    """Return the problem with an argument that a class does not have.

    Args:
        class_name: the class.
        arguments: all its arguments.
        path: the place of this one.
        known: the arguments that the class has.
        missing: those that it needs and does not get.
        alone: whether this is the only unknown one.
    """
    name = str(path[-1])
    value = arguments[name]
    if isinstance(value, str) and (number := number_meant(value)) is not None:
        value = number
    if name in FROM_DATA:
        hint: Hint = "the input's shape comes from the data: leave it out"
    elif name == "decay" and "learning_rate" in known:
        rate = arguments.get("learning_rate", 0.01)
        schedule: Value = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": value}
        hint = f"write a schedule: {entry_line('learning_rate', {'InverseTimeDecay': schedule})}"
    elif name in OWN_OPTIMIZER_KEYS and "learning_rate" in known:
        hint = f"write it beside the class: {entry_line('optimizer', {class_name: {}, name: value})}"
    elif value is None and _without_space(name, known):
        hint = f"a space must follow the colon: write {_without_space(name, known)}"
    elif (meant := argument_meant(name, known)) and name != "betas":
        hint = f"write {entry_line(meant, value)}"
    elif name == "betas" and isinstance(value, list) and len(value) == 2 and "beta_2" in known:
        hint = f"write {entry_line('beta_1', value[0])}, {entry_line('beta_2', value[1])}"
    elif alone and len(missing) == 1 and not nearest(name, missing):
        inner = kind_of_argument(missing[0]) is not None and name[:1].isupper()
        hint = f"write {entry_line(missing[0], {name: value} if inner else value)}"
        if (number := number_meant(name)) is not None:
            hint = f"write {entry_line(missing[0], number)}"
    else:
        hint = suggest(name, known, f"it takes {listing(known)}")
    return Problem(f"{class_name} has no such argument", path=path, received=name, hint=hint)


def stray_key(key: str, class_name: str, path: KeyPath, namespace: str, catalog: Catalog) -> Problem:
    """Return the problem of a key beside a class: a misspelt `name`, or an argument one level too high.

    Args:
        key: the key.
        class_name: what it stands beside.
        path: the place of the key.
        namespace: of the class.
        catalog: the names that the spec may use.
    """
    hint: Hint = nearest(key, own_keys(namespace)) if own_keys(namespace) else ""
    known = catalog.class_names(namespace)
    if (class_name in known and key in catalog.signature(namespace, class_name).names) or not hint:
        hint = f"arguments go inside: {{{class_name}: {{{key}: ...}}}}"
    return Problem(f"unknown key next to {class_name}", path=path, received=key, hint=hint)


def joined_calls(arguments: ValueMap) -> ValueMap:
    """Return arguments with the values whole that commas have cut: `{size: (3, 3)}` has two keys for YAML."""
    found: ValueMap = {}
    last = ""
    for name, value in arguments.items():
        before = found.get(last)
        if value is None and isinstance(before, str) and before.count("(") > before.count(")"):
            found[last] = f"{before}, {name}"
        else:
            found[name], last = value, name
    return found


TUPLE = re.compile(r"\((\s*-?[0-9.]+\s*,?)+\)|[0-9]+(\s*[x*]\s*[0-9]+)+")


def tuple_problem(value: Value, path: KeyPath) -> Problem | None:
    """Return the problem with sizes that are written as Python or as `3x3`; None for any other value."""
    if not isinstance(value, str) or not TUPLE.fullmatch(value.strip()):
        return None
    numbers: list[Value] = [number_meant(each) for each in re.findall(r"-?[0-9.]+", value)]
    hint = f"write {entry_line(str(path[-1]), numbers)}"
    return Problem("must be a list of numbers, in brackets", path=path, received=value, hint=hint)


def _without_space(name: str, known: tuple[str, ...]) -> str:
    """Return `units: 8` for `units:8`, which YAML reads as one word; an empty text for other names."""
    word, colon, value = name.partition(":")
    meant = argument_meant(word, known)
    return f"{meant}: {value}" if colon and meant else ""


def value_hint(value: Value, rule: Rule) -> str:
    """Return what to write instead of a value that breaks a rule; an empty text if that is not known."""
    if rule in LENGTH_RULES:
        return length_hint(value)
    if rule.choices and isinstance(value, str):
        return nearest(value, rule.choices)
    hint = number_hint(value, whole=rule.whole)
    number = number_meant(value) if isinstance(value, str) else value
    if hint and is_number(number) and not rule.test(int(number) if rule.whole else number):
        hint = ""
    if (
        rule is BELOW_ONE
        and is_number(number)
        and FEWEST_PERCENT <= number <= 100
        and not hint.startswith("YAML")
    ):
        return f"for {number:g}% write {number / 100:g}"
    return hint


def flag_hint(value: Value) -> str:
    """Return what to write instead of a value that should be true or false."""
    text = str(value).strip().lower()
    return "write true" if text in TRUE else "write false" if text in FALSE else ""


def is_number_text(value: Value, default: object, name: str) -> bool:
    """Return whether an argument is a text such as `1/255` that can only stand for a number."""
    if not isinstance(value, str) or isinstance(default, str) or name.endswith(TEXT_ENDINGS):
        return False
    return is_calculation(value) or (is_number(default) and number_meant(value) is not None)


def widths_problem(class_name: str, arguments: ValueMap, path: KeyPath) -> Problem | None:
    """Return the problem with several widths for one layer, `units: [16, 32]`; None for anything else."""
    name = str(path[-1])
    widths = arguments[name]
    if name not in ("units", "filters") or not isinstance(widths, list) or len(widths) < 2:
        return None
    if len(widths) > MOST_WIDTHS or not all(type(width) is int and width > 0 for width in widths):
        return None
    layers: list[Value] = [{class_name: {**arguments, name: width}} for width in widths]
    hint = "write a layer for each: " + ", then ".join(map(item_line, layers))
    return Problem("a layer has one width", path=path, received=widths, hint=hint)


def default_problems(value: Value, default: object, path: KeyPath) -> Iterator[Problem]:
    """Yield the problem of a value of another type than the default: true or false, or a float.

    Args:
        value: of an argument without a rule.
        default: of the argument.
        path: its place.
    """
    flag_for_number = isinstance(value, bool) and is_number(default) and path[-1] != "verbose"
    text_for_number = isinstance(value, str) and isinstance(default, float)
    if isinstance(default, bool) and not isinstance(value, bool):
        yield Problem("must be true or false", path=path, received=value, hint=flag_hint(value))
    elif flag_for_number or text_for_number or is_number_text(value, default, str(path[-1])):
        yield Problem("must be a number", path=path, received=value, hint=number_hint(value))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem("must be a finite number", path=path, received=value)
