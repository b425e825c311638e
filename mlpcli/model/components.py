"""Keras objects from the parts of a spec; what Keras has against one becomes a problem at its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.keras_import import import_keras
from mlpcli.model import custom_objects
from mlpcli.model.plugins import NONE, Plugins
from mlpcli.spec import keras_signatures
from mlpcli.spec.component_rules import forbidden, namespace_of_argument
from mlpcli.spec.schema import ComponentSpec


def make_component(part: ComponentSpec, namespace: str, path: KeyPath, plugins: Plugins = NONE) -> Any:
    """A Keras object from its part of the spec; a short name such as `mse` stays the text it is.

    A plug-in's function is given as it is.

    Raises:
        SpecError: Keras refuses an argument.
    """
    name = part.class_name
    if name in plugins.catalog.class_names(namespace):
        return make_class(namespace, name, part.arguments, (*path, name), plugins)
    return _short(name, namespace, plugins)


def _short(name: str, namespace: str, plugins: Plugins) -> Any:
    """What Keras takes for a short name: a plug-in's function, a part of ours, or the name itself."""
    if name in plugins.objects:
        return plugins.objects[name]
    if namespace == "losses" and name in custom_objects.LOSSES:
        return custom_objects.LOSSES[name]()
    if name in keras_signatures.own_short_names(namespace):
        return getattr(custom_objects, name)
    return name.lower() if namespace == "optimizers" else name


def make_class(
    namespace: str, class_name: str, arguments: dict[str, Any], path: KeyPath, plugins: Plugins = NONE
) -> Any:
    """An instance of a class of `keras.<namespace>`, of ours or of a plug-in.

    Raises:
        SpecError: the class refuses an argument.
    """
    if hint := forbidden(namespace, class_name):  # told by the spec's checks already: nothing gets past both
        raise SpecError(Problem("is not allowed in a spec", path=path, received=class_name, hint=hint))
    cls = _find_class(namespace, class_name, plugins)
    values = {name: _argument(name, value, (*path, name), plugins) for name, value in arguments.items()}
    with refusals(path, f"{_owner(class_name, namespace, plugins)} refuses this {class_name}"):
        return _instance(cls, values)


def _instance(cls: Any, values: dict[str, Any]) -> Any:
    keras = import_keras()
    if not (isinstance(cls, type) and issubclass(cls, keras.Model)):
        return cls(**values)
    # Keras 3.15's Model.__new__ drops the arguments on their way to what notes them for get_config, so that
    # a class without a get_config of its own would be saved with the defaults. Layer's own does not.
    made = keras.layers.Layer.__new__(cls, **values)
    cls.__init__(made, **values)  # type: ignore[misc]
    return made


def _find_class(namespace: str, class_name: str, plugins: Plugins) -> Any:
    if class_name in plugins.objects:
        return plugins.objects[class_name]
    if class_name in keras_signatures.own_class_names(namespace):
        return getattr(custom_objects, class_name)
    module = import_keras()
    for step in namespace.split("."):
        module = getattr(module, step)
    return getattr(module, class_name)


def _owner(class_name: str, namespace: str, plugins: Plugins) -> str:
    plugin = plugins.catalog.plugin_of(class_name)
    return plugin.name if plugin else "Keras"


def _argument(name: str, value: Any, path: KeyPath, plugins: Plugins) -> Any:
    namespace = namespace_of_argument(name, value, plugins.catalog)
    if isinstance(value, dict) and namespace:
        ((class_name, arguments),) = value.items()
        return make_class(namespace, class_name, arguments or {}, (*path, class_name), plugins)
    if isinstance(value, str) and namespace:
        if value in plugins.catalog.class_names(namespace) and (
            namespace == "layers" or plugins.catalog.plugin_of(value)
        ):
            return make_class(namespace, value, {}, path, plugins)
        found = _short(value, namespace, plugins)
        return value if isinstance(found, str) else found
    if isinstance(value, list):
        return [_argument(name, item, (*path, index), plugins) for index, item in enumerate(value)]
    return value


@contextmanager
def refusals(path: KeyPath, rule: str, hint: str = "") -> Iterator[None]:
    """Turn any objection of Keras's into a problem at `path`."""
    try:
        yield
    except SpecError:
        raise
    except MemoryError as error:  # of `memory.py`: a sentence of its own
        raise SpecError(Problem(str(error) or "takes more memory than there is", path=path)) from error
    except Exception as error:  # Keras raises ValueError, TypeError and its backend's own kinds
        raise SpecError(Problem(f"{rule}: {plain_reason(error)}", path=path, hint=hint)) from error


def plain_reason(error: BaseException) -> str:
    """The sentence of a Keras or TensorFlow error that says what is wrong, on one line."""
    text = str(error)
    text = re.sub(r"Exception encountered when calling .*?\n\n", "", text, flags=re.S)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.split(r"\n\s*Arguments received by|\n\s*\[\[|\n\n+Call arguments|\n\n", text)[0]
    text = re.sub(r"\{\{function_node .*?\}\}|\[Op:\w+\]( name:)?", "", text)
    text = " ".join(text.split())
    return (text or type(error).__name__).rstrip(".")
