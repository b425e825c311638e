"""Names for an editor to complete: the columns of a table, the built-in datasets."""

from __future__ import annotations

from pathlib import Path

from mlpcli.data.readers.find_files import ARRAYS, file_problem
from mlpcli.data.readers.tables import open_table
from mlpcli.data.sources.builtin import BUILTIN
from mlpcli.errors import DataError, Problem


def dataset_names() -> tuple[str, ...]:
    """Return the names that `dataset.name` may have."""
    return tuple(BUILTIN)


def column_names(path: Path) -> tuple[str, ...]:
    """Return the columns of a table, in the order of the file.

    Raises:
        DataError: there is no such file, it is not a table, or its header cannot be read.
    """
    if found := file_problem(path):
        raise DataError(Problem(f"{path}: {found[0]}", hint=found[1]))
    if path.suffix.lower() in ARRAYS:
        rule = f"{path}: the columns of an array have no names"
        raise DataError(Problem(rule, hint="give a table, such as a CSV or Parquet file"))
    return open_table(path, str(path)).names
