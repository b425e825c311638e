"""Text that came from outside, made fit to be shown: on a terminal, in a figure, in a comment, in a literal.

Names of columns, classes, files and layers, messages of libraries, records of runs: all of it is text, and
shows what it is. What a terminal would act on, or what would hide or reorder what stands beside it, is
written as an escape: control characters, bidirectional controls, invisible characters, line separators, and
the halves of characters by which Python spells the bytes of a file name that is not UTF-8.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

JOINER = "\u200d"
"""Joins emoji to one picture; anywhere else it is invisible."""

INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
"""Characters without a mark of their own that `str.isprintable` lets pass."""

MOST_MARKS = 8
"""Combining marks on one letter; a pile of hundreds covers the lines above."""

WIDE_SPACE = "\u3000"


def printable(text: str) -> str:
    """Escape, as Python does, what cannot be seen or would do something: `\\x1b`, `\\n`, `\\u202e`.

    Letters of every script, combining marks and emoji stay as they are.
    """
    return text if _is_plain(text) else "".join(pieces(text))


def pieces(text: str) -> list[str]:
    """What each character of the text is shown as."""
    shown: list[str] = []
    marks = 0
    for place, char in enumerate(text):
        marks = marks + 1 if unicodedata.combining(char) else 0
        shown.append(char if _is_shown(text, place) and marks <= MOST_MARKS else _escape(char))
    return shown


def _is_plain(text: str) -> bool:
    """Whether it is quickly seen that every character shows itself."""
    return text.isprintable() and (text.isascii() or not (INVISIBLE.search(text) or _has_marks(text)))


def _has_marks(text: str) -> bool:
    return any(map(unicodedata.combining, text))


def _is_shown(text: str, place: int) -> bool:
    """Whether a character shows itself and nothing else."""
    char = text[place]
    if char == JOINER:
        return 0 < place < len(text) - 1 and _is_emoji(text[place - 1]) and _is_emoji(text[place + 1])
    return _is_seen(char) or char == WIDE_SPACE


def _is_seen(char: str) -> bool:
    return char.isprintable() and not INVISIBLE.match(char)


def _is_emoji(char: str) -> bool:
    """Whether a character may stand at a joiner: a picture, a skin colour, the mark that asks for colour."""
    return unicodedata.category(char) in ("So", "Sk") or char == "\ufe0f"


def _escape(char: str) -> str:
    """One character as Python escapes it in a literal."""
    code = ord(char)
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if char in short:
        return short[char]
    return f"\\x{code:02x}" if code < 0x100 else _long_escape(code)


def _long_escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """The text on one line, each run of spaces and line ends as one space, the rest as `printable` has it."""
    return printable(" ".join(text.split()))


def shortened(text: str, limit: int) -> str:
    """What `printable` makes of the text, at most `limit` characters of it, an ellipsis for the rest."""
    shown = printable(text[: limit + 1])
    return shown if len(shown) <= limit and len(text) <= limit else shown[: max(0, limit - 3)] + "..."


def quoted(text: str) -> str:
    """The text in double quotes, as YAML and Python both read it back."""
    literal = json.dumps(text, ensure_ascii=False)
    return literal if literal.isprintable() else "".join(map(_escape_hidden, literal))


def _escape_hidden(char: str) -> str:
    return char if _is_seen(char) else _long_escape(ord(char))


def json_text(document: Any, *, indent: int | None = 2, ascii_only: bool = False) -> str:
    """A JSON document whose texts hold no character that a terminal acts on: `\\u009b`, `\\u202e`.

    A reader gets the same values: these are escapes of JSON's own.
    """
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only, default=str)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(char if char == "\n" or _is_seen(char) else json.dumps(char)[1:-1] for char in text)
