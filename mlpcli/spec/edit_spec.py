"""Change values in the text of a spec; comments, order and style of all else stay.

ruamel.yaml's round trip re-indents flow mappings and re-wraps long lines. Where a text is written in a way
that cannot be changed in place (an anchor, a merge key), the whole spec is written again, without comments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from mlpcli.errors import KeyPath, SpecError
from mlpcli.spec.resolve import dump, inline
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_reader import parse_text


@dataclass(frozen=True)
class Edit:
    """One change of a spec.

    Attributes:
        path: of the value; a part that does not exist yet is added.
        value: the new value.
        insert: the path ends with a position in a list, and the value comes before what is there.
    """

    path: KeyPath
    value: Value
    insert: bool = False


class CannotEdit(Exception):
    """A text cannot be changed in place."""


def with_edits(data: ValueMap, edits: Sequence[Edit]) -> ValueMap:
    """Return the plain values of a spec after some changes."""
    for edit in edits:
        changed = _put(data, edit.path, edit)
        assert isinstance(changed, dict)
        data = changed
    return data


def _put(data: Value, path: KeyPath, edit: Edit) -> Value:
    if not path:
        return edit.value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        items = list(data) if isinstance(data, list) else []
        if not rest and edit.insert:
            return [*items[:step], edit.value, *items[step:]]
        return [_put(item, rest, edit) if index == step else item for index, item in enumerate(items)]
    mapping = data if isinstance(data, dict) else {}  # a component without arguments is a text
    return {**mapping, step: _put(mapping.get(step), rest, edit)}


def edit_text(text: str, file: str, edits: Sequence[Edit]) -> tuple[str, bool]:
    """Return the text of a spec after some changes, and whether its comments are still there.

    Args:
        text: the spec; valid YAML.
        file: its name, in messages.
        edits: the changes, made one after the other.
    """
    data: ValueMap = parse_text(text, file).data
    whole = with_edits(data, edits)
    changed = text
    try:
        for edit in edits:
            data = with_edits(data, [edit])
            changed = _edit(changed, edit)
            if parse_text(changed, file).data != data:
                raise CannotEdit(str(edit.path))
    except (CannotEdit, yaml.YAMLError, SpecError):  # SpecError: it would be no YAML any more
        return dump(whole), False
    return changed, True


def _edit(text: str, edit: Edit) -> str:
    """Make one change in place.

    Raises:
        CannotEdit: it is not possible.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None  # a spec is not empty
    node, done = root, 0
    while done < len(edit.path):
        found = _child(node, edit.path[done])
        if found is None or (edit.insert and done == len(edit.path) - 1):
            break
        node, done = found, done + 1
    left = edit.path[done:]
    if not left:
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            raise CannotEdit("several lines")
        return _replaced(text, node, inline(edit.value))
    if isinstance(left[0], int):
        return _insert_item(text, node, left[0], edit) if len(left) == 1 else _fail("no such item")
    value = inline(_nested(left[1:], edit.value))
    if isinstance(node, yaml.ScalarNode):  # a component without arguments, or null
        return _replaced(text, node, f"{{{inline(left[0])}: {value}}}")
    if not isinstance(node, yaml.MappingNode):
        raise CannotEdit("not a mapping")
    return _insert_key(text, node, f"{inline(left[0])}: {value}", top=node is root)


def _fail(why: str) -> str:
    raise CannotEdit(why)


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None


def _nested(path: KeyPath, value: Value) -> Value:
    """Return a value inside the mappings and lists that lead to it."""
    for step in reversed(path):
        value = [value] if isinstance(step, int) else {step: value}
    return value


def _replaced(text: str, node: yaml.Node, new: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    if start == end:  # `callbacks:` without a value
        new = f" {new}"
    return text[:start] + new + text[end:]


def _insert_item(text: str, node: yaml.Node, place: int, edit: Edit) -> str:
    """Insert an item into a list, or write the list where there is none."""
    new = inline(edit.value)
    if isinstance(node, yaml.ScalarNode):
        return _replaced(text, node, f"[{new}]")
    if not isinstance(node, yaml.SequenceNode):
        raise CannotEdit("not a list")
    if not node.value:
        return _replaced(text, node, f"[{new}]")
    if place >= len(node.value):
        raise CannotEdit("after the last item")
    start = node.value[place].start_mark.index
    if node.flow_style:
        return f"{text[:start]}{new}, {text[start:]}"
    dash = text.rindex("-", 0, start)
    indent = " " * (dash - (text.rfind("\n", 0, dash) + 1))
    if text[dash - len(indent) : dash] != indent:
        raise CannotEdit("an item on the line of another")
    return f"{text[:dash]}- {new}\n{indent}{text[dash:]}"


def _insert_key(text: str, node: yaml.MappingNode, new: str, *, top: bool) -> str:
    start = node.start_mark.index
    if node.flow_style:
        comma = ", " if node.value else ""
        return f"{text[: start + 1]}{new}{comma}{text[start + 1 :]}"
    if top:
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}{new}\n"
    indent = " " * node.start_mark.column
    return f"{text[:start]}{new}\n{indent}{text[start:]}"
