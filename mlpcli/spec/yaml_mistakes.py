"""What a person did to make a text no YAML, and the line as it should be, from PyYAML's errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

At = tuple[int, int]
"""Line and column, from 1."""

SECTION = re.compile(r"(?:- )?(?:dataset|fit|tuner|optimizer|loss|features|[A-Z]\w*):")
"""Keys whose value is a mapping."""

CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True)
class Mistake:
    """What is wrong, where it was made, which may be lines above where a parser notices, and what to do."""

    rule: str
    at: At
    hint: str = ""


def find_mistake(error: yaml.MarkedYAMLError, lines: Sequence[str]) -> Mistake:
    """Return the mistake behind an error of PyYAML.

    Args:
        error: the error.
        lines: the lines of the text.
    """
    noticed = _at(error.problem_mark) or _at(error.context_mark) or (1, 1)
    began = _at(error.context_mark) or noticed
    problem, context = error.problem or "cannot be read", error.context or ""
    text = _Text(lines)
    if "'\\t'" in problem:
        hint = f"use spaces: write {_shown(text.without_tabs(noticed))}"
        indents = not text.line(noticed[0])[: noticed[1] - 1].strip()
        rule = "a tab cannot indent YAML" if indents else "a tab cannot stand between words of YAML"
        return Mistake(rule, noticed, hint)
    for find in (_escape, _quote, _special, _bracket, _colon, _indentation):
        if found := find(problem, context, noticed, began, text):
            return found
    return Mistake(f"is not YAML: {problem}", noticed)


def _at(mark: yaml.Mark | None) -> At | None:
    return None if mark is None else (mark.line + 1, mark.column + 1)


class _Text:
    """The lines of a text, by numbers from 1."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines

    def line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def from_(self, at: At) -> str:
        return self.line(at[0])[at[1] - 1 :]

    def above(self, number: int) -> int:
        """Return the number of the last line above that is neither empty nor a comment; 0 for none."""
        for each in range(min(number - 1, len(self.lines)), 0, -1):
            if self.line(each).strip() and not self.line(each).lstrip().startswith("#"):
                return each
        return 0

    def without_tabs(self, at: At) -> str:
        """Return the line with two spaces for each tab in its indentation, and one for each further tab."""
        line = self.line(at[0])
        rest = line.lstrip("\t ")
        return line[: len(line) - len(rest)].replace("\t", "  ") + rest.replace("\t", " ")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _shown(line: str) -> str:
    """Return a line in quotes when its indentation matters, shortened."""
    line = line.rstrip()
    return f'"{line}"' if line.startswith(" ") and '"' not in line else line.strip() if '"' in line else line


def _bare(text: str) -> str:
    """Return what stands before the next comma, bracket or comment."""
    return re.split(r"[,\]}]| #", text, maxsplit=1)[0].rstrip()


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escape(problem: str, context: str, noticed: At, began: At, text: _Text) -> Mistake | None:
    """Find a backslash in double quotes: a path of Windows."""
    if "escape" not in problem:
        return None
    inside = re.match(r'"((?:[^"])*)"', text.from_(began))
    written = _single(inside[1]) if inside else "the text in single quotes"
    return Mistake("in double quotes a backslash begins an escape", noticed, f"write {written}")


def _quote(problem: str, context: str, noticed: At, began: At, text: _Text) -> Mistake | None:
    """Find a quote that is never closed."""
    if "quoted scalar" not in context or "end of stream" not in problem:
        return None
    rest = text.from_(began)
    mark = rest[:1]
    inside = _bare(rest[1:])
    fixed = text.line(began[0])[: began[1] - 1] + mark + inside + mark + rest[1 + len(inside) :]
    return Mistake("this quote is never closed", began, f"write {fixed.strip()}")


def _special(problem: str, context: str, noticed: At, began: At, text: _Text) -> Mistake | None:
    """Find a text that begins with a character that has a meaning in YAML: `@`, `%`, `*.csv`."""
    alias = "alias" in context or "anchor" in context
    if "cannot start any token" not in problem and not (alias and "expected alphabetic" in problem):
        return None
    at = began if alias else noticed
    word = _bare(text.from_(at))
    return Mistake(f"a text must not begin with {word[:1]}", at, f"put it in quotes: write {_single(word)}")


def _bracket(problem: str, context: str, noticed: At, began: At, text: _Text) -> Mistake | None:
    """Find a bracket that is never closed, a comma that is missing, or a bracket too many."""
    if "expected ',' or" in problem:
        if noticed[0] == began[0] and "<stream end>" not in problem:
            words = text.line(noticed[0])[: noticed[1] - 1].split()
            word = _bare(text.from_(noticed)).partition(":")[0].strip() or (words[-1] if words else "")
            return Mistake("a comma is missing", noticed, f"write a comma before {word}" if word else "")
        end = max(began[0], text.above(noticed[0]))
        passage = [text.from_(began), *(text.line(each) for each in range(began[0] + 1, end + 1))]
        closing = _unclosed(passage)
        what = text.from_(began)[:1] or "{"
        fixed = f"{text.line(end).rstrip()}{closing}" if closing else ""
        return Mistake(f"this {what} is never closed", began, f"write {_shown(fixed)}" if fixed else "")
    if "but found ','" in problem:
        line = text.line(noticed[0])
        fixed = line[: noticed[1] - 1] + line[noticed[1] :]
        return Mistake("no comma ends a line outside brackets", noticed, f"write {_shown(fixed)}")
    if match := re.search(r"but found '([}\]])'", problem):
        return Mistake(f"this {match[1]} closes nothing", noticed, "remove it, or open it before")
    return None


def _unclosed(lines: Sequence[str]) -> str:
    """Return the brackets that close what some lines leave open."""
    open_: list[str] = []
    for line in lines:
        plain = re.sub(r"\"[^\"]*\"|'[^']*'| #.*", "", line)
        for char in plain:
            if char in CLOSING:
                open_.append(CLOSING[char])
            elif open_ and char == open_[-1]:
                open_.pop()
    return "".join(reversed(open_))


def _colon(problem: str, context: str, noticed: At, began: At, text: _Text) -> Mistake | None:
    """Find a key without its colon, a colon within a value, or a wrong line above one with a colon."""
    if "could not find expected ':'" in problem:
        word = text.from_(began).rstrip()
        return Mistake("a key needs a colon", began, f"write {_with_colon(word)}")
    if "sequence entries are not allowed" in problem:
        key, _, items = text.line(noticed[0]).partition(": ")
        item = items.strip().removeprefix("-").strip()
        hint = f"begin the list on the next line, or write {key.strip()}: [{item}]"
        return Mistake("a list cannot begin on the line of its key", noticed, hint)
    if "mapping values are not allowed" not in problem:
        return None
    line = text.line(noticed[0])
    match = re.match(r"(\s*(?:- )?[^:#{\[]+:\s+)(\S.*:(?:\s.*|$))", line)
    if match and noticed[1] > len(match[1]):
        key, value = match[1].strip(), match[2].strip()
        if SECTION.fullmatch(key) and re.match(r"\w+: ", value):
            rule = "a mapping on the line of its key needs brackets"
            return Mistake(rule, noticed, f"write {key} {{{value}}}")
        return Mistake("a text with ': ' in it needs quotes", noticed, f"write {key} {_single(value)}")
    return _after_line_above(noticed, text)


def _with_colon(word: str) -> str:
    """Return `name: iris` for `name iris` and `name = iris`, `name:` for `name`."""
    match = re.match(r"(-\s+)?([\w.]+)\s*[=:]?\s*(.*)", word)
    return f"{match[1] or ''}{match[2]}: {match[3]}".rstrip() if match else f"{word}:"


def _after_line_above(noticed: At, text: _Text) -> Mistake:
    """Return what is wrong with a line, or with the one above it, that YAML has read as one text."""
    rule = "is not YAML: mapping values are not allowed here"
    hint = "put quotes around a string that contains ': ', or fix the indentation"
    above, line = text.above(noticed[0]), text.line(noticed[0])
    if not above:
        return Mistake(rule, noticed, hint)
    before, start = text.line(above), (noticed[0], _indent(line) + 1)
    if match := re.match(r"\s*-(?=[A-Za-z])", before):
        at = (above, match.end())
        fixed = re.sub(r"^(\s*)-(?=\S)", r"\1- ", before)
        return Mistake("a space must follow '-'", at, f"write {_shown(fixed)}, and so below")
    if _indent(line) > _indent(before) and (":" in before or before.lstrip().startswith("- ")):
        fixed = " " * _indent(before) + line.strip()
        return Mistake(f"is indented further than line {above}", start, f"write {_shown(fixed)}")
    if ":" not in before:
        at, word = (above, _indent(before) + 1), before.strip()
        if _indent(line) > _indent(before):
            return Mistake("a key needs a colon", at, f"write {_with_colon(word)}")
        fixed = f"{' ' * _indent(before)}- {word}"
        return Mistake("an item of a list begins with '- '", at, f"write {_shown(fixed)}, and so below")
    return Mistake(rule, noticed, hint)


def _indentation(problem: str, context: str, noticed: At, began: At, text: _Text) -> Mistake | None:
    """Find a line that is not indented as those around it, or without its dash."""
    if "<block end>" not in problem:
        return None
    line, above = text.line(noticed[0]), text.above(noticed[0])
    if "'?'" in problem and "collection" in context:
        fixed = f"{' ' * _indent(line)}- {line.strip()}"
        return Mistake("an item of a list begins with '- '", noticed, f"write {_shown(fixed)}")
    if "block mapping start" in problem or "'-'" in problem or "block sequence start" in problem:
        wanted = _indent(text.line(above))
        if wanted != _indent(line):
            fixed = " " * wanted + line.strip()
            rule = f"is indented by {_indent(line)}, line {above} by {wanted}"
            return Mistake(rule, noticed, f"write {_shown(fixed)}")
        if "'-'" in problem:
            return Mistake("a list and keys cannot be mixed", noticed, f"line {above} needs '- ' too")
    return None
