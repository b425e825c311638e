"""The program's source as trees: its functions, what their names are assigned, and where."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Body = tuple[int, ...]


@dataclass(frozen=True)
class Given:
    """An argument: its expression, and where it is written."""

    value: ast.expr
    scope: Scope


@dataclass(frozen=True)
class Scope:
    """A function, or a module, in which an expression is written, with the arguments of the call if known."""

    module: Module
    function: Function | None = None
    arguments: Mapping[str, Given] = field(default_factory=dict)

    def parameters(self) -> list[str]:
        """Return the names of the function's parameters."""
        if self.function is None:
            return []
        given = self.function.args
        return [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]

    def without_arguments(self) -> Scope:
        """Return this scope for any call: what is given as arguments is left open."""
        nothing = Given(ast.Tuple([]), self)
        return Scope(self.module, self.function, dict.fromkeys(self.parameters(), nothing))

    def called(self, call: ast.Call, scope: Scope) -> Scope:
        """Return this scope with the arguments of a call that is written in another."""
        names = self.parameters()
        if names[:1] in (["self"], ["cls"]):
            names = names[1:]
        plain = [each for each in call.args if not isinstance(each, ast.Starred)]
        found = {name: Given(value, scope) for name, value in zip(names, plain, strict=False)}
        found |= {each.arg: Given(each.value, scope) for each in call.keywords if each.arg is not None}
        return Scope(self.module, self.function, found)


@dataclass(frozen=True)
class Assigned:
    """What a name is assigned: a value, or one place of a tuple of values."""

    value: ast.expr
    line: int
    blocks: tuple[Body, ...]
    statement: ast.AST
    place: int | None = None
    items: bool = False  # of a loop: the name is each item of the value


class Module:
    """A file of the program: its text as a tree, what its functions assign, and whom it imports."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.title = (ast.get_docstring(self.tree) or "").split("\n\n")[0].replace("\n", " ")
        self.nodes: list[ast.AST] = [self.tree]
        self.parents: dict[ast.AST, ast.AST] = {}
        for node in self.nodes:  # it grows meanwhile: all nodes in the order of their depth
            children = list(ast.iter_child_nodes(node))
            self.parents.update(dict.fromkeys(children, node))
            self.nodes += children

    @cached_property
    def functions(self) -> dict[str, list[Function]]:
        """The functions and methods by name."""
        found: dict[str, list[Function]] = {}
        for node in self.nodes:
            if isinstance(node, Function):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """The module and the name there of each imported name."""
        found: dict[str, tuple[str, str]] = {}
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {each.asname or each.name: (node.module, each.name) for each in node.names}
        return found

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call in the file."""
        return [node for node in self.nodes if isinstance(node, ast.Call)]

    def function_of(self, node: ast.AST) -> Function | None:
        """Return the function in which a node is written."""
        above = self.parents.get(node)
        while above is not None and not isinstance(above, Function):
            above = self.parents.get(above)
        return above

    def above(self, node: ast.AST) -> set[ast.AST]:
        """Return all nodes around a node."""
        found = set()
        while (node := self.parents.get(node, self.tree)) is not self.tree:
            found.add(node)
        return found

    def blocks(self, node: ast.AST) -> tuple[Body, ...]:
        """Return the blocks around a node, the outermost first; those of one statement share a number."""
        found: list[Body] = []
        while (above := self.parents.get(node)) is not None and not isinstance(node, Function):
            for number, (_, value) in enumerate(ast.iter_fields(above)):
                if value is node or (isinstance(value, list) and node in value):
                    if isinstance(node, ast.stmt | ast.ExceptHandler) or isinstance(above, ast.IfExp):
                        found.append((above.lineno if hasattr(above, "lineno") else 0, number))
                    break
            node = above
        return tuple(reversed(found))

    @cached_property
    def _assigned(self) -> dict[Function | None, dict[str, list[Assigned]]]:
        found: dict[Function | None, dict[str, list[Assigned]]] = {}
        for node in self.nodes:
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                before = ast.Name(
                    node.target.id, lineno=node.lineno - 1
                )  # `rule += text` adds to what it was
                self.parents[before] = node
                added = ast.BinOp(before, node.op, node.value, lineno=node.lineno)
                here = found.setdefault(self.function_of(node), {})
                self._assign(here, node, node.target, added, items=False)
            for target, value, items in _pairs(node):
                here = found.setdefault(self.function_of(node), {})
                self._assign(here, node, target, value, items)
        return found

    def _assign(
        self, here: dict[str, list[Assigned]], node: ast.AST, target: ast.expr, value: ast.expr, items: bool
    ) -> None:
        at = self.parents[node] if isinstance(node, ast.comprehension) else node
        line, blocks = getattr(at, "lineno", target.lineno), self.blocks(node)
        if isinstance(target, ast.Name):
            here.setdefault(target.id, []).append(Assigned(value, line, blocks, node, None, items))
        elif isinstance(target, ast.Tuple):
            for place, each in enumerate(target.elts):
                if isinstance(each, ast.Name):
                    here.setdefault(each.id, []).append(Assigned(value, line, blocks, node, place, items))

    def appended(self, name: str, function: Function | None) -> list[ast.expr]:
        """Return what a function appends to a list."""
        return [
            call.args[0]
            for call in self.calls
            if isinstance(call.func, ast.Attribute)
            and call.func.attr == "append"
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == name
            and self.function_of(call) is function
        ]

    def assigned(self, name: str, at: ast.AST, function: Function | None) -> list[Assigned]:
        """Return what a name may be assigned where a node is written, the last first."""
        there = self._assigned.get(function, {}).get(name, [])
        if function is None:
            return there
        around, line, within = self.blocks(at), getattr(at, "lineno", 0), self.above(at)
        found: list[Assigned] = []
        for each in sorted(there, key=lambda item: -item.line):
            if each.line > line or each.statement in within or _exclude_each_other(each.blocks, around):
                continue
            found.append(each)
            if each.blocks == around[: len(each.blocks)]:  # it is always run before
                break
        return found


def _pairs(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, bool]]:
    """Yield the targets and values of an assignment or a loop."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from (
                    (each, value, False) for each, value in zip(target.elts, node.value.elts, strict=True)
                )
            else:
                yield target, node.value, False
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield node.target, node.value, False
    elif isinstance(node, ast.For | ast.comprehension):
        yield node.target, node.iter, True


def _exclude_each_other(first: tuple[Body, ...], second: tuple[Body, ...]) -> bool:
    """Return whether two places are in different branches of one statement."""
    for one, other in zip(first, second, strict=False):
        if one != other:
            return one[0] == other[0]
    return False
