"""Replace hyperparameters by values: a search's, the defaults, or those of `--set NAME=value`.

This happens before anything else reads the spec, so other modules know nothing about searching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mlpcli.errors import KeyPath, Place, Problem, SpecError
from mlpcli.spec.hyperparameters import find_space, is_hyperparameter, label_of
from mlpcli.spec.overrides import STEP, apply_overrides
from mlpcli.spec.schema import Spec
from mlpcli.spec.search_space import CHOICE, Space, same, show_label
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_reader import Mark, SpecText, parse_value


@dataclass
class Substituted:
    """A spec with its hyperparameters replaced by values.

    Attributes:
        text: the spec.
        used: the names of the active hyperparameters.
    """

    text: SpecText
    used: tuple[str, ...] = ()


def substitute(
    text: SpecText, space: Space, values: Mapping[str, Value], *, flags: Mapping[str, str] | None = None
) -> Substituted:
    """Replace each hyperparameter that `values` names; move marks and flags along.

    A problem in the result is located at the hyperparameter, or inside the chosen option.

    Args:
        text: the spec.
        space: its hyperparameters.
        values: the values by name.
        flags: the flag of each value from the command line, by name.
    """
    maker = _Substituter(text, space, values, flags or {})
    data = maker.make(text.data, (), ())
    made = replace(text, data=data, marks=maker.marks, flags=maker.flags)
    return Substituted(made, tuple(name for name in space.names if name in maker.used))


class _Substituter:
    def __init__(
        self, text: SpecText, space: Space, values: Mapping[str, Value], given: Mapping[str, str]
    ) -> None:
        self.text, self.space, self.values, self.given = text, space, values, given
        self.marks: dict[KeyPath, Mark] = {}
        self.flags: dict[KeyPath, str] = {}
        self.used: set[str] = set()

    def make(self, value: Value, path: KeyPath, out: KeyPath, key: tuple[int, int] | None = None) -> Value:
        """Return the value at `path` with its hyperparameters replaced; `out` is its new path."""
        self._copy_mark(path, out, key)
        name = self.space.nodes.get(path)
        if name is not None and name in self.values:
            return self._put(name, path, out)
        if isinstance(value, dict):
            absent = self._is_repeated_never(value, path)
            makers = {key: self._quietly if absent and key != "repeat" else self.make for key in value}
            return {key: makers[key](item, (*path, key), (*out, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.make(item, (*path, index), (*out, index)) for index, item in enumerate(value)]
        return value

    def _put(self, name: str, path: KeyPath, out: KeyPath) -> Value:
        self.used.add(name)
        for inside, flag in self.text.flags.items():  # --set 'lr.max=1' concerns this value
            if inside[: len(path)] == path:
                self.flags[out] = flag
        parameter, value = self.space[name], self.values[name]
        if parameter.kind != CHOICE and name in self.given:
            self.flags[out] = self.given[name]
        if parameter.kind != CHOICE:
            return value
        index = next(i for i, option in enumerate(parameter.options) if same(option.label, value))
        mark = self.text.marks.get(path)
        content = parameter.options[index].content
        return self.make(content, (*path, "values", index), out, mark.key if mark else None)

    def _is_repeated_never(self, value: ValueMap, path: KeyPath) -> bool:
        name = self.space.nodes.get((*path, "repeat"))
        return name is not None and self.values.get(name) == 0 and path[:1] == ("layers",)

    def _quietly(self, value: Value, path: KeyPath, out: KeyPath) -> Value:
        """Do as `make`, for a layer that is repeated 0 times: its hyperparameters are not active."""
        used = set(self.used)
        made = self.make(value, path, out)
        self.used = used
        return made

    def _copy_mark(self, path: KeyPath, out: KeyPath, key: tuple[int, int] | None) -> None:
        if mark := self.text.marks.get(path):
            self.marks[out] = replace(mark, key=key) if key else mark
        if flag := self.text.flags.get(path):
            self.flags[out] = flag


def apply_settings(text: SpecText, settings: Iterable[str]) -> SpecText:
    """Apply each `--set`: a path, or a hyperparameter's name, which fixes its value.

    A choice set to the label of one of its options becomes that option, whose hyperparameters stay.
    """
    space, problems = find_space(text)
    fixed: dict[str, Value] = {}
    flags: dict[str, str] = {}
    paths = []
    for setting in settings:
        found = _by_name(setting, Space() if problems else space)
        if found is None:
            paths.append(setting)
        elif isinstance(found, Problem):
            text = replace(text, problems=(*text.problems, found))
        else:
            name, value = found
            fixed[name], flags[name] = value, f"--set {setting}"
    if fixed:
        text = substitute(text, space, fixed, flags=flags).text
    return apply_overrides(text, paths) if paths else text


def _by_name(setting: str, space: Space) -> tuple[str, Value] | Problem | None:
    """Return the hyperparameter that a setting names and its value; None if the setting is a path."""
    name, _, shown = setting.partition("=")
    parameter = next((parameter for parameter in space if parameter.name == name), None)
    if parameter is None:
        return None
    flag = f"--set {setting}"
    try:
        value = parse_value(shown, flag)
    except SpecError:
        return None  # reported when the setting is read as a path
    if is_hyperparameter(value, ()):
        return None
    if parameter.kind != CHOICE:
        return name, value
    label = label_of(value, parameter.options)
    if label is not None:
        return name, label
    if STEP.match(name)[0] in Spec.model_fields:  # type: ignore[index]
        return None  # a path, whose value replaces everything there
    known = ", ".join(show_label(known) for known in parameter.labels)
    return Problem("is not one of the values", Place(flag=flag), (name,), value, f"available: {known}")
