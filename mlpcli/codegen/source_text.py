"""Python source text: what all parts of a script are written with."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlpcli.errors import Problem, UsageError
from mlpcli.printable import quoted


@dataclass
class DataCode:
    """Lines of the script that provide the data, and what they need."""

    imports: set[str] = field(default_factory=set)
    functions: list[str] = field(default_factory=list)  # blocks that come before the lines
    lines: list[str] = field(default_factory=list)
    splits: tuple[str, ...] = ("train",)
    weighted: bool = False


def cannot_write(what: str, hint: str = "") -> UsageError:
    """Return the error for what a script cannot contain."""
    return UsageError(Problem(f"a script cannot be written for {what}", hint=hint or "use mlpcli train"))


def text(value: str) -> str:
    """Return a text as Python source, in double quotes."""
    return quoted(value)


def text_list(values: tuple[str, ...] | list[str]) -> str:
    """Return a list of texts as Python source."""
    return "[" + ", ".join(text(value) for value in values) + "]"
