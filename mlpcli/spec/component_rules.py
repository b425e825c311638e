"""The kinds of Keras components and the rules for their arguments, as tables."""

from __future__ import annotations

import re

from mlpcli.spec import keras_effects
from mlpcli.spec.argument_types import ITEMS, kind_of_values, takes_list
from mlpcli.spec.callback_rules import CALLBACK_RULES, CALLBACK_SCHEMAS, CALLED, MODE
from mlpcli.spec.extended_classes import SCHEDULED
from mlpcli.spec.keras_roles import role_problem
from mlpcli.spec.number_rules import (
    BELOW_ONE,
    BOUNDED_WHOLE,
    FROM_TWO,
    LEVELS,
    MAX_STEPS,
    NOT_NEGATIVE,
    POSITIVE,
    POSITIVE_WHOLE,
    THRESHOLDS,
    WHOLE,
    Rule,
)
from mlpcli.spec.plugins import KERAS, Catalog
from mlpcli.spec.schedule_lengths import (
    BOUNDARIES,
    CYCLES,
    LENGTH_SCHEMAS,
    STEPS,
    STEPS_OR_NONE,
    WHOLE_BY_DEFAULT,
    WHOLE_STEPS,
)
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
    "optimizer": "optimizers",
    "learning_rate": "optimizers.schedules",
    "weight_decay": "optimizers.schedules",
    "to": "optimizers.schedules",
    "layer": "layers",
    "cell": "layers",
}
"""Endings of argument names, and the kind of component that such an argument takes: `kernel_initializer`."""

PLAIN_KINDS = ("initializers", "regularizers", "constraints", "activations")
"""Kinds of components that are no numbers, as a learning rate may be."""

SHARED: Rule = ("must be none or factors", lambda v: v in ("none", "factors"))

RULE_SCHEMAS: dict[str, ValueMap] = {
    SHARED[0]: {"enum": ["none", "factors"]},
    POSITIVE_WHOLE[0]: {"type": "integer", "exclusiveMinimum": 0},
    WHOLE[0]: {"type": "integer", "minimum": 0},
    FROM_TWO[0]: {"type": "integer", "minimum": 2},
    POSITIVE[0]: {"type": "number", "exclusiveMinimum": 0},
    NOT_NEGATIVE[0]: {"type": "number", "minimum": 0},
    BELOW_ONE[0]: {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    THRESHOLDS[0]: {"type": "integer", "minimum": 2, "maximum": MAX_STEPS},
    BOUNDED_WHOLE[0]: {"type": "integer", "minimum": 0, "maximum": MAX_STEPS},
    LEVELS[0]: {
        "type": "array",
        "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "minItems": 1,
    },
    **CALLBACK_SCHEMAS,
    **LENGTH_SCHEMAS,
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
        "learning_rate": NOT_NEGATIVE,
        "momentum": BELOW_ONE,
        "beta_1": BELOW_ONE,
        "beta_2": BELOW_ONE,
        "rho": BELOW_ONE,
        "clipnorm": POSITIVE,
        "clipvalue": POSITIVE,
        "global_clipnorm": POSITIVE,
        "weight_decay": NOT_NEGATIVE,
        "warmup_steps": STEPS_OR_NONE,
    },
    "optimizers.schedules": {
        "initial_learning_rate": NOT_NEGATIVE,
        "decay_steps": STEPS,
        "first_decay_steps": STEPS,
        "warmup_steps": STEPS_OR_NONE,
        "boundaries": BOUNDARIES,
        WHOLE_BY_DEFAULT: STEPS,
        "decay_rate": POSITIVE,
        "steps": WHOLE_STEPS,
        "initial": NOT_NEGATIVE,
        "peak": NOT_NEGATIVE,
        "cycles": CYCLES,
        "flat": BELOW_ONE,
        "start": NOT_NEGATIVE,
        "to": POSITIVE,
    },
    "callbacks": {"patience": WHOLE, "min_lr": NOT_NEGATIVE, "mode": MODE, "schedule": CALLED},  # of plug-ins
    "losses": {"label_smoothing": BELOW_ONE},
    "regularizers": {"l1": NOT_NEGATIVE, "l2": NOT_NEGATIVE},
}
"""Rules for values that Keras accepts without an error, or rejects only later (units: true, rate: 1.0)."""


OWN_RULES: dict[str, dict[str, Rule]] = {
    "MemberDense": {"share": SHARED},
    "Members": {"count": POSITIVE_WHOLE, "width": POSITIVE_WHOLE},
    "PiecewiseLinearEmbedding": {"bins": THRESHOLDS, "width": POSITIVE_WHOLE},
    "PeriodicEmbedding": {"frequencies": POSITIVE_WHOLE, "width": FROM_TWO, "stddev": POSITIVE},
    "NTKDense": {"units": POSITIVE_WHOLE},
    "Quantile": {"quantiles": LEVELS},
}
"""Rules for arguments of our own classes, by class."""

TELLS_NULL: frozenset[str | int] = frozenset({"callbacks", *OWN_RULES})
"""The section and the classes whose arguments may be null only where that is the default."""


def value_rule(namespace: str, class_name: str, argument: str, *, keras: bool) -> Rule | None:
    """Return the rule for an argument's value, or None.

    Args:
        namespace: of the class.
        class_name: the class.
        argument: its name.
        keras: whether the class is Keras's or ours, and not a plug-in's.
    """
    if keras and argument in OWN_RULES.get(class_name, {}):
        return OWN_RULES[class_name][argument]
    rules = CALLBACK_RULES if keras and namespace == "callbacks" else VALUE_RULES.get(namespace, {})
    return rules.get(argument)


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
    return keras_effects.refusal(namespace, class_name) or role_problem(namespace, class_name)


FILLED_IN = {
    *(("callbacks", "filepath"), ("callbacks", "filename"), ("callbacks", "backup_dir")),
    ("optimizers.schedules", WHOLE_BY_DEFAULT),
}
"""Required arguments that mlpcli fills in: with a path in the run folder, and with the whole training."""


def has_short_names(namespace: str) -> bool:
    """Return whether components of a kind have short names, such as `mse` and `relu`."""
    return namespace not in ("layers", "models", "callbacks", "optimizers.schedules")


def kind_of_argument(name: str, value: Value = None) -> str | None:
    """Return the kind of component that an argument takes, by its name: `kernel_initializer`; or None.

    Args:
        name: of the argument.
        value: as the spec has it: the `rate` of a Dropout is a number, or a schedule.
    """
    if name == SCHEDULED and isinstance(value, dict) and len(value) == 1 and next(iter(value))[:1].isupper():
        return "optimizers.schedules"
    for suffix, namespace in SUFFIXES.items():
        if name == suffix or name.endswith(f"_{suffix}"):
            return namespace
    return None


def components_within(
    namespace: str, class_name: str, argument: str, value: Value
) -> list[tuple[str | int, Value, str]] | None:
    """Return the components in a list or mapping of them; None where an argument is not of this form.

    Args:
        namespace: of the class.
        class_name: a class of Keras or of ours.
        argument: its name: the `cells` of a StackedRNNCells, the `optimizer_map` of an OptimizerMap.
        value: as the spec has it.

    Returns:
        Each component with its key or position and its kind.
    """
    if isinstance(value, list):
        kind = ITEMS.get(argument)
        if kind is None and takes_list(namespace, class_name, argument):
            kind = kind_of_argument(argument)
        return None if kind is None else [(index, item, kind) for index, item in enumerate(value)]
    if isinstance(value, dict) and (kind := kind_of_values(namespace, class_name, argument)):
        return [(key, item, kind) for key, item in value.items()]
    return None


def namespace_of_argument(name: str, value: Value, catalog: Catalog = KERAS) -> str | None:
    """Return the kind of component that an argument's value is, or None for a plain value."""
    kind = kind_of_argument(name, value)
    if kind == "activations" and isinstance(value, dict):
        return "layers"
    if isinstance(value, dict) and len(value) == 1:
        return kind or catalog.namespace_of(next(iter(value)))
    return kind if isinstance(value, str) else None
