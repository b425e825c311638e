"""Errors as data. Nothing here prints: the command line shows a caught error and exits.

MlpcliError                    exit status
 |- SpecError                  2   the spec, or a --set value, is wrong
 |- DataError                  2   a data file, or its contents, is wrong
 |- RunError                   2   a run folder is missing, incomplete or not what was asked for
 |- UsageError                 2   the command's own arguments do not fit
 '- TrainingError              1   the job itself failed (diverged, disk full)
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, ParamSpec, TypeVar

from mlpcli.printable import printable, without_password

P = ParamSpec("P")
T = TypeVar("T")

KeyPath = tuple[str | int, ...]
"""The keys and list positions that lead from the top of a spec to a value."""

ABSENT: object = type("Absent", (), {"__repr__": lambda self: "nothing"})()
"""No value was received. None is a value that a spec may hold."""

PLAIN_KEY = re.compile(r"[^\s.\[\]=\"'+](?:[^\t\n\r.\[\]=\"'+]*[^\s.\[\]=\"'+])?")
"""A key that a path holds as it is, blanks inside included."""

MOST_VALUES = 3
"""Of the different values that break one rule, a message shows that many."""


class Various(tuple[object, ...]):
    """Different values that were received in several places, where they break the same rule."""


Hint = str | Callable[[], str]
"""A hint, or a function that computes it: of thousands of problems few are shown."""

NAMES_COMPARED = 2000
"""`nearest` compares a word with at most this many names."""
LONGEST_WORD = 200
"""Characters. Longer words and names are not compared."""

LONGEST_MESSAGE = 4000
"""Characters of one problem's message: a name in an untrusted file may be as long as the file."""


@dataclass(frozen=True)
class Place:
    """The location of a value: line and column (both from 1) of a text file, or the command line."""

    file: str = ""
    line: int = 0
    column: int = 0
    source: str = ""  # the line of the file, for showing; empty when unknown
    flag: str = ""  # "--set fit.epochs=0" when the value came from the command line

    def __str__(self) -> str:
        return self.flag or f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One thing wrong: where, which rule, what was received, and what to do about it."""

    rule: str
    place: Place | None = None
    path: KeyPath = ()  # ("layers", 2, "Dense", "units"), shown as layers[2].Dense.units
    received: object = ABSENT
    hint: Hint = ""  # what to do: "did you mean 'units'?"

    def advice(self) -> str:
        """Return the hint, computed now if it is a function."""
        return self.hint if isinstance(self.hint, str) else self.hint()

    def headline(self) -> str:
        """Return `file:line:column path: rule, received VALUE; hint` on one line."""
        where = " ".join(str(part) for part in (self.place, show_path(self.path)) if part)
        text = f"{where}: {self.rule}" if where else self.rule
        if self.received is not ABSENT:
            text += f", received {show_value(self.received)}"
        hint = self.advice()
        return _bounded(printable(_bounded(f"{text}; {hint}" if hint else text)))

    def __str__(self) -> str:
        lines = [self.headline()]
        if self.place is not None and self.place.source:
            lines += excerpt(self.place)
        return "\n".join(lines)


class MlpcliError(Exception):
    """Base of every error that the user can act on; carries problems, never prints."""

    exit_status = 1

    def __init__(self, *problems: Problem | str) -> None:
        super().__init__(*problems)
        self.problems = tuple(Problem(item) if isinstance(item, str) else item for item in problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class Step(Generic[T]):
    """A step that was done, with its value, or that failed."""

    def __init__(self, *values: T) -> None:
        self._values = values

    def __bool__(self) -> bool:
        """Return whether it was done."""
        return bool(self._values)

    @property
    def value(self) -> T:
        """Its value; it is asked for only where it was done."""
        return self._values[0]


class AllAtOnce:
    """Collect the errors of steps that do not depend on each other, to raise all of their problems at once.

    A step is a call, `step = at_once.of(read, path)`, or runs in `with at_once:`. What depends on a step runs
    `if step:`, and `finish` raises what the steps raised.
    """

    def __init__(self) -> None:
        self.errors: list[MlpcliError] = []

    def of(self, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> Step[T]:
        """Call a function, and keep its error."""
        with self:
            return Step(call(*args, **named))
        return Step()

    def __enter__(self) -> None:
        """Begin a step."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Keep the error of a step that is about the user's input; let any other through."""
        if not isinstance(error, MlpcliError):
            return False
        self.errors.append(error)
        return True

    def finish(self) -> None:
        """Raise the error of the steps; a UsageError where several steps raised errors of other kinds.

        Raises:
            MlpcliError: with every problem, each once, if there is one.
        """
        if not self.errors:
            return
        first, *others = self.errors
        if not others:
            raise first
        # By their texts: what was received may be a list, which has no hash.
        problems = {str(problem): problem for error in self.errors for problem in error.problems}.values()
        kinds = {type(error) for error in self.errors}
        same = kinds <= {DataError} or kinds <= {SpecError} or kinds <= {RunError}
        raise (type(first) if same else UsageError)(*problems) from first


class PredictionWarning(UserWarning):
    """What was unusual in rows that the Python API has predicted: the notes of `mlpcli predict`."""


class SpecError(MlpcliError):
    """The spec is wrong; every problem found is in `problems`."""

    exit_status = 2


class DataError(MlpcliError):
    """The data is missing, unreadable or does not fit the spec."""

    exit_status = 2


class NotInFileError(DataError):
    """A file has not what a key of `dataset` asks for: a sheet of that name, or what a query selects.

    Attributes:
        key: `sheet` or `query`.
    """

    def __init__(self, problem: Problem, *, key: str) -> None:
        super().__init__(problem)
        self.key = key

    @property
    def of_spec(self) -> tuple[Problem, ...]:
        """The problems where a spec has the key; without one it is an option of the command."""
        return tuple(replace(each, path=each.path or ("dataset", self.key)) for each in self.problems)


class RunError(MlpcliError):
    """A run folder is missing, incomplete, or not the kind that was asked for."""

    exit_status = 2


class UsageError(MlpcliError):
    """The command's arguments do not fit together."""

    exit_status = 2


class TrainingError(MlpcliError):
    """The job failed after it began: it diverged, or the disk was full."""

    exit_status = 1


def show_path(path: KeyPath) -> str:
    """Write `("layers", 2, "Dense", "units")` as `layers[2].Dense.units`, as `--set` takes it.

    A key with a sign that a path has of its own is quoted: `dataset.features["size.m2"]`.
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif PLAIN_KEY.fullmatch(step):
            text += ("." if text else "") + step[:60]
        else:
            sign = "'" if '"' in step else '"'
            text += f"[{sign}{step[:60]}{sign}]"
    return text


def _bounded(text: str) -> str:
    """Cut the middle out of a text that is longer than LONGEST_MESSAGE."""
    if len(text) <= LONGEST_MESSAGE:
        return text
    return f"{text[: LONGEST_MESSAGE // 2]} ... {text[-LONGEST_MESSAGE // 2 :]}"


def show_value(value: object, limit: int = 60) -> str:
    """Write a value as YAML does, shortened to `limit` characters; what is nested deeper is never reached."""
    if limit < 4:
        return "..."
    if value is None:
        text = "null"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, Various):
        rest = ", ..." if len(value) > MOST_VALUES else ""
        return ", ".join(show_value(each, limit) for each in value[:MOST_VALUES]) + rest
    elif isinstance(value, dict):
        items = (f"{key}: {show_value(item, limit - 1)}" for key, item in value.items())
        text = "{" + _joined(items, limit) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + _joined((show_value(item, limit - 1) for item in value), limit) + "]"
    else:
        text = repr(value[: limit + 1] if isinstance(value, str | bytes) and len(value) > limit else value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _joined(items: Iterator[str], limit: int) -> str:
    """Join the first items by commas, as many as fill `limit` characters: the rest is cut off anyway."""
    shown: list[str] = []
    length = 0
    for item in items:
        shown.append(item)
        length += len(item) + 2
        if length > limit:
            break
    return ", ".join(shown)


def excerpt(place: Place, width: int = 100) -> list[str]:
    """Return the source line and a caret under the column, cut to `width` characters around the caret."""
    start = max(0, place.column - 1 - width // 2) if len(place.source) > width else 0
    gutter = f"{place.line:>6} | "
    before = printable(without_password(place.source[start : place.column - 1]))
    rest = without_password(place.source[place.column - 1 :])
    shown = before + printable(rest[: start + width - place.column + 1])
    return [gutter + shown, " " * (len(gutter) + _columns(before)) + "^"]


def _columns(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


CLOSE = 0.6
"""How alike two words are when one may be a misspelling of the other: `difflib`'s ratio."""
CLOSE_COLUMNS = 0.75
"""The same for names of columns, which people choose and which are often a little alike."""


def nearest_column(
    word: object, columns: Sequence[object], *, shown: bool = True, taken: Collection[object] = ()
) -> str:
    """Return which column is meant by a name that no column has, and which columns there are.

    Args:
        word: the name.
        columns: the names of the columns.
        shown: list the columns also where one of them is probably meant, if they are few.
        taken: columns that are meant by their own names, and so by no other.
    """
    there = f"the columns are {listing(columns)}"
    near = nearest(word, [each for each in columns if each not in taken], cutoff=CLOSE_COLUMNS)
    return f"{near} {there}" if near and shown and len(columns) <= FEW_COLUMNS else near or there


FEW_COLUMNS = 12
"""That many columns are listed even where one of them is probably meant."""


def nearest(word: object, known: Iterable[object], *, cutoff: float = CLOSE) -> str:
    """Return `did you mean 'x'?` for the closest known name, or an empty text when nothing is close."""
    found = nearest_name(word, known, cutoff=cutoff)
    return "" if found is None else f"did you mean {found!r}?"


def nearest_name(word: object, known: Iterable[object], *, cutoff: float = CLOSE) -> str | None:
    """Return the closest known name; None when nothing is close."""
    if len(str(word)) > LONGEST_WORD:
        return None
    names = [name for name in map(str, islice(known, NAMES_COMPARED)) if len(name) <= LONGEST_WORD]
    folded = {name.lower().replace("_", ""): name for name in reversed(names)}
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=cutoff)
    if not close:
        key = str(word).lower().replace("_", "")
        close = [folded[match] for match in difflib.get_close_matches(key, folded, n=1, cutoff=cutoff)]
    return close[0] if close else None


def meant(word: object, known: Sequence[str], other_words: Mapping[str, str] = {}) -> str:
    """Return `did you mean 'x'?` for the choice that a word, or a misspelling of it, stands for.

    Args:
        word: that is none of the choices.
        known: the choices.
        other_words: what others call some of them: `{"tflite": "litert"}`.
    """
    found = nearest_name(word, [*known, *other_words])
    return "" if found is None else f"did you mean {other_words.get(found, found)!r}?"


def wrong_choice(
    option: str, received: object, known: Sequence[str], other_words: Mapping[str, str] = {}
) -> Problem:
    """Return the problem of a value that is none of an option's choices.

    Args:
        option: its name.
        received: the value.
        known: the choices.
        other_words: what others call some of them.
    """
    *others, last = known
    words = f"{', '.join(others)} or {last}" if others else last
    return Problem(f"{option}: must be {words}", received=received, hint=meant(received, known, other_words))


def suggest(word: object, known: Iterable[object], otherwise: Hint = "") -> Hint:
    """Return a hint that calls `nearest` when it is read.

    Args:
        word: the unknown name.
        known: the names to compare it with.
        otherwise: the hint if no name is close.
    """

    def hint() -> str:
        return nearest(word, known) or (otherwise if isinstance(otherwise, str) else otherwise())

    return hint


def listing(names: Iterable[object], limit: int = 12) -> str:
    """Join names by commas; after `limit` names, count the rest."""
    names = list(names)
    rest = len(names) - limit
    return ", ".join(map(str, names[:limit])) + (f" and {rest} more" if rest > 0 else "")
