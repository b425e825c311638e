"""Classes of Keras with an argument that Keras's own class lacks: a class of ours takes its place.

The argument is Keras's for a neighbouring class. Where it is left out, the class is Keras's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlpcli.errors import KeyPath, Problem, listing
from mlpcli.spec.values import Value, ValueMap


@dataclass(frozen=True)
class Extension:
    """One more argument of a class of Keras.

    Attributes:
        argument: its name.
        default: the value with which the class is Keras's own.
        own_class: what takes the class's place where the argument has another value.
        excludes: an argument of Keras's that our class does not have.
    """

    argument: str
    default: float
    own_class: str
    excludes: str


EXTENSIONS = {
    ("losses", "SparseCategoricalCrossentropy"): Extension(
        "label_smoothing", 0.0, "_SmoothedSparseCategoricalCrossentropy", "ignore_class"
    ),
}
"""By kind and name of the class."""


SCHEDULED = "rate"
"""The argument of a Dropout that may be a schedule."""
SCHEDULED_LAYERS = {"Dropout": "_ScheduledDropout"}
"""Layers of Keras whose rate may be a schedule, each with the class that then takes its place."""


BOARD = "TensorBoard"
BOARD_ARGUMENTS = ("gradients_freq", "predictions_freq", "activations_freq")
"""What Keras's own TensorBoard lacks: after how many epochs something is written; 0 for never."""


def added_defaults(namespace: str, class_name: str) -> dict[str, float]:
    """Return the arguments, with their defaults, that a class of Keras has in a spec beside its own."""
    if (namespace, class_name) == ("callbacks", BOARD):
        return dict.fromkeys(BOARD_ARGUMENTS, 0)
    found = EXTENSIONS.get((namespace, class_name))
    return {} if found is None else {found.argument: found.default}


def class_in_place(namespace: str, class_name: str, arguments: Mapping[str, Value]) -> tuple[str, ValueMap]:
    """Return the class that a component is an instance of, and its arguments.

    Args:
        namespace: of the class.
        class_name: as the spec has it.
        arguments: as the spec has them.
    """
    found = EXTENSIONS.get((namespace, class_name))
    if (namespace, class_name) == ("callbacks", BOARD):
        return class_name, {k: value for k, value in arguments.items() if k not in BOARD_ARGUMENTS}
    if namespace == "layers" and isinstance(arguments.get(SCHEDULED), dict):
        return SCHEDULED_LAYERS.get(class_name, class_name), dict(arguments)
    if found is None or found.argument not in arguments:
        return class_name, dict(arguments)
    if arguments[found.argument] in (None, found.default):
        return class_name, {name: value for name, value in arguments.items() if name != found.argument}
    left_out = (found.excludes,) if arguments.get(found.excludes) is None else ()
    return found.own_class, {name: value for name, value in arguments.items() if name not in left_out}


def exclusions(namespace: str, class_name: str, arguments: Value, path: KeyPath) -> Iterator[Problem]:
    """Yield an argument of Keras's that a class cannot have beside the one that is added.

    Args:
        namespace: of the class.
        class_name: as the spec has it.
        arguments: as the spec has them.
        path: the place of the class.
    """
    found = EXTENSIONS.get((namespace, class_name))
    if not isinstance(arguments, dict):
        return
    rate = arguments.get(SCHEDULED)
    if namespace == "layers" and class_name not in SCHEDULED_LAYERS and isinstance(rate, dict):
        rule = f"only the {SCHEDULED} of {listing(SCHEDULED_LAYERS)} may follow a schedule"
        yield Problem(rule, path=(*path, SCHEDULED), received=rate, hint="write a number")
    if found is None:
        return
    if arguments.get(found.argument) in (None, found.default):
        return
    if (other := arguments.get(found.excludes)) is not None:
        rule = f"cannot be combined with {found.argument}"
        hint = "remove one of the two"
        yield Problem(rule, path=(*path, found.excludes), received=other, hint=hint)
