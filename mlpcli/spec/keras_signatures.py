"""The classes and arguments of the installed Keras and of our custom objects, parsed from their source.

Importing Keras takes seconds; a misspelt layer is to be reported in a fraction of one. Keras's public modules
are lists of `from keras.src... import Name as Name`, so the file that defines a class is found by following
imports, and its `__init__` is read with `ast`. Our custom objects and plug-in files are read the same way. No
list of names is kept by hand; a test compares every answer with the imported Keras.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from mlpcli.spec.extended_classes import added_defaults
from mlpcli.spec.keras_source import exports, registered_names, snake_case, syntax_tree

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

UNKNOWN: object = type("Unknown", (), {"__repr__": lambda self: "unknown"})()
"""A default that is not a plain constant."""


@dataclass(frozen=True)
class Signature:
    """The arguments of a class, each with its default: UNKNOWN if it has none or it is not a constant."""

    defaults: dict[str, object]
    required: tuple[str, ...]
    takes_any: bool = False  # **kwargs go to a base class outside Keras

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every argument, in the class's order."""
        return tuple(self.defaults)


@dataclass(frozen=True)
class PythonFile:
    """The top-level classes and functions of a Python file, parsed and not run."""

    classes: dict[str, ast.ClassDef]
    functions: dict[str, ast.FunctionDef]
    imports: dict[str, str]  # by name in the file, its full name: keras.layers.Layer

    def kind(self, class_name: str) -> str | None:
        """Return the namespace of a class's base: `models` for a `keras.Model`.

        Return ANY if the base is not Keras's, None for a class without a base.
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
        """Return the file's class of this name if it is defined above a node that refers to it."""
        found = self.classes.get(name)
        return found if found is not None and found.lineno < node.lineno else None

    def dotted(self, node: ast.expr) -> str:
        """Return `keras.layers.Dense` for `L.Dense`, by the file's imports; an empty text for other nodes."""
        steps: list[str] = []
        while isinstance(node, ast.Attribute):
            steps.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        name = ".".join([self.imports.get(node.id, node.id), *reversed(steps)])
        return re.sub(r"^(tensorflow\.(python\.)?|mlpcli\.keras_import\.)keras", "keras", name)

    def signature(self, class_name: str) -> Signature:
        """Return the arguments of one of the file's classes, including those of its bases."""
        return _signature(Definition(self.classes[class_name], self))


ANY = "any"
"""The kind of a class whose base is not Keras's."""


def read_python(text: str) -> PythonFile:
    """Parse a Python file without running it.

    Raises:
        SyntaxError: the text is not Python.
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
    """A class statement, and the Keras module or the file that contains it."""

    node: ast.ClassDef
    module: str | PythonFile


@cache
def class_names(namespace: str) -> tuple[str, ...]:
    """Return the classes of `keras.<namespace>` and ours: `("Activation", ..., "Dense", ...)` for layers."""
    return tuple(sorted({*keras_class_names(namespace), *own_class_names(namespace)}))


@cache
def keras_class_names(namespace: str) -> tuple[str, ...]:
    """Return the classes of `keras.<namespace>` only."""
    names = (name for name in exports(f"keras.{namespace}") if name[:1].isupper())
    return tuple(sorted(name for name in names if name not in ("Input", "Layer", "Optimizer")))


@cache
def own_class_names(namespace: str) -> tuple[str, ...]:
    """Return the classes of this kind among our custom objects; names with `_` are not for specs."""
    own = custom_objects()
    return tuple(name for name in own.classes if own.kind(name) == namespace and not name.startswith("_"))


def own_short_names(namespace: str) -> tuple[str, ...]:
    """Return our activations, or the short names of our losses."""
    if namespace == "activations":
        return tuple(name for name in custom_objects().functions if not name.startswith("_"))
    if namespace != "losses":
        return ()
    whole = (name for name in own_class_names("losses") if not custom_objects().signature(name).required)
    return tuple(map(snake_case, whole))


@cache
def custom_objects() -> PythonFile:
    """Parse our modules of custom objects, as one: names are unique among them."""
    files = [read_python(file.read_text(encoding="utf-8")) for file in custom_object_files()]
    classes = {name: node for file in files for name, node in file.classes.items()}
    functions = {name: node for file in files for name, node in file.functions.items()}
    return PythonFile(classes, functions, {k: v for file in files for k, v in file.imports.items()})


@cache
def custom_object_files() -> tuple[Path, ...]:
    """Return `model/custom_objects.py` and the modules beside it whose objects it imports."""
    main = Path(__file__).parents[1] / "model" / "custom_objects.py"
    found = [main]
    for node in ast.parse(main.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlpcli.model."):
            found.append(main.parent.joinpath(*str(node.module).split(".")[2:]).with_suffix(".py"))
    return tuple(dict.fromkeys(found))


@cache
def short_names(namespace: str) -> tuple[str, ...]:
    """Return the texts that `keras.<namespace>.get()` accepts: `mse`, `relu`, `he_normal`, class names."""
    keys, listed = registered_names(f"keras.src.{namespace}")
    if namespace == "optimizers":  # get() folds the case
        return tuple(sorted({name.lower() for name in listed} | listed))
    snake = {snake_case(name) for name in listed} if namespace not in ("losses", "activations") else set()
    extra = {"accuracy", "acc", "crossentropy", "ce"} if namespace == "metrics" else set()
    return tuple(sorted({*keys, *listed, *snake, *extra, *own_short_names(namespace)}))


@cache
def signature(namespace: str, class_name: str) -> Signature:
    """Return the arguments of `keras.<namespace>.<class_name>` or of our own class, including its bases'.

    Raises:
        KeyError: there is no such class.
    """
    if class_name in own_class_names(namespace):
        return custom_objects().signature(class_name)
    definition = find_class(*exports(f"keras.{namespace}")[class_name])
    if definition is None:
        raise KeyError(class_name)
    found = _signature(definition)
    return replace(found, defaults=found.defaults | added_defaults(namespace, class_name))


def has_method(namespace: str, class_name: str, name: str) -> bool:
    """Return whether a class or one of its bases defines a method."""
    return any(method(each, name) for each in lineage(namespace, class_name))


def call_argument(namespace: str, class_name: str) -> str:
    """Return the name of the first argument of a class's `call`."""
    found = (node for each in lineage(namespace, class_name) if (node := method(each, "call")))
    names = [argument.arg for argument in next(found).args.args[1:]]
    return names[0] if names else "args"


def base_names(namespace: str, class_name: str) -> list[str]:
    """Return the names of a class and its bases, the nearest first."""
    return [each.node.name for each in lineage(namespace, class_name)]


def lineage(namespace: str, class_name: str) -> Iterator[Definition]:
    """Yield the definitions of a class and of its bases, the nearest first."""
    if class_name in own_class_names(namespace):
        return lineage_of(Definition(custom_objects().classes[class_name], custom_objects()))
    return lineage_of(find_class(*exports(f"keras.{namespace}")[class_name]))


def lineage_of(found: Definition | None) -> Iterator[Definition]:
    """Yield a definition and those of its bases, the nearest first."""
    while found is not None:
        yield found
        found = _base(found)


def method(definition: Definition, name: str) -> ast.FunctionDef | None:
    """Return a method that a class statement itself defines, or None."""
    methods = (node for node in definition.node.body if isinstance(node, ast.FunctionDef))
    return next((node for node in methods if node.name == name), None)


@cache
def find_class(module: str, name: str) -> Definition | None:
    """Find the class statement for `name`, following imports from `module`."""
    for node in syntax_tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return Definition(node, module)
    source = exports(module).get(name)
    return find_class(*source) if source else None


def _find_dotted(name: str) -> Definition | None:
    """Find the class statement for a full name such as `keras.layers.Dense`."""
    module, _, last = name.rpartition(".")
    return find_class(module, last) if module.split(".")[0] == "keras" else None


def _namespace_of_module(module: str | PythonFile) -> str | None:
    """Return the namespace of a Keras module: `layers` for `keras.src.layers.core.dense`."""
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
    defaults: dict[str, object] = dict.fromkeys(positional[:first_default], UNKNOWN)
    required = positional[:first_default]
    for name, node in zip(positional[first_default:], arguments.defaults, strict=True):
        defaults[name] = _constant(node)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        defaults[argument.arg] = UNKNOWN if default is None else _constant(default)
        if default is None:
            required.append(argument.arg)
    takes_any = bool(arguments.kwarg) and _has_unknown_base(definition)
    if arguments.kwarg and base:
        passed = _passed_on(init, arguments.kwarg.arg)
        inherited = _signature(base)
        given = _given_to_super(init)
        new = {k: v for k, v in inherited.defaults.items() if k not in defaults and k not in given}
        defaults |= {k: v for k, v in new.items() if passed is None or k in passed}
        takes_any = takes_any or inherited.takes_any
    return Signature(defaults, tuple(required), takes_any)


def _passed_on(init: ast.FunctionDef, name: str) -> set[str] | None:
    """Return the names that `__init__` takes from its `**kwargs`, or None where it takes any.

    `IndexLookup` takes `dtype` and `trainable` and refuses the others.
    """
    taken = set()
    refuses = False
    for node in ast.walk(init):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == name:
            refuses |= any(isinstance(each, ast.Raise) for each in node.body)
        if not isinstance(node, ast.Call):
            continue
        words = (word.value for word in node.keywords if word.arg is None)
        if any(isinstance(word, ast.Name) and word.id == name for word in words):
            return None
        of = node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == "pop" else None
        if isinstance(of, ast.Name) and of.id == name and isinstance(node.args[0], ast.Constant):
            taken.add(str(node.args[0].value))
    return taken if refuses else None


def _has_unknown_base(definition: Definition) -> bool:
    """Return whether a class in our or a plug-in's file has a base outside Keras and the file."""
    file = definition.module
    if isinstance(file, str):
        return False
    for base in definition.node.bases:
        name = file.dotted(base)
        if name != "object" and file.before(name, base) is None and _find_dotted(name) is None:
            return True
    return False


def _given_to_super(init: ast.FunctionDef) -> set[str]:
    """Return the arguments that `__init__` itself passes to its base: a caller cannot pass them."""
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


def _constant(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN
