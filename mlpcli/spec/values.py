"""The types of plain YAML values, as the reader of specs returns them and PyYAML writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | str | None

Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"
"""Any value of a spec. The keys of a mapping are texts."""

ValueMap: TypeAlias = dict[str, Value]
"""A mapping of a spec: the spec itself, a section, or the arguments of a component."""


def children(value: Value) -> Iterator[tuple[str | int, Value]]:
    """Yield each item of a mapping or list with its key or position; nothing for a scalar."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def is_utf8(text: str) -> bool:
    r"""Return whether a text can be encoded: YAML can write a lone surrogate, `"\udcff"`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
