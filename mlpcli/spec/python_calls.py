"""Read a component that is written as Python code, `Dense(16, activation='relu')`, without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from mlpcli.spec.values import Value

LONGEST = 1000
"""Characters of code that are parsed."""


@dataclass(frozen=True)
class Call:
    """A call, or a dotted name, in Python code.

    Attributes:
        name: the last part of the name: `Dense` of `keras.layers.Dense(16)`.
        positional: the arguments without a name; a call among them is a `Call`.
        named: the arguments with a name.
    """

    name: str
    positional: tuple[Value | Call, ...] = ()
    named: tuple[tuple[str, Value | Call], ...] = ()


def read_call(text: str) -> Call | None:
    """Return the call that a text is, or None.

    Args:
        text: `Dense(16, relu)`, `Flatten()`, `tf.nn.relu`; a plain word is no call.
    """
    if len(text) > LONGEST or not ("(" in text or "." in text):
        return None
    try:
        tree = ast.parse(text.strip().rstrip(";,"), mode="eval").body
        return _call(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def read_arguments(text: str) -> Call | None:
    """Return what a text says between the brackets of a call, with an empty name, or None.

    Args:
        text: `32, relu`, `units=8, activation=relu`, `(2, 2)`, `LSTM(32)`; a plain word is none.
    """
    if not any(mark in text for mark in "(=,"):
        return None
    try:
        call = read_call(f"f({text.strip().rstrip(',')})")
    except ValueError:
        return None
    return None if call is None else Call("", call.positional, call.named)


def _call(node: ast.expr) -> Call:
    if isinstance(node, ast.Call):
        named = tuple((each.arg, _value(each.value)) for each in node.keywords if each.arg is not None)
        return Call(_last_name(node.func), tuple(map(_value, node.args)), named)
    if isinstance(node, ast.Attribute):
        return Call(_last_name(node))
    raise ValueError("neither a call nor a dotted name")


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        _last_name(node.value)  # what comes before it is a name too
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError("not a name")


def _value(node: ast.expr) -> Value | Call:
    """Return an argument: a constant, a list, a name as its text, or a call.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call | ast.Attribute):
        return _call(node)
    if isinstance(node, ast.Tuple | ast.List):
        items = [_value(item) for item in node.elts]
        return [item for item in items if not isinstance(item, Call)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        left, right = _value(node.left), _value(node.right)
        if isinstance(left, int | float) and isinstance(right, int | float) and right:
            return left / right
    found = ast.literal_eval(node)
    if found is None or isinstance(found, bool | int | float | str):
        return found
    raise ValueError("not a plain value")
