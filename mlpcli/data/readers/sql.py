"""Read the rows of a query: of a SQLite or DuckDB file, or of a PostgreSQL server.

Whoever wrote the query, it only reads: a single SELECT, on a connection that cannot write, attach or open
anything else, with a limit on its time and rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from mlpcli.data.readers.batch_table import BATCH_ROWS, BatchTable
from mlpcli.data.readers.find_files import is_server_path, server_label
from mlpcli.data.readers.header import MAX_COLUMNS
from mlpcli.data.readers.query import Connection, QueryError
from mlpcli.data.readers.row_errors import Origin, rows_of
from mlpcli.data.readers.typed_columns import arrow_column
from mlpcli.data.types import ArrowColumn
from mlpcli.errors import NotInFileError, Problem, listing, nearest
from mlpcli.files import open_ordinary

MAX_ROWS = 50_000_000
"""Of a query."""

FIRST_ROWS, PIECE_BYTES = 16, 64 << 20
"""Rows that are read first, and the bytes of texts in later pieces: a query makes texts of any length."""

_NO_TABLE = re.compile(
    r"no such table: (\S+)|Table with name (\S+) does not exist|relation \"(\S+)\" does not"
)


class QueryOrigin(Origin):
    """The rows of a query's result."""

    def where(self, rows: Sequence[int], location: str, lines: Mapping[int, int], more: str = "") -> str:
        """Return how a message names rows, or a cell of each."""
        del lines
        numbers = rows_of([f"{row + 1}" for row in rows], more)
        return f"{self.label}, {numbers} of the query" + (f", {location}" if location else "")


class QueryTable(BatchTable):
    """The rows that a query gives."""

    without_rows = "the query gives no rows"

    def __init__(self, path: Path, label: str, query: str) -> None:
        """Run the query up to its first row.

        Raises:
            DataError: the database cannot be read, or the query is no single SELECT.
        """
        self.path, self.query = path, query.strip().rstrip(";").rstrip()
        self.origin = QueryOrigin(server_label(path) if is_server_path(path) else label)
        self._engine = engine_of(path, self.origin)
        if not self.query:
            self._refuse_none()
        with self._connected() as connection:
            self.names = self._names(self._run(connection))

    def batches(self, columns: Sequence[str]) -> Iterator[dict[str, ArrowColumn]]:
        """Yield some columns of all rows in their order.

        Raises:
            DataError: the query fails, or gives too many rows.
        """
        places = [self.names.index(name) for name in columns]
        count = 0
        with self._connected() as connection:
            self._run(connection)
            for rows in self._pieces(connection):
                count += len(rows)
                if count > MAX_ROWS:
                    hint = "add a LIMIT, or a WHERE"
                    self.origin.refuse(f"the query gives more than {MAX_ROWS:,} rows", hint=hint)
                yield {
                    name: arrow_column([row[place] for row in rows])
                    for name, place in zip(columns, places, strict=True)
                }

    def _pieces(self, connection: Connection) -> Iterator[Sequence[Sequence[object]]]:
        """Yield the rows in pieces, of which those with long texts hold few."""
        size = FIRST_ROWS
        while rows := self._fetched(connection, size):
            texts = sum(len(cell) for row in rows for cell in row if isinstance(cell, str | bytes))
            fitting = PIECE_BYTES * len(rows) // (texts + 1)
            size = max(1, min(BATCH_ROWS, 8 * size, fitting))
            yield rows

    def _connected(self) -> Connection:
        return self._engine(self.path, self.origin)

    def _run(self, connection: Connection) -> list[str]:
        try:
            return connection.run(self.query)
        except QueryError as error:
            self._refuse(error, connection)

    def _fetched(self, connection: Connection, rows: int) -> Sequence[Sequence[object]]:
        try:
            return connection.fetch(rows)
        except QueryError as error:
            self._refuse(error, connection)

    def _names(self, names: Sequence[str]) -> tuple[str, ...]:
        problem = ""
        if len(names) > MAX_COLUMNS:
            problem = f"the query gives {len(names):,} columns, a table may have at most {MAX_COLUMNS:,}"
        elif repeated := [name for name, count in Counter(names).items() if count > 1]:
            problem = f"the query gives the column name {repeated[0]!r} more than once"
        if problem:
            hint = "name each column once, with AS"
            raise NotInFileError(Problem(f"{self.origin.label}: {problem}", hint=hint), key="query")
        return tuple(names)

    def _refuse(self, error: QueryError, connection: Connection) -> NoReturn:
        """Raise an error with the place in the query, and the name that was probably meant."""
        where = "" if error.place is None else _line_and_column(self.query, error.place)
        rule = f"query{where}: {error}"
        hint = ""
        if missing := _NO_TABLE.search(str(error)):
            tables = _tables(connection)
            name = next(filter(None, missing.groups())).rpartition(".")[2]
            hint = nearest(name, tables) or (f"its tables are {listing(tables, 10)}" if tables else "")
        raise NotInFileError(Problem(f"{self.origin.label}: {rule}", hint=hint), key="query")

    def _refuse_none(self) -> NoReturn:
        with self._connected() as connection:
            tables = _tables(connection)
        shown = f"its tables are {listing(tables, 10)}; " if tables else ""
        example = f'"{tables[0]}"' if tables and not tables[0].isidentifier() else (tables or ["..."])[0]
        hint = f"{shown}give a query, such as SELECT * FROM {example}"
        self.origin.refuse("is a database, of which a query selects the rows", hint=hint)


def _tables(connection: Connection) -> list[str]:
    """Return the tables that a hint names; none where they cannot be read, since another error is shown."""
    try:
        return connection.tables()
    except QueryError:
        return []


def _line_and_column(query: str, place: int) -> str:
    """Return a place in a query: `, column 8` or `, line 2, column 8`."""
    line = query.count("\n", 0, place) + 1
    column = place - query.rfind("\n", 0, place)
    return f", line {line}, column {column}" if "\n" in query else f", column {column}"


def engine_of(path: Path, origin: Origin) -> Callable[[Path, Origin], Connection]:
    """Return what reads a database, by the first bytes of its file.

    Raises:
        DataError: it is no database.
    """
    if is_server_path(path):
        from mlpcli.data.readers.postgres_query import PostgresConnection

        return PostgresConnection
    with open_ordinary(path) as file:
        head = file.read(16)
    if head.startswith(b"SQLite format 3"):
        from mlpcli.data.readers.sqlite_query import SqliteConnection

        return SqliteConnection
    if head[8:12] == b"DUCK":
        from mlpcli.data.readers.duckdb_query import DuckdbConnection

        return DuckdbConnection
    what = "is empty (0 bytes)" if not head else "is neither a SQLite nor a DuckDB database"
    return origin.refuse(what, hint="is its extension right?")
