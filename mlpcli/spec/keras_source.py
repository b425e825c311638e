"""The source files of the installed Keras, parsed without importing it."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def snake_case(name: str) -> str:
    """Convert a class name as Keras's own `to_snake_case` does (keras/src/utils/naming.py)."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


@cache
def _root() -> Path:
    found = importlib.util.find_spec("keras")  # finds the package's folder, runs none of its code
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
    """Return the syntax tree of a Keras module; an empty one if there is no such file."""
    file = _file(module)
    return ast.parse(file.read_text(encoding="utf-8")) if file else ast.Module(body=[], type_ignores=[])


def top_level(node: ast.Module | ast.If | ast.Try) -> Iterator[ast.stmt]:
    """Yield the statements of a module, including those under `if` and `try`, without functions and classes.

    Searching inside these as well would take as long as parsing the file.
    """
    for each in node.body:
        yield each
        if isinstance(each, ast.If | ast.Try):
            yield from top_level(each)
            yield from top_level(ast.Module(body=each.orelse, type_ignores=[]))


@cache
def exports(module: str) -> dict[str, tuple[str, str]]:
    """Return the names that a module imports from Keras, each with its own module and its name there."""
    found = {}
    for node in top_level(syntax_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("keras.src"):
            for alias in node.names:
                found[alias.asname or alias.name] = (node.module, alias.name)
    return found


@cache
def registered_names(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the keys added to a module's ALL_OBJECTS_DICT, and the names listed in ALL_OBJECTS."""
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
