"""Copy definitions from our own source into a standalone script, with everything that they use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

PLAIN_TYPES = {"Array": "np.ndarray", "Standardize": "str", "TokenSplit": "str"}
"""Types of our own in annotations, each with the one that a script has."""


def read_pieces(file: Path, names: Iterable[str], *, given: Iterable[str]) -> list[str]:
    """Return the source of top-level definitions of a file, and of those they use, in the file's order.

    Args:
        file: a Python file of this package.
        names: the definitions.
        given: names that the script has already.
    """
    source = file.read_text(encoding="utf-8")
    definitions = _definitions(ast.parse(source))
    known = set(given)
    wanted, pending = set(), list(names)
    while pending:
        name = pending.pop()
        if name in definitions and name not in wanted and name not in known:
            wanted.add(name)
            inside = ast.walk(definitions[name])
            pending += [node.id for node in inside if isinstance(node, ast.Name)]
    nodes = sorted({id(definitions[name]): definitions[name] for name in wanted}.values(), key=_line)
    return [_text(source, node) for node in nodes]


def _definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def _line(node: ast.stmt) -> int:
    return node.lineno


def _text(source: str, node: ast.stmt) -> str:
    """Return the lines of a definition, with its decorators, without what is for our type checker only."""
    lines = source.splitlines()
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(item.lineno for item in decorators)])
    block = "\n".join(lines[first - 1 : node.end_lineno])
    block = re.sub(r"  # (type: ignore|noqa).*", "", block)
    for name, plain in PLAIN_TYPES.items():
        block = re.sub(rf"\b{name}\b", plain, block)
    return block
