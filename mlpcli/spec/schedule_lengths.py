"""Lengths in a schedule: steps, a share of the training, `{share: 0.5}`, or epochs, `{epochs: 5}`.

`model/schedule_steps.py` makes steps of them, once the number of training rows is known.
"""

from __future__ import annotations

import re

from mlpcli.errors import nearest
from mlpcli.spec.number_rules import NOT_NEGATIVE, POSITIVE, POSITIVE_WHOLE, is_number, is_whole
from mlpcli.spec.number_texts import PLAIN, number_meant
from mlpcli.spec.value_rules import SEARCHED, Rule
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_line import yaml_line

SHARE, EPOCHS = "share", "epochs"
UNITS = (SHARE, EPOCHS)
WHOLE_TRAINING: ValueMap = {SHARE: 1.0}
WHOLE_BY_DEFAULT = "training_steps"
"""The argument of our own schedules that is the whole training where it is left out."""

LENGTH_NAMES = re.compile(r"(.+_)?steps|boundaries")
"""Arguments of schedules that are numbers of steps."""

EPOCHS_TEXT = re.compile(rf"({PLAIN})\s*epochs?", re.IGNORECASE)


def is_length(namespace: str, argument: str) -> bool:
    """Return whether an argument of a class of Keras's or ours is a number of steps of the training."""
    if namespace == "optimizers":
        return argument == "warmup_steps"
    return namespace == "optimizers.schedules" and LENGTH_NAMES.fullmatch(argument) is not None


def has_unit(value: Value) -> bool:
    """Return whether a value is a valid length with a unit; none of these is 0."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((unit, number),) = value.items()
    return unit in UNITS and is_number(number) and number >= 0 and (unit == EPOCHS or number <= 1)


def _above_0(value: Value) -> bool:
    return has_unit(value) and isinstance(value, dict) and any(value.values())


def _is_boundary(value: Value) -> bool:
    return has_unit(value) or (is_number(value) and value >= 0)


OR_UNITS = "{share: 0.5} (of the training) or {epochs: 5}"
_WITH_UNIT: ValueMap = {
    "type": "object",
    "properties": {
        SHARE: {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, SEARCHED]},
        EPOCHS: {"anyOf": [{"type": "number", "minimum": 0}, SEARCHED]},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
STEPS = Rule(
    f"must be a positive number of steps, {OR_UNITS}",
    lambda v: _above_0(v) or POSITIVE.test(v),
    {"anyOf": [POSITIVE.schema, _WITH_UNIT]},
)
WHOLE_STEPS = Rule(
    f"must be a positive integer, {OR_UNITS}",
    lambda v: _above_0(v) or POSITIVE_WHOLE.test(v),
    {"anyOf": [POSITIVE_WHOLE.schema, _WITH_UNIT]},
)
STEPS_OR_NONE = Rule(
    f"must be a number of steps of at least 0, {OR_UNITS}",
    _is_boundary,
    {"anyOf": [NOT_NEGATIVE.schema, _WITH_UNIT]},
)
BOUNDARIES = Rule(
    f"must be a list of numbers of steps, each a number, {OR_UNITS}",
    lambda v: isinstance(v, list) and all(map(_is_boundary, v)),
    {"type": "array", "items": {"anyOf": [STEPS_OR_NONE.schema, SEARCHED]}},
)
MOST_CYCLES = 20
"""Each is twice as long as the one before: the first of 20 is a millionth of the training."""
CYCLES = Rule(
    f"must be an integer from 1 to {MOST_CYCLES}",
    lambda v: is_whole(v) and 1 <= v <= MOST_CYCLES,
    {"type": "integer", "minimum": 1, "maximum": MOST_CYCLES},
    whole=True,
)
LENGTH_RULES = (STEPS, WHOLE_STEPS, STEPS_OR_NONE, BOUNDARIES)


DEFAULT_LENGTHS: dict[str, tuple[ValueMap, str]] = {
    "decay_steps": (WHOLE_TRAINING, "the whole training"),
    "first_decay_steps": ({SHARE: 0.1}, "a tenth of the training"),
}


def missing_argument_hint(namespace: str, class_name: str, arguments: ValueMap, name: str) -> str:
    """Return what to write where an argument is missing: of a schedule's length, a usual one.

    Args:
        namespace: of the class.
        class_name: the class.
        arguments: what it is given, which is kept.
        name: the argument that is missing.
    """
    if name not in DEFAULT_LENGTHS or not is_length(namespace, name):
        return f"write {{{class_name}: {{{name}: ...}}}}"
    length, meaning = DEFAULT_LENGTHS[name]
    whole: ValueMap = {class_name: {**arguments, name: length}}
    return f"add {name}: {yaml_line(length)}, {meaning}: write {yaml_line(whole)}"


def length_hint(value: Value) -> str:
    """Return what to write instead of a value that is no length; an empty text where that is not known.

    Args:
        value: as the spec has it: `50%`, `5 epochs`, `{share: 50}`, `{epoch: 5}`, or a list of these.
    """
    if isinstance(value, list):
        return next((hint for item in value if (hint := length_hint(item))), "")
    if isinstance(value, str):
        return _hint_of_text(value)
    if not isinstance(value, dict):
        return ""
    units = [unit for unit in UNITS if unit in value]
    if len(units) == 2:
        return f"keep one: {SHARE}, or {EPOCHS}"
    if units and len(value) > 1:
        return f"write {units[0]} alone: {{{units[0]}: {value[units[0]]}}}"
    if not units:
        return nearest(next(iter(value), ""), UNITS) or f"write {OR_UNITS}"
    number = value[units[0]]
    if isinstance(number, str):
        number = number_meant(number.strip().removesuffix("epochs").strip())
    if units == [SHARE] and is_number(number) and 1 < number <= 100:
        return f"for {number:g}% write {{{SHARE}: {number / 100:g}}}"
    right = is_number(number) and has_unit({units[0]: number}) and number > 0
    return f"write {{{units[0]}: {number:g}}}" if right else ""


def _hint_of_text(text: str) -> str:
    if match := EPOCHS_TEXT.fullmatch(text.strip()):
        return f"write {{{EPOCHS}: {match[1]}}}"
    number = number_meant(text)
    if number is not None and "%" in text:
        return f"write {{{SHARE}: {number:g}}}"
    return "" if number is None else f"write {number:g}"
