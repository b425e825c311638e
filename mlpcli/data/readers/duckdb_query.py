"""Run a query on a DuckDB file, opened for reading, without access to other files and the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Timer
from typing import TypeVar

from mlpcli.data.readers import query as limits
from mlpcli.data.readers.import_reader import import_extra
from mlpcli.data.readers.query import Connection, QueryError, check_select, too_late
from mlpcli.data.readers.row_errors import Origin, first_line

SETTINGS = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "lock_configuration": "true",
}

Result = TypeVar("Result")
_LINE = re.compile(r"^LINE (\d+): (.*)\n( *)\^", re.MULTILINE)


class DuckdbConnection(Connection):
    """A DuckDB file, opened for reading alone."""

    def __init__(self, path: Path, origin: Origin) -> None:
        """Open the file.

        Raises:
            DataError: it cannot be opened.
        """
        self._duckdb = import_extra("duckdb", "duckdb", "a DuckDB file", origin)
        try:
            self._connection = self._duckdb.connect(str(path), read_only=True, config=SETTINGS)
        except self._duckdb.Error as error:
            origin.refuse(f"cannot be read as a DuckDB database ({first_line(error)})", hint="is it damaged?")

    def run(self, query: str) -> list[str]:
        """Run a SELECT, and return the names of its columns."""
        statements = self._within(lambda: self._connection.extract_statements(query), query)
        if len(statements) != 1:
            raise QueryError("must be a single statement")
        if statements[0].type != self._duckdb.StatementType.SELECT:
            raise QueryError("must only read: a SELECT, nothing else")
        check_select(query)
        self._within(lambda: self._connection.execute(query), query)
        return [str(each[0]) for each in self._connection.description]

    def fetch(self, rows: int) -> Sequence[Sequence[object]]:
        """Return at most so many of the next rows; none at the end."""
        return self._within(lambda: self._connection.fetchmany(rows), "")

    def tables(self) -> list[str]:
        """Return the names of the tables and views."""
        rows = self._within(lambda: self._connection.execute(_TABLES).fetchall(), _TABLES)
        return [str(name) for (name,) in rows]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _within(self, use: Callable[[], Result], query: str) -> Result:
        """Return what a function returns within the time that a query may take."""
        timer = Timer(limits.SECONDS, self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            return use()
        except self._duckdb.InterruptException:
            raise too_late() from None
        except (self._duckdb.Error, MemoryError, RuntimeError) as error:
            raise QueryError(_message(error), _place(str(error), query)) from None
        finally:
            timer.cancel()


_TABLES = "SELECT table_name FROM information_schema.tables ORDER BY table_name"


def _message(error: Exception) -> str:
    text = first_line(error)
    return (
        text if "file system operations are disabled" not in text else "must only read the tables of its file"
    )


def _place(message: str, query: str) -> int | None:
    """Return the position in a query at which DuckDB's message points."""
    pointer = _LINE.search(message)
    if pointer is None or not query:
        return None
    line = int(pointer[1]) - 1
    column = len(pointer[3]) - len(f"LINE {pointer[1]}: ")
    lines = query.split("\n")
    if line >= len(lines) or pointer[2].startswith("...") or column < 0:
        return None
    return sum(len(each) + 1 for each in lines[:line]) + column
