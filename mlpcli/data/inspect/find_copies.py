"""Find what random splits of a table would share, and what two files share: equal rows, and groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlpcli.data.equal_rows import SAMPLE, expected_equal, is_more_than_chance, row_hashes
from mlpcli.data.features.group_columns import looks_like_group
from mlpcli.data.inspect.survey import Survey, read_whole
from mlpcli.data.inspect.value_codes import value_codes
from mlpcli.data.readers.row_errors import row_name
from mlpcli.data.readers.tables import Table
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, listing
from mlpcli.printable import counted
from mlpcli.spec.resolve import inline

EXAMPLES = 3


def copies_in(survey: Survey) -> Iterator[str]:
    """Yield a line on rows that are equal, and one on those that differ only in the target.

    The second is left out where columns have so few values that such rows are to be expected.
    """
    codes = {name: value_codes(survey, name) for name in survey.profiles}
    whole = _copies(list(codes.values()))
    if len(whole):
        where = "may be in different splits than these"
        counts = f"{len(whole):,} of {counted(survey.table.rows, 'row')} are duplicates of others"
        yield f"{counts}, and {where}: {_pairs(survey, whole)}"
    features = [codes[name] for name in survey.features.used]
    if survey.target is None or not features:
        return
    known = {row for row, _ in whole}
    alike = [pair for pair in _copies(features) if pair[0] not in known]
    if alike and is_more_than_chance(len(alike) + len(whole), _chance(features)):
        counts = f"{len(alike):,} of {counted(survey.table.rows, 'row')} have the features of another row"
        yield f"{counts}, and another {survey.target}: {_pairs(survey, alike)}"


def _copies(columns: Sequence[Array]) -> list[tuple[int, int]]:
    """Return the rows whose values are those of an earlier row, each with the first such row."""
    hashes = row_hashes([column[:, None] for column in columns])
    _, first, places = np.unique(hashes, return_index=True, return_inverse=True)
    rows = np.flatnonzero(first[places] != np.arange(len(hashes)))
    return list(zip(rows.tolist(), first[places[rows]].tolist(), strict=True))


def _pairs(survey: Survey, pairs: Sequence[tuple[int, int]]) -> str:
    origin, label = survey.table.origin, survey.table.origin.label
    return listing(
        (f"{row_name(origin, a, label)} = {row_name(origin, b, label)}" for a, b in pairs), EXAMPLES
    )


def _chance(columns: Sequence[Array]) -> float:
    """Return how many rows would have the values of an earlier row by chance."""
    rows = len(columns[0])
    order = np.random.RandomState(0).permutation(rows)[:SAMPLE]
    sample = [(column[order], column[order]) for column in columns]
    return rows * expected_equal(sample, max(1, rows // 2))


def groups_in(survey: Survey) -> Iterator[str]:
    """Yield a line for each column that looks like one of groups."""
    for name, profile in survey.profiles.items():
        if name == survey.target or not looks_like_group(profile):
            continue
        rows = profile.present / profile.distinct
        yield (
            f"column {name!r} looks like one of groups, about {rows:.0f} rows each: random splits have rows "
            f"of a group on both sides; to avoid that, write test: {{share: 0.2, by: {inline(name)}}}"
        )


def shared_with(survey: Survey, test: str) -> Iterator[str]:
    """Yield lines on what the table shares with another file: rows, rows but for the target, and groups.

    Args:
        survey: of the table.
        test: the other file.

    Raises:
        DataError: it has no column of the table.
    """
    other = read_whole(test, survey.table.dialect)
    names = [name for name in survey.table.columns if name in other.columns]
    if not names:
        raise DataError(Problem(f"{test}: has no column of {survey.path}"))
    mine, theirs = (_row_set(table, names) for table in (survey.table, other))
    again = [row for row in theirs if row in mine]
    if again:
        examples = listing((_of_both(survey.table, other, mine[row], theirs[row]) for row in again), EXAMPLES)
        counts = f"{len(again):,} of {counted(len(theirs), 'distinct row')} of {test}"
        yield f"{counts} are also in {survey.path}: {examples}"
    features = [name for name in names if name in survey.features.used]
    if survey.target is not None and features:
        mine, theirs = (_row_set(table, features) for table in (survey.table, other))
        alike = [row for row in theirs if row in mine]
        if len(alike) > len(again) and is_more_than_chance(
            len(alike), _chance([value_codes(survey, name) for name in features])
        ):
            counts = f"{len(alike):,} of {counted(len(theirs), 'distinct row')} of {test} have the features"
            yield f"{counts} of a row of {survey.path}, whatever their {survey.target}"
    yield from _shared_groups(survey, other, test)


def _shared_groups(survey: Survey, other: Table, test: str) -> Iterator[str]:
    for name, profile in survey.profiles.items():
        if name == survey.target or name not in other.columns or not looks_like_group(profile):
            continue
        mine, theirs = ({*table.columns[name].texts.values} - {None} for table in (survey.table, other))
        if both := mine & theirs:
            counts = f"{len(both):,} of {counted(len(theirs), 'value')} of column {name!r}"
            yield f"{counts} in {test} are also in {survey.path}: its rows are not of new groups"


def _of_both(table: Table, other: Table, mine: int, theirs: int) -> str:
    return f"{row_name(other.origin, theirs, other.origin.label)} = " + row_name(
        table.origin, mine, table.origin.label
    )


def _row_set(table: Table, names: Sequence[str]) -> dict[tuple[str | None, ...], int]:
    """Return the distinct rows as texts, each with its first position."""
    columns = []
    for name in names:
        cells = table.columns[name].texts
        columns.append([cells.values[code] for code in cells.codes.tolist()])
    rows: dict[tuple[str | None, ...], int] = {}
    for place, row in enumerate(zip(*columns, strict=True)):
        rows.setdefault(row, place)
    return rows
