"""Texts that a terminal, a markup or a reader of files could take for more than text."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

HOSTILE = [
    "[/]",
    "[red]hot[/red]",
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\x1ab",
    "a\tb",
    "$x$",
    "$\\frac{",
    "_hidden",
    "# c: d",
    "'q\"uote",
    '"""',
    "a\u202eb\u2066",
    "x\u2028y\x85z\ufeff",
    "zero\u200bwidth",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\u05e9\u05dc\u05d5\u05dd",
    "e\u0301" + "\u0301" * 40,
    "L" * 1500,
    "\u65e5\u672c" * 40,
    "yes",
    "{a: 1}",
    "<<",
    "- x",
    "&a *b",
    "%s {0}",
    "`",
    "<script>",
    ":smile:",
    "http://x.y",
]
MEAN = "".join(
    chr(code) for code in (*range(1, 32), 127, 133, 155, 0x200B, 0x200F, 0x2028, 0x202E, 0x2066, 0xFEFF)
)
foreign = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(
        st.sampled_from(MEAN + "[]/$\\'\"#:{}&*!|>%@`,- aé日\u0301\u05d0" + "\U0001f469\u200d"), max_size=12
    ),
    st.text(max_size=12),
)
with_surrogates = st.one_of(foreign, st.text(st.characters(categories=["Cs", "Ll", "Cc"]), max_size=6))

ACTING = {*map(chr, (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))}
HIDING = {"\u200b", "\u2060", "\ufeff"}


def unclean(shown: str) -> list[str]:
    """Characters that a terminal acts on, or that hide or reorder what stands beside them."""
    return [
        char
        for char in shown
        if char != "\n"
        and (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in ACTING | HIDING)
    ]
