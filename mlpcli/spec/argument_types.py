"""What an argument of a Keras class may be beyond what its name says, read off the class's own source.

YAML has lists but no tuples, and writes 1.0 as 1. Where Keras tells these apart, the value becomes what Keras
takes: see `as_keras_takes`.
"""

from __future__ import annotations

import ast
import re
from functools import cache

from mlpcli.spec import keras_signatures
from mlpcli.spec.schedule_lengths import is_length

ITEMS = {"layers": "layers", "cells": "layers"}
"""Arguments that are lists of components, and the kind of these: `StackedRNNCells: {cells: [...]}`."""


@cache
def compared_types(namespace: str, class_name: str) -> dict[str, frozenset[str]]:
    """Return by argument the types that `__init__` compares it with: `isinstance(cell, (list, tuple))`."""
    found: dict[str, frozenset[str]] = {}
    for definition in keras_signatures.lineage(namespace, class_name):
        init, own = keras_signatures.method(definition, "__init__"), dict[str, frozenset[str]]()
        if init is None:
            continue
        for name, types in _comparisons(init):
            own[name] = own.get(name, frozenset()) | types
        found = own | found  # that of the nearest class counts
    return found


def _comparisons(init: ast.FunctionDef) -> list[tuple[str, frozenset[str]]]:
    found = []
    for node in ast.walk(init):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id == "isinstance" and isinstance(node.args[0], ast.Name):
            types = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
            found.append((node.args[0].id, frozenset(ast.unparse(each) for each in types)))
    return found


def takes_list(namespace: str, class_name: str, argument: str) -> bool:
    """Return whether an argument that takes a component also takes a list of them: the cell of an RNN."""
    return "list" in _types(namespace, class_name, argument)


def kind_of_values(namespace: str, class_name: str, argument: str) -> str | None:
    """Return the kind of component that the values of a mapping are: the optimizers of an OptimizerMap."""
    if argument == "optimizer_map" and "dict" in _types(namespace, class_name, argument):
        return "optimizers"
    return None


@cache
def takes_mapping(namespace: str, class_name: str, argument: str) -> bool:
    """Return whether an argument may be a plain mapping: the headers of a RemoteMonitor, a length.

    Keras's documentation says so of the former. Keras would build an object from the mapping of another
    argument: `{class_name: ..., config: ...}`.
    """
    if is_length(namespace, argument):
        return True
    entry = re.compile(rf"^\s*{re.escape(argument)}: Dictionary\b", re.MULTILINE)
    documents = (ast.get_docstring(each.node) for each in keras_signatures.lineage(namespace, class_name))
    return any(entry.search(document) for document in documents if document)


def as_keras_takes(namespace: str, class_name: str, argument: str, value: object) -> object:
    """Return a value with the type that Keras takes: a tuple for a list, a float for a whole number.

    Args:
        namespace: of the class.
        class_name: a class of Keras or of ours.
        argument: its name.
        value: as the spec has it; a component may be an object already.
    """
    types = _types(namespace, class_name, argument)
    if isinstance(value, list):
        return tuple(value) if "tuple" in types and "list" not in types else value
    if isinstance(value, int) and not isinstance(value, bool):
        default = keras_signatures.signature(namespace, class_name).defaults.get(argument)
        rate = namespace == "optimizers.schedules" and argument.endswith("learning_rate")
        if rate or isinstance(default, float) or ("float" in types and "int" not in types):
            return float(value)
    return value


def _types(namespace: str, class_name: str, argument: str) -> frozenset[str]:
    if class_name not in keras_signatures.class_names(namespace):
        return frozenset()  # a plug-in's
    return compared_types(namespace, class_name).get(argument, frozenset())
