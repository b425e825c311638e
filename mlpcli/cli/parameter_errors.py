"""The messages for options whose value Typer refuses, in the form of our own."""

from __future__ import annotations

import re

from mlpcli.errors import wrong_choice
from mlpcli.export.export_formats import OTHER_WORDS as OF_FORMATS

OTHER_WORDS = {"--format": OF_FORMATS}
"""By option: what others call its choices."""

NUMBERS = {"valid integer": "a whole number", "valid number": "a number", "valid float": "a number"}
"""By words of the message of Typer (0.20), or of pydantic, which newer ones use: what the value must be."""


def parameter_message(error: Exception) -> str:
    """Return a message that names the option, the rule and what was received.

    Args:
        error: of Typer; about a value if it has a `param`, else its own message is returned.
    """
    parameter, told = getattr(error, "param", None), getattr(error, "message", "")
    if parameter is None or not isinstance(told, str) or not told:
        return str(error.format_message()).rstrip(".")  # type: ignore[attr-defined]
    name = max([*getattr(parameter, "opts", ())] or ["?"], key=len)
    name = name if name.startswith("-") else name.upper()
    told = told.strip().removeprefix("Value error, ").rstrip(".")
    if choice := re.fullmatch(r"'(.*)' is not one of (.*)", told, re.S):
        known = re.findall(r"'([^']*)'", choice[2])
        return wrong_choice(name, choice[1], known, OTHER_WORDS.get(name, {})).headline()
    for words, meant in NUMBERS.items():
        if words in told:
            return f"{name}: must be {meant}{_received(error, told)}"
    return f"{name}: {told.replace('Input should be', 'must be')}{_received(error, told)}"


def _received(error: Exception, told: str) -> str:
    """Return the words on the refused value; none where it is in the message, or not known."""
    if quoted := re.match(r"'(.*)' is not", told):
        return f", received {quoted[1]!r}"
    listed = getattr(error.__cause__, "errors", None)
    given = listed()[0].get("input") if callable(listed) else None
    return "" if given is None or str(given) in told else f", received {given!r}"
