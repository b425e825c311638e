"""The texts that an expression of the program's source may have, found without running it.

A text is written as a person would read it, with `⟨name⟩` for a value that is known only when the program
runs. Names are followed to what they are assigned, parameters to the calls, calls to what is returned.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from math import prod
from pathlib import Path

from scripts.source_tree import Assigned, Body, Function, Module, Scope

MOST = 8
"""Texts of one expression that are told apart; of more, its values are left open."""
SHOWING = ("mlpcli.errors", "mlpcli.printable")
"""Modules whose functions show values."""
SAME_NAME = 6
"""Methods of one name that may be each other's; of a more usual name, only calls in the same file count."""
DEEPEST = 12
"""Steps from name to name."""


@dataclass(frozen=True)
class Text:
    """One text of an expression, and the block of statements that decided for it, if one did."""

    words: str
    block: Body = ()


class Program:
    """All files of the program, and the texts that their expressions may have."""

    def __init__(self, root: Path, package: str) -> None:
        paths = [path for path in sorted((root / package).rglob("*.py")) if "examples" not in path.parts]
        names = [".".join(path.relative_to(root).with_suffix("").parts) for path in paths]
        self.modules = {
            name.removesuffix(".__init__"): Module(path, name)
            for path, name in zip(paths, names, strict=True)
        }

    @cached_property
    def _callers(self) -> dict[str, list[tuple[Module, ast.Call]]]:
        found: dict[str, list[tuple[Module, ast.Call]]] = {}
        for module in self.modules.values():
            for call in module.calls:
                found.setdefault(name_of(call.func), []).append((module, call))
        return found

    def calls_of(self, scope: Scope) -> list[tuple[Module, ast.Call]]:
        """Return the calls of the function of a scope: in its own module, or in those that import it."""
        name = scope.function.name if scope.function is not None else ""
        method = scope.parameters()[:1] in (["self"], ["cls"])
        methods = sum(len(each.functions.get(name, [])) for each in self.modules.values())
        single = method and methods <= SAME_NAME
        found = []
        for module, call in self._callers.get(name, []):
            if isinstance(call.func, ast.Attribute):
                owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
                fits = single or (
                    module is scope.module
                    if method
                    else ".".join(module.imports.get(owner, ("", ""))) == scope.module.name
                )
            else:
                fits = module is scope.module or module.imports.get(name, ("",))[0] == scope.module.name
            if fits:
                found.append((module, call))
        return found

    def texts(self, value: ast.expr, scope: Scope, depth: int = 0) -> list[Text]:
        """Return the texts that an expression may have; none if it has no text of the program's own."""
        if depth > DEEPEST:
            return []
        if isinstance(value, ast.Constant):
            return [Text(value.value)] if isinstance(value.value, str) else []
        if isinstance(value, ast.JoinedStr):
            return self._joined(value.values, scope, depth)
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            if any(
                isinstance(each, ast.Constant) and isinstance(each.value, int)
                for each in (value.left, value.right)
            ):
                return []
            return self._joined([value.left, value.right], scope, depth)
        if isinstance(value, ast.IfExp):
            return self._all([value.body, value.orelse], scope, depth)
        if isinstance(value, ast.BoolOp):
            return [each for each in self._all(value.values, scope, depth) if each.words]
        if isinstance(value, ast.Lambda):
            return self.texts(value.body, scope, depth + 1)
        if isinstance(value, ast.NamedExpr):
            return self.texts(value.value, scope, depth + 1)
        if isinstance(value, ast.Name):
            return self._name(value, scope, depth)
        if isinstance(value, ast.Call):
            return self._call(value, scope, depth)
        if isinstance(value, ast.Subscript):
            return self._subscript(value, scope, depth)
        return []

    def _all(self, values: list[ast.expr], scope: Scope, depth: int) -> list[Text]:
        return [text for each in values for text in self.texts(each, scope, depth + 1)]

    def _joined(self, parts: list[ast.expr], scope: Scope, depth: int) -> list[Text]:
        pieces: list[list[Text]] = []
        for part in parts:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            if isinstance(inner, ast.Constant):
                pieces.append([Text(str(inner.value))])
            else:
                pieces.append(_without_nothing(self.texts(inner, scope, depth + 1), inner))
        while prod(map(len, pieces)) > MOST:
            most = max(range(len(pieces)), key=lambda place: len(pieces[place]))
            pieces[most] = [Text(placeholder(parts[most]))]
        joined = []
        for each in product(*pieces):
            blocks = [text.block for text in each if text.block]
            joined.append(Text("".join(text.words for text in each), blocks[0] if blocks else ()))
        return joined

    def _name(self, value: ast.Name, scope: Scope, depth: int) -> list[Text]:
        function = scope.function
        while function is not None:
            inside = Scope(scope.module, function)
            if function is scope.function and value.id in scope.arguments:
                given = scope.arguments[value.id]
                return self.texts(given.value, given.scope, depth + 1)
            if found := scope.module.assigned(value.id, value, function):
                here = scope if function is scope.function else inside
                return [text for each in found for text in self._assigned(each, here, depth)]
            if value.id in inside.parameters():
                return self._parameter(value.id, inside, depth)
            function = scope.module.function_of(function)
        return self._constant(value.id, scope.module, depth)

    def _assigned(self, each: Assigned, scope: Scope, depth: int) -> list[Text]:
        block = each.blocks[-1] if each.blocks else ()
        texts = self.element(each.value, scope, each.place, depth + 1, items=each.items)
        return [Text(text.words, text.block or block) for text in texts]

    def _parameter(self, name: str, scope: Scope, depth: int) -> list[Text]:
        found: list[Text] = []
        for module, call in self.calls_of(scope):
            there = Scope(module, module.function_of(call))
            given = scope.called(call, there).arguments.get(name)
            if given is not None:
                found += self.texts(given.value, given.scope, depth + 2)
        return found

    def _constant(self, name: str, module: Module, depth: int) -> list[Text]:
        if name in module.imports:
            origin, name = module.imports[name]
            if origin not in self.modules:
                return []
            module = self.modules[origin]
        scope = Scope(module)
        found = module.assigned(name, module.tree, None)
        return [text for each in found for text in self._assigned(each, scope, depth)]

    def _call(self, value: ast.Call, scope: Scope, depth: int) -> list[Text]:
        if isinstance(value.func, ast.Attribute) and value.func.attr in ("get", "format", "strip", "join"):
            if value.func.attr == "get":
                return self._values_of(value.func.value, scope, depth) + self._all(
                    value.args[1:], scope, depth
                )
            return []
        if name_of(value.func) == "counted" and isinstance(value.args[1], ast.Constant):
            several = value.args[2] if len(value.args) > 2 else ast.Constant(f"{value.args[1].value!s}s")
            return self._joined([ast.FormattedValue(value.args[0], -1), ast.Constant(" "), several], scope, 0)
        if isinstance(value.func, ast.Name) and value.func.id in ("str", "printable", "next") and value.args:
            return self._all(value.args, scope, depth)
        return self.returned(value, scope, None, depth)

    def returned(self, call: ast.Call, scope: Scope, place: int | None, depth: int) -> list[Text]:
        """Return the texts that a call of one of the program's functions returns, or its tuples hold."""
        found: list[Text] = []
        for module, function in self.functions(call, scope):
            inside = Scope(module, function).called(call, scope)
            for node in ast.walk(function):
                returned = isinstance(node, ast.Return | ast.Yield) and module.function_of(node) is function
                if returned and node.value is not None:  # type: ignore[attr-defined]
                    found += self.element(node.value, inside, place, depth + 1)  # type: ignore[attr-defined]
        return [Text(text.words) for text in found]

    def functions(self, call: ast.Call, scope: Scope) -> Iterator[tuple[Module, Function]]:
        """Yield the functions that a call may be of."""
        name, module = name_of(call.func), scope.module
        if isinstance(call.func, ast.Name) and name in module.imports:
            origin, name = module.imports[name]
            if origin not in self.modules or origin in SHOWING:
                return
            module = self.modules[origin]
        yield from ((module, function) for function in module.functions.get(name, []))
        if isinstance(call.func, ast.Attribute) and name not in module.functions:
            owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
            there = self.modules.get(".".join(module.imports.get(owner, ("", ""))))
            if there is not None:
                yield from ((there, function) for function in there.functions.get(name, []))

    def element(
        self, value: ast.expr, scope: Scope, place: int | None, depth: int, *, items: bool = False
    ) -> list[Text]:
        """Return the texts of an expression, or of one place in its tuples."""
        if depth > DEEPEST:
            return []
        if items:
            if isinstance(value, ast.Tuple | ast.List | ast.Set):
                return [text for each in value.elts for text in self.element(each, scope, place, depth + 1)]
            if isinstance(value, ast.Call) and name_of(value.func) == "items" and place == 1:
                return self._values_of(value.func.value, scope, depth)  # type: ignore[attr-defined]
            if isinstance(value, ast.Call):
                return self.returned(value, scope, place, depth)
            if isinstance(value, ast.Name):
                found = self._constant_items(value.id, scope.module)
                added = scope.module.appended(value.id, scope.function)
                texts = [(t, each) for each in added for t in self.element(each, scope, place, depth + 1)]
                own = [Text(text.words, (each.lineno, -1)) for text, each in texts]
                return own + [t for each in found for t in self.element(each, scope, place, depth + 1)]
            return []
        if place is None:
            return self.texts(value, scope, depth)
        if isinstance(value, ast.Tuple) and place < len(value.elts):
            return self.texts(value.elts[place], scope, depth)
        if isinstance(value, ast.NamedExpr):
            return self.element(value.value, scope, place, depth + 1)
        if isinstance(value, ast.IfExp | ast.BoolOp):
            all_ = value.values if isinstance(value, ast.BoolOp) else (value.body, value.orelse)
            return [text for each in all_ for text in self.element(each, scope, place, depth + 1)]
        if isinstance(value, ast.Call):
            return self.returned(value, scope, place, depth)
        if isinstance(value, ast.Name):
            for each in scope.module.assigned(value.id, value, scope.function):
                return self.element(each.value, scope, place, depth + 1)
        return []

    def _constant_items(self, name: str, module: Module) -> list[ast.expr]:
        if name in module.imports:
            origin, name = module.imports[name]
            if origin not in self.modules:
                return []
            module = self.modules[origin]
        for each in module.assigned(name, module.tree, None):
            if isinstance(each.value, ast.Tuple | ast.List):
                return each.value.elts
            if isinstance(each.value, ast.Dict):
                return [key for key in each.value.keys if key is not None]
        return []

    def _values_of(self, value: ast.expr, scope: Scope, depth: int) -> list[Text]:
        if isinstance(value, ast.Dict):
            return self._all(value.values, scope, depth)
        if isinstance(value, ast.Name):
            module, name = scope.module, value.id
            if name in module.imports and module.imports[name][0] in self.modules:
                origin, name = module.imports[name]
                module = self.modules[origin]
            found = module.assigned(name, value, scope.function) or module.assigned(name, module.tree, None)
            dicts = [each.value for each in found if isinstance(each.value, ast.Dict)]
            return [text for each in dicts for text in self._all(each.values, Scope(module), depth)]
        return []

    def _subscript(self, value: ast.Subscript, scope: Scope, depth: int) -> list[Text]:
        if found := self._values_of(value.value, scope, depth):
            return found
        place = value.slice.value if isinstance(value.slice, ast.Constant) else None
        if not isinstance(place, int) or not isinstance(value.value, ast.Name):
            return []
        given = self._constant_items(value.value.id, scope.module)
        if place < len(given):
            return self.texts(given[place], Scope(scope.module), depth + 1)
        assigned = scope.module.assigned(value.value.id, value, scope.function)
        return [t for each in assigned for t in self.element(each.value, scope, place, depth + 1)]


def _without_nothing(texts: list[Text], value: ast.expr) -> list[Text]:
    """Leave out that a value in a text may be empty, except where it is an addition: `, and more`."""
    if any(each.words[:1] in (" ", ",", ";", ":", "(", ".") for each in texts if each.words):
        return texts
    return [each for each in texts if each.words] or [Text(placeholder(value))]


def name_of(function: ast.expr) -> str:
    """Return the last name of what is called: `b` of `a.b(...)`."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def placeholder(value: ast.expr) -> str:
    """Return how a value is shown that is known only when the program runs: its name in the source."""
    if isinstance(value, ast.FormattedValue):
        return placeholder(value.value)
    if isinstance(value, ast.Call):
        if value.args and not isinstance(value.func, ast.Attribute):
            return placeholder(value.args[0])
        return placeholder(value.func)
    if isinstance(value, ast.Name | ast.Attribute):
        words = value.id if isinstance(value, ast.Name) else value.attr
        return f"⟨{words.strip('_').lower().replace('_', ' ')}⟩"
    if isinstance(value, ast.Subscript):
        return placeholder(value.value)
    return "⟨…⟩"


VALUE = re.compile(r"⟨[^⟩]*⟩")
"""How a value is shown that is known only when the program runs."""


@cache
def pattern(words: str) -> re.Pattern[str]:
    """Return the pattern of the messages that a text stands for: anything may be in a value's place."""
    parts = VALUE.split(words)
    counted = [re.sub(r"^(\\ \w+?)s\b", r"\1s?", re.escape(part)) for part in parts[1:]]
    return re.compile(".*".join([re.escape(parts[0]), *counted]), re.S)


COUNTED = re.compile(r"⟨[^⟩]*⟩ (\w+?)s\b")
"""A counted thing: `⟨rows⟩ rows`."""


def without_singular(texts: list[Text]) -> list[Text]:
    """Leave out the texts that another one is in the plural: `1 row` beside `⟨count⟩ rows`."""
    single = {COUNTED.sub(r"1 \1", each.words, count=1) for each in texts if COUNTED.search(each.words)}
    return [each for each in texts if each.words not in single]
