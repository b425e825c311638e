"""The columns and groups of columns among which a prediction is divided: `--group rooms,area`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.raw_columns import correlated_groups
from mlpcli.data.types import Array
from mlpcli.errors import Problem, UsageError, nearest_column

CORRELATED = "correlated"
LEAST_CORRELATION = 0.8


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that are explained together, or one alone.

    Attributes:
        name: of the group, or the column.
        columns: raw columns.
    """

    name: str
    columns: tuple[str, ...]


def column_groups(
    wanted: Sequence[str],
    places: Mapping[str, tuple[int, ...]],
    background: Array,
    images: Collection[str] = (),
) -> tuple[ColumnGroup, ...]:
    """Return the groups that cover all columns, each in the place of its first column.

    Args:
        wanted: `a,b`, `name=a,b`, or `correlated` for columns whose rank correlation is at least 0.8.
        places: by column, the positions of its values.
        background: (rows, width), flat, in which correlation is measured.
        images: columns that are correlated with none.

    Raises:
        UsageError: there is no such column, or it is in two groups, or a name is taken.
    """
    given = given_groups(wanted, list(places))
    taken = {column for each in given for column in each.columns}
    if CORRELATED in wanted and CORRELATED not in places:
        rest = {name: own for name, own in places.items() if name not in taken and name not in images}
        found = correlated_groups(background, rest, LEAST_CORRELATION) if len(rest) > 1 else []
        given += [ColumnGroup("+".join(each), each) for each in found]
    by_column = {column: each for each in given for column in each.columns}
    return tuple(dict.fromkeys(by_column.get(name) or ColumnGroup(name, (name,)) for name in places))


def given_groups(wanted: Sequence[str], columns: Sequence[str]) -> list[ColumnGroup]:
    """Return the groups that are named, without those of correlated columns.

    Args:
        wanted: as in `column_groups`.
        columns: of the run.

    Raises:
        UsageError: as `column_groups`.
    """
    given = [_parse(text, columns) for text in wanted if text != CORRELATED or CORRELATED in columns]
    problems = []
    taken: dict[str, str] = {}
    for each in given:
        if not each.columns:
            problems.append(
                Problem(f"--group {each.name}: no column is named", hint="write NAME=A,B, or A,B")
            )
        for column in each.columns:
            if column not in columns:
                hint = nearest_column(column, columns)
                problems.append(Problem(f"--group: the run has no column {column!r}", hint=hint))
            elif column in taken:
                rule = f"--group: column {column!r} is in two groups, {taken[column]} and {each.name}"
                problems.append(Problem(rule, hint="a column counts once"))
            taken.setdefault(column, each.name)
    names = [each.name for each in given] + [name for name in columns if name not in taken]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        rule = f"--group {name}: there is a column or a group of this name"
        problems.append(Problem(rule, hint="choose another name"))
    if problems:
        raise UsageError(*problems)
    return given


def _parse(text: str, columns: Sequence[str]) -> ColumnGroup:
    """Return the group that is meant; a column's name may contain a comma or an equals sign."""
    name, sign, rest = text.partition("=")
    members = _members(text, columns)
    if sign and not {*members} <= {*columns}:
        return ColumnGroup(name.strip(), _members(rest, columns))
    return ColumnGroup("+".join(members), members)


def _members(text: str, columns: Sequence[str]) -> tuple[str, ...]:
    if text in columns:
        return (text,)
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def positions(groups: Sequence[ColumnGroup], places: Mapping[str, tuple[int, ...]], width: int) -> Array:
    """Return the number of the group to which each position of a flat row belongs, (width,) int64."""
    found = np.full(width, -1)
    for number, group in enumerate(groups):
        for column in group.columns:
            found[list(places[column])] = number
    return found
