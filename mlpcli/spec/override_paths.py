"""Paths of `--set` that miss a layer, callback, metric or optimizer, and the path that was meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlpcli.errors import KeyPath, Place, Problem, SpecError, show_path
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.values import Value
from mlpcli.spec.yaml_line import yaml_line

LISTS = ("layers", "callbacks", "metrics")
MOST_SHOWN = 3


def refuse_other_class(data: Value, path: KeyPath, value: Value, flag: str) -> None:
    """Refuse a path that names an item of a list without its number, or another class than stands there.

    Args:
        data: the spec.
        path: of the setting.
        value: to be set there.
        flag: the setting, for the message.

    Raises:
        SpecError: with the path that was meant, where the spec shows it.
    """
    section = data.get(str(path[0])) if isinstance(data, dict) else None
    problem = None
    if isinstance(section, list) and path[0] in LISTS and len(path) > 1:
        step = path[1]
        if isinstance(step, str):
            problem = Problem(f"{path[0]} is a list", Place(flag=flag), hint=_with_number(section, path))
        elif step < len(section):
            problem = _other_class(section[step], path[:2], path[2:], value, section)
    elif path[0] == "optimizer":
        problem = _other_class(section, path[:1], path[1:], value, ())
    if problem is not None:
        raise SpecError(Problem(problem.rule, Place(flag=flag), hint=problem.hint))


def _other_class(
    component: Value, place: KeyPath, rest: KeyPath, value: Value, items: Sequence[Value]
) -> Problem | None:
    """Return the problem with a path whose class is not the one at `place`."""
    there, wanted = _class_of(component), str(rest[0]) if rest else ""
    if not there or not wanted[:1].isupper() or wanted == there:
        return None
    found = [show_path((place[0], number)) for number, item in enumerate(items) if _class_of(item) == wanted]
    if found:
        hint = f"{wanted} is {' or '.join(found[:MOST_SHOWN])}"
    else:
        for step in reversed(rest):
            value = {str(step): value}
        hint = f"to replace it, write --set '{show_path(place)}={yaml_line(value)}'"
    return Problem(f"{show_path(place)} is {there}", hint=hint)


def _with_number(items: Sequence[Value], path: KeyPath) -> str:
    """Return the path with the number of the item that is named by its name or its class."""
    words = [str(path[1]), *(str(step) for step in path[2:3])]
    for word in words:
        found = [number for number, item in enumerate(items) if word in _names(item)]
        if found:
            break
    else:
        first = _class_of(items[0]) if items else ""
        return f"write a number: {path[0]}[0] is {first}" if first else f"write a number: {path[0]}[0]"
    written = []
    for number in found[:MOST_SHOWN]:
        inside = _class_of(items[number])
        rest = [step for step in path[2:] if step != inside]
        written.append(show_path((path[0], number, inside, *rest)))
    return f"write {' or '.join(written)}"


def _names(item: Value) -> Iterator[str]:
    """Yield what an item of a list may be called: its name, its class, and Keras's name for a class."""
    inside = _class_of(item)
    yield from (inside, snake_case(inside))
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        yield str(item["name"])
    arguments = item.get(inside) if isinstance(item, dict) else None
    if isinstance(arguments, dict) and isinstance(arguments.get("name"), str):
        yield str(arguments["name"])


def _class_of(item: Value) -> str:
    """Return the class of a component, or an empty text for anything else."""
    keys = [item] if isinstance(item, str) else list(item) if isinstance(item, dict) else []
    classes = [key for key in keys if key[:1].isupper()]
    return classes[0] if len(classes) == 1 else ""
