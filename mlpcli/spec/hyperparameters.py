"""Find the hyperparameters in a spec's plain values.

A mapping with the key `hp` is a hyperparameter, a value that may be searched:

    {hp: int, min: 16, max: 256, step: 16, sampling: log, default: 32, name: units}
    {hp: float, min: 1e-4, max: 1e-2, sampling: log}
    {hp: choice, values: [SGD, {Adam: {learning_rate: {hp: float, min: 1e-4, max: 1e-2}}}]}
    {hp: boolean}

`spec/substitution.py` replaces them by values.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeGuard

from mlpcli.errors import ABSENT, Hint, KeyPath, Problem, show_path, show_value, suggest
from mlpcli.spec.layer_graph import MOST_COPIES
from mlpcli.spec.number_texts import number_hint
from mlpcli.spec.search_space import (
    BOOLEAN,
    CHOICE,
    FLOAT,
    INT,
    KINDS,
    Condition,
    Conjunction,
    Option,
    Parameter,
    Space,
    derived_name,
    merge_conditions,
    same,
    show_label,
)
from mlpcli.spec.values import Scalar, Value, ValueMap, children
from mlpcli.spec.yaml_reader import SpecText

KEYS = {
    INT: ("hp", "name", "min", "max", "step", "sampling", "default"),
    FLOAT: ("hp", "name", "min", "max", "step", "sampling", "default"),
    CHOICE: ("hp", "name", "values", "default"),
    BOOLEAN: ("hp", "name", "default"),
}
MOST_PLACES = 500
"""The most places of hyperparameters in one spec."""

MOST_VALUES = 500
"""The most values of one choice."""

SAMPLINGS = ("linear", "log", "reverse_log")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,99}")
FIXED_KEYS = ("name", "predict", "tuner", "plugins", "extends")
"""Keys of a spec that a search cannot change: they define the search."""
COLUMN_KEYS = (("dataset", "features"), ("dataset", "target"))
"""Mappings by column name, in which a column may be called hp."""


def find_space(text: SpecText) -> tuple[Space, list[Problem]]:
    """Find every hyperparameter of a spec, and the problems with them (paths into `text`)."""
    finder = _Finder(text)
    finder.visit(text.data, (), ())
    return finder.finish(), finder.problems


def is_hyperparameter(value: Value, path: KeyPath) -> TypeGuard[ValueMap]:
    """Return whether a value is a hyperparameter: a mapping with the key `hp`.

    Args:
        value: the value.
        path: its place; empty for a value by itself.
    """
    if not isinstance(value, dict) or not isinstance(value.get("hp"), str):
        return False
    return path not in COLUMN_KEYS or value["hp"] in KINDS


def unread_places(value: Value, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the places of hyperparameters in plain values, without nested ones; the spec itself is none."""
    if path and is_hyperparameter(value, path):
        yield path
        return
    for key, item in children(value):
        yield from unread_places(item, (*path, key))


def largest_variant(value: Value, path: KeyPath = ()) -> int:
    """Return about how many values a spec has at most once each choice has been made.

    Args:
        value: the spec's plain values, or a part of them.
        path: its place; empty for the spec itself.
    """
    if path and is_hyperparameter(value, path):
        options = value.get("values")
        sizes = (
            (largest_variant(each, (*path, "values")) for each in options)
            if isinstance(options, list)
            else ()
        )
        return max(sizes, default=1)
    return 1 + sum(largest_variant(item, (*path, key)) for key, item in children(value))


@dataclass
class _Found:
    """A hyperparameter at one place, and the conditions under which it is active there."""

    parameter: Parameter
    conditions: Conjunction


class _Finder:
    """Walk a spec's values from the top; record each hyperparameter and the conditions on the way."""

    def __init__(self, text: SpecText) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self.places = 0
        self.found: dict[str, list[_Found]] = {}
        self.nodes: dict[KeyPath, str] = {}
        self.by_mark: dict[tuple[str, tuple[int, int]], str] = {}
        self.broken: set[tuple[str, tuple[int, int]]] = set()  # reported once for all aliases

    def visit(self, value: Value, path: KeyPath, conditions: Conjunction) -> None:
        """Record the hyperparameters of a value and of everything inside it."""
        if path and is_hyperparameter(value, path):  # the spec itself is none
            self._add(value, path, conditions)
        elif isinstance(value, dict):
            repeat = value.get("repeat")
            if path[:1] == ("layers",) and is_hyperparameter(repeat, (*path, "repeat")):
                self.visit(repeat, (*path, "repeat"), conditions)
                conditions += self._while_repeated((*path, "repeat"))
                value = {key: item for key, item in value.items() if key != "repeat"}
            for key, item in value.items():
                self.visit(item, (*path, key), conditions)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.visit(item, (*path, index), conditions)

    def _while_repeated(self, path: KeyPath) -> Conjunction:
        """Return the condition that a repeated layer has at least one copy."""
        name = self.nodes.get(path)
        if name is None:
            return ()
        repeat = self.found[name][0].parameter
        if repeat.kind != INT or repeat.minimum != 0 or repeat.step not in (None, 1) or repeat.maximum == 0:
            return ()
        return (Condition(name, tuple(range(1, min(int(repeat.maximum or 0), MOST_COPIES) + 1))),)

    def _add(self, node: ValueMap, path: KeyPath, conditions: Conjunction) -> None:
        if path[0] in FIXED_KEYS:
            self.problems.append(Problem(f"{path[0]} cannot be searched", path=path, received=node))
            return
        mark = self._mark(path)
        if mark in self.broken:
            return
        self.places += 1
        if self.places > MOST_PLACES:
            if self.places == MOST_PLACES + 1:
                rule = f"exceeds the {MOST_PLACES} hyperparameters that a spec may have"
                self.problems.append(Problem(rule, path=path))
            return
        reader = _Reader(node, path)
        parameter = reader.read(self._name(node, path))
        self.problems += reader.problems
        if parameter is None:
            self.broken |= {mark} if mark else set()
            return
        self.nodes[path] = parameter.name
        if mark:
            self.by_mark.setdefault(mark, parameter.name)
        self.found.setdefault(parameter.name, []).append(_Found(parameter, conditions))
        for index, option in enumerate(parameter.options):
            inside = (*conditions, Condition(parameter.name, (option.label,)))
            self.visit(option.content, (*path, "values", index), inside)

    def _name(self, node: ValueMap, path: KeyPath) -> str:
        """Return the given name; for an alias, its anchor's; otherwise a name derived from the path."""
        if isinstance(name := node.get("name"), str):
            return name
        mark = self._mark(path)
        if mark is not None and mark in self.by_mark:
            return self.by_mark[mark]
        name = derived_name(path, ambiguous=False)
        return derived_name(path, ambiguous=True) if name in self.found else name

    def _mark(self, path: KeyPath) -> tuple[str, tuple[int, int]] | None:
        mark = self.text.marks.get(path)
        return (mark.file, mark.value) if mark else None

    def finish(self) -> Space:
        """Return the space: one parameter for each name, with the conditions of all its places merged."""
        parameters = []
        labels = {name: places[0].parameter.labels for name, places in self.found.items()}
        for places in self.found.values():
            first = places[0].parameter
            for other in places[1:]:
                self._compare(first, other.parameter)
            conditions = merge_conditions([place.conditions for place in places], labels)
            paths = tuple(place.parameter.places[0] for place in places)
            parameters.append(replace(first, places=paths, conditions=conditions))
        return Space(tuple(parameters), self.nodes)

    def _compare(self, first: Parameter, other: Parameter) -> None:
        old, new = first.definition(), other.definition()
        apart = [key for key in old if old[key] != new.get(key)]
        if not apart:
            return
        (path,) = other.places
        where = self.text.place(first.places[0])
        listed = "; ".join(
            f"{key} {show_value(new.get(key))} here, {show_value(old[key])} there" for key in apart
        )
        hint = f"{listed}: make them equal, or rename one"
        rule = f"two different hyperparameters have this name, also {show_path(first.places[0])} ({where})"
        self.problems.append(Problem(rule, path=path, received=first.name, hint=hint))


class _Reader:
    """Reader of one hyperparameter's mapping."""

    def __init__(self, node: ValueMap, path: KeyPath) -> None:
        self.node, self.path = node, path
        self.problems: list[Problem] = []

    def read(self, name: str) -> Parameter | None:
        """Return the parameter, or None after recording the problems."""
        kind = self.node["hp"]
        if kind not in KINDS:
            hint = suggest(kind, KINDS, f"available: {', '.join(KINDS)}")
            self._add("unknown kind of hyperparameter", "hp", hint=hint)
            return None
        for key in self.node:
            if key not in KEYS[kind]:
                hint = suggest(key, KEYS[kind], f"it takes {', '.join(KEYS[kind][1:])}")
                self.problems.append(
                    Problem(
                        f"unknown key of a hyperparameter of kind {kind}",
                        path=(*self.path, key),
                        received=key,
                        hint=hint,
                    )
                )
        if "name" in self.node and not (
            isinstance(self.node["name"], str) and NAME.fullmatch(self.node["name"])
        ):
            self._add("must be letters, digits, '_', '.' or '-', the first a letter", "name")
        if kind in (INT, FLOAT):
            parameter = self._number(name, kind)
        else:
            parameter = self._choice(name) if kind == CHOICE else self._boolean(name)
        return None if self.problems else parameter

    def _number(self, name: str, kind: str) -> Parameter | None:
        wanted = "a whole number" if kind == INT else "a finite number"
        for key in ("min", "max"):
            if key not in self.node:
                hint = f"write {{hp: {kind}, min: ..., max: ...}}"
                self.problems.append(Problem(f"needs {key!r}", path=self.path, hint=hint))
        given: dict[str, float] = {}
        for key in ("min", "max", "step", "default"):
            value = self.node.get(key)
            if _is_number(value, whole=kind == INT):
                given[key] = int(value) if kind == INT else float(value)
            elif key in self.node:
                self._add(f"must be {wanted}", key, hint=number_hint(value, whole=kind == INT))
        sampling = self.node.get("sampling", "linear")
        if not isinstance(sampling, str) or sampling not in SAMPLINGS:
            self._add("must be linear, log or reverse_log", "sampling", hint=suggest(sampling, SAMPLINGS))
            return None
        if self.problems:
            return None
        self._bounds(given, sampling)
        return Parameter(
            name,
            kind,
            given.get("default", given["min"]),
            (self.path,),
            minimum=given["min"],
            maximum=given["max"],
            step=given.get("step"),
            sampling=sampling,
        )

    def _bounds(self, given: dict[str, float], sampling: str) -> None:
        low, high = given["min"], given["max"]
        if low > high:
            self._add(f"must be at least min, which is {low:g}", "max")
        elif not low <= given.get("default", low) <= high:
            self._add(f"must be between min and max, {low:g} and {high:g}", "default")
        if sampling != "linear" and low <= 0:
            self._add(f"must be above 0 where the sampling is {sampling}", "min")
        step = given.get("step")
        if step is not None and (step <= 0 or (sampling != "linear" and step <= 1)):
            rule = "must be above 0" if sampling == "linear" else "is a factor here and must be above 1"
            self._add(rule, "step")

    def _choice(self, name: str) -> Parameter:
        values = self.node.get("values")
        if not isinstance(values, list) or not values:
            hint = "write {hp: choice, values: [first, second]}"
            path = (*self.path, "values") if "values" in self.node else self.path
            received = values if "values" in self.node else ABSENT
            self.problems.append(Problem("needs a list of values", path=path, received=received, hint=hint))
            return Parameter(name, CHOICE, None, (self.path,))
        if len(values) > MOST_VALUES:
            rule = f"has {len(values):,} values, a choice takes at most {MOST_VALUES}"
            self.problems.append(Problem(rule, path=(*self.path, "values")))
            return Parameter(name, CHOICE, None, (self.path,))
        for index, value in enumerate(values):
            if any(type(value) is type(other) and value == other for other in values[:index]):
                self.problems.append(
                    Problem(
                        "is duplicated in this choice", path=(*self.path, "values", index), received=value
                    )
                )
        options = tuple(Option(label, value) for label, value in zip(_labels(values), values, strict=True))
        default: Scalar = options[0].label
        if "default" in self.node:
            wanted = self.node["default"]
            default = label_of(wanted, options)
            if default is None:
                shown = ", ".join(show_label(option.label) for option in options)
                self._add("must be one of the values", "default", hint=f"available: {shown}")
        return Parameter(name, CHOICE, default, (self.path,), options=options)

    def _boolean(self, name: str) -> Parameter:
        default = self.node.get("default", False)
        if not isinstance(default, bool):
            self._add("must be true or false", "default")
        return Parameter(name, BOOLEAN, default is True, (self.path,))

    def _add(self, rule: str, key: str, *, hint: Hint = "") -> None:
        self.problems.append(Problem(rule, path=(*self.path, key), received=self.node[key], hint=hint))


def _is_number(value: Value, *, whole: bool) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) if whole else math.isfinite(value)


def _labels(values: list[Value]) -> list[Scalar]:
    """Return a label for each option: a scalar itself, a component's class name, otherwise its YAML text."""
    short = [_short_label(value) for value in values]
    counts = Counter(str(label) for label in short)
    labels: list[Scalar] = []
    for index, (label, value) in enumerate(zip(short, values, strict=True)):
        if counts[str(label)] > 1:
            label = f"{index + 1}: {show_value(value, 40)}"
        labels.append(label)
    return labels


def _short_label(value: Value) -> Scalar:
    if isinstance(value, dict):
        classes = [key for key in value if key[:1].isupper()]
        return classes[0] if len(classes) == 1 else show_value(value, 40)
    if isinstance(value, list):
        return show_value(value, 40)
    return "null" if value is None else value


def label_of(wanted: Value, options: tuple[Option, ...]) -> Scalar:
    """Return the label of the option that a label or a whole value names, or None."""
    for option in options:
        if same(option.label, wanted) or (type(option.content) is type(wanted) and option.content == wanted):
            return option.label
    return None
