"""Pieces of source text that every part of a script is written with."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlpcli.errors import Problem, UsageError
from mlpcli.printable import quoted


@dataclass
class DataCode:
    """Lines of the script, and what they import."""

    imports: set[str] = field(default_factory=set)
    functions: list[str] = field(default_factory=list)  # blocks that come before the lines
    lines: list[str] = field(default_factory=list)
    splits: tuple[str, ...] = ("train",)
    weighted: bool = False


def cannot_write(what: str, hint: str = "") -> UsageError:
    """What a script of this kind does not hold (yet)."""
    return UsageError(Problem(f"a script cannot be written for {what}", hint=hint or "use mlpcli train"))


def text(value: str) -> str:
    """A text as Python source, in double quotes."""
    return quoted(value)


def text_list(values: tuple[str, ...] | list[str]) -> str:
    """A list of texts as Python source."""
    return "[" + ", ".join(text(value) for value in values) + "]"
