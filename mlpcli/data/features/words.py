"""Texts as tokens: what Keras's `TextVectorization` does with tensors, and `unicode`, which is ours.

Keras lower-cases and strips ASCII only, and splits at ASCII blanks. `unicode` does it for every script:
letters become lower-case, punctuation and symbols become blanks, and each sign of a script without blanks
between words, and each emoji, is a word. What it does with a character is fixed by a version of Unicode that
every Python has, so that it never changes: `model/text_layers.py` has the same table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from mlpcli.spec.text_keys import Standardize, TokenSplit

PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
"""What Keras's `strip_punctuation` removes."""

ASCII_BLANKS = re.compile("[ \t\n\v\f\r]+")
TABLE_SIZE = 0x10000
"""Characters up to here may change; later ones stay as they are."""

BLANK = 0x20
_NO_WORD = frozenset(["Zs", "Zl", "Zp", "Cc"])
_OTHER_LETTERS = {0x130: 0x69, 0x3C2: 0x3C3, 0x1E9E: 0xDF}
"""The Turkish capital i with a dot, the Greek sigma at the end of a word, and the German capital sharp s."""

SIGNS = (
    (0x0E01, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2600, 0x27BF),  # symbols that are emoji
    (0x2B50, 0x2B55),
    (0x3005, 0x3007),  # Chinese and Japanese
    (0x3041, 0x3096),
    (0x30A1, 0x30FA),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x1F000, 0x1FAFF),  # emoji
    (0x20000, 0x323AF),
)
"""Ranges of characters that are words of their own."""

SIGN_CLASS = "[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in SIGNS) + "]"
"""The same as a class of a regular expression, of Python's and of TensorFlow's."""

_SIGN = re.compile(f"({SIGN_CLASS})")
_KERAS_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_KERAS_STRIP: dict[int, None] = {ord(sign): None for sign in PUNCTUATION}


def is_sign(character: str) -> bool:
    """Return whether a character is a word of its own."""
    code = ord(character)
    return code >= SIGNS[0][0] and any(low <= code <= high for low, high in SIGNS)


def standard_character(code: int) -> int:
    """Return what `unicode` makes of a character: itself, its lower-case letter, or a blank.

    Args:
        code: of the character.
    """
    if code >= TABLE_SIZE or 0xD800 <= code < 0xE000:
        return code
    if code in _OTHER_LETTERS:
        return _OTHER_LETTERS[code]
    if is_sign(chr(code)):
        return code
    category = unicodedata.ucd_3_2_0.category(chr(code))  # the one version that all have
    if category in _NO_WORD or category[0] in "PS":
        return BLANK
    lower = chr(code).lower()
    return ord(lower) if category != "Cn" and len(lower) == 1 else code


class _Characters(dict[int, int]):
    """A table for `str.translate` that is filled when it is asked."""

    def __missing__(self, code: int) -> int:
        self[code] = found = standard_character(code)
        return found


_UNICODE = _Characters()


def standardized(text: str, standardize: Standardize) -> str:
    """Return a text as its words are looked up.

    Args:
        text: any.
        standardize: how; see `docs/text.md`.
    """
    if standardize == "unicode":
        plain = text.translate(_UNICODE)
        return plain if plain.isascii() else _SIGN.sub(r" \1 ", plain)
    if standardize in ("lower", "lower_and_strip_punctuation"):
        text = text.translate(_KERAS_LOWER)
    if standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
        text = text.translate(_KERAS_STRIP)
    return text


def split_text(text: str, split: TokenSplit) -> list[str]:
    """Return the words of a text, or its characters."""
    if split == "character":
        return list(text)
    return [word for word in ASCII_BLANKS.split(text) if word]


def ngrams_of(words: list[str], widths: Sequence[int]) -> list[str]:
    """Return all sequences of words that follow each other, joined by blanks; width by width.

    Args:
        words: in their order.
        widths: the lengths of the sequences.
    """
    if tuple(widths) == (1,):
        return words
    found: list[str] = []
    for width in widths:
        found += [" ".join(words[first : first + width]) for first in range(len(words) - width + 1)]
    return found
