"""Survey a table before there is a spec: its columns, and warnings about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

import numpy as np

from mlpcli.data.features.column_notes import text_notes
from mlpcli.data.features.dates import parse_dates
from mlpcli.data.features.encoders import invalid_dates
from mlpcli.data.features.feature_kinds import Features, choose_features
from mlpcli.data.features.profiles import Profile, profile_column
from mlpcli.data.inspect.bins import BINS, binned
from mlpcli.data.inspect.fillers import filler_note, find_fillers
from mlpcli.data.inspect.target_task import Task, check_task, choose_task
from mlpcli.data.inspect.wanted_columns import no_target
from mlpcli.data.label_keys import label_keys, missing_labels, sort_classes
from mlpcli.data.labels import Labels
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.find_files import is_table, named_files
from mlpcli.data.readers.header import NoHeaderError
from mlpcli.data.readers.notations import read_numbers, with_dialect
from mlpcli.data.readers.parse_cells import ParsedColumn, is_text
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.table_values import is_label_type, labels
from mlpcli.data.readers.tables import Table, open_tables, read_table
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, UsageError

RARE_SHARE, COMMON_SHARE, UNEVEN = 0.05, 0.9, 2
"""A class with more than the second share of the rows makes classes imbalanced; so does one below the first,
unless the most frequent class has at most twice its rows: then there are only many classes."""


@dataclass(frozen=True)
class Survey:
    """A surveyed table.

    Attributes:
        path: of the file.
        table: with every column.
        profiles: of every column.
        features: how each column but the target would be used.
        target: the target column, or None.
        task: what to predict; None without a target.
        labels: the target as it is read for classes; None for a target of numbers.
    """

    path: str
    table: Table
    profiles: dict[str, Profile]
    features: Features
    target: str | None
    task: Task | None = None
    labels: Labels | None = None

    @property
    def has_classes(self) -> bool:
        """Whether the target holds classes."""
        return self.task is not None and self.task.kind == "classification"

    @cached_property
    def class_counts(self) -> dict[str, int]:
        """The rows of each class, in the order of the classes; empty where the target holds none."""
        if self.labels is None:
            return {}
        missing = missing_labels(self.labels.values, self.labels.gaps)
        codes = [code for code in range(len(self.labels.values)) if code not in missing]
        keys = label_keys([self.labels.values[code] for code in codes]) or []
        rows = np.bincount(self.labels.codes, minlength=len(self.labels.values))
        counts: dict[str, int] = dict.fromkeys(sort_classes(keys), 0)
        for code, key in zip(codes, keys, strict=False):
            counts[key] += int(rows[code])
        return counts

    @property
    def rows_without_target(self) -> int:
        """The number of rows in which the target is missing."""
        if self.target is None:
            return 0
        if self.labels is not None:
            return self.table.rows - sum(self.class_counts.values())
        return self.profiles[self.target].missing

    def kind(self, name: str) -> str:
        """Return the kind of a column: `numeric`, `categorical` and so on; `target`; or `ignore`."""
        if name == self.target:
            return "target"
        return self.features.used[name].kind or "" if name in self.features.used else "ignore"


def survey_table(
    path: str, target: str | None = None, task: str | None = None, reading: Reading = AS_RECORDED
) -> Survey:
    """Read a table, or several files as one, and profile every column; a decimal comma is detected.

    Args:
        path: of the file, or a pattern.
        target: the target column, if it is known.
        task: `classification` or `regression`; None to decide by the target's values.
        reading: how the file is read, as far as that is not detected.

    Returns:
        The survey.

    Raises:
        DataError: there is no such table, or it cannot be read.
        UsageError: it has no column `target`, or its values do not allow the task.
    """
    wanted = check_task(task)
    if wanted and target is None:
        raise UsageError(Problem("--task: is for a target", received=task, hint="add --target COLUMN"))
    table = read_whole(path, reading=reading)
    if target is not None and target not in table.columns:
        raise UsageError(no_target(target, list(table.columns)))
    if target is not None:  # None is a class, and no number
        label = ParsedColumn(table.columns[target].arrow, table.dialect.of(target, labels=True))
        table = replace(table, columns=table.columns | {target: label})
    profiles = _profiles(table)
    others = {name: column for name, column in table.columns.items() if name != target}
    features = choose_features(
        others, None, scaling="standardize", decimal=table.dialect.decimal, sentences=True
    )
    chosen = None if target is None else choose_task(profiles[target], wanted)
    labels = (target,) if target and chosen and chosen.kind == "classification" else ()
    table = replace(table, notes=(*table.notes, *text_notes(table.columns, features, labels=labels)))
    if target is None or chosen is None:
        return Survey(path, table, profiles, features, None)
    coded = _read_labels(path, table, target) if chosen.kind == "classification" else None
    return Survey(path, table, profiles, features, target, chosen, coded)


def _read_labels(path: str, table: Table, target: str) -> Labels | None:
    """Return the target as training reads it: `01` is text; None for values that cannot be classes."""
    column = table.columns[target]
    if not is_label_type(column):
        return None
    if not is_text(column.arrow.type):
        file = open_tables(named_files(path), path, table.dialect)
        column = read_table(file, [target], text=[target]).columns[target]
    return labels(column)


def read_whole(path: str, dialect: Dialect | None = None, *, reading: Reading = AS_RECORDED) -> Table:
    """Read every column of a table.

    Args:
        path: of the file, or a pattern.
        dialect: how its cells are written; None to find out.
        reading: what is known of that.

    Returns:
        The table.

    Raises:
        DataError: there is no such table, or it cannot be read.
    """
    paths = named_files(path)
    if not all(map(is_table, paths)):
        hint = "give a table, such as a CSV or Parquet file"
        raise DataError(Problem(f"{path}: the columns of an array have no names", hint=hint))
    if dialect is not None:
        file = open_tables(paths, path, dialect)
        return read_table(file, file.names)
    reading.check(paths)
    try:
        file, notes = open_tables(paths, path, reading.on(PLAIN)), []
    except NoHeaderError:
        file = open_tables(paths, path, replace(reading.on(PLAIN), header=False))
        called = f"column_1 to column_{len(file.names)}"
        notes = [f"{path}: has no line of names, its columns are called {called}"]
    table, found = read_numbers(file, file.names, declared=reading.states_numbers)
    if fillers := find_fillers(table):
        dialect = replace(file.dialect, missing=fillers)
        table, found = read_numbers(with_dialect(file, dialect), file.names, declared=reading.states_numbers)
        notes.append(filler_note(path, fillers))
    return replace(table, notes=(*notes, *file.notes, *found.values()))


def _profiles(table: Table) -> dict[str, Profile]:
    return {name: profile_column(name, column) for name, column in table.columns.items()}


def histogram(profile: Profile) -> list[int]:
    """Return the rows in ten bins of numbers or dates; or by value, the most frequent first."""
    if profile.content == "dates":
        _, days, counts = dates_of(profile)
        return binned(days, counts) if len(days) else []
    if profile.numbers is None:
        return list(profile.counts.values())[:BINS]
    known = profile.known
    if not len(known):
        return []
    if profile.exact is not None:  # whole numbers whose differences float64 would round
        known = known.astype(object)
        known = (known - known.min()).astype(np.float64)
    return binned(known)


def dates_of(profile: Profile) -> tuple[list[str], Array, Array]:
    """Return a column's dates in their order: as they are written, in days since 1970, and their rows."""
    texts = list(profile.counts)
    dates = parse_dates(texts, profile.format or "%Y-%m-%d")
    days = dates.days + dates.seconds / 86400
    order = [place for place in np.argsort(days, kind="stable") if dates.valid[place]]
    counts = np.array(list(profile.counts.values()))
    return [texts[place] for place in order], days[order], counts[order]


def value_range(profile: Profile) -> tuple[str, str] | tuple[float, float] | None:
    """Return the smallest and the largest number or date of a column; None where it has none."""
    if profile.content == "dates":
        texts, _, _ = dates_of(profile)
        return (texts[0], texts[-1]) if texts else None
    if profile.numbers is None or profile.present == profile.invalid:
        return None
    low, high = profile.known.min(), profile.known.max()
    return (float(low), float(high)) if profile.exact is None else (int(low), int(high))


def invalid_cells(survey: Survey, name: str) -> list[str]:
    """Return the distinct cells that do not fit a column of numbers or dates, as they are written."""
    profile = survey.profiles[name]
    column = survey.table.columns[name]
    if not profile.invalid:
        return []
    bad = (
        invalid_dates(column, profile.format or "")
        if profile.content == "dates"
        else column.numbers.unreadable
    )
    cells = (column.value(int(row)) for row in bad)
    return list(dict.fromkeys(map(_shown, cells)))


def _shown(cell: object) -> str:
    """Return a cell as it is written; a number in few digits."""
    return f"{cell:g}" if isinstance(cell, int | float | Decimal) else str(cell).strip()


def are_imbalanced(counts: Mapping[str, int]) -> bool:
    """Return whether a class is very frequent, or one is rare and others are not."""
    total, most, least = sum(counts.values()), max(counts.values()), min(counts.values())
    return most > COMMON_SHARE * total or (least < RARE_SHARE * total and most > UNEVEN * least)
