"""What the installed Keras offers, read off its source without importing it.

Importing Keras takes seconds; a misspelt layer should be told in a fraction of one. Keras's public
modules are lists of `from keras.src... import Name as Name`, so the file that defines a class is found by
following imports, and its `__init__` is read with `ast`. No name is kept by hand; a test compares every
answer here with the imported Keras.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

NAMESPACES = (
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "optimizers.schedules",
    "callbacks",
    "initializers",
    "regularizers",
    "constraints",
)
"""Keras modules whose classes a spec may name."""

UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda self: "unknown"})()
"""A default that is not a plain constant."""


@dataclass(frozen=True)
class Signature:
    """The arguments of a class: each one's default, REQUIRED, or UNKNOWN where it is not a constant."""

    defaults: dict[str, Any]
    required: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every argument, in the order in which the class writes them."""
        return tuple(self.defaults)


@dataclass(frozen=True)
class _Definition:
    node: ast.ClassDef
    module: str


def class_names(namespace: str) -> tuple[str, ...]:
    """The classes of `keras.<namespace>`, such as `("Activation", ..., "Dense", ...)` for layers."""
    names = (name for name in _exports(f"keras.{namespace}") if name[:1].isupper())
    return tuple(sorted(name for name in names if name not in ("Input", "Layer", "Optimizer")))


@cache
def short_names(namespace: str) -> tuple[str, ...]:
    """The texts that `keras.<namespace>.get()` takes: `mse`, `relu`, `he_normal`, and class names."""
    keys, listed = _registry(f"keras.src.{namespace}")
    if namespace == "optimizers":  # get() folds the case
        return tuple(sorted({name.lower() for name in listed} | listed))
    snake = {_snake(name) for name in listed} if namespace not in ("losses", "activations") else set()
    extra = {"accuracy", "acc", "crossentropy", "ce"} if namespace == "metrics" else set()
    return tuple(sorted({*keys, *listed, *snake, *extra}))


def signature(namespace: str, class_name: str) -> Signature:
    """The arguments of `keras.<namespace>.<class_name>`, those of its bases included.

    Raises:
        KeyError: there is no such class.
    """
    definition = _find(*_exports(f"keras.{namespace}")[class_name])
    if definition is None:
        raise KeyError(class_name)
    return _signature(definition)


def _snake(name: str) -> str:
    """Keras's own `to_snake_case` (keras/src/utils/naming.py)."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


@cache
def _root() -> Path:
    found = importlib.util.find_spec("keras")  # finds the package's folder; runs nothing of it
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("Keras is not installed: run scripts/run, or pip install mlpcli")
    return Path(found.submodule_search_locations[0])


@cache
def _file(module: str) -> Path | None:
    path = _root().joinpath(*module.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    return ast.parse(file.read_text(encoding="utf-8")) if file else ast.Module(body=[], type_ignores=[])


@cache
def _exports(module: str) -> dict[str, tuple[str, str]]:
    """Imported names of a module; for each, the module it comes from and its name there."""
    found = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("keras.src"):
            for alias in node.names:
                found[alias.asname or alias.name] = (node.module, alias.name)
    return found


@cache
def _find(module: str, name: str) -> _Definition | None:
    """The class statement for `name`, following imports from `module`."""
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Definition(node, module)
    source = _exports(module).get(name)
    return _find(*source) if source else None


def _signature(definition: _Definition) -> Signature:
    init = next(
        (n for n in definition.node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
    )
    base = _base(definition)
    if init is None:
        return _signature(base) if base else Signature({}, ())
    arguments = init.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)][1:]
    first_default = len(positional) - len(arguments.defaults)
    defaults: dict[str, Any] = dict.fromkeys(positional[:first_default], UNKNOWN)
    required = positional[:first_default]
    for name, node in zip(positional[first_default:], arguments.defaults, strict=True):
        defaults[name] = _constant(node)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        defaults[argument.arg] = UNKNOWN if default is None else _constant(default)
        if default is None:
            required.append(argument.arg)
    if arguments.kwarg and base:
        inherited = _signature(base)
        given = _given_to_super(init)
        defaults |= {k: v for k, v in inherited.defaults.items() if k not in defaults and k not in given}
    return Signature(defaults, tuple(required))


def _given_to_super(init: ast.FunctionDef) -> set[str]:
    """Arguments that `__init__` passes to its base by itself, which a caller therefore cannot pass."""
    for node in ast.walk(init):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "__init__"
            and isinstance(node.func.value, ast.Call)
        ):
            return {word.arg for word in node.keywords if word.arg}
    return set()


def _base(definition: _Definition) -> _Definition | None:
    for node in definition.node.bases:
        if isinstance(node, ast.Name):
            found = _find(definition.module, node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):  # layers.Layer
            package, name = _exports(definition.module).get(node.value.id, ("", ""))
            found = _find(f"{package}.{name}", node.attr) if package else None
        else:
            found = None
        if found:
            return found
    return None


def _constant(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN


@cache
def _registry(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """The text keys added to a module's ALL_OBJECTS_DICT, and the names listed in ALL_OBJECTS."""
    keys: set[str] = set()
    listed: set[str] = set()
    for node in _tree(module).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Set):
            listed |= {item.id for item in node.value.elts if isinstance(item, ast.Name)}
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            keys.add(str(target.slice.value))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            for argument in node.value.args:
                if isinstance(argument, ast.Dict):
                    keys |= {str(key.value) for key in argument.keys if isinstance(key, ast.Constant)}
    return frozenset(keys), frozenset(listed)
