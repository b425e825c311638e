"""Optimizers of Keras with factors on the learning rate and the weight decay of single variables."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlpcli.errors import KeyPath, Problem, listing
from mlpcli.keras_import import keras
from mlpcli.keras_internals import VariableFactors, matches
from mlpcli.spec.optimizer_keys import DECAY_FACTORS, DECAYS, RATE_FACTORS

SHOWN = 12
"""The most paths of variables in a message."""


_made: dict[type, type] = {}


def with_factors(optimizer_class: type) -> type:
    """Return an optimizer's class with factors, registered, so that Keras loads a model that has it."""
    if optimizer_class not in _made:

        def from_config(cls: type, config: dict[str, Any], custom_objects: object = None) -> object:
            of_decay = {
                name: keras.saving.deserialize_keras_object(config[name], custom_objects)
                for name in DECAYS
                if isinstance(config.get(name), dict)
            }
            return super(made, cls).from_config({**config, **of_decay}, custom_objects)

        content = {"__module__": __name__, "from_config": classmethod(from_config)}
        made: Any = type(
            f"{optimizer_class.__name__}WithFactors", (VariableFactors, optimizer_class), content
        )
        _made[optimizer_class] = keras.saving.register_keras_serializable(package="mlpcli")(made)
    return _made[optimizer_class]


def _register_all() -> None:
    """Register the classes of all of Keras's optimizers: a model that has one may be loaded at once."""
    for name in dir(keras.optimizers):
        found = getattr(keras.optimizers, name)
        if inspect.isclass(found) and issubclass(found, keras.optimizers.Optimizer):
            with_factors(found)


_register_all()


def give_factors(
    optimizer: keras.optimizers.Optimizer, rates: dict[str, float], decays: dict[str, float]
) -> None:
    """Give an optimizer that is not built yet factors by patterns of the variables' paths.

    Its weight decay may then be a schedule, as it may without any factors.
    """
    if not isinstance(optimizer, VariableFactors):
        optimizer.__class__ = with_factors(type(optimizer))
    optimizer.set_factors(rates, decays)


def unmatched(
    variables: Sequence[keras.Variable], rates: Mapping[str, float], decays: Mapping[str, float]
) -> Iterator[Problem]:
    """Yield a problem for each pattern that matches no variable.

    Args:
        variables: those that are trained.
        rates: factors on the learning rate, by pattern.
        decays: factors on the weight decay, by pattern.
    """
    paths = [variable.path for variable in variables]
    for key, factors in ((RATE_FACTORS, rates), (DECAY_FACTORS, decays)):
        for pattern in factors:
            if not any(matches(path, pattern) for path in paths):
                place: KeyPath = ("optimizer", key, pattern)
                wider = (f"*/{pattern}", f"{pattern}/*", f"*/{pattern}/*", f"*{pattern}*")
                meant = next((each for each in wider if any(matches(path, each) for path in paths)), "")
                there = f"the variables are {listing(paths, SHOWN)}"
                hint = f"did you mean {meant!r}? {there}" if meant else there
                yield Problem("matches no variable", path=place, received=pattern, hint=hint)
