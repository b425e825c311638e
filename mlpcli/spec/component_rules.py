"""The kinds of Keras components, as tables: their names, and the arguments that take one."""

from __future__ import annotations

import re

from mlpcli.spec import keras_effects
from mlpcli.spec.argument_types import ITEMS, kind_of_values, takes_list
from mlpcli.spec.extended_classes import SCHEDULED
from mlpcli.spec.keras_roles import role_problem
from mlpcli.spec.plugins import KERAS, Catalog
from mlpcli.spec.schedule_lengths import WHOLE_BY_DEFAULT
from mlpcli.spec.values import Value

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

PLAIN_KINDS = ("initializers", "regularizers", "constraints", "activations", "layers", "optimizers")
"""Kinds of components that are no numbers, as a learning rate may be."""

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
