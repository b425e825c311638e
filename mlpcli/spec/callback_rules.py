"""Rules for the arguments of Keras's callbacks, most of which Keras looks at only while it trains."""

from __future__ import annotations

import re
from collections.abc import Callable

from mlpcli.spec.number_rules import NOT_NEGATIVE, WHOLE, Rule, is_number, is_whole
from mlpcli.spec.values import Value, ValueMap


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _every(*words: str) -> Callable[[Value], bool]:
    """Return a test for some words and for whole numbers from 1."""
    return lambda value: value in words if isinstance(value, str) else is_whole(value) and value > 0


def _is_profile(value: Value) -> bool:
    """Return whether a value is a batch, or the first and the last of several: 2, '2,5' or [2, 5]."""
    if isinstance(value, str) and re.fullmatch(r"\d+(,\d+)?", value):
        value = [int(each) for each in value.split(",")]
    ends = value if isinstance(value, list) else [value]
    whole = [each for each in ends if is_whole(each) and each >= 0]
    return len(whole) == len(ends) in (1, 2) and whole == sorted(whole)


MODE: Rule = ("must be auto, min or max", lambda v: v in ("auto", "min", "max"))
CALLED: Rule = (
    "must be a plug-in class that is called with the epoch and returns the learning rate, or a schedule",
    lambda v: isinstance(v, dict),
)
NAME: Rule = ("must be the name of a metric", _is_text)
TEXT: Rule = ("must be a text that is not empty", _is_text)
PATH: Rule = ("must be a path in the run folder", _is_text)
NUMBER: Rule = ("must be a finite number", is_number)
SHRINKS: Rule = ("must be a number between 0 and 1", lambda v: is_number(v) and 0 < v < 1)
SHOWN: Rule = ("must be 0, 1 or 2", lambda v: isinstance(v, int) and v in (0, 1, 2))
SAVES: Rule = ("must be epoch, or a positive number of batches", _every("epoch"))
WRITES: Rule = ("must be epoch, batch, or a positive number of batches", _every("epoch", "batch"))
PROFILES: Rule = ("must be a batch, or the first and the last of several, such as [2, 5]", _is_profile)
ADDRESS: Rule = (
    "must be an address that begins with http:// or https://",
    lambda v: isinstance(v, str) and re.match(r"https?://\S", v) is not None,
)
HEADERS: Rule = (
    "must be a mapping of names to texts",
    lambda v: isinstance(v, dict) and all(isinstance(each, str) for each in v.values()),
)
ONE_CHARACTER: Rule = (
    "must be one character, other than a quote and the end of a line",
    lambda v: isinstance(v, str) and len(v) == 1 and v not in '"\r\n',
)

CALLBACK_RULES: dict[str, Rule] = {
    "monitor": NAME,
    "mode": MODE,
    "patience": WHOLE,
    "cooldown": WHOLE,
    "start_from_epoch": WHOLE,
    "min_delta": NUMBER,
    "baseline": NUMBER,
    "initial_value_threshold": NUMBER,
    "factor": SHRINKS,
    "min_lr": NOT_NEGATIVE,
    "verbose": SHOWN,
    "schedule": CALLED,
    "save_freq": SAVES,
    "update_freq": WRITES,
    "histogram_freq": WHOLE,
    "embeddings_freq": WHOLE,
    "gradients_freq": WHOLE,
    "predictions_freq": WHOLE,
    "activations_freq": WHOLE,
    "profile_batch": PROFILES,
    "filepath": PATH,
    "filename": PATH,
    "log_dir": PATH,
    "backup_dir": PATH,
    "separator": ONE_CHARACTER,
    "root": ADDRESS,
    "path": TEXT,
    "field": TEXT,
    "headers": HEADERS,
}
"""By argument, as every callback of Keras that has it means it."""

CALLBACK_SCHEMAS: dict[str, ValueMap] = {
    MODE[0]: {"enum": ["auto", "min", "max"]},
    CALLED[0]: {"type": "object"},
    NAME[0]: {"type": "string"},
    TEXT[0]: {"type": "string", "minLength": 1},
    PATH[0]: {"type": "string", "minLength": 1},
    NUMBER[0]: {"type": "number"},
    SHRINKS[0]: {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    SHOWN[0]: {"enum": [0, 1, 2, False, True]},
    SAVES[0]: {"anyOf": [{"const": "epoch"}, {"type": "integer", "minimum": 1}]},
    WRITES[0]: {"anyOf": [{"enum": ["epoch", "batch"]}, {"type": "integer", "minimum": 1}]},
    PROFILES[0]: {"type": ["integer", "string", "array"]},
    ADDRESS[0]: {"type": "string", "pattern": "^https?://"},
    HEADERS[0]: {"type": "object", "additionalProperties": {"type": "string"}},
    ONE_CHARACTER[0]: {"type": "string", "minLength": 1, "maxLength": 1},
}
"""The same rules in JSON Schema."""


MONITORING = ("EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint")
"""Callbacks that do what a metric says, by default the loss on the validation rows."""


def monitors_validation(class_name: str, arguments: object) -> bool:
    """Return whether a callback monitors a metric of the validation split.

    Args:
        class_name: its class.
        arguments: a mapping of its arguments, or None.
    """
    monitor = arguments.get("monitor", "val_loss") if isinstance(arguments, dict) else "val_loss"
    return class_name in MONITORING and str(monitor).startswith("val_")
