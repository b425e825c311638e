"""`--set a.b[2].c=value`: changes to a spec from the command line, checked like the file itself.

`=` replaces the value at the path, also a whole list; `[N]` one past a list's end, or `+=`, adds to the list.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import replace

from mlpcli.errors import PLAIN_KEY, KeyPath, Place, Problem, SpecError, show_path, show_value
from mlpcli.spec.override_paths import refuse_other_class
from mlpcli.spec.values import Value, children
from mlpcli.spec.yaml_nodes import MAX_DEPTH
from mlpcli.spec.yaml_reader import SpecText, parse_value

STEP = re.compile(
    rf"(?:^|\.)(?P<key>{PLAIN_KEY.pattern})|\[(?P<place>\d+)\]|"
    r"\[(?P<sign>[\"'])(?P<quoted>.+?)(?P=sign)\]"
)
HOW = (
    "write keys with dots and list positions in brackets: layers[0].Dense.units; "
    "a key with a dot or a bracket in quotes: --set 'dataset.features[\"size.m2\"]=ignore'"
)


def apply_overrides(spec_text: SpecText, settings: Sequence[str]) -> SpecText:
    """Return the spec with each `path=value` applied, in order.

    A setting without '=', with a wrong path or with a value that is not YAML becomes a problem of the spec.
    """
    data = copy.deepcopy(spec_text.data)
    flags = dict(spec_text.flags)
    marks = dict(spec_text.marks)
    problems: list[Problem] = []
    for setting in settings:
        flag = f"--set {setting}"
        try:
            path, value, adds = _split(setting, flag)
            refuse_other_class(data, path, value, flag)
            if adds:
                path, value = _added(data, path, value, flag)
            data = _put(data, path, value, flag)
        except SpecError as error:
            problems += error.problems
            continue
        for old in [mark for mark in marks if mark[: len(path)] == path]:
            del marks[old]
        flags = {old: text for old, text in flags.items() if old[: len(path)] != path} | {path: flag}
    kept = [problem for problem in spec_text.problems if problem.path in marks or not problem.path]
    return replace(spec_text, data=data, flags=flags, marks=marks, problems=(*kept, *problems))


def _split(setting: str, flag: str) -> tuple[KeyPath, Value, bool]:
    """Return the path, the value, and whether to add it to a list."""
    path: list[str | int] = []
    position = 0
    while step := STEP.match(setting, position):
        path.append(_key_of(step))
        if len(path) > MAX_DEPTH:
            rule = f"a path has at most {MAX_DEPTH} steps"
            raise SpecError(Problem(rule, Place(flag=flag)))
        position = step.end()
    rest, text = setting[position:], setting.partition("=")[0]
    if "=" not in setting:
        raise SpecError(
            Problem("must be path=value", Place(flag=flag), hint="for example --set fit.epochs=5")
        )
    if not rest.startswith(("=", "+=")):
        raise SpecError(Problem(f"{text!r} is not a path", Place(flag=flag), hint=HOW))
    if not path or isinstance(path[0], int):
        raise SpecError(
            Problem(f"{text!r} is not a path", Place(flag=flag), hint="start with a key of the spec")
        )
    return tuple(path), parse_value(rest.partition("=")[2], flag), rest.startswith("+=")


def _key_of(step: re.Match[str]) -> str | int:
    """Return a step of a path: a key, or a place in a list."""
    if step["place"] is not None:
        return int(step["place"][:10])  # no list is that long
    return step["key"] if step["key"] is not None else step["quoted"]


def _added(data: Value, path: KeyPath, value: Value, flag: str) -> tuple[KeyPath, Value]:
    """Return the path and value that append `value`, or each item of a list, to the list at `path`."""
    old = _value_at(data, path)
    if old is None:
        return path, value if isinstance(value, list) else [value]
    if not isinstance(old, list):
        raise _leads_nowhere(path, f"'+=' adds to a list, not to {show_value(old)}", flag)
    if isinstance(value, list):
        return path, [*old, *value]
    return (*path, len(old)), value


def _value_at(data: Value, path: KeyPath) -> Value:
    """Return the value at `path`, or None."""
    for step in path:
        data = dict(children(data)).get(step)
    return data


def _put(data: Value, path: KeyPath, value: Value, flag: str) -> Value:
    """Return `data` with `value` at `path`; missing mappings on the way are created."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        if not isinstance(data, list):
            raise _leads_nowhere(path, f"[{step}] needs a list", flag)
        if step > len(data):
            raise _leads_nowhere(path, f"there is no [{step}] in a list of {len(data)}", flag)
        old = data[step] if step < len(data) else None
        return [*data[:step], _put(old, rest, value, flag), *data[step + 1 :]]
    if data is None:
        data = {}
    if isinstance(data, str) and data == step:  # "Flatten", or "Adam", which now gets arguments
        data = {step: None}
    if not isinstance(data, dict):
        raise _leads_nowhere(path, f"{step!r} needs a mapping, not {data!r}", flag)
    return {**data, step: _put(data.get(step), rest, value, flag)}


def _leads_nowhere(path: KeyPath, why: str, flag: str) -> SpecError:
    return SpecError(
        Problem(f"the path does not exist: {why}", Place(flag=flag), hint=f"at {show_path(path)}")
    )
