"""How much time a proposed training may take: `init --effort`."""

from __future__ import annotations

from typing import Literal, get_args

from mlpcli.errors import UsageError, wrong_choice

Effort = Literal["fast", "good", "best"]


def check_effort(wanted: str) -> Effort:
    """Return the value of `--effort`.

    Raises:
        UsageError: it is none.
    """
    for effort in get_args(Effort):
        if wanted == effort:
            found: Effort = effort
            return found
    raise UsageError(wrong_choice("--effort", wanted, get_args(Effort), {"quick": "fast", "high": "best"}))
