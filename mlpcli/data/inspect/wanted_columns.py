"""Whether a table has the columns that options of `init` and `inspect` name, by its header alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.find_files import is_table, named_files
from mlpcli.data.readers.header import NoHeaderError
from mlpcli.data.readers.reading import Reading
from mlpcli.data.readers.tables import open_tables
from mlpcli.errors import Problem, UsageError, nearest_column

RANDOM = "random"


def check_columns_wanted(path: str, target: str, split: str | None, reading: Reading) -> None:
    """Check that a table has its target, and the column by which its rows are to be divided.

    Args:
        path: of the file, or a pattern.
        target: the value of `--target`.
        split: the value of `--split`.
        reading: how the file is read.

    Raises:
        DataError: there is no such table, or its header cannot be read.
        UsageError: it has not the columns.
    """
    paths = named_files(path)
    if not all(map(is_table, paths)):
        return  # arrays, which are refused where they are read
    reading.check(paths)
    try:
        names = open_tables(paths, path, reading.on(PLAIN)).names
    except NoHeaderError:
        names = open_tables(paths, path, replace(reading.on(PLAIN), header=False)).names
    if problems := list(_problems(names, target, split)):
        raise UsageError(*problems)


def no_target(target: str, names: Sequence[str]) -> Problem:
    """Return the problem of a target that is none of a table's columns."""
    hint = nearest_column(target, names)
    return Problem("--target: must be a column of the table", received=target, hint=hint)


def no_split(split: str, names: Sequence[str], target: str | None) -> Problem:
    """Return the problem of a column to divide rows by that is none of a table's columns."""
    hint = nearest_column(split, [name for name in names if name != target])
    return Problem("--split: must be random, or a column of the table", received=split, hint=hint)


def split_is_target(split: str) -> Problem:
    """Return the problem of rows that are to be divided by their target."""
    rule = "--split: is the target, which new rows do not have"
    return Problem(rule, received=split, hint="name another column, or random")


def _problems(names: Sequence[str], target: str, split: str | None) -> Iterator[Problem]:
    if target not in names:
        yield no_target(target, names)
    if split is None or split == RANDOM:
        return
    if split not in names:
        yield no_split(split, names, target)
    elif split == target:
        yield split_is_target(split)
