"""Factors on the learning rate and the weight decay of single variables, beside the optimizer's class.

`optimizer: {AdamW: {...}, learning_rate_factors: {'*/bias': 0.1}, weight_decay_factors: {'*/bias': 0}}`
"""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.errors import KeyPath, Problem
from mlpcli.spec.layer_graph import OWN_LAYER_KEYS
from mlpcli.spec.number_rules import NOT_NEGATIVE
from mlpcli.spec.number_texts import number_hint
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.values import Value

RATE_FACTORS, DECAY_FACTORS = "learning_rate_factors", "weight_decay_factors"
OWN_OPTIMIZER_KEYS = (RATE_FACTORS, DECAY_FACTORS)
DECAYS = ("weight_decay", "adam_weight_decay")
"""Arguments of Keras's optimizers that decay the weights; the second is Muon's."""


def own_keys(namespace: str) -> tuple[str, ...]:
    """Return the keys of ours that stand beside the class of a layer or an optimizer of a spec."""
    return {"layers": OWN_LAYER_KEYS, "optimizers": OWN_OPTIMIZER_KEYS}.get(namespace, ())


def factor_problems(optimizer: Value, catalog: Catalog) -> Iterator[Problem]:
    """Yield the problems with factors that an optimizer cannot have; what they are is the schema's matter.

    Args:
        optimizer: the spec's optimizer.
        catalog: the names that the spec may use.
    """
    if not isinstance(optimizer, dict):
        return
    for key in OWN_OPTIMIZER_KEYS:
        factors = optimizer.get(key)
        for pattern, factor in factors.items() if isinstance(factors, dict) else ():
            if not NOT_NEGATIVE.test(factor):
                hint = number_hint(factor)
                yield Problem(
                    NOT_NEGATIVE.words, path=("optimizer", key, pattern), received=factor, hint=hint
                )
    given = [key for key in OWN_OPTIMIZER_KEYS if optimizer.get(key)]
    classes = [key for key in optimizer if key not in OWN_OPTIMIZER_KEYS]
    if not given or len(classes) != 1 or classes[0] not in catalog.class_names("optimizers"):
        return
    name, arguments = classes[0], optimizer[classes[0]]
    defaults = catalog.signature("optimizers", name).defaults
    path: KeyPath = ("optimizer",)
    if "learning_rate" not in defaults:
        for key in given:
            rule = f"{name} has no learning rate of its own, which factors would change"
            hint = "give factors to a single optimizer"
            yield Problem(rule, path=(*path, key), received=key, hint=hint)
        return
    set_to = {decay: _value(decay, arguments, defaults) for decay in DECAYS if decay in defaults}
    if DECAY_FACTORS in given and all(value is None for value in set_to.values()):
        hint = f"write {{{name}: {{weight_decay: 0.004}}}}, or remove the factors"
        rule = f"this {name} has no weight decay"
        yield Problem(rule, path=(*path, DECAY_FACTORS), received=DECAY_FACTORS, hint=hint)


def _value(name: str, arguments: Value, defaults: dict[str, object]) -> object:
    return arguments[name] if isinstance(arguments, dict) and name in arguments else defaults[name]
