"""Plug-in files: Python whose Keras subclasses and functions a spec may name. Parsed, never run."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from mlpcli.errors import KeyPath, Place, Problem
from mlpcli.files import read_ordinary
from mlpcli.near_paths import broken_link
from mlpcli.spec import keras_signatures
from mlpcli.spec.keras_signatures import ANY, PythonFile, Signature
from mlpcli.spec.values import Value

MAX_BYTES = 1_000_000
BYTE_ORDER_MARK = "\ufeff"
PLUGINS_FOLDER = "plugins"
"""The folder of a run with copies of its plug-ins."""

CALLED_WITH: dict[str, tuple[str, ...]] = {
    "losses": ("y_true", "y_pred"),
    "metrics": ("y_true", "y_pred"),
    "activations": ("x",),
    "initializers": ("shape", "dtype"),
    "regularizers": ("weights",),
    "constraints": ("weights",),
}
"""Kinds of components that may be plain functions, and the arguments Keras calls such a function with."""


@dataclass(frozen=True)
class Plugin:
    """One plug-in file.

    Attributes:
        name: its path as the spec writes it, relative to the spec's folder.
        file: its path.
        text: what is in it, to the byte.
        definitions: its classes and functions.
    """

    name: str
    file: Path
    text: str
    definitions: PythonFile

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the file's bytes, as hexadecimal digits."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    @property
    def source(self) -> str:
        """Its Python source, without the byte-order mark that editors of Windows write."""
        return self.text.removeprefix(BYTE_ORDER_MARK)

    @property
    def base_name(self) -> str:
        """Its name in a run's plugins folder: `my_layers.py`."""
        return self.file.name

    def class_names(self, namespace: str) -> tuple[str, ...]:
        """Return the classes that may be a component of this kind."""
        kinds = (namespace, ANY)
        return tuple(name for name in self.definitions.classes if self.definitions.kind(name) in kinds)

    def function_names(self, namespace: str) -> tuple[str, ...]:
        """Return the functions that may be a component of this kind, without those with a leading _."""
        if namespace not in CALLED_WITH:
            return ()
        return tuple(name for name in self.definitions.functions if not name.startswith("_"))

    def call_problem(self, function: str, namespace: str) -> str:
        """Return why Keras cannot call a function as a component of this kind; an empty text if it can."""
        node = self.definitions.functions[function].args
        positional = [argument.arg for argument in (*node.posonlyargs, *node.args)]
        required = len(positional) - len(node.defaults)
        wanted = CALLED_WITH[namespace]
        fewest = 1 if namespace == "initializers" else len(wanted)  # the second, dtype, is optional
        keyword_only = [
            argument.arg
            for argument, default in zip(node.kwonlyargs, node.kw_defaults, strict=True)
            if default is None
        ]
        most = len(wanted) if node.vararg else len(positional)
        if required <= len(wanted) and most >= fewest and not keyword_only:
            return ""
        takes = ", ".join([*positional, *keyword_only]) or "nothing"
        return f"is called with ({', '.join(wanted)}), and {function} of {self.name} takes ({takes})"

    def place(self, node: ast.stmt) -> Place:
        """Return the place of a class or function in the file."""
        lines = self.source.splitlines()
        return Place(str(self.file), node.lineno, node.col_offset + 1, lines[node.lineno - 1])


def read_plugins(value: Value, folder: Path) -> tuple[tuple[Plugin, ...], list[Problem]]:
    """Read the plug-in files that a spec lists.

    Args:
        value: the spec's `plugins`.
        folder: the spec's folder.

    Returns:
        The plug-ins that can be read, and every problem with the others.
    """
    plugins: list[Plugin] = []
    problems: list[Problem] = []
    names = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(names) < len(value):
        return (), []  # the schema reports it
    for index, item in enumerate(names):
        path: KeyPath = ("plugins", index)
        try:
            found = _read_plugin(item, folder, path)
        except OSError as error:  # a name that is too long, a folder that may not be looked into
            found = Problem(f"cannot be read ({error.strerror})", path=path, received=item)
        if isinstance(found, Problem):
            problems.append(found)
        elif any(other.base_name == found.base_name for other in plugins):
            rule = "must have a different file name"
            problems.append(Problem(rule, path=path, received=item, hint="rename one of the two files"))
        else:
            plugins.append(found)
    for index, plugin in enumerate(plugins):
        problems += _clashes(plugin, plugins[:index])
    return tuple(plugins), problems


def _read_plugin(name: str, folder: Path, path: KeyPath) -> Plugin | Problem:
    steps = PurePath(name)
    hint = "write its path from the spec's folder, such as my_layers.py"
    if steps.is_absolute() or ".." in steps.parts or "\0" in name or steps.suffix != ".py":
        rule = "must be a Python file in the spec's own folder or below it"
        return Problem(rule, path=path, received=name, hint=hint)
    if not steps.stem.isidentifier():
        rule = "must have a name that Python can import: letters, digits and _"
        return Problem(rule, path=path, received=name)
    file = folder / steps
    if file.exists() and not file.is_file():
        return Problem("must be an ordinary file", path=path, received=name)
    if not file.is_file():
        hint = broken_link(file) or hint
        return Problem(f"there is no such file in {folder}", path=path, received=name, hint=hint)
    if not file.resolve().is_relative_to(folder.resolve()):
        rule = "is a link to a file outside the spec's own folder"
        return Problem(rule, path=path, received=name, hint="copy the file into the spec's folder")
    return _parse(name, file, path)


def _parse(name: str, file: Path, path: KeyPath) -> Plugin | Problem:
    try:
        raw = read_ordinary(file, MAX_BYTES)
        text = raw.decode("utf-8")
        return Plugin(name, file, text, keras_signatures.read_python(text.removeprefix(BYTE_ORDER_MARK)))
    except OSError as error:
        why = str(error.strerror)
        rule = why if why.startswith("is ") else f"cannot be read ({why})"
        return Problem(rule, path=path, received=name)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Problem("is not UTF-8", Place(str(file), line, 1), hint="save it as UTF-8")
    except SyntaxError as error:
        place = Place(str(file), error.lineno or 1, error.offset or 1, (error.text or "").rstrip("\n"))
        return Problem(f"is not Python: {error.msg}", place)
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; brackets nested too deep
        return Problem(f"cannot be parsed as Python ({error})", path=path, received=name)


def _clashes(plugin: Plugin, others: list[Plugin]) -> list[Problem]:
    """Return a problem for each class or function whose name is already taken."""
    problems = []
    nodes: dict[str, ast.stmt] = {**plugin.definitions.functions, **plugin.definitions.classes}
    for name, node in nodes.items():
        if name.startswith("_"):
            continue
        owner = _owner(name, plugin, others)
        if owner:
            hint = "rename it, or add a leading _ to use it only in this file"
            problems.append(Problem(f"{owner} has this name already", plugin.place(node), (), name, hint))
    return problems


LATER_LOSSES = ("Quantile",)
"""Losses of ours that plug-ins may have had before."""


def _owner(name: str, plugin: Plugin, others: list[Plugin]) -> str:
    for other in others:
        if name in other.definitions.classes or name in other.definitions.functions:
            return f"plug-in {other.name}"
    if name in plugin.definitions.classes and plugin.definitions.kind(name) is None:
        return ""  # not a component
    namespaces = keras_signatures.NAMESPACES
    if name in (*keras_signatures.own_class_names("layers"), *LATER_LOSSES):
        return ""  # the plug-in's is meant, so that specs and runs older than ours stay what they are
    if any(name in keras_signatures.own_class_names(space) for space in namespaces):
        return "mlpcli"
    if any(name in keras_signatures.keras_class_names(space) for space in namespaces):
        return "Keras"
    if name in plugin.definitions.functions:
        if any(name in keras_signatures.own_short_names(space) for space in CALLED_WITH):
            return "mlpcli"
        if any(name in keras_signatures.short_names(space) for space in CALLED_WITH):
            return "Keras"
    return ""


@dataclass(frozen=True)
class Catalog:
    """Every name that one spec may use: Keras's, mlpcli's, and those of its plug-ins.

    Attributes:
        plugins: the plug-ins.
        complete: False if a plug-in could not be read, so that an unknown name may be in it.
    """

    plugins: tuple[Plugin, ...] = ()
    complete: bool = True

    def class_names(self, namespace: str) -> tuple[str, ...]:
        """Return the classes of one kind, such as `layers`; of `models`, only those of plug-ins."""
        keras = () if namespace == "models" else keras_signatures.class_names(namespace)
        return (*keras, *(name for plugin in self.plugins for name in plugin.class_names(namespace)))

    def short_names(self, namespace: str) -> tuple[str, ...]:
        """Return the short names of one kind of component: `mse`, `relu`, a plug-in's function."""
        functions = (name for plugin in self.plugins for name in plugin.function_names(namespace))
        return (*keras_signatures.short_names(namespace), *functions)

    def signature(self, namespace: str, class_name: str) -> Signature:
        """Return the arguments of a class.

        Raises:
            KeyError: the class does not exist.
        """
        plugin = self.plugin_of(class_name)
        return (
            plugin.definitions.signature(class_name)
            if plugin
            else keras_signatures.signature(namespace, class_name)
        )

    def namespace_of(self, class_name: str) -> str | None:
        """Return the kind of a class, or None if it is unknown."""
        if plugin := self.plugin_of(class_name):
            kind = plugin.definitions.kind(class_name)
            return kind if kind in keras_signatures.NAMESPACES else None
        spaces = keras_signatures.NAMESPACES
        return next((space for space in spaces if class_name in keras_signatures.class_names(space)), None)

    def plugin_of(self, name: str) -> Plugin | None:
        """Return the plug-in that has a class of this name."""
        return next((plugin for plugin in self.plugins if name in plugin.definitions.classes), None)

    def call_problem(self, name: str, namespace: str) -> str:
        """Return why a plug-in's function cannot be a component of this kind; empty for other names."""
        for plugin in self.plugins:
            if name in plugin.function_names(namespace):
                return plugin.call_problem(name, namespace)
        return ""


KERAS = Catalog()
"""The names that a spec without plug-ins may use."""
