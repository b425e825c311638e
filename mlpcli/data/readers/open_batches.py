"""Open a table that is read in batches, by the extension of its file or the address of its database."""

from __future__ import annotations

from pathlib import Path

from mlpcli.data.readers.batch_table import BatchTable
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.feather import ArrowFile
from mlpcli.data.readers.find_files import ARROW, JSON_LINES, WORKBOOKS, ending_of
from mlpcli.data.readers.json_lines import JsonLines
from mlpcli.data.readers.spreadsheet import Sheet
from mlpcli.data.readers.sql import QueryTable


def open_batches(path: Path, label: str, dialect: Dialect) -> BatchTable:
    """Open a table.

    Args:
        path: of the file, or the address of a server.
        label: its name in messages.
        dialect: its sheet or query.

    Returns:
        The table, whose rows are not read.

    Raises:
        DataError: it cannot be read.
    """
    ending = ending_of(path)
    if ending in JSON_LINES:
        return JsonLines(path, label)
    if ending in ARROW:
        return ArrowFile(path, label)
    if ending in WORKBOOKS:
        return Sheet(path, label, dialect)
    return QueryTable(path, label, dialect.query)
