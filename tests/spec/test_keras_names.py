"""What is read off Keras's source equals what the imported Keras says."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from mlpcli.spec import keras_signatures
from mlpcli.spec.extended_classes import added_defaults

ABSTRACT = {"Layer", "Optimizer", "Input"}  # stand in Keras's modules, never in a spec
OPTIONAL = {"FlaxLayer", "JaxLayer"}  # need packages that are not there


def _module(namespace: str) -> Any:
    from mlpcli.keras_import import import_keras

    import_keras()
    return importlib.import_module(f"keras.{namespace}")


def _arguments(cls: type) -> set[str]:
    """Argument names of a class and, where it passes on **kwargs, of its bases."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in base.__dict__:
            continue
        parameters = list(inspect.signature(inspect.unwrap(base.__dict__["__init__"])).parameters.values())[
            1:
        ]
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return names


@pytest.mark.parametrize("namespace", keras_signatures.NAMESPACES)
def test_class_names_are_keras_own(namespace: str) -> None:
    module = _module(namespace)
    real = {name for name in dir(module) if inspect.isclass(getattr(module, name)) and name[0].isupper()}
    assert set(keras_signatures.keras_class_names(namespace)) == real - ABSTRACT
    own = set(keras_signatures.own_class_names(namespace))
    assert not own & real
    assert set(keras_signatures.class_names(namespace)) == real - ABSTRACT | own


@pytest.mark.parametrize("namespace", keras_signatures.NAMESPACES)
def test_signatures_are_keras_own(namespace: str) -> None:
    module = _module(namespace)
    for name in set(keras_signatures.keras_class_names(namespace)) - OPTIONAL:
        read = set(keras_signatures.signature(namespace, name).names) - {*added_defaults(namespace, name)}
        real = _arguments(getattr(module, name))
        assert read <= real, name
        # What the class passes to its base by itself, a caller cannot pass as well.
        for argument in real - read:
            with pytest.raises((TypeError, ValueError)):
                getattr(module, name)(**{argument: None})


@pytest.mark.parametrize(
    "namespace",
    ["losses", "metrics", "optimizers", "initializers", "regularizers", "constraints", "activations"],
)
def test_short_names_are_those_that_get_takes(namespace: str) -> None:
    _module(namespace)
    registry = importlib.import_module(f"keras.src.{namespace}").ALL_OBJECTS_DICT
    extra = {"accuracy", "acc", "crossentropy", "ce"} if namespace == "metrics" else set()
    read = set(keras_signatures.short_names(namespace))
    if namespace == "optimizers":
        read = {name.lower() for name in read}
    own = set(keras_signatures.own_short_names(namespace))
    assert not own & set(registry)
    assert read == set(registry) | extra | own


@pytest.mark.parametrize("namespace", keras_signatures.NAMESPACES)
def test_our_own_parts_are_read_as_they_are(namespace: str) -> None:
    from mlpcli.model import custom_objects

    for name in keras_signatures.own_class_names(namespace):
        cls = getattr(custom_objects, name)
        read, real = set(keras_signatures.signature(namespace, name).names), _arguments(cls)
        assert read <= real, name
        for argument in real - read:  # the class gives it to its base
            with pytest.raises(TypeError, match="multiple values"):
                cls(**{argument: None})


def test_required_arguments_are_those_without_a_default() -> None:
    assert keras_signatures.signature("layers", "Dense").required == ("units",)
    assert keras_signatures.signature("layers", "Flatten").required == ()
    assert keras_signatures.signature("optimizers.schedules", "ExponentialDecay").required == (
        "initial_learning_rate",
        "decay_steps",
        "decay_rate",
    )
