"""Hyperparameters as values: what may be searched, between which bounds, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlpcli.errors import KeyPath, show_path, show_value

INT, FLOAT, CHOICE, BOOLEAN = "int", "float", "choice", "boolean"
KINDS = (INT, FLOAT, CHOICE, BOOLEAN)

Value = Any
"""A value of a parameter: a number, a truth value, or of a choice the label of an option."""

Values = Mapping[str, Value]
"""A value for parameters by name."""


@dataclass(frozen=True)
class Condition:
    """Something holds only while another parameter has one of some values."""

    parent: str
    values: tuple[Value, ...]


Conjunction = tuple[Condition, ...]


@dataclass(frozen=True)
class Option:
    """One alternative of a choice: its label, and the plain value that it stands for."""

    label: Value
    content: Any


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter, at one place of a spec or at several.

    minimum, maximum, step: of an int or float; step is a factor where the sampling is logarithmic.
    options: of a choice; the labels of a boolean are true and false.
    conditions: all must hold for the parameter to count; empty when it always does.
    """

    name: str
    kind: str
    default: Value
    places: tuple[KeyPath, ...]
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    sampling: str = "linear"
    options: tuple[Option, ...] = ()
    conditions: Conjunction = ()

    @property
    def labels(self) -> tuple[Value, ...]:
        """The values that it can have, where they can be listed."""
        if self.kind == BOOLEAN:
            return (False, True)
        return tuple(option.label for option in self.options)

    def holds(self, value: Value) -> bool:
        """Whether a value is one of those that it can have, up to rounding."""
        if self.labels:
            return any(same(label, value) for label in self.labels)
        if isinstance(value, bool) or not isinstance(value, int if self.kind == INT else int | float):
            return False
        low, high = self.minimum, self.maximum
        assert low is not None
        assert high is not None
        slack = 1e-6 * max(abs(low), abs(high))
        return bool(low - slack <= value <= high + slack)

    def definition(self) -> dict[str, Any]:
        """What makes two parameters the same, as plain JSON values."""
        document: dict[str, Any] = {"kind": self.kind, "default": self.default}
        if self.kind in (INT, FLOAT):
            document |= {"min": self.minimum, "max": self.maximum}
            document |= {"step": self.step, "sampling": self.sampling}
        if self.kind == CHOICE:
            document["values"] = [option.content for option in self.options]
        return document

    def range_text(self) -> str:
        """`int 16 to 256`, `float 1e-4 to 1e-2, log`, `one of SGD, Adam`."""
        if self.kind == BOOLEAN:
            return "true or false"
        if self.kind == CHOICE:
            return "one of " + ", ".join(show_label(label) for label in self.labels)
        text = f"{self.kind} {self.minimum:g} to {self.maximum:g}"
        text += f", step {self.step:g}" if self.step is not None else ""
        return text if self.sampling == "linear" else f"{text}, {self.sampling}"


@dataclass(frozen=True)
class Space:
    """All hyperparameters of a spec, each after those that it depends on.

    nodes: the name of the parameter that stands at each path of the spec's plain values.
    """

    parameters: tuple[Parameter, ...] = ()
    nodes: dict[KeyPath, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """Every parameter's name."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def defaults(self) -> dict[str, Value]:
        """Every parameter's default."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def to_json(self) -> dict[str, Any]:
        """The space as plain JSON values: the definition and conditions of each parameter by name."""
        return {
            parameter.name: parameter.definition()
            | {"conditions": [[c.parent, list(c.values)] for c in parameter.conditions]}
            for parameter in self.parameters
        }

    def variants(self) -> Iterator[dict[str, Value]]:
        """The defaults; then each bound and each alternative of every parameter, the others at defaults."""
        yield self.defaults
        for parameter in self.parameters:
            bounds = (parameter.minimum, parameter.maximum)
            for value in parameter.labels or bounds:
                if not same(value, parameter.default):
                    yield self.defaults | self._enabling(parameter) | {parameter.name: value}

    @property
    def alternatives(self) -> int:
        """How many variants there are, about: each bound and each alternative of every parameter."""
        return 1 + sum(len(parameter.labels) or 2 for parameter in self.parameters)

    def _enabling(self, parameter: Parameter) -> dict[str, Value]:
        """Values of other parameters under which this one counts."""
        values: dict[str, Value] = {}
        for condition in parameter.conditions:
            default = self[condition.parent].default
            if not any(same(default, value) for value in condition.values):
                values[condition.parent] = condition.values[-1]
        return values


def show_label(value: Value) -> str:
    """A parameter's value for people: `0.001`, `64`, `Adam`, `true`."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else show_value(value)


def same(first: Value, second: Value) -> bool:
    """Whether two labels are the same: true is not 1, but 1.0 is."""
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What `Space.to_json` says differently of two spaces, one line each; empty when they are equal."""
    lines = [f"{name}: is new" for name in new if name not in old]
    lines += [f"{name}: is gone" for name in old if name not in new]
    for name in old:
        for key in old[name] if name in new else ():
            before, after = old[name][key], new[name].get(key)
            if before != after:
                lines.append(f"{name}: {key} was {show_value(before)}, is {show_value(after)}")
    return lines


def merge_conditions(places: list[Conjunction], labels: Mapping[str, tuple[Value, ...]]) -> Conjunction:
    """Conditions that hold whenever one of several conjunctions does.

    labels: all values of each choice, so that "SGD or Adam" falls away where there is nothing else.
    A parameter that stands in unrelated branches keeps what they have in common.
    """
    merged = list(dict.fromkeys(places))
    while (pair := _pair_that_differs_once(merged)) is not None:
        first, second = merged[pair[0]], merged[pair[1]]
        joined = tuple(_either(a, b, labels) for a, b in zip(first, second, strict=True))
        kept = tuple(condition for condition in joined if condition is not None)
        rest = [conjunction for index, conjunction in enumerate(merged) if index not in pair]
        merged = list(dict.fromkeys([kept, *rest]))
    return tuple(condition for condition in merged[0] if all(condition in other for other in merged))


def _pair_that_differs_once(conjunctions: list[Conjunction]) -> tuple[int, int] | None:
    for first in range(len(conjunctions)):
        for second in range(first + 1, len(conjunctions)):
            pairs = list(zip(conjunctions[first], conjunctions[second], strict=False))
            even = len(conjunctions[first]) == len(conjunctions[second])
            apart = [(a, b) for a, b in pairs if a != b]
            if even and len(apart) == 1 and apart[0][0].parent == apart[0][1].parent:
                return first, second
    return None


def _either(first: Condition, second: Condition, labels: Mapping[str, tuple[Value, ...]]) -> Condition | None:
    if first == second:
        return first
    values = first.values + tuple(v for v in second.values if not any(same(v, w) for w in first.values))
    everything = labels.get(first.parent, ())
    return None if len(values) == len(everything) else replace(first, values=values)


def derived_name(path: KeyPath, ambiguous: bool) -> str:
    """A parameter's name from its path; the way through a choice is left out unless two ways are alike."""
    steps: list[str | int] = []
    for index, step in enumerate(path):
        if step == "values" and index + 1 < len(path) and isinstance(path[index + 1], int):
            if ambiguous:
                steps.append(step)
            continue
        if isinstance(step, int) and index and path[index - 1] == "values" and not ambiguous:
            continue
        steps.append(step)
    return show_path(tuple(steps))
