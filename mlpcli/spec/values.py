"""The types of plain YAML values, as the reader of specs returns them and PyYAML writes them."""

from __future__ import annotations

from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | str | None

Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"
"""Any value of a spec. The keys of a mapping are texts."""

Mapping: TypeAlias = dict[str, Value]
"""A mapping of a spec: the spec itself, a section, or the arguments of a component."""
