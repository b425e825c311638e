"""`extends: base.yaml`: a spec that inherits from another; each value keeps its place in its own file.

Mappings merge; lists and everything else replace. A component of another class replaces the inherited one
(`optimizer: {Adam: ...}` over `{SGD: ...}`), since two classes in one mapping are meaningless. `name` is not
inherited: a spec and its base should not share a folder of runs.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.near_paths import YAML, near_path
from mlpcli.spec.locations import at_home, with_files
from mlpcli.spec.optimizer_keys import OWN_OPTIMIZER_KEYS
from mlpcli.spec.schedule_lengths import UNITS
from mlpcli.spec.split_forms import AMOUNTS
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_reader import MAX_VALUES, Mark, SpecText, read_text

EXTENDS = "extends"

MOST_BASES = 20
"""The longest chain of specs that extend each other."""


def read_spec_text(spec_path: Path) -> SpecText:
    """Read a spec with what it extends merged in, and `extends` itself removed.

    Raises:
        SpecError: one of the files cannot be read, or the files extend each other in a circle.
    """
    return _read(spec_path, ())


def _read(spec_path: Path, above: tuple[Path, ...]) -> SpecText:
    """Read a spec; `above` are the specs that extend it, the outermost first."""
    text = read_text(spec_path)
    if EXTENDS not in text.data:
        return text
    base_path = _base_path(text, spec_path, (*above, spec_path))
    base = _read(base_path, (*above, spec_path))
    return _lay_over(base, text, prefix=_way(spec_path.parent, base_path.parent))


def _base_path(text: SpecText, spec_path: Path, chain: tuple[Path, ...]) -> Path:
    given = text.data[EXTENDS]
    place = text.place((EXTENDS,))
    if not isinstance(given, str) or not given:
        rule = "must be the path of another spec, from this spec's folder"
        raise SpecError(Problem(rule, place, (EXTENDS,), given))
    base_path = spec_path.parent / at_home(given)
    try:
        there = base_path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise SpecError(Problem(f"cannot be read ({error.strerror})", place, (EXTENDS,), given)) from None
    if not there:
        hint = near_path(base_path, YAML)
        raise SpecError(Problem("there is no such file", place, (EXTENDS,), given, hint))
    if len(chain) > MOST_BASES:
        rule = f"more than {MOST_BASES} specs extend each other"
        raise SpecError(Problem(rule, place, (EXTENDS,), given, "put some of them into one"))
    known = [path.resolve() for path in chain]
    if base_path.resolve() in known:
        circle = [path.name for path in chain[known.index(base_path.resolve()) :]]
        rule = f"the specs extend each other in a circle: {' > '.join([*circle, base_path.name])}"
        raise SpecError(Problem(rule, place, (EXTENDS,), given, "one of them must not extend another"))
    return base_path


def _way(start: Path, end: Path) -> str:
    """Return the relative path from one folder to another, empty if they are the same."""
    way = os.path.relpath(end.resolve(), start.resolve())
    return "" if way == "." else way


def _lay_over(base: SpecText, over: SpecText, *, prefix: str) -> SpecText:
    """Merge the values of `over` into those of `base`; `prefix` is the path to the folder of `base`."""
    below = {key: _moved(value, key, prefix) for key, value in base.data.items() if key != "name"}
    own = {key: value for key, value in over.data.items() if key != EXTENDS}
    replaced: set[KeyPath] = {("name",)}
    data = _merge(below, own, (), replaced)
    kept = {
        path: mark if mark.file else Mark(mark.value, mark.key, base.file)
        for path, mark in base.marks.items()
        if path and not any(path[:end] in replaced for end in range(len(path) + 1))
    }
    if len(kept) + len(over.marks) > 2 * MAX_VALUES:
        rule = f"contains more than {2 * MAX_VALUES:,} values with what it extends"
        raise SpecError(Problem(rule, over.place((EXTENDS,)), (EXTENDS,), over.data[EXTENDS]))
    problems = [p for p in base.problems if p.path in kept or not p.path]
    return replace(
        over,
        data=data,
        marks=kept | {path: mark for path, mark in over.marks.items() if path[:1] != (EXTENDS,)},
        problems=(*problems, *over.problems),
        bases=base.bases | {base.file: base.lines},
    )


def _merge(below: Value, over: Value, path: KeyPath, replaced: set[KeyPath]) -> Value:
    """Merge `over` into `below`; note the paths at which a value of `below` is replaced."""
    if not isinstance(below, dict) or not isinstance(over, dict) or not _may_merge(below, over):
        replaced.add(path)
        return over
    merged = dict(below)
    for key, value in over.items():
        merged[key] = _merge(below[key], value, (*path, key), replaced) if key in below else value
    return merged


def _may_merge(below: ValueMap, over: ValueMap) -> bool:
    if "hp" in below or "hp" in over:  # a hyperparameter is one value
        return False
    if {*below, *over} == {*UNITS}:  # so is a length: {epochs: 5} over {share: 0.5}
        return False
    if AMOUNTS & below.keys() and AMOUNTS & over.keys():  # and a split: {last: 0.2, by: date}
        return False
    return _class_of(below) == _class_of(over) or over.keys() <= {*OWN_OPTIMIZER_KEYS}


def _class_of(value: ValueMap) -> str | None:
    """Return the class that a component names, or None for any other mapping."""
    keys = [key for key in value if key not in OWN_OPTIMIZER_KEYS]
    return keys[0] if len(keys) == 1 and keys[0][:1].isupper() else None


def _moved(value: Value, key: str, prefix: str) -> Value:
    """Return the value of an inherited key, with its files relative to the inheriting spec's folder."""
    if not prefix:
        return value
    if key == "plugins" and isinstance(value, list):
        return [_moved_path(item, prefix) if isinstance(item, str) else item for item in value]
    if key == "dataset" and isinstance(value, dict):
        return with_files(value, lambda file: _moved_path(file, prefix), choices=True)
    return value


def _moved_path(file: str, prefix: str) -> str:
    if file.startswith(("${", "~")):
        return file
    return os.path.normpath(Path(prefix) / file)
