"""The rules for arguments and the installed Keras agree: what its constructors refuse, the rules do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from mlpcli.errors import SpecError
from mlpcli.model.components import make_instance
from mlpcli.spec import keras_signatures
from mlpcli.spec.argument_rules import value_rule
from mlpcli.spec.component_rules import forbidden, kind_of_argument
from tests.keras_walk import accepted, sample

WRONG: list[Any] = [None, 0, -1, 2, 1.5, -0.5, True, "ten", "", [], [1], [1, 1], [-1, 2], [1, 2, 3, 4], ["a"]]
GENERAL = ("name", "dtype", "seed", "activity_regularizer", "reduction", "data_format")
"""Arguments that mean the same to all classes of a kind: looked at in a few of them."""
TAKEN_AS_GENERAL = 5

BY_OTHER_ARGUMENTS = {
    "window": "names of windows are SciPy's",
    "mask_token": "it must not be in the middle of the vocabulary",
    "max_tokens": "the vocabulary must not be longer",
    "backup_dir": "mlpcli fills it in",
    "filepath": "mlpcli fills it in",
}
"""Arguments whose values Keras refuses for what other arguments are, or for what only Keras knows."""


def _arguments(namespace: str) -> Iterator[tuple[str, str]]:
    """Every argument of every class that a spec may name, which is not a component."""
    seen: dict[str, int] = {}
    for name in keras_signatures.class_names(namespace):
        if forbidden(namespace, name):
            continue
        for argument, default in keras_signatures.signature(namespace, name).defaults.items():
            seen[argument] = seen.get(argument, 0) + 1
            rare = argument not in GENERAL or seen[argument] <= TAKEN_AS_GENERAL
            if rare and not kind_of_argument(argument) and not isinstance(default, bool):
                yield name, argument


def _refusal(namespace: str, name: str, arguments: dict[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            make_instance(namespace, name, arguments, ())
        except SpecError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("namespace", keras_signatures.NAMESPACES)
def test_what_a_constructor_of_keras_refuses_is_refused_before(namespace: str) -> None:
    """In our words, and before Keras is imported."""
    found = []
    for name, argument in _arguments(namespace):
        if argument in BY_OTHER_ARGUMENTS:
            continue
        for value in WRONG:
            given = sample(namespace, name) | {argument: value}
            if accepted(namespace, name, given) and (text := _refusal(namespace, name, given)):
                found.append(f"{name}.{argument}: {value!r}: {text}")
    assert found == []


@pytest.mark.parametrize("namespace", keras_signatures.NAMESPACES)
def test_keras_takes_the_words_that_a_rule_offers(namespace: str) -> None:
    found = []
    for name, argument in _arguments(namespace):
        rule = value_rule(namespace, name, argument, keras=True)
        for word in rule.choices if rule is not None and argument != "dtype" else ():
            given = sample(namespace, name) | {argument: word}
            if word == "tf_idf":
                given["idf_weights"] = [1.0] * len(given.get("vocabulary", ()))
            text = "" if accepted(namespace, name, given) else "refused"
            if text or (text := _refusal(namespace, name, given)):
                found.append(f"{name}.{argument}: {word!r}: {text}")
    assert found == []


def test_defaults_of_keras_fulfil_the_rules() -> None:
    wrong = []
    for namespace in keras_signatures.NAMESPACES:
        for name in keras_signatures.class_names(namespace):
            for argument, default in keras_signatures.signature(namespace, name).defaults.items():
                rule = value_rule(namespace, name, argument, keras=True)
                known = default is not None and default is not keras_signatures.UNKNOWN
                if rule is not None and known and not rule.test(default):  # type: ignore[arg-type]
                    wrong.append(f"{namespace}.{name}.{argument}: {default!r} {rule.words}")
    assert wrong == []
