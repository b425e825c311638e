"""Escape text from outside so that it is safe to show: on a terminal, in a plot, a comment or a literal.

This covers names of columns, classes, files and layers, messages of libraries, and records of runs. Whatever
a terminal acts on, or hides or reorders the text around it, is written as an escape: control characters,
bidirectional controls, invisible characters, line separators, and the lone surrogates by which Python
represents the bytes of a file name that is not UTF-8.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata

JOINER = "\u200d"
"""Zero-width joiner: joins emoji into one; anywhere else it is invisible."""

INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible characters that `str.isprintable` accepts."""

MOST_MARKS = 8
"""Combining marks on one letter; hundreds of them would cover the lines above."""

WIDE_SPACE = "\u3000"

PASSWORD = re.compile(
    r"(?P<before>\w:/{1,3}[^/:@?\s]*:(?=[^\s\"']+@)|[?&]password=)(?P<secret>[^@&\s\"']+)", re.IGNORECASE
)
"""Of the address of a server: what is before the password, and the password."""


def without_password(text: str) -> str:
    """Return a text in which no address shows its password."""
    return PASSWORD.sub(r"\g<before>***", text)


def printable(text: str) -> str:
    r"""Escape invisible and control characters as Python does: `\x1b`, `\n`, `\u202e`.

    Letters of every script, combining marks and emoji stay as they are.
    """
    return text if _is_plain(text) else "".join(pieces(text))


def pieces(text: str) -> list[str]:
    """Return the escaped form of each character of the text."""
    shown: list[str] = []
    marks = 0
    for place, char in enumerate(text):
        marks = marks + 1 if unicodedata.combining(char) else 0
        shown.append(char if _is_shown(text, place) and marks <= MOST_MARKS else _escape(char))
    return shown


def _is_plain(text: str) -> bool:
    """Return whether a quick test shows that no character needs an escape."""
    return text.isprintable() and (text.isascii() or not (INVISIBLE.search(text) or _has_marks(text)))


def _has_marks(text: str) -> bool:
    return any(map(unicodedata.combining, text))


def _is_shown(text: str, place: int) -> bool:
    """Return whether a character is shown without an escape."""
    char = text[place]
    if char == JOINER:
        return 0 < place < len(text) - 1 and _is_emoji(text[place - 1]) and _is_emoji(text[place + 1])
    return _is_seen(char) or char == WIDE_SPACE


def _is_seen(char: str) -> bool:
    return char.isprintable() and not INVISIBLE.match(char)


def _is_emoji(char: str) -> bool:
    """Return whether a character may be next to a joiner: an emoji, a skin tone, a variation selector."""
    return unicodedata.category(char) in ("So", "Sk") or char == "\ufe0f"


def _escape(char: str) -> str:
    """Escape one character as Python does in a literal."""
    code = ord(char)
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if char in short:
        return short[char]
    return f"\\x{code:02x}" if code < 0x100 else _long_escape(code)


def _long_escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """Return the text on one line: each run of white space as one space, the rest escaped by `printable`."""
    return printable(" ".join(text.split()))


def shortened(text: str, limit: int) -> str:
    """Return the text escaped by `printable`, cut to `limit` characters with an ellipsis."""
    shown = printable(text[: limit + 1])
    return shown if len(shown) <= limit and len(text) <= limit else shown[: max(0, limit - 3)] + "..."


def is_unicode(text: str) -> bool:
    """Return whether a text can be written as UTF-8; half of a surrogate pair, which JSON has, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def quoted(text: str) -> str:
    """Return the text in double quotes, in a form that both YAML and Python read back."""
    literal = json.dumps(text, ensure_ascii=False)
    return literal if literal.isprintable() else "".join(map(_escape_hidden, literal))


def _escape_hidden(char: str) -> str:
    return char if _is_seen(char) else _long_escape(ord(char))


def json_text(document: object, *, indent: int | None = 2, ascii_only: bool = False) -> str:
    r"""Write a JSON document with every character that a terminal acts on escaped: `\u009b`, `\u202e`.

    JSON itself defines these escapes, so a reader gets the same values.

    Args:
        document: values that `json.dumps` accepts; other objects are written as their `str`, numbers that
            JSON does not have (NaN and the infinities) as null.
        indent: spaces per level, None for one line.
        ascii_only: escape every character outside ASCII.
    """
    try:
        text = json.dumps(document, indent=indent, ensure_ascii=ascii_only, default=str, allow_nan=False)
    except ValueError:  # one number is not finite, as a metric may be
        finite = without_nan(document)
        text = json.dumps(finite, indent=indent, ensure_ascii=ascii_only, default=str)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(char if char == "\n" or _is_seen(char) else json.dumps(char)[1:-1] for char in text)


def without_nan(value: object) -> object:
    """Return a document with null instead of numbers that are not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return [without_nan(item) for item in value] if isinstance(value, list | tuple) else value


def counted(count: int, what: str, several: str = "") -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`.

    Args:
        count: how many.
        what: the noun for one.
        several: the noun for several; without it `what` with an s.
    """
    return f"{count:,} {what if count == 1 else several or f'{what}s'}"


def verb(count: int, several: str) -> str:
    """Return the verb that follows a number of things: `is`, `has` and `names` for one of them.

    Args:
        count: how many.
        several: the verb for several: `are`, `have`, `name`.
    """
    return several if count != 1 else {"are": "is", "have": "has"}.get(several, f"{several}s")
