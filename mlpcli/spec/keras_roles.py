"""Whether a class of Keras can do the work of its kind: a layer is called, an initializer makes values.

Keras's modules also export the base classes of their kinds, which only raise NotImplementedError, and classes
that assist others. Both are found by reading the methods.
"""

from __future__ import annotations

import ast
from functools import cache

from mlpcli.spec import keras_signatures

WORK = {
    "layers": ("call",),
    "losses": ("call",),
    "metrics": ("update_state",),
    "optimizers": ("update_step", "apply"),
    "optimizers.schedules": ("__call__",),
    "initializers": ("__call__",),
}
"""The methods of which a class of each kind needs one. A wrapper of optimizers only has `apply`."""

ROOTS = {"layers": "Layer", "optimizers": "BaseOptimizer"}
"""Base classes whose own methods do no work."""


@cache
def role_problem(namespace: str, class_name: str) -> str:
    """Return why a class of Keras does nothing by itself, an empty text where it does what its kind does."""
    if class_name not in keras_signatures.keras_class_names(namespace) or namespace not in WORK:
        return ""
    if is_map(namespace, class_name):
        return ""  # allowed as an argument
    found = [method for name in WORK[namespace] if (method := _method(namespace, class_name, name))]
    if any(not _only_raises(method) for method in found):
        return ""
    return f"{class_name} does nothing by itself: name a class that is based on it"


@cache
def is_map(namespace: str, class_name: str) -> bool:
    """Return whether a class only assigns optimizers to variables: OptimizerMap."""
    if namespace != "optimizers" or class_name not in keras_signatures.keras_class_names(namespace):
        return False
    return "MutableMapping" in {
        ast.unparse(base)
        for each in keras_signatures.lineage(namespace, class_name)
        for base in each.node.bases
    }


@cache
def returns_input(class_name: str) -> bool:
    """Return whether a layer of Keras says that its output is its input, the same tensor."""
    if class_name not in keras_signatures.keras_class_names("layers"):
        return False
    found = _method("layers", class_name, "compute_output_spec")
    last = found.body[-1] if found else None
    return isinstance(last, ast.Return) and isinstance(last.value, ast.Name) and last.value.id == "inputs"


@cache
def is_cell(class_name: str) -> bool:
    """Return whether a layer is a recurrent cell, which is called with its states."""
    if class_name not in keras_signatures.keras_class_names("layers"):
        return False
    call = _method("layers", class_name, "call")
    return call is not None and [each.arg for each in call.args.args][2:3] == ["states"]


def _method(namespace: str, class_name: str, name: str) -> ast.FunctionDef | None:
    """Return a method of a class or of the nearest base that has it, below the base of all layers."""
    for each in keras_signatures.lineage(namespace, class_name):
        if each.node.name == ROOTS.get(namespace):
            return None
        if found := keras_signatures.method(each, name):
            return found
    return None


def _only_raises(method: ast.FunctionDef) -> bool:
    """Return whether a method does nothing but raise an error, after its docstring."""
    body = [node for node in method.body if not isinstance(node, ast.Expr)]
    return len(body) == 1 and isinstance(body[0], ast.Raise)
