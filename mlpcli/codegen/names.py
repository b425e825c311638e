"""Names of layers and outputs as parts of a script's variables; a name may be any text, even Python."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlpcli.errors import Problem, UsageError


def name_part(name: str) -> str:
    """Return a name with `_` for every character that an identifier cannot have; see `check_names`."""
    return re.sub("[^A-Za-z0-9_]", "_", name)


def check_names(names: Iterable[str]) -> None:
    """Check that no two names differ only in characters that an identifier cannot have.

    Raises:
        UsageError: two names do.
    """
    taken: dict[str, str] = {}
    for name in names:
        other = taken.setdefault(name_part(name), name)
        if other != name:
            hint = "rename one of them"
            rule = f"a script cannot be written: the names {other!r} and {name!r} are the same in Python"
            raise UsageError(Problem(rule, hint=hint))
