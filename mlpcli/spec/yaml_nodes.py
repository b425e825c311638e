"""Parse YAML text to nodes with their places. PyYAML yields the events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import yaml

from mlpcli.errors import Place, Problem, SpecError
from mlpcli.spec.yaml_mistakes import find_mistake

MAX_DEPTH = 50
"""The deepest nesting of lists and mappings."""


@dataclass
class Node:
    """A scalar, list or mapping of YAML.

    Attributes:
        kind: scalar, list or mapping.
        at: line and column, from 1.
        value: the text of a scalar.
        plain: a scalar without quotes.
        tag: its tag, if it has one.
        items: of a list its items; of a mapping key, value, key, value.
    """

    kind: str
    at: tuple[int, int]
    value: str = ""
    plain: bool = False
    tag: str | None = None
    items: list[Node] = field(default_factory=list)


def compose(text: str, file: str, lines: tuple[str, ...], *, most: int) -> Node | None:
    """Build nodes from events without recursion: the limit of depth is ours, not the interpreter's.

    Returns:
        The node of the document, or None if the text is empty.

    Raises:
        SpecError: the text is not YAML, too deep, or holds too many values or documents.
    """
    root: Node | None = None
    stack: list[Node] = []
    anchors: dict[str, Node] = {}
    documents = count = 0

    fail = _failure(file, lines)
    for event in _events(text, lines, fail):
        assert event.start_mark is not None
        at = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise fail("contains more than one YAML document", at, "write one spec in each file")
        elif isinstance(event, yaml.AliasEvent):
            name = event.anchor or ""
            if why := _alias_problem(name, anchors, stack):
                raise fail(why, at)
            stack[-1].items.append(anchors[name])
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            node = _node(event, at)
            count += 1
            if count > 2 * most:  # keys are nodes too
                raise fail(f"contains more than {most:,} values", at, "a spec is a short text file")
            if event.anchor:
                anchors[event.anchor] = node
            if stack:
                stack[-1].items.append(node)
            else:
                root = node
            if node.kind != "scalar":
                stack.append(node)
                if len(stack) > MAX_DEPTH:
                    raise fail(f"is nested deeper than {MAX_DEPTH} levels", at)
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
    return root


def _failure(file: str, lines: tuple[str, ...]) -> Callable[..., SpecError]:
    """Return a function that builds an error from a rule, line and column, and a hint."""

    def fail(rule: str, at: tuple[int, int], hint: str = "") -> SpecError:
        source = lines[at[0] - 1] if at[0] <= len(lines) else ""
        return SpecError(Problem(rule, Place(file, *at, source), hint=hint))

    return fail


def _alias_problem(anchor: str, anchors: dict[str, Node], stack: list[Node]) -> str:
    """Return why an alias is not valid; an empty text if it is."""
    if anchor not in anchors:
        return f"alias '*{anchor}' has no anchor above it"
    return f"anchor '&{anchor}' contains itself" if anchors[anchor] in stack else ""


def _node(event: yaml.ScalarEvent | yaml.CollectionStartEvent, at: tuple[int, int]) -> Node:
    if isinstance(event, yaml.ScalarEvent):
        return Node("scalar", at, event.value, plain=event.style is None, tag=event.tag)
    return Node("list" if isinstance(event, yaml.SequenceStartEvent) else "mapping", at, tag=event.tag)


def _events(text: str, lines: tuple[str, ...], fail: Callable[..., SpecError]) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mistake = find_mistake(error, lines)
        raise fail(mistake.rule, mistake.at, mistake.hint) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        column = position - (text.rfind("\n", 0, position) + 1) + 1
        raise fail(f"is not YAML: {_first_line(error)}", (line, column), "remove the character") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
