"""Read YAML text to plain values with their places, and report YAML's pitfalls as problems.

PyYAML parses the events; this module builds the values, so that `1e-4` is a number, `no` is never silently
false, a duplicate key is an error, and expansion has a bound.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpcli.errors import KeyPath, Place, Problem, SpecError
from mlpcli.files import read_ordinary
from mlpcli.near_paths import YAML, near_path
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_nodes import Node, compose

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000  # after aliases are expanded; the largest spec in configs/ has a few hundred

RESOLVED = "resolved.yaml"
MAX_RESOLVED_BYTES = 50_000_000
MAX_RESOLVED_VALUES = 500_000
"""A run's resolved spec states the treatment of every column, and a table may have 50,000 of them."""

NULL = re.compile(r"~|null|Null|NULL|")
BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
INT = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
PATH_OF_WINDOWS = re.compile(
    r'"(?:[A-Za-z]:|\.{0,2}|[\w -]+)\\(?![\\"]|x[0-9A-F]{2}|u[0-9A-F]{4}|U[0-9A-F]{8})[^"]*\.\w{1,8}"'
)
"""A path in double quotes, where YAML makes a line end of `\n` and a tab of `\t`, and not where it
begins with an escape that nobody writes by mistake."""
LISTS: tuple[KeyPath, ...] = (("layers",), ("callbacks",), ("metrics",))
DOUBTFUL_BOOL = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")


@dataclass(frozen=True)
class Mark:
    """The place of a value and of its key.

    Attributes:
        value: line and column of the value, from 1.
        key: line and column of its key.
        file: the spec from which it was inherited; empty for the spec's own values.
    """

    value: tuple[int, int]
    key: tuple[int, int] | None = None
    file: str = ""


@dataclass(frozen=True)
class SpecText:
    """A spec as plain values, with their places and the problems found while reading.

    Attributes:
        file: the name of the file.
        data: the values.
        marks: the place of each value by its path.
        lines: the lines of the file.
        flags: the `--set` flag of each value that comes from the command line.
        problems: the problems found.
        bases: the lines of each file that it inherits from.
    """

    file: str
    data: Any
    marks: dict[KeyPath, Mark]
    lines: tuple[str, ...] = ()
    flags: dict[KeyPath, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    bases: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """Return the place of the value at `path` (or of its key), or of the nearest one that contains it."""
        if not path:
            return self._at(1, 1)
        for end in range(len(path), -1, -1):
            if flag := self.flags.get(path[:end]):
                return Place(flag=flag)
        for put, flag in self.flags.items():
            if put[: len(path)] == path:  # a value inside it comes from the command line
                return Place(flag=flag)
        for end in range(len(path), -1, -1):
            if mark := self.marks.get(path[:end]):
                at_key = (key and end == len(path)) or end < len(path)
                line, column = mark.key if at_key and mark.key else mark.value
                return self._at(line, column, mark.file)
        return self._at(1, 1)

    def _at(self, line: int, column: int, base: str = "") -> Place:
        lines = self.bases[base] if base else self.lines
        source = lines[line - 1] if line <= len(lines) else ""
        return Place(base or self.file, line, column, source)


def read_text(spec_path: Path) -> SpecText:
    """Read the file of a spec.

    Raises:
        SpecError: the file is missing, too large, not UTF-8, empty, or not a mapping of YAML.
    """
    file = str(spec_path)
    try:
        raw = read_ordinary(spec_path, most_bytes(file))
    except FileNotFoundError:
        hint = near_path(spec_path, YAML)
        raise SpecError(Problem("there is no such file", Place(flag=file), hint=hint)) from None
    except IsADirectoryError:
        rule = "is a folder, not a spec"
        raise SpecError(Problem(rule, Place(flag=file), hint=spec_beside(spec_path))) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SpecError(_unreadable(error, file)) from None
    try:
        return parse_text(_decode(raw, file), file)
    except SpecError:
        if near := _beside(file):
            raise SpecError(Problem("is no spec", Place(flag=file), hint=near)) from None
        raise


def spec_beside(path: Path) -> str:
    """Return `did you mean 'x.yaml'?` for a folder or a file of data with a spec of its name beside it."""
    bare = Path(os.path.normpath(path))
    if bare.name in ("", ".."):  # the current folder, or those above it
        return ""
    named = dict.fromkeys(bare.with_name(stem + end) for stem in (bare.name, bare.stem) for end in YAML)
    found = next((each for each in named if each != bare and each.is_file()), None)
    return "" if found is None else f"did you mean {str(found)!r}?"


def most_bytes(file: str) -> int:
    """Return how long a spec of this file name may be."""
    return MAX_RESOLVED_BYTES if Path(file).name == RESOLVED else MAX_BYTES


def most_values(file: str) -> int:
    """Return how many values a spec of this file name may hold."""
    return MAX_RESOLVED_VALUES if Path(file).name == RESOLVED else MAX_VALUES


def _unreadable(error: OSError | ValueError, file: str) -> Problem:
    """Return why a spec's file cannot be read: too large, not an ordinary file, or the system's error."""
    why = getattr(error, "strerror", None) or str(error)
    if not why.startswith("is "):
        return Problem(f"cannot be read ({why})", Place(flag=file))
    hint = (
        "a spec is a short text file: is this a data file?" if "larger" in why else "save the spec in a file"
    )
    return Problem(why, Place(flag=file), hint=_beside(file) or hint)


TABLES = (".csv", ".tsv", ".txt", ".parquet", ".data")
"""Extensions of files that are no specs but the data of one."""


def _beside(file: str) -> str:
    """Return which spec is meant by the name of a file of data, of another ending; empty for none."""
    return "" if Path(file).suffix.lower() in ("", *YAML) else spec_beside(Path(file))


def parse_text(text: str, file: str) -> SpecText:
    """Parse the YAML text of a spec, of a bounded length; `file` is the name in messages.

    Raises:
        SpecError: not YAML, too deep, too large once aliases are expanded, or not a mapping.
    """
    found = _parse(text, file)
    if isinstance(found.data, dict):
        return found
    hint = "write keys such as dataset:, layers:, loss:"
    if Path(file).suffix in TABLES:
        hint = f"write a spec for this table with mlpcli init {file} --target COLUMN"
    raise SpecError(*found.problems, Problem("a spec must be a mapping", found.place(()), hint=hint))


def _parse(text: str, file: str) -> SpecText:
    """Parse YAML text of any form."""
    text = text.removeprefix("\ufeff")
    lines = tuple(re.split("\r\n|[\r\n\x85\u2028\u2029]", text))  # where PyYAML counts a line
    root = compose(text, file, lines, most=most_values(file))
    if root is None or (root.kind == "scalar" and root.plain and root.value == ""):
        hint = "write at least dataset, layers, loss and optimizer"
        raise SpecError(Problem("the spec is empty", Place(file, 1, 1), hint=hint))
    builder = _Builder(file, lines)
    data = builder.build(root, ())
    return SpecText(file, data, builder.marks, lines, problems=tuple(builder.problems))


def parse_value(text: str, flag: str) -> Value:
    """Parse the value of a `--set` flag by the rules of a spec.

    Raises:
        SpecError: the text is not YAML; the problem names the flag.
    """
    place = Place(flag=flag)
    if len(text) > MAX_BYTES:
        raise SpecError(Problem(f"is longer than {MAX_BYTES:,} characters", place))
    try:
        spec_text = _parse(text, flag) if text.strip() else None
    except SpecError as error:
        raise SpecError(*(Problem(p.rule, place, (), p.received, p.hint) for p in error.problems)) from None
    if spec_text is None:
        return None
    if spec_text.problems:
        found = (Problem(p.rule, place, p.path, p.received, p.hint) for p in spec_text.problems)
        raise SpecError(*found)
    value: Value = spec_text.data
    return value


def _decode(raw: bytes, file: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SpecError(Problem("is not UTF-8 but UTF-16", Place(file, 1, 1), hint="save the file as UTF-8"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        start = before.rfind(b"\n") + 1
        column = len(before[start:].decode("utf-8")) + 1
        source = raw[start:].split(b"\n", 1)[0].decode("utf-8", errors="replace").rstrip("\r")
        byte = f"byte 0x{raw[error.start]:02x}"
        problem = Problem(
            f"is not UTF-8 ({byte})", Place(file, line, column, source), hint="save the file as UTF-8"
        )
        raise SpecError(problem) from None


class _Builder:
    """Build plain values from nodes; record the place of each value and every problem."""

    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.file, self.lines = file, lines
        self.marks: dict[KeyPath, Mark] = {}
        self.problems: list[Problem] = []
        self.count, self.most = 0, most_values(file)

    def build(self, node: Node, path: KeyPath, key: tuple[int, int] | None = None) -> Value:
        self._count(node)
        self.marks[path] = Mark(node.at, key)
        if node.tag is not None and node.tag != "!":
            tag = _Bare(node.tag.replace("tag:yaml.org,2002:", "!!"))
            self._add("YAML tags are not allowed", node.at, path, tag, "remove the tag")
        if node.kind == "scalar":
            return self._scalar(node, path)
        if node.kind == "list":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.items)]
        return self._mapping(node, path)

    def _count(self, node: Node) -> None:
        """Bound what aliases and merge keys expand to."""
        self.count += 1
        if self.count > self.most:
            hint = "aliases repeat what they refer to: use fewer"
            rule = f"expands to more than {self.most:,} values"
            raise SpecError(self._problem(rule, node.at, (), hint=hint))

    def _mapping(self, node: Node, path: KeyPath) -> ValueMap:
        values: ValueMap = {}
        first: dict[str, int] = {}
        merged: list[Node] = []
        for key, value in zip(node.items[::2], node.items[1::2], strict=True):
            if key.kind != "scalar":
                self._add("a key must be a string", key.at, path, hint="is there a stray opening bracket?")
            elif _merges(key):
                if merged:
                    rule, hint = (
                        "'<<' is duplicated in this mapping",
                        "merge several as a list: <<: [*one, *other]",
                    )
                    self._add(rule, key.at, path, hint=hint)
                merged.append(value)
            elif key.value in first:
                rule = f"the key is duplicated in this mapping (first on line {first[key.value]})"
                hint = f"{path[0]} is a list: begin each item with '- '" if path in LISTS else "keep one"
                self._add(rule, key.at, (*path, key.value), key.value, hint)
            else:
                if key.plain and DOUBTFUL_BOOL.fullmatch(key.value):
                    rule = "some YAML readers read this key as a boolean"
                    self._add(
                        rule, key.at, (*path, key.value), _Bare(key.value), f"write '{key.value}' in quotes"
                    )
                first[key.value] = key.at[0]
                values[key.value] = self.build(value, (*path, key.value), key.at)
        for value in merged:
            self._merge(value, values, path)
        return values

    def _merge(self, node: Node, values: ValueMap, path: KeyPath) -> None:
        """Add the keys of a mapping, or of several, that are not there yet; last those that it merges."""
        for source in node.items if node.kind == "list" else [node]:
            self._count(source)
            if source.kind != "mapping":
                self._add("'<<' takes a mapping or a list of mappings", source.at, path)
                continue
            pairs = list(zip(source.items[::2], source.items[1::2], strict=True))
            for key, value in pairs:
                if key.kind == "scalar" and not _merges(key) and key.value not in values:
                    values[key.value] = self.build(value, (*path, key.value), key.at)
            for further in (value for key, value in pairs if _merges(key)):
                self._merge(further, values, path)

    def _scalar(self, node: Node, path: KeyPath) -> Value:
        text = node.value
        if not node.plain:
            if not text.isprintable() and (match := PATH_OF_WINDOWS.match(self._source(node.at))):
                written = "'" + match[0][1:-1] + "'"
                rule = "in double quotes a backslash begins an escape"
                self._add(rule, node.at, path, _Bare(match[0]), f"write {written}")
            return text
        if NULL.fullmatch(text):
            return None
        if BOOL.fullmatch(text):
            return text.lower() == "true"
        if DOUBTFUL_BOOL.fullmatch(text):
            meant = "true" if text.lower() in ("yes", "on") else "false"
            hint = f"write {meant}, or '{text}' in quotes for a string"
            self._add("some YAML readers read this as a boolean", node.at, path, _Bare(node.value), hint)
            return text
        if LEADING_ZERO.fullmatch(text):
            number = self._integer(text, node, path)
            hint = f"write {number}, or '{text}' in quotes for a string"
            self._add("a number must not begin with 0", node.at, path, _Bare(node.value), hint)
            return number
        if INT.fullmatch(text):
            return self._integer(text, node, path)
        if FLOAT.fullmatch(text):
            return float(text)
        if special := SPECIAL_FLOAT.fullmatch(text):
            return float("nan") if special[3] else float(f"{special[1]}inf")
        return text

    def _source(self, at: tuple[int, int]) -> str:
        """Return the rest of the line at a place."""
        return self.lines[at[0] - 1][at[1] - 1 :] if at[0] <= len(self.lines) else ""

    def _integer(self, text: str, node: Node, path: KeyPath) -> int:
        if len(text) > 30:  # Python refuses thousands of digits, with a different message
            self._add("is too large", node.at, path)
            return 0
        return int(text)

    def _add(
        self, rule: str, at: tuple[int, int], path: KeyPath, received: object = None, hint: str = ""
    ) -> None:
        self.problems.append(self._problem(rule, at, path, received, hint))

    def _problem(
        self, rule: str, at: tuple[int, int], path: KeyPath, received: object = None, hint: str = ""
    ) -> Problem:
        source = self.lines[at[0] - 1] if at[0] <= len(self.lines) else ""
        place = Place(self.file, *at, source)
        return (
            Problem(rule, place, path, hint=hint)
            if received is None
            else Problem(rule, place, path, received, hint)
        )


def _merges(key: Node) -> bool:
    """Return whether a key of a mapping is `<<`, whose value is merged into the mapping."""
    return key.plain and key.value == "<<"


class _Bare(str):
    """A text shown as in the file, without quotes."""

    def __repr__(self) -> str:
        return str(self)
