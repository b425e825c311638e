"""Rules for the arguments of Keras's callbacks, most of which Keras looks at only while it trains."""

from __future__ import annotations

import re

from mlpcli.spec.number_rules import NOT_NEGATIVE, NUMBER, POSITIVE_WHOLE, SHRINKS, WHOLE, is_whole
from mlpcli.spec.value_rules import TEXT, Rule, either, one_of
from mlpcli.spec.values import Value


def _is_profile(value: Value) -> bool:
    """Return whether a value is a batch, or the first and the last of several: 2, '2,5' or [2, 5]."""
    if isinstance(value, str) and re.fullmatch(r"\d+(,\d+)?", value):
        ends: list[Value] = [int(each) for each in value.split(",")]
        value = ends if len(ends) > 1 else ends[0]
    if not isinstance(value, list):
        return WHOLE.test(value)
    whole = [each for each in value if is_whole(each) and each >= 0]
    return len(whole) == len(value) == 2 and whole == sorted(whole)


MODE = one_of("auto", "min", "max")
CALLED = Rule(
    "must be a plug-in class that is called with the epoch and returns the learning rate, or a schedule",
    lambda v: isinstance(v, dict),
    {"type": "object"},
)
NAME = Rule("must be the name of a metric", TEXT.test, {"type": "string"})
PATH = TEXT._replace(words="must be a path in the run folder")
SHOWN = Rule(
    "must be 0, 1 or 2",
    lambda v: isinstance(v, int) and v in (0, 1, 2),
    {"enum": [0, 1, 2, False, True]},
)
SAVES = either(one_of("epoch"), POSITIVE_WHOLE, words="epoch, or a positive number of batches")
WRITES = either(
    one_of("epoch", "batch"), POSITIVE_WHOLE, words="epoch, batch, or a positive number of batches"
)
PROFILES = Rule(
    "must be a batch, or the first and the last of several, such as [2, 5]",
    _is_profile,
    {"type": ["integer", "string", "array"]},
)
ADDRESS = Rule(
    "must be an address that begins with http:// or https://",
    lambda v: isinstance(v, str) and re.match(r"https?://\S", v) is not None,
    {"type": "string", "pattern": "^https?://"},
)
HEADERS = Rule(
    "must be a mapping of names to texts",
    lambda v: isinstance(v, dict) and all(isinstance(each, str) for each in v.values()),
    {"type": "object", "additionalProperties": {"type": "string"}},
)
ONE_CHARACTER = Rule(
    "must be one character, other than a quote and the end of a line",
    lambda v: isinstance(v, str) and len(v) == 1 and v not in '"\r\n',
    {"type": "string", "minLength": 1, "maxLength": 1},
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
