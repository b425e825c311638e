"""A YAML text with marks for colours, line by line."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

LINE = re.compile(
    r"""(?P<space>\s*(?:-\s+)*)
        (?:(?P<key>(?:"[^"]*"|'[^']*'|[^\s#:"'{}\[\],][^:#{}\[\],]*))(?P<colon>:)(?=\s|$))?
        (?P<rest>.*)""",
    re.X,
)
TOKEN = re.compile(
    r"""(?P<comment>(?:(?<=\s)|^)\#.*$)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')
      | (?P<key>(?<![\w.])[A-Za-z_][\w.]*+(?=:(?:\s|$)))
      | (?P<number>(?<![\w.])-?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<word>\b(?:true|false|null)\b)""",
    re.X,
)


def highlighted(text: str) -> Markup:
    """Return a YAML text as HTML: keys, strings, numbers, words and comments in spans, all escaped."""
    return Markup("\n").join(_line(line) for line in text.splitlines())


def _line(line: str) -> Markup:
    found = LINE.fullmatch(line)
    assert found is not None  # every line fits
    begin = escape(found["space"] or "")
    if found["key"]:
        begin += _span("key", found["key"]) + escape(found["colon"])
    return begin + _rest(found["rest"] or "")


def _rest(text: str) -> Markup:
    parts, last = [], 0
    for found in TOKEN.finditer(text):
        parts += [escape(text[last : found.start()]), _span(found.lastgroup or "", found.group())]
        last = found.end()
    return Markup("").join([*parts, escape(text[last:])])


def _span(kind: str, text: str) -> Markup:
    return Markup('<span class="{}">{}</span>').format(f"y-{kind}", text)
