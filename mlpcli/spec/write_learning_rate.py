"""Write a learning rate into the text of a spec.

This stays our own code: ruamel.yaml's round trip re-indents flow mappings and re-wraps long lines, while this
changes one number and leaves every other byte.
"""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path

from mlpcli.errors import KeyPath, Place, Problem, SpecError, show_path
from mlpcli.files import read_ordinary, write_with
from mlpcli.spec.keras_signatures import class_names
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.number_rules import is_number
from mlpcli.spec.optimizer_keys import OWN_OPTIMIZER_KEYS
from mlpcli.spec.search_space import CHOICE, same
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_reader import MAX_BYTES, SpecText, parse_text, read_text

LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
SCALAR = re.compile(r"[^\s,\[\]{}#]+")
ANCHOR = re.compile(r"&\S+\s+")
INITIAL = ("initial_learning_rate", "initial", "peak")
"""Arguments of schedules that are their first or highest rate."""
RATE = "learning_rate"


def write_rate(spec_path: Path, loaded: LoadedSpec, rate: float) -> Place:
    """Write a learning rate into a spec's file. Return its place.

    A rate that is searched gets a new default; a schedule gets a new initial rate.

    Args:
        spec_path: the file.
        loaded: the spec that was loaded from it.
        rate: the learning rate.

    Raises:
        SpecError: it is impossible without other changes; the file is unchanged.
    """
    before = read_ordinary(spec_path, MAX_BYTES).decode("utf-8")
    body = before.removeprefix("\ufeff")
    text = read_text(spec_path)
    edit = _Edit(text, body, yaml_number(rate))
    path, changed = edit.make(loaded)
    after = _parsed(changed, str(spec_path))
    if after is None or after.data != _expected(text.data, path, loaded, rate):
        raise _cannot("the file is written in a way that cannot be changed in place", rate)
    target = spec_path.resolve()  # a link stays a link

    def write(scratch: Path) -> None:
        scratch.write_bytes((before[: len(before) - len(body)] + changed).encode("utf-8"))
        shutil.copymode(target, scratch)

    write_with(target, write)
    return after.place(path)


def _parsed(text: str, file: str) -> SpecText | None:
    """Return the values of a changed text; None where it is no spec any more."""
    try:
        return parse_text(text, file)
    except SpecError:
        return None


def yaml_number(value: float) -> str:
    """Format a number so that every YAML reader reads a number: `0.002`, `2.0e-05`."""
    text = f"{value:.6g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}" if e else text


class _Edit:
    """One change of a text."""

    def __init__(self, text: SpecText, body: str, number: str) -> None:
        self.text, self.body, self.number = text, body, number
        self.starts = [0, *(match.end() for match in LINE_END.finditer(body))]

    def make(self, loaded: LoadedSpec) -> tuple[KeyPath, str]:
        """Return the path of the new value, and the changed text."""
        name = loaded.spec.optimizer.class_name
        path: KeyPath = ("optimizer",)
        if "optimizer" not in self.text.data:
            end = "" if self.body.endswith("\n") or not self.body else "\n"
            line = f"optimizer: {{{name}: {{{RATE}: {self.number}}}}}\n"
            return (*path, name, RATE), f"{self.body}{end}{line}"
        value = self.text.data["optimizer"]
        while isinstance(value, dict) and "hp" in value:
            path, value = self._into_choice(path, value, loaded)
        if isinstance(value, str):
            name = next((each for each in class_names("optimizers") if each.lower() == value.lower()), value)
            return (*path, name, RATE), self._replace(path, f"{{{name}: {{{RATE}: {self.number}}}}}")
        if isinstance(value, dict):
            value = {key: item for key, item in value.items() if key not in OWN_OPTIMIZER_KEYS}
        if not isinstance(value, dict) or len(value) != 1:
            raise _cannot("the optimizer is not written as {Class: {argument: value}}", self.number)
        ((name, arguments),) = value.items()
        path = (*path, name)
        if isinstance(arguments, dict) and RATE in arguments:
            return self._change((*path, RATE), arguments[RATE])
        if isinstance(arguments, dict):
            return (*path, RATE), self._insert(path, RATE, empty=not arguments)
        raise _cannot("the optimizer has no mapping of arguments to add to", self.number)

    def _into_choice(self, path: KeyPath, value: ValueMap, loaded: LoadedSpec) -> tuple[KeyPath, Value]:
        """Return the option of a choice of optimizers for which the rate was found."""
        parameter = next((p for p in loaded.space if path in p.places and p.kind == CHOICE), None)
        if parameter is None:  # fixed with --set, which does not say which option it was
            values = value.get("values")
            found = values if isinstance(values, list) else []
            options = [(i, v) for i, v in enumerate(found) if _is_of(v, loaded)]
        else:
            label = loaded.values[parameter.name]
            options = [(i, o.content) for i, o in enumerate(parameter.options) if same(o.label, label)]
        if len(options) != 1:
            raise _cannot("several optimizers are searched", self.number)
        index, content = options[0]
        return (*path, "values", index), content

    def _change(self, path: KeyPath, value: Value) -> tuple[KeyPath, str]:
        """Replace a rate, its default, or the initial rate of a schedule."""
        if not isinstance(value, dict):
            return path, self._replace(path, self.number)
        if "hp" in value:
            low, high = value.get("min"), value.get("max")
            inside = is_number(low) and is_number(high) and low <= float(self.number) <= high
            if not inside:
                raise _cannot(
                    f"it is not among the values that are searched at {show_path(path)}", self.number
                )
            if "default" in value:
                return self._change((*path, "default"), value["default"])
            return (*path, "default"), self._insert(path, "default", empty=False)
        for name, arguments in value.items():
            given = arguments if isinstance(arguments, dict) else {}
            for key in INITIAL:
                if isinstance(given.get(key), int | float):
                    return self._change((*path, name, key), given[key])
        raise _cannot(f"{show_path(path)} is a schedule without an initial_learning_rate", self.number)

    def _offset(self, path: KeyPath) -> int:
        """Return the offset of the value at a path, after its anchor."""
        mark = self.text.marks[path]
        start = self.starts[mark.value[0] - 1] + mark.value[1] - 1
        anchor = ANCHOR.match(self.body, start)
        return anchor.end() if anchor else start

    def _replace(self, path: KeyPath, new: str) -> str:
        start = self._offset(path)
        old = SCALAR.match(self.body, start)
        if old is None:
            raise _cannot(f"{show_path(path)} is not a plain value", self.number)
        return self.body[:start] + new + self.body[old.end() :]

    def _insert(self, path: KeyPath, key: str, *, empty: bool) -> str:
        """Insert a new key before the first of a mapping, inside braces or on a separate line."""
        start = self._offset(path)
        if self.body[start : start + 1] == "{":
            comma = "" if empty else ", "
            return f"{self.body[: start + 1]}{key}: {self.number}{comma}{self.body[start + 1 :]}"
        indent = " " * (start - max(begin for begin in self.starts if begin <= start))
        found = LINE_END.search(self.body)
        line = f"{key}: {self.number}{found.group() if found else chr(10)}"
        return self.body[:start] + line + indent + self.body[start:]


def _is_of(option: Value, loaded: LoadedSpec) -> bool:
    keys = [key for key in option if key not in OWN_OPTIMIZER_KEYS] if isinstance(option, dict) else []
    name = keys[0] if keys else option
    return bool(name == loaded.spec.optimizer.class_name)


def _expected(data: ValueMap, path: KeyPath, loaded: LoadedSpec, rate: float) -> Value:
    """Return the values that the changed text must have."""
    made = copy.deepcopy(data)
    value = float(yaml_number(rate))
    if "optimizer" not in made:
        added: ValueMap = {"optimizer": {loaded.spec.optimizer.class_name: {RATE: value}}}
        return made | added
    return _put(made, path, value)


def _put(data: Value, path: KeyPath, value: float) -> Value:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(data, list):
        return [_put(item, rest, value) if index == step else item for index, item in enumerate(data)]
    if isinstance(data, str):
        return {str(step): _put({}, rest, value)}
    assert isinstance(data, dict)
    return {**data, str(step): _put(data.get(str(step), {}), rest, value)}


def _cannot(why: str, rate: float | str) -> SpecError:
    hint = f"write learning_rate: {rate} yourself"
    return SpecError(Problem(f"the learning rate was not written: {why}", hint=hint))
