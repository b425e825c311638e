"""Values in the place of hyperparameters: what a search tries, the defaults, and `--set` by name.

They are put in before anything else looks at the spec: nothing below knows about searching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlpcli.errors import ABSENT, KeyPath, Place, Problem, SpecError
from mlpcli.spec.hyperparameters import find_space, is_hyperparameter, label_of
from mlpcli.spec.overrides import STEP, apply_overrides
from mlpcli.spec.schema import Spec
from mlpcli.spec.search_space import CHOICE, Space, Value, Values, same, show_label
from mlpcli.spec.yaml_reader import Mark, SpecText, parse_value


@dataclass
class Substituted:
    """A spec with values in the place of hyperparameters; `used` are those that count, by name."""

    text: SpecText
    used: dict[str, Value] = field(default_factory=dict)


def substitute(
    text: SpecText, space: Space, values: Values, *, flags: Mapping[str, str] | None = None
) -> Substituted:
    """The spec with each hyperparameter that `values` names replaced; marks and flags move along.

    A problem found in the result is placed at the hyperparameter, or inside the option chosen.
    flags: of values that came from the command line, by name.
    """
    maker = _Substituter(text, space, values, flags or {})
    data = maker.make(text.data, (), ())
    made = replace(text, data=data, marks=maker.marks, flags=maker.flags)
    return Substituted(made, {name: values[name] for name in space.names if name in maker.used})


class _Substituter:
    def __init__(self, text: SpecText, space: Space, values: Values, given: Mapping[str, str]) -> None:
        self.text, self.space, self.values, self.given = text, space, values, given
        self.marks: dict[KeyPath, Mark] = {}
        self.flags: dict[KeyPath, str] = {}
        self.used: set[str] = set()

    def make(self, value: Any, path: KeyPath, out: KeyPath, key: tuple[int, int] | None = None) -> Any:
        """What becomes of the value at `path`, which will stand at `out`."""
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

    def _put(self, name: str, path: KeyPath, out: KeyPath) -> Any:
        self.used.add(name)
        for inside, flag in self.text.flags.items():  # --set 'lr.max=1' is about what is put here
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

    def _is_repeated_never(self, value: dict[str, Any], path: KeyPath) -> bool:
        name = self.space.nodes.get((*path, "repeat"))
        return name is not None and self.values.get(name) == 0 and path[:1] == ("layers",)

    def _quietly(self, value: Any, path: KeyPath, out: KeyPath) -> Any:
        """As `make`, for a layer of which there is no copy: its hyperparameters do not count."""
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
    """The spec with each `--set` put in: a path, or a hyperparameter's name, which fixes its value.

    A choice set to the label of one of its options becomes that option, with what is to be searched in it.
    """
    space, problems = find_space(text)
    fixed: dict[str, Value] = {}
    flags: dict[str, str] = {}
    paths = []
    for setting in settings:
        name, value = _by_name(setting, Space() if problems else space)
        if value is ABSENT:
            paths.append(setting)
            continue
        if isinstance(value, Problem):
            text = replace(text, problems=(*text.problems, value))
            continue
        fixed[name], flags[name] = value, f"--set {setting}"
    if fixed:
        text = substitute(text, space, fixed, flags=flags).text
    return apply_overrides(text, paths) if paths else text


def _by_name(setting: str, space: Space) -> tuple[str, Value]:
    """The hyperparameter's name and the value it is set to; ABSENT when the setting is an ordinary path."""
    name, _, shown = setting.partition("=")
    parameter = next((parameter for parameter in space if parameter.name == name), None)
    flag = f"--set {setting}"
    try:
        value = parse_value(shown, flag) if parameter else ABSENT
    except SpecError:
        return name, ABSENT  # told when the setting is read as a path
    if parameter is None or value is ABSENT or is_hyperparameter(value, ()):
        return name, ABSENT
    if parameter.kind != CHOICE:
        return name, value
    label = label_of(value, parameter.options)
    if label is not None:
        return name, label
    if STEP.match(name)[0] in Spec.model_fields:  # type: ignore[index]
        return name, ABSENT  # a path, at which the value replaces all that stands there
    known = ", ".join(show_label(known) for known in parameter.labels)
    return name, Problem("is not one of the values", Place(flag=flag), (name,), value, f"there are {known}")
