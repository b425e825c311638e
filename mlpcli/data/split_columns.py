"""The columns of a table by which its rows are divided: groups, times, and the names of the splits.

`Source.split_columns` has them for the main rows: `split_column_of` says which one the folds of a spec go by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlpcli.data.features.date_hints import date_rule
from mlpcli.data.features.encoders import parse_date_column
from mlpcli.data.features.exact_numbers import exact_numbers
from mlpcli.data.features.profiles import Profile, profile_column
from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors, raise_row_errors
from mlpcli.data.readers.parse_cells import spell_number
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.readers.table_values import read_cells
from mlpcli.data.readers.tables import Table
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath, Problem, SpecError, listing, nearest, nearest_column, show_value
from mlpcli.printable import counted
from mlpcli.spec.resolve import inline
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.split_forms import NAMES_OF_SPLITS, SPLITS, TRAIN, SplitBy

Sort = Literal["group", "time", "split"]

YEARS = (1800, 2200)
EPOCH_SECONDS = 1e8
"""Numbers with fractions are times from here on (seconds since 1970), where they are years, or in order."""


@dataclass(frozen=True)
class SplitColumn:
    """A column by which rows are divided.

    Attributes:
        name: of the column.
        sort: whether it holds groups, times, or the names of splits.
        values: (rows,) int64, the place in `texts` of each of the main rows; of times, later ones are higher.
        texts: the distinct groups, the distinct times in their order, or train, validation and test.
        notes: what to know of it.
    """

    name: str
    sort: Sort
    values: Array
    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()


SplitColumns = Mapping[tuple[str, Sort], SplitColumn]


def divided_by(amount: object) -> tuple[str, Sort] | None:
    """Return the column by which a split is divided, and whether it holds groups or times; None for none."""
    if not isinstance(amount, SplitBy) or amount.by is None:
        return None
    return amount.by, "group" if amount.last is None else "time"


def split_column_of(spec: DatasetSpec, columns: SplitColumns) -> SplitColumn | None:
    """Return the column of groups or times that the splits of a spec go by: `test`'s, else `validation`'s.

    Args:
        spec: the `dataset` section.
        columns: of its source.
    """
    found = (divided_by(getattr(spec, split)) for split in SPLITS)
    return next((columns[each] for each in found if each is not None and each in columns), None)


def wanted_columns(spec: DatasetSpec) -> dict[tuple[str, Sort], KeyPath]:
    """Return the columns that divide the rows, each with the first place of the spec that names it."""
    found: dict[tuple[str, Sort], KeyPath] = {}
    if spec.split is not None:
        found[spec.split, "split"] = ("dataset", "split")
    for split in SPLITS:
        if named := divided_by(getattr(spec, split)):
            found.setdefault(named, ("dataset", split, "by"))
    return found


def split_column_problems(
    spec: DatasetSpec, names: Sequence[str], target: Sequence[str], label: str
) -> Iterator[Problem]:
    """Yield problems of the columns that divide the rows: no column of the table, the target, the weights.

    Args:
        spec: the `dataset` section.
        names: of the table's columns.
        target: the target columns.
        label: the table's name.
    """
    for (name, _), path in wanted_columns(spec).items():
        if name not in names:
            hint = nearest_column(name, names)
            yield Problem(f"must be a column of {label}", path=path, received=name, hint=hint)
        elif name in target:
            rule = "is the target, which new rows do not have, and cannot divide the rows too"
            yield Problem(rule, path=path, received=name, hint="name another column")
        elif name == spec.weights:
            rule = "is the weight of the rows and cannot divide them too"
            yield Problem(rule, path=path, received=name, hint="name another column")


def no_column_problems(spec: DatasetSpec, what: str) -> Iterator[Problem]:
    """Yield a problem for each column that is to divide the rows of a source without columns in a table.

    Args:
        spec: the `dataset` section.
        what: the source: `an array`, `a built-in dataset`.
    """
    for (name, sort), path in wanted_columns(spec).items():
        rule = f"is for the columns of a CSV, TSV or Parquet file, {what} has none to divide its rows by"
        hint = "write {last: N} for rows that are in order, a fraction, or a file with the rows of the split"
        if sort == "split":
            hint = "remove it, or save the rows as a table"
        yield Problem(rule, path=path, received=name, hint=hint)


def read_split_columns(spec: DatasetSpec, table: Table) -> dict[tuple[str, Sort], SplitColumn]:
    """Return the columns by which the rows of a table are divided.

    Args:
        spec: the `dataset` section.
        table: with these columns, whose cells are not parsed yet.

    Returns:
        The columns, by name and sort.

    Raises:
        SpecError: a column does not hold what it is used for.
        DataError: cells that are no times, or no names of splits; with file, row and column.
    """
    return {
        (name, sort): _READ[sort](name, table, path, spec)
        for (name, sort), path in wanted_columns(spec).items()
    }


def _read_groups(name: str, table: Table, path: KeyPath, spec: DatasetSpec) -> SplitColumn:
    """Return a column of groups; each row whose cell is empty is a group of its own."""
    column = table.columns[name]
    profile = profile_column(name, column)
    if profile.content in ("nothing", "others"):
        what = "empty in every row" if profile.content == "nothing" else "neither numbers, text nor dates"
        raise SpecError(Problem(f"must be a column of groups, this one is {what}", path=path, received=name))
    if profile.numbers is not None and bool((np.nan_to_num(profile.numbers) % 1 != 0).any()):
        rule = "must be a column whose values name groups, this one holds numbers with fractions"
        hint = "name a column such as a customer, or write share without by"
        raise SpecError(Problem(rule, path=path, received=name, hint=hint))
    texts = column.texts
    codes = texts.codes.astype(np.int64)
    empty = np.flatnonzero(texts.mask({None}))
    codes[empty] = len(texts.values) + np.arange(len(empty))
    present, codes = np.unique(codes, return_inverse=True)
    named = [str(texts.values[code]) for code in present.tolist() if code < len(texts.values)]
    notes = []
    if len(empty):
        notes.append(
            f"column {name!r}: {counted(len(empty), 'row')} without a group; each is a group of its own"
        )
    if len(present) == len(codes) > 1:
        notes.append(f"column {name!r} is distinct in every row: its groups are single rows")
    elif profile.content == "dates":
        notes.append(
            f"column {name!r} holds dates: for the latest rows write {{last: 0.2, by: {inline(name)}}}"
        )
    return SplitColumn(name, "group", codes, (*named, *[""] * len(empty)), tuple(notes))


def _read_times(name: str, table: Table, path: KeyPath, spec: DatasetSpec) -> SplitColumn:
    """Return a column of times: dates, or numbers that may be times."""
    column = table.columns[name]
    features = spec.features if isinstance(spec.features, dict) else {}
    stated = features[name].format if name in features else None
    profile = profile_column(name, column)
    if stated is not None or profile.content == "dates":
        return _read_dates(name, table, stated or profile.format or "%Y-%m-%d", profile)
    if profile.numbers is None or not _are_times(profile):
        what = {"numbers": "numbers that are no times", "nothing": "no value"}.get(profile.content, "")
        what = what or f"{profile.content} such as {show_value(next(iter(profile.counts), None))}"
        rule = f"must be a column of dates, years or other times in whole numbers, this one holds {what}"
        hint = "to keep groups together, write share for last"
        raise SpecError(Problem(rule, path=path, received=name, hint=hint if what != "no value" else ""))
    _refuse_cells(table, name, np.flatnonzero(np.isnan(profile.numbers)))
    exact = exact_numbers(column)
    distinct, values = np.unique(profile.numbers if exact is None else exact, return_inverse=True)
    texts = [str(each) if exact is not None else str(spell_number(float(each))) for each in distinct]
    return SplitColumn(name, "time", values.astype(np.int64), tuple(texts))


def _are_times(profile: Profile) -> bool:
    """Return whether numbers may be times: whole, in order, years, or seconds since 1970."""
    known = profile.known.astype(np.float64)
    if bool((known % 1 == 0).all()):
        return True
    steps, low, high = np.diff(known), known.min(), known.max()
    in_order = bool((steps >= 0).all() or (steps <= 0).all())
    return in_order or YEARS[0] <= low <= high <= YEARS[1] or bool(low >= EPOCH_SECONDS)


def _read_dates(name: str, table: Table, written: str, profile: Profile) -> SplitColumn:
    cells, dates = parse_date_column(table.columns[name], written)
    _refuse_cells(table, name, np.flatnonzero(~dates.valid[cells.codes]), written)
    used = np.unique(cells.codes)  # of the distinct texts
    instants = (dates.days * 86400.0 + dates.seconds)[used]
    _, first, places = np.unique(instants, return_index=True, return_inverse=True)
    ranks = np.zeros(len(cells.values), np.int64)
    ranks[used] = places
    texts = tuple(str(cells.values[code]) for code in used[first].tolist())
    notes = []
    if profile.twin is not None and profile.format == written:
        declared = f"{{{inline(name)}: {{kind: date, format: '{profile.twin}'}}}}"
        notes.append(
            f"column {name!r}: day and month cannot be told apart, it is read as {written} to order the "
            f"rows; if that is wrong, set dataset.features: {declared}"
        )
    return SplitColumn(name, "time", ranks[cells.codes], texts, tuple(notes))


def _refuse_cells(table: Table, name: str, bad: Array, written: str = "") -> None:
    """Raise a DataError about the rows whose cell is no time, if there are any."""
    cells = read_cells(table, name, bad[:MAX_DESCRIBED])
    rule = date_rule(written) if written else "must be a number"
    rule = f"{rule}, since it orders the rows"
    described = [RowError(row, f"column {name!r}", rule, cell) for row, cell in cells]
    errors = RowErrors(described, len(bad))
    raise_row_errors(table.origin, errors, way_out="fill the cell, or remove the row")


def _read_names(name: str, table: Table, path: KeyPath, spec: DatasetSpec) -> SplitColumn:
    """Return a column of the names of splits."""
    names = (TRAIN, "validation", "test")
    texts = table.columns[name].texts
    places = np.array([_place(text, names) for text in texts.values])
    values = places[texts.codes]
    bad = np.flatnonzero(values < 0)
    known = [word for words in NAMES_OF_SPLITS.values() for word in words]
    described = []
    for row, cell in read_cells(table, name, bad[:MAX_DESCRIBED]):
        near = nearest(str(cell).casefold(), known) if cell not in (None, "") else ""
        rule = "must be train, validation or test"
        described.append(RowError(row, f"column {name!r}", rule, cell, near))
    errors = RowErrors(described, len(bad))
    raise_row_errors(table.origin, errors, way_out="correct the cell, or remove the row")
    if not (values == 0).any():
        found = listing(sorted({names[place] for place in values.tolist()}))
        rule = f"must be a column with train in some rows, this one has {found}"
        raise SpecError(Problem(rule, path=path, received=name))
    return SplitColumn(name, "split", values.astype(np.int64), names)


def _place(text: str | None, names: Sequence[str]) -> int:
    """Return the place of the split that a cell names; -1 for none."""
    word = (text or "").strip().casefold()
    return next((place for place, name in enumerate(names) if word in NAMES_OF_SPLITS[name]), -1)


_READ = {"group": _read_groups, "time": _read_times, "split": _read_names}
