"""Keras objects from the components of a spec; Keras's objections become problems with a place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from mlpcli.errors import ABSENT, KeyPath, Problem, SpecError
from mlpcli.keras_import import keras
from mlpcli.model import custom_objects
from mlpcli.model.plugins import NONE, Plugins
from mlpcli.model.variable_factors import give_factors
from mlpcli.model.wrapped_layers import wrapped_problems
from mlpcli.plugin_frames import plugin_failure
from mlpcli.spec import keras_signatures
from mlpcli.spec.argument_types import as_keras_takes
from mlpcli.spec.component_rules import components_within, forbidden, namespace_of_argument
from mlpcli.spec.extended_classes import class_in_place
from mlpcli.spec.optimizer_keys import DECAYS
from mlpcli.spec.schema import ComponentSpec
from mlpcli.spec.values import Value


def make_component(
    component: ComponentSpec, namespace: str, path: KeyPath, plugins: Plugins = NONE
) -> object:
    """Create the Keras object that a component of the spec describes.

    Args:
        component: a class with arguments, or a short name.
        namespace: where Keras has it: `losses`, `metrics`, `optimizers`, `callbacks`, `layers`.
        path: its place in the spec.
        plugins: the spec's plug-ins.

    Returns:
        The object. A plug-in's function is returned itself, a short name of Keras such as `mse` as text.

    Raises:
        SpecError: Keras rejects an argument.
    """
    name = component.class_name
    if name in plugins.catalog.class_names(namespace):
        return make_instance(namespace, name, component.arguments, (*path, name), plugins)
    return _short(name, namespace, plugins)


def _short(name: str, namespace: str, plugins: Plugins) -> object:
    """Return what a short name stands for in Keras: a plug-in's function, a custom object, or the name."""
    if name in plugins.objects:
        return plugins.objects[name]
    if namespace == "losses" and name in custom_objects.LOSSES:
        return custom_objects.LOSSES[name]()
    if name in keras_signatures.own_short_names(namespace):
        return getattr(custom_objects, name)
    return name.lower() if namespace == "optimizers" else name


def make_instance(
    namespace: str, class_name: str, arguments: dict[str, Value], path: KeyPath, plugins: Plugins = NONE
) -> object:
    """Create an instance of a class of `keras.<namespace>`, of a custom object or of a plug-in's class.

    Args:
        namespace: the module below `keras`.
        class_name: the class.
        arguments: its arguments as the spec has them; nested components are created first.
        path: the place of the class in the spec.
        plugins: the spec's plug-ins.

    Raises:
        SpecError: the class rejects an argument.
    """
    if hint := forbidden(namespace, class_name):  # the spec's checks found it already: nothing gets past both
        raise SpecError(Problem("is not allowed in a spec", path=path, received=class_name, hint=hint))
    owner = (namespace, class_name)
    in_place, arguments = class_in_place(namespace, class_name, arguments)
    cls = _find_class(namespace, in_place, plugins)
    values = {name: _given(owner, name, value, (*path, name), plugins) for name, value in arguments.items()}
    if namespace == "layers" and (wrong := [*wrapped_problems(class_name, values, path)]):
        raise SpecError(*wrong)
    owner_name = _owner(class_name, namespace, plugins)
    hint = f"see keras.io/api for the arguments of {class_name}" if owner_name == "Keras" else ""
    with refusals(path, f"{owner_name} rejects this {class_name}", hint, arguments=arguments):
        made = _instance(cls, values)
        if namespace == "optimizers" and any(callable(values.get(name)) for name in DECAYS):
            give_factors(made, {}, {})
        return made


def _instance(cls: object, values: dict[str, object]) -> object:
    assert callable(cls)
    if not (isinstance(cls, type) and issubclass(cls, keras.Model)):
        return cls(**values)
    # Keras 3.15's Model.__new__ does not pass the arguments on to the code that records them for get_config,
    # so that a class without its own get_config would be saved with the defaults. Layer.__new__ does.
    instance = keras.layers.Layer.__new__(cls, **values)
    cls.__init__(instance, **values)  # type: ignore[misc]
    return instance


def _find_class(namespace: str, class_name: str, plugins: Plugins) -> object:
    if class_name in plugins.objects:
        return plugins.objects[class_name]
    if class_name in keras_signatures.own_class_names(namespace) or class_name.startswith("_"):
        return getattr(custom_objects, class_name)
    module = keras
    for step in namespace.split("."):
        module = getattr(module, step)
    return getattr(module, class_name)


def _owner(class_name: str, namespace: str, plugins: Plugins) -> str:
    plugin = plugins.catalog.plugin_of(class_name)
    if plugin:
        return plugin.name
    return "mlpcli" if class_name in keras_signatures.own_class_names(namespace) else "Keras"


def _given(owner: tuple[str, str], name: str, value: Value, path: KeyPath, plugins: Plugins) -> object:
    """Return an argument of a class, given as `(namespace, class name)`, with its components created."""
    if plugins.catalog.plugin_of(owner[1]):
        return _argument(name, value, path, plugins)
    several = components_within(*owner, name, value)
    if several is None:
        return as_keras_takes(*owner, name, _argument(name, value, path, plugins))
    created = [_nested(item, kind, (*path, step), plugins) for step, item, kind in several]
    return dict(zip(value, created, strict=True)) if isinstance(value, dict) else created


def _nested(component: Value, namespace: str, path: KeyPath, plugins: Plugins) -> object:
    """Create one component of a list or mapping of them."""
    if isinstance(component, dict):
        ((class_name, given),) = component.items()
        arguments = given if isinstance(given, dict) else {}
        return make_instance(namespace, class_name, arguments, (*path, class_name), plugins)
    name = str(component)
    if name in plugins.catalog.class_names(namespace):
        return make_instance(namespace, name, {}, path, plugins)
    return keras.optimizers.get(name) if namespace == "optimizers" else name


def _argument(name: str, value: Value, path: KeyPath, plugins: Plugins) -> object:
    namespace = namespace_of_argument(name, value, plugins.catalog)
    if isinstance(value, dict) and namespace:
        ((class_name, given),) = value.items()
        arguments = given if isinstance(given, dict) else {}
        return make_instance(namespace, class_name, arguments, (*path, class_name), plugins)
    if isinstance(value, str) and namespace:
        if value in plugins.catalog.class_names(namespace) and (
            namespace in ("layers", "optimizers")
            or plugins.catalog.plugin_of(value)
            or value in keras_signatures.own_class_names(namespace)
        ):
            return make_instance(namespace, value, {}, path, plugins)
        if namespace == "optimizers":
            return keras.optimizers.get(value)
        found = _short(value, namespace, plugins)
        return value if isinstance(found, str) else found
    if isinstance(value, list):
        return [_argument(name, item, (*path, index), plugins) for index, item in enumerate(value)]
    return value


@contextmanager
def refusals(
    path: KeyPath, rule: str, hint: str = "", *, arguments: Mapping[str, Value] = {}
) -> Iterator[None]:
    """Turn any exception raised inside into a SpecError at `path`.

    Args:
        path: the place of the problem.
        rule: what went wrong; the exception's own message is appended.
        hint: what to do about it.
        arguments: of the component at `path`; where the message speaks of one of them, that is the place.
    """
    with memory_refusals(path):
        try:
            yield
        except (SpecError, MemoryError):
            raise
        except Exception as error:  # Keras raises ValueError, TypeError and its backend's own kinds
            name, reason = argument_meant(plain_reason(error), arguments)
            received: object = ABSENT
            if name:
                path, received = (*path, name), arguments[name]
            raise SpecError(Problem(f"{rule}: {reason}", path=path, received=received, hint=hint)) from error


OF_AN_AXIS = re.compile(r"\baxis\b|reduction dimension|start <= limit when delta")
"""What Keras and TensorFlow say of an axis that there is not."""


def argument_meant(reason: str, arguments: Collection[str]) -> tuple[str, str]:
    """Return the argument that an error is about, or an empty text, and the error without its value.

    Args:
        reason: the sentence of the error.
        arguments: the names of those that were given.
    """
    named = [
        name for name in arguments if re.search(rf"[`'\"]{re.escape(name)}\b|\b{re.escape(name)}=", reason)
    ]
    if "axis" in arguments and OF_AN_AXIS.search(reason):
        named = ["axis"]
    if len(named) != 1:
        return "", reason
    return named[0], re.sub(r"\.? *(You )?Received:? .*", "", reason)


@contextmanager
def memory_refusals(path: KeyPath) -> Iterator[None]:
    """Turn a MemoryError raised inside into a SpecError at `path`, with the message that it has."""
    try:
        yield
    except MemoryError as error:  # raised in `memory.py`, with a message
        raise SpecError(Problem(str(error) or "needs more memory than the machine has", path=path)) from error


def plain_reason(error: BaseException) -> str:
    """Return the sentence of a Keras or TensorFlow error that explains it, on one line.

    An error in a plug-in has its kind, and the plug-in's file, line and function.
    """
    found = plugin_failure(error)
    if found is None:
        return _sentence(error)
    return f"{type(found.error).__name__}: {_sentence(found.error)} ({found.where})"


def _sentence(error: BaseException) -> str:
    text = error.args[0] if isinstance(error, KeyError) and _is_text(error) else str(error)
    text = re.sub(r"Exception encountered when calling .*?\n\n", "", text, flags=re.S)
    text = re.sub(r"Could not automatically infer .*?Error encountered:\s*", "", text, flags=re.S)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.split(r"\n\s*Arguments received by|\n\s*\[\[|\n\n+Call arguments|\n\n", text)[0]
    text = re.sub(r"\{\{function_node .*?\}\}|\[Op:\w+\]( name:)?", "", text)
    text = " ".join(text.split())
    return (text or type(error).__name__).rstrip(".")


def _is_text(error: KeyError) -> bool:
    """Return whether a key that is missing is a text of several lines, whose `str` would be escaped."""
    return bool(error.args) and isinstance(error.args[0], str) and "\n" in error.args[0]
