"""What the installed Keras and mlpcli's own parts offer, read off their source without importing it.

Importing Keras takes seconds; a misspelt layer should be told in a fraction of one. Keras's public
modules are lists of `from keras.src... import Name as Name`, so the file that defines a class is found by
following imports, and its `__init__` is read with `ast`. Our own parts and plug-in files are read the same
way. No name is kept by hand; a test compares every answer here with the imported Keras.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
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
    takes_any: bool = False  # **kwargs go to a base that cannot be read

    @property
    def names(self) -> tuple[str, ...]:
        """Every argument, in the order in which the class writes them."""
        return tuple(self.defaults)


@dataclass(frozen=True)
class PythonFile:
    """The classes and functions at the top of a Python file that was parsed, not run."""

    classes: dict[str, ast.ClassDef]
    functions: dict[str, ast.FunctionDef]
    imports: dict[str, str]  # a name in the file: what it stands for, such as keras.layers.Layer

    def kind(self, class_name: str) -> str | None:
        """The namespace that a class's base belongs to, `models` for a `keras.Model`.

        ANY where the base cannot be told, None for a class without a base.
        """
        kinds = [self._kind_of_base(base) for base in self.classes[class_name].bases]
        return next((kind for kind in kinds if kind not in (None, ANY)), ANY if ANY in kinds else None)

    def _kind_of_base(self, base: ast.expr) -> str | None:
        name = self.dotted(base)
        if own := self.before(name, base):
            return self.kind(own.name)
        if name == "object":
            return None
        found = _find_dotted(name)
        return (_namespace_of_module(found.module) or ANY) if found else ANY

    def before(self, name: str, node: ast.expr | ast.ClassDef) -> ast.ClassDef | None:
        """The file's class of this name, where it stands before a node that refers to it."""
        found = self.classes.get(name)
        return found if found is not None and found.lineno < node.lineno else None

    def dotted(self, node: ast.expr) -> str:
        """`L.Dense` as `keras.layers.Dense`, by the file's imports; an empty text for other expressions."""
        steps: list[str] = []
        while isinstance(node, ast.Attribute):
            steps.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        name = ".".join([self.imports.get(node.id, node.id), *reversed(steps)])
        return re.sub(r"^tensorflow\.(python\.)?keras", "keras", name)

    def signature(self, class_name: str) -> Signature:
        """The arguments of one of the file's classes, those of its bases included."""
        return _signature(Definition(self.classes[class_name], self))


ANY = "any"
"""The kind of a class whose base cannot be told."""


def read_python(text: str) -> PythonFile:
    """Parse a Python file, without running it.

    Raises:
        SyntaxError: it is not Python.
    """
    tree = ast.parse(text)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    imports = {"keras": "keras"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                imports[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return PythonFile(classes, functions, imports)


@dataclass(frozen=True)
class Definition:
    """A class statement, and the module of Keras or the file that it stands in."""

    node: ast.ClassDef
    module: str | PythonFile


@cache
def class_names(namespace: str) -> tuple[str, ...]:
    """The classes of `keras.<namespace>` and our own: `("Activation", ..., "Dense", ...)` for layers."""
    return tuple(sorted({*keras_class_names(namespace), *own_class_names(namespace)}))


@cache
def keras_class_names(namespace: str) -> tuple[str, ...]:
    """The classes of `keras.<namespace>` alone."""
    names = (name for name in exports(f"keras.{namespace}") if name[:1].isupper())
    return tuple(sorted(name for name in names if name not in ("Input", "Layer", "Optimizer")))


@cache
def own_class_names(namespace: str) -> tuple[str, ...]:
    """The classes of this kind in `model/custom_objects.py`."""
    own = custom_objects()
    return tuple(name for name in own.classes if own.kind(name) == namespace)


def own_short_names(namespace: str) -> tuple[str, ...]:
    """Our activations, and the short names of our losses."""
    if namespace == "activations":
        return tuple(name for name in custom_objects().functions if not name.startswith("_"))
    return tuple(snake_case(name) for name in own_class_names(namespace)) if namespace == "losses" else ()


@cache
def custom_objects() -> PythonFile:
    """Our own module of Keras parts."""
    file = Path(__file__).parents[1] / "model" / "custom_objects.py"
    return read_python(file.read_text(encoding="utf-8"))


@cache
def short_names(namespace: str) -> tuple[str, ...]:
    """The texts that `keras.<namespace>.get()` takes: `mse`, `relu`, `he_normal`, and class names."""
    keys, listed = _registry(f"keras.src.{namespace}")
    if namespace == "optimizers":  # get() folds the case
        return tuple(sorted({name.lower() for name in listed} | listed))
    snake = {snake_case(name) for name in listed} if namespace not in ("losses", "activations") else set()
    extra = {"accuracy", "acc", "crossentropy", "ce"} if namespace == "metrics" else set()
    return tuple(sorted({*keys, *listed, *snake, *extra, *own_short_names(namespace)}))


@cache
def signature(namespace: str, class_name: str) -> Signature:
    """The arguments of `keras.<namespace>.<class_name>` or of a class of ours, those of its bases included.

    Raises:
        KeyError: there is no such class.
    """
    if class_name in own_class_names(namespace):
        return custom_objects().signature(class_name)
    definition = find_class(*exports(f"keras.{namespace}")[class_name])
    if definition is None:
        raise KeyError(class_name)
    return _signature(definition)


def has_method(namespace: str, class_name: str, method: str) -> bool:
    """Whether a class or a base of it defines a method."""
    return any(_method(each, method) for each in lineage(namespace, class_name))


def call_argument(namespace: str, class_name: str) -> str:
    """The name of the first argument of a class's `call`."""
    found = (node for each in lineage(namespace, class_name) if (node := _method(each, "call")))
    names = [argument.arg for argument in next(found).args.args[1:]]
    return names[0] if names else "args"


def base_names(namespace: str, class_name: str) -> list[str]:
    """A class and its bases, the nearest first."""
    return [each.node.name for each in lineage(namespace, class_name)]


def lineage(namespace: str, class_name: str) -> Iterator[Definition]:
    """The definitions of a class and of its bases, the nearest first."""
    if class_name in own_class_names(namespace):
        return lineage_of(Definition(custom_objects().classes[class_name], custom_objects()))
    return lineage_of(find_class(*exports(f"keras.{namespace}")[class_name]))


def lineage_of(found: Definition | None) -> Iterator[Definition]:
    """A definition and those of its bases, the nearest first."""
    while found is not None:
        yield found
        found = _base(found)


def _method(definition: Definition, name: str) -> ast.FunctionDef | None:
    methods = (node for node in definition.node.body if isinstance(node, ast.FunctionDef))
    return next((node for node in methods if node.name == name), None)


def snake_case(name: str) -> str:
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
def syntax_tree(module: str) -> ast.Module:
    """A module of Keras, parsed; empty where there is no such file."""
    file = _file(module)
    return ast.parse(file.read_text(encoding="utf-8")) if file else ast.Module(body=[], type_ignores=[])


def top_level(node: Any) -> Iterator[ast.stmt]:
    """The statements of a module, those under `if` and `try` too, but not inside functions and classes.

    To look through these as well would take as long as reading the file.
    """
    for each in node.body:
        yield each
        if isinstance(each, ast.If | ast.Try):
            yield from top_level(each)
            yield from top_level(ast.Module(body=each.orelse, type_ignores=[]))


@cache
def exports(module: str) -> dict[str, tuple[str, str]]:
    """Imported names of a module; for each, the module it comes from and its name there."""
    found = {}
    for node in top_level(syntax_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("keras.src"):
            for alias in node.names:
                found[alias.asname or alias.name] = (node.module, alias.name)
    return found


@cache
def find_class(module: str, name: str) -> Definition | None:
    """The class statement for `name`, following imports from `module`."""
    for node in syntax_tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return Definition(node, module)
    source = exports(module).get(name)
    return find_class(*source) if source else None


def _find_dotted(name: str) -> Definition | None:
    """The class statement for `keras.layers.Dense`, `keras.Model` and the like."""
    module, _, last = name.rpartition(".")
    return find_class(module, last) if module.split(".")[0] == "keras" else None


def _namespace_of_module(module: str | PythonFile) -> str | None:
    """`layers` for `keras.src.layers.core.dense`."""
    if isinstance(module, PythonFile):
        return None
    steps = module.split(".")[2:]
    if steps[:2] == ["optimizers", "schedules"]:
        return "optimizers.schedules"
    return steps[0] if steps and steps[0] in (*NAMESPACES, "models") else None


def _signature(definition: Definition) -> Signature:
    init = next(
        (n for n in definition.node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
    )
    base = _base(definition)
    if init is None:
        return _signature(base) if base else Signature({}, (), takes_any=_has_unknown_base(definition))
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
    takes_any = bool(arguments.kwarg) and _has_unknown_base(definition)
    if arguments.kwarg and base:
        inherited = _signature(base)
        given = _given_to_super(init)
        defaults |= {k: v for k, v in inherited.defaults.items() if k not in defaults and k not in given}
        takes_any = takes_any or inherited.takes_any
    return Signature(defaults, tuple(required), takes_any)


def _has_unknown_base(definition: Definition) -> bool:
    """Whether a class of a file of ours or of a plug-in has a base that cannot be read."""
    file = definition.module
    if isinstance(file, str):
        return False
    for base in definition.node.bases:
        name = file.dotted(base)
        if name != "object" and file.before(name, base) is None and _find_dotted(name) is None:
            return True
    return False


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


def _base(definition: Definition) -> Definition | None:
    if isinstance(file := definition.module, PythonFile):
        for base in definition.node.bases:
            name = file.dotted(base)
            if own := file.before(name, base):
                return Definition(own, file)
            if keras_base := _find_dotted(name):
                return keras_base
        return None
    for node in definition.node.bases:
        if isinstance(node, ast.Name):
            found = find_class(definition.module, node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):  # layers.Layer
            package, name = exports(definition.module).get(node.value.id, ("", ""))
            found = find_class(f"{package}.{name}", node.attr) if package else None
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
    for node in syntax_tree(module).body:
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
