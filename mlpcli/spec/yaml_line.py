"""Write plain values as one line of YAML, for the corrections in messages."""

from __future__ import annotations

import re
from itertools import starmap

from mlpcli.spec.values import Value
from mlpcli.spec.yaml_reader import BOOL, DOUBTFUL_BOOL, NULL

BARE = re.compile(r"[A-Za-z_./][A-Za-z0-9_./ -]*(?<! )")
"""Texts that need no quotes, within brackets too."""


def yaml_line(value: Value) -> str:
    """Return a value as YAML in one line: `{Dense: {units: 16, activation: relu}}`."""
    if isinstance(value, dict):
        return "{" + ", ".join(starmap(entry_line, value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(item_line, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    return _number(value)


def entry_line(key: str, value: Value) -> str:
    """Return a key and its value as a line of YAML: `optimizer: {Adam: {learning_rate: 0.01}}`."""
    return f"{_text(key)}: {yaml_line(value)}"


def item_line(value: Value) -> str:
    """Return an item of a list, after `- ` or within `[...]`; a mapping of one key needs no brackets."""
    if isinstance(value, dict) and len(value) == 1:
        return entry_line(*next(iter(value.items())))
    return yaml_line(value)


def _number(value: int | float) -> str:
    """Return a number with at most nine digits, as a person would write it."""
    if isinstance(value, int):
        return str(value)
    short = f"{value:.9g}"
    return short if "e" in short or "." in short or "n" in short else f"{short}.0"


def _text(text: str) -> str:
    special = any(pattern.fullmatch(text) for pattern in (NULL, BOOL, DOUBTFUL_BOOL))
    if BARE.fullmatch(text) and not special and not text.startswith("."):
        return text
    return "'" + text.replace("'", "''") + "'"
