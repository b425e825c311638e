"""Run a query on a SQLite file by Python's own module; what is not reading is denied by SQLite itself."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from mlpcli.data.readers import query as limits
from mlpcli.data.readers.query import Connection, QueryError, check_select, too_late
from mlpcli.data.readers.row_errors import Origin
from mlpcli.files import open_ordinary

MAX_VALUE_BYTES = 32 << 20
"""Of one value: `zeroblob(1e9)` is a query, too."""

_DENIED = re.compile("not authorized|authorization denied|prohibited|readonly")
_TABLES = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
_STEPS = 20_000  # of SQLite's machine between two looks at the clock
_READS = frozenset(
    [sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE]
)
_FUNCTIONS = frozenset(["load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"])


class SqliteConnection(Connection):
    """A SQLite file, opened for reading alone."""

    def __init__(self, path: Path, origin: Origin) -> None:
        """Open the file.

        Raises:
            DataError: it cannot be opened.
        """
        self._deadline = 0.0
        address = f"file:{quote(os.fsencode(path.resolve()), safe='/')}?mode=ro"
        if _is_idle_with_log(path):
            address += "&immutable=1"
        try:
            self._connection = sqlite3.connect(address, uri=True, isolation_level=None)
            self._connection.execute("PRAGMA trusted_schema = OFF")
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        except (sqlite3.Error, ValueError) as error:  # ValueError: the message quotes bytes that are no text
            origin.refuse(f"cannot be read as a SQLite database ({error})", hint="is the file damaged?")
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        self._connection.set_authorizer(_authorize)
        self._connection.set_progress_handler(self._is_late, _STEPS)
        self._cursor = self._connection.cursor()

    def run(self, query: str) -> list[str]:
        """Run a SELECT, and return the names of its columns."""
        self._start_clock()
        try:
            self._cursor.execute(query)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise self._error(error, query) from None
        check_select(query)
        return [str(each[0]) for each in self._cursor.description]

    def fetch(self, rows: int) -> Sequence[Sequence[object]]:
        """Return at most so many of the next rows; none at the end."""
        self._start_clock()
        try:
            found: list[tuple[object, ...]] = self._cursor.fetchmany(rows)
        except (sqlite3.Error, MemoryError, ValueError) as error:
            raise self._error(error, "") from None
        return found

    def tables(self) -> list[str]:
        """Return the names of the tables and views."""
        self._start_clock()
        try:
            rows = self._connection.execute(_TABLES).fetchall()
        except (sqlite3.Error, ValueError) as error:
            raise self._error(error, "") from None
        return [str(name) for (name,) in rows]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _start_clock(self) -> None:
        """Begin to count the time that the query may take."""
        self._deadline = time.monotonic() + limits.SECONDS

    def _is_late(self) -> bool:
        """Return whether the query has taken too long, which ends it."""
        return time.monotonic() > self._deadline

    def _error(self, error: Exception, query: str) -> QueryError:
        text = str(error)
        if text == "interrupted":
            return too_late()
        if "number of bindings" in text:
            return QueryError("must hold no parameters such as ? or :name, which nothing fills")
        if "one statement at a time" in text:
            return QueryError("must be a single statement")
        if _DENIED.search(text):
            return QueryError(f"must only read: a SELECT, nothing else ({text})")
        return QueryError(text, _place(text, query))


def _is_idle_with_log(path: Path) -> bool:
    """Return whether a file has a write-ahead log, but nobody has it open.

    SQLite would create the log and its index beside such a file, also to read it, and leave them there.
    """
    with open_ordinary(path) as file:
        versions = file.read(20)[18:]  # of the format: 2 with such a log
    return 2 in versions and not Path(f"{path}-wal").exists()


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Allow a statement to read, and nothing else."""
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY


def _place(message: str, query: str) -> int | None:
    """Return where a query holds the word that a message complains of, if it holds it once."""
    named = re.search(
        r'near "(.+)"|: ([^\s()]+)$|(?:column|table|function) "?([^\s"]+)"?', message, re.DOTALL
    )
    if named is None:
        return None
    word = next(filter(None, named.groups()), "")
    found = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", query)]
    return found[0] if len(found) == 1 else None
