"""The kinds of Keras components and the rules for their arguments, as tables."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeGuard

from mlpcli.spec import keras_effects
from mlpcli.spec.plugins import KERAS, Catalog
from mlpcli.spec.values import Value, ValueMap

SINGULAR = {
    "layers": "layer",
    "losses": "loss",
    "metrics": "metric",
    "optimizers": "optimizer",
    "optimizers.schedules": "learning-rate schedule",
    "callbacks": "callback",
    "initializers": "initializer",
    "regularizers": "regularizer",
    "constraints": "constraint",
    "activations": "activation",
    "models": "model class",
}

SUFFIXES = {
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "activation": "activations",
    "inner_optimizer": "optimizers",
    "learning_rate": "optimizers.schedules",
    "to": "optimizers.schedules",
    "layer": "layers",
    "cell": "layers",
}
"""Endings of argument names, and the kind of component that such an argument takes: `kernel_initializer`."""

PLAIN_KINDS = ("initializers", "regularizers", "constraints", "activations")
"""Kinds of components that are no numbers, as a learning rate may be."""

Rule = tuple[str, Callable[[Value], bool]]


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a finite number; true and false are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


POSITIVE_WHOLE: Rule = ("must be a positive integer", lambda v: _is_whole(v) and v > 0)
WHOLE: Rule = ("must be an integer of at least 0", lambda v: _is_whole(v) and v >= 0)
POSITIVE: Rule = ("must be a positive number", lambda v: is_number(v) and v > 0)
NOT_NEGATIVE: Rule = ("must be a number of at least 0", lambda v: is_number(v) and v >= 0)
BELOW_ONE: Rule = (
    "must be a number from 0 up to but not including 1",
    lambda v: is_number(v) and 0 <= v < 1,
)

MODE: Rule = ("must be auto, min or max", lambda v: v in ("auto", "min", "max"))
CALLED: Rule = (
    "must be a plug-in class that is called with the epoch and returns the learning rate",
    lambda v: isinstance(v, dict),
)

MAX_STEPS = 10_000
"""Keras makes a Python list, or a square matrix, as long as these arguments say."""
THRESHOLDS: Rule = (
    f"must be an integer from 2 to {MAX_STEPS:,}",
    lambda v: _is_whole(v) and 2 <= v <= MAX_STEPS,
)
BOUNDED_WHOLE: Rule = (
    f"must be an integer from 0 to {MAX_STEPS:,}",
    lambda v: _is_whole(v) and 0 <= v <= MAX_STEPS,
)

RULE_SCHEMAS: dict[str, ValueMap] = {
    POSITIVE_WHOLE[0]: {"type": "integer", "exclusiveMinimum": 0},
    WHOLE[0]: {"type": "integer", "minimum": 0},
    POSITIVE[0]: {"type": "number", "exclusiveMinimum": 0},
    NOT_NEGATIVE[0]: {"type": "number", "minimum": 0},
    BELOW_ONE[0]: {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    THRESHOLDS[0]: {"type": "integer", "minimum": 2, "maximum": MAX_STEPS},
    BOUNDED_WHOLE[0]: {"type": "integer", "minimum": 0, "maximum": MAX_STEPS},
    MODE[0]: {"enum": ["auto", "min", "max"]},
    CALLED[0]: {"type": "object"},
}
"""The same rules in JSON Schema, for `mlpcli schema`."""

VALUE_RULES: dict[str, dict[str, Rule]] = {
    "layers": {
        "units": POSITIVE_WHOLE,
        "filters": POSITIVE_WHOLE,
        "rate": BELOW_ONE,
        "input_dim": POSITIVE_WHOLE,
        "num_oov_indices": BOUNDED_WHOLE,
    },
    "metrics": {"num_thresholds": THRESHOLDS, "num_classes": BOUNDED_WHOLE},
    "optimizers": {
        "learning_rate": POSITIVE,
        "momentum": BELOW_ONE,
        "beta_1": BELOW_ONE,
        "beta_2": BELOW_ONE,
        "rho": BELOW_ONE,
        "clipnorm": POSITIVE,
        "clipvalue": POSITIVE,
        "global_clipnorm": POSITIVE,
        "weight_decay": NOT_NEGATIVE,
    },
    "optimizers.schedules": {
        "initial_learning_rate": NOT_NEGATIVE,
        "decay_steps": POSITIVE,
        "decay_rate": POSITIVE,
        "steps": POSITIVE_WHOLE,
        "start": NOT_NEGATIVE,
        "to": POSITIVE,
    },
    "callbacks": {"patience": WHOLE, "min_lr": NOT_NEGATIVE, "mode": MODE, "schedule": CALLED},
    "losses": {"label_smoothing": BELOW_ONE},
    "regularizers": {"l1": NOT_NEGATIVE, "l2": NOT_NEGATIVE},
}
"""Rules for values that Keras accepts without an error, or rejects only later (units: true, rate: 1.0)."""

LAYER_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9._>-]*")
"""Names that TensorFlow accepts in its graphs. A layer with any other name fails during training."""

ALWAYS_THERE = ("ModelCheckpoint", "TensorBoard")
"""Callbacks that every run has by default, and that a spec may turn off: `TensorBoard: false`."""

FORBIDDEN_LAYERS = {
    "Input": "the input's shape comes from the data: leave the layer out",
    "InputLayer": "the input's shape comes from the data: leave the layer out",
}


def forbidden(namespace: str, class_name: str) -> str:
    """Return why a spec may not use a class, or what to use instead; an empty text if it may."""
    if namespace == "layers" and class_name in FORBIDDEN_LAYERS:
        return FORBIDDEN_LAYERS[class_name]
    return keras_effects.refusal(namespace, class_name)


FILLED_IN = {("callbacks", "filepath"), ("callbacks", "filename"), ("callbacks", "backup_dir")}
"""Arguments that Keras requires and that mlpcli fills in with a path in the run folder."""


def has_short_names(namespace: str) -> bool:
    """Return whether components of a kind have short names, such as `mse` and `relu`."""
    return namespace not in ("layers", "models", "callbacks", "optimizers.schedules")


def kind_of_argument(name: str) -> str | None:
    """Return the kind of component that an argument takes, by its name: `kernel_initializer`; or None."""
    for suffix, namespace in SUFFIXES.items():
        if name == suffix or name.endswith(f"_{suffix}"):
            return namespace
    return None


def namespace_of_argument(name: str, value: Value, catalog: Catalog = KERAS) -> str | None:
    """Return the kind of component that an argument's value is, or None for a plain value."""
    kind = kind_of_argument(name)
    if kind == "activations" and isinstance(value, dict):
        return "layers"
    if isinstance(value, dict) and len(value) == 1:
        return kind or catalog.namespace_of(next(iter(value)))
    return kind if isinstance(value, str) else None
