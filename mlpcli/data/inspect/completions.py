"""Names for an editor to complete: the columns of a table."""

from __future__ import annotations

from pathlib import Path

from mlpcli.data.readers.find_files import ARRAYS, named_files
from mlpcli.data.readers.tables import open_tables
from mlpcli.errors import DataError, Problem


def column_names(path: Path) -> tuple[str, ...]:
    """Return the columns of a table, in the order of the file; of several files, or a folder of such, too.

    Raises:
        DataError: there is no such file, it is not a table, or its header cannot be read.
    """
    files = named_files(str(path))
    if path.suffix.lower() in ARRAYS:
        rule = f"{path}: the columns of an array have no names"
        raise DataError(Problem(rule, hint="give a table, such as a CSV or Parquet file"))
    return open_tables(files, str(path)).names
