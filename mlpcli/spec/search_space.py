"""The search space: hyperparameters with their bounds, options and conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mlpcli.errors import KeyPath, Problem, SpecError, show_value
from mlpcli.spec.values import Scalar, Value, ValueMap

INT, FLOAT, CHOICE, BOOLEAN = "int", "float", "choice", "boolean"
KINDS = (INT, FLOAT, CHOICE, BOOLEAN)

Values = Mapping[str, Scalar]
"""Values of parameters by name: a number, true or false, or the label of a choice's option."""


@dataclass(frozen=True)
class Condition:
    """The condition that another parameter, the parent, has one of some values."""

    parent: str
    values: tuple[Scalar, ...]


Conjunction = tuple[Condition, ...]


@dataclass(frozen=True)
class Option:
    """One option of a choice: its label and its plain value."""

    label: Scalar
    content: Value


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter, at one or more places of a spec.

    Attributes:
        name: its name in the search.
        kind: int, float, choice or boolean.
        default: its value when nothing is searched.
        places: its paths in the spec.
        minimum: the least int or float.
        maximum: the greatest int or float.
        step: between values; a factor if the sampling is logarithmic.
        sampling: linear, log or reverse_log.
        options: those of a choice.
        conditions: the parameter is active only if all of them hold.
    """

    name: str
    kind: str
    default: Scalar
    places: tuple[KeyPath, ...]
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    sampling: str = "linear"
    options: tuple[Option, ...] = ()
    conditions: Conjunction = ()

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """Its possible values, if they are a finite list; otherwise empty."""
        if self.kind == BOOLEAN:
            return (False, True)
        return tuple(option.label for option in self.options)

    def holds(self, value: Scalar) -> bool:
        """Return whether a value is a possible one, up to rounding."""
        if self.labels:
            return any(same(label, value) for label in self.labels)
        if isinstance(value, bool) or not isinstance(value, int if self.kind == INT else int | float):
            return False
        low, high = self.minimum, self.maximum
        assert low is not None
        assert high is not None
        slack = 1e-6 * max(abs(low), abs(high))
        return bool(low - slack <= value <= high + slack)

    def definition(self) -> dict[str, object]:
        """Return what defines the parameter, as plain JSON values: equal for equal parameters."""
        document: dict[str, object] = {"kind": self.kind, "default": self.default}
        if self.kind in (INT, FLOAT):
            document |= {"min": self.minimum, "max": self.maximum}
            document |= {"step": self.step, "sampling": self.sampling}
        if self.kind == CHOICE:
            document["values"] = [option.content for option in self.options]
        return document

    def range_text(self) -> str:
        """Describe the possible values: `int 16 to 256`, `float 1e-4 to 1e-2, log`, `one of SGD, Adam`."""
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

    Attributes:
        parameters: the hyperparameters.
        nodes: the name of the parameter at each path of the spec.
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
    def defaults(self) -> dict[str, Scalar]:
        """Every parameter's default."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def to_json(self) -> dict[str, object]:
        """Return the definition and conditions of each parameter by name, as plain JSON values."""
        return {
            parameter.name: parameter.definition()
            | {"conditions": [[c.parent, list(c.values)] for c in parameter.conditions]}
            for parameter in self.parameters
        }

    def variants(self) -> Iterator[dict[str, Scalar]]:
        """Yield the defaults; then each bound or option of every parameter, the others at their defaults."""
        yield self.defaults
        for parameter in self.parameters:
            bounds = (parameter.minimum, parameter.maximum)
            for value in parameter.labels or bounds:
                if not same(value, parameter.default):
                    yield self.defaults | self._enabling(parameter) | {parameter.name: value}

    @property
    def alternatives(self) -> int:
        """About how many variants there are: the bounds and options of every parameter."""
        return 1 + sum(len(parameter.labels) or 2 for parameter in self.parameters)

    def _enabling(self, parameter: Parameter) -> dict[str, Scalar]:
        """Return values of other parameters with which this one is active."""
        values: dict[str, Scalar] = {}
        for condition in parameter.conditions:
            default = self[condition.parent].default
            if not any(same(default, value) for value in condition.values):
                values[condition.parent] = condition.values[-1]
        return values


def nothing_to_search(space: Space, data: ValueMap) -> Problem | None:
    """Return the problem of a spec, by its values, that is to be searched; None if it has hyperparameters."""
    if space:
        return None
    rule = "there is nothing to search: no value of the spec is a hyperparameter"
    hint = "write one in place, such as units: {hp: int, min: 16, max: 256}"
    return Problem(rule, path=("tuner",) if "tuner" in data else (), hint=hint)


def check_searched(space: Space, data: ValueMap) -> None:
    """Check that a spec has something to search; see `nothing_to_search`.

    Raises:
        SpecError: it has not.
    """
    if (problem := nothing_to_search(space, data)) is not None:
        raise SpecError(problem)


def show_label(value: Value) -> str:
    """Format a parameter's value for people: `0.001`, `64`, `Adam`, `true`."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else show_value(value)


def same(first: Value, second: Value) -> bool:
    """Return whether two values are the same: true is not 1, but 1.0 is."""
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)


def differences(
    old: Mapping[str, Mapping[str, object]], new: Mapping[str, Mapping[str, object]]
) -> list[str]:
    """Return the differences of two spaces as `Space.to_json` writes them, one line each."""
    lines = [f"{name}: was added" for name in new if name not in old]
    lines += [f"{name}: was removed" for name in old if name not in new]
    for name in old:
        for key in old[name] if name in new else ():
            before, after = old[name][key], new[name].get(key)
            if before != after:
                lines.append(f"{name}: {key} was {show_value(before)}, is {show_value(after)}")
    return lines


def merge_conditions(places: list[Conjunction], labels: Mapping[str, tuple[Scalar, ...]]) -> Conjunction:
    """Return conditions that hold whenever one of several conjunctions holds.

    A parameter in unrelated branches keeps the conditions that the branches share.

    Args:
        places: the conjunction of each place of a parameter.
        labels: all values of each choice. "SGD or Adam" is no condition if there are no other options.
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


def _either(
    first: Condition, second: Condition, labels: Mapping[str, tuple[Scalar, ...]]
) -> Condition | None:
    if first == second:
        return first
    values = first.values + tuple(v for v in second.values if not any(same(v, w) for w in first.values))
    everything = labels.get(first.parent, ())
    return None if len(values) == len(everything) else replace(first, values=values)


def derived_name(path: KeyPath, ambiguous: bool) -> str:
    """Return a parameter's name, derived from its path.

    Args:
        path: its place in the spec.
        ambiguous: another parameter has the same name, so keep the steps through choices.
    """
    steps: list[str | int] = []
    for index, step in enumerate(path):
        if step == "values" and index + 1 < len(path) and isinstance(path[index + 1], int):
            if ambiguous:
                steps.append(step)
            continue
        if isinstance(step, int) and index and path[index - 1] == "values" and not ambiguous:
            continue
        steps.append(step)
    written = (f"[{step}]" if isinstance(step, int) else f".{step[:60]}" for step in steps)
    return "".join(written).removeprefix(".")
