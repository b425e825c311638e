"""Rows that break the same rule in the same place, such as a column: one problem for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from mlpcli.data.readers.row_errors import AT, MAX_SHOWN, Origin, RowError, listed
from mlpcli.errors import ABSENT, DataError, Problem, Various, show_value
from mlpcli.printable import counted

MAX_DESCRIBED = 100
"""The number of wrong cells of one column that are looked at, to find the rules that they break."""

SHOWN_ROWS = 3
"""The number of rows that a message names; it counts the others."""


@dataclass(frozen=True)
class BrokenRule:
    """Rows that break one rule in one place, such as a column.

    Attributes:
        errors: the first of them.
        count: how many there are.
        exact: whether all of them were looked at; otherwise there are at least so many.
    """

    errors: list[RowError] = field(default_factory=list)
    count: int = 0
    exact: bool = True

    def more(self, shown: int) -> str:
        """Return what counts the rows beyond those that are shown; empty where there are none."""
        if self.count <= shown:
            return "" if self.exact else "perhaps more"
        return f"{'' if self.exact else 'at least '}{self.count - shown:,} more"

    def received(self) -> object:
        """Return what was found instead: one value, or the first different ones; ABSENT for nothing."""
        values = {show_value(each.received): each.received for each in self.errors}
        values.pop(show_value(ABSENT), None)
        return Various(values.values()) if len(values) > 1 else next(iter(values.values()), ABSENT)

    def hint(self) -> str:
        """Return what to do; where it names the value of each row, that of the first."""
        first = self.errors[0]
        alone = len({each.hint for each in self.errors}) == 1
        return first.hint if alone else f"for {show_value(first.received)}: {first.hint}"

    def location(self) -> str:
        """Return the place in the rows: `column 'size'`, or `array 'x' at [3], [5]`."""
        name, _, _ = self.errors[0].location.partition(AT)
        positions = [each.location.removeprefix(name).removeprefix(AT[:-1]) for each in self.errors]
        if len(set(positions)) == 1:
            return self.errors[0].location
        rest = ", ..." if len(positions) > SHOWN_ROWS else ""
        return f"{name} at {', '.join(positions[:SHOWN_ROWS])}{rest}"

    def problem(self, origin: Origin) -> Problem:
        """Return the problem: which rows of a file, the rule, what was received, and what to do."""
        named = replace(self, errors=[origin.named(each) for each in self.errors])
        rows = list(dict.fromkeys(each.row for each in named.errors))
        where = _where(origin, rows[:SHOWN_ROWS], named.location(), named)
        return Problem(f"{where}: {self.errors[0].rule}", received=named.received(), hint=named.hint())


def _where(origin: Origin, rows: Sequence[int], location: str, broken: BrokenRule) -> str:
    inside: dict[Origin, list[int]] = {}
    for row in rows:
        file, place = origin.at(row)
        inside.setdefault(file, []).append(place)
    cells = [each for each in broken.errors if each.row in rows]
    more = broken.more(len(cells))
    if len(inside) == 1:
        ((file, places),) = inside.items()
        return file.where(places, location, file.lines(set(places)), more)
    files = [file.where(places, "", file.lines(set(places))) for file, places in inside.items()]
    return listed(files, more) + (f", {location}" if location else "")


_Key = tuple[str, str, str]
"""The place, the rule, and what to do, which may name the value of each row."""


def _key(each: RowError) -> _Key:
    return each.location.partition(AT)[0], each.rule, _NUMBER.sub("0", each.hint)


_NUMBER = re.compile(r"[0-9][0-9.]*")


class RowErrors:
    """Errors of the rows of a file, by the rule and the place: a column, an array, the row as a whole."""

    def __init__(self, row_errors: Iterable[RowError] = (), total: int | None = None) -> None:
        """Keep errors: see `add`."""
        self.broken: dict[_Key, BrokenRule] = {}
        self.add(row_errors, total)

    def __bool__(self) -> bool:
        """Return whether there are errors."""
        return bool(self.broken)

    def add(self, row_errors: Iterable[RowError], total: int | None = None) -> None:
        """Add errors.

        Args:
            row_errors: all of them; or the first MAX_DESCRIBED of one place.
            total: how many there are in all; None for those given.
        """
        groups: dict[_Key, list[RowError]] = {}
        for each in row_errors:
            groups.setdefault(_key(each), []).append(each)
        beyond = 0 if total is None else total - sum(map(len, groups.values()))
        for key, errors in groups.items():
            count = len(errors) + (beyond if len(groups) == 1 else 0)
            self._extend(key, BrokenRule(errors, count, exact=beyond == 0 or len(groups) == 1))

    def _extend(self, key: _Key, more: BrokenRule) -> None:
        found = self.broken.get(key, BrokenRule())
        errors = sorted([*found.errors, *more.errors], key=lambda each: each.row)[:MAX_DESCRIBED]
        self.broken[key] = BrokenRule(errors, found.count + more.count, found.exact and more.exact)

    def with_more(self, *others: RowErrors) -> RowErrors:
        """Return these with the errors of other columns, or of other rows of the file."""
        both = RowErrors()
        for key, each in ((key, each) for errors in (self, *others) for key, each in errors.broken.items()):
            both._extend(key, each)
        return both

    def at_least(self) -> RowErrors:
        """Return these as errors of which there may be more."""
        found = RowErrors()
        found.broken = {key: replace(each, exact=False) for key, each in self.broken.items()}
        return found

    def problems(self, origin: Origin) -> list[Problem]:
        """Return a problem for each rule that is broken in one place, and one that counts the others.

        Args:
            origin: that names the rows.

        Returns:
            At most MAX_SHOWN + 1 problems, in the order of their first rows.
        """
        ordered = sorted(self.broken.values(), key=lambda each: each.errors[0].row)
        problems = [each.problem(origin) for each in ordered[:MAX_SHOWN]]
        rest = ordered[MAX_SHOWN:]
        if rest:
            cells = counted(sum(each.count for each in rest), "place")
            more = f"and {counted(len(rest), 'more problem')} like these, in {cells}"
            problems.append(Problem(f"{origin.label}: {more}"))
        return problems


def raise_row_errors(
    origin: Origin, row_errors: Sequence[RowError] | RowErrors, *, way_out: str = ""
) -> None:
    """Raise a DataError if there are errors.

    Args:
        origin: that names the rows.
        row_errors: the errors.
        way_out: what to do about all of them, said once, after the last.

    Raises:
        DataError: with a problem for each rule that is broken in one place, and one that counts the others.
    """
    errors = row_errors if isinstance(row_errors, RowErrors) else RowErrors(row_errors)
    if errors:
        *others, last = errors.problems(origin)
        advice = "; ".join(filter(None, (last.advice(), way_out)))
        raise DataError(*others, replace(last, hint=advice))
