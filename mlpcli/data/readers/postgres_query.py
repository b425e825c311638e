"""Run a query on a PostgreSQL server, in a transaction that can only read.

The password comes from the environment. So that somebody else's spec cannot send it anywhere, the server is
this machine, or the one that the environment variable PGHOST names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from mlpcli.data.readers import query as limits
from mlpcli.data.readers.import_reader import import_extra
from mlpcli.data.readers.query import Connection, QueryError, check_select, too_late
from mlpcli.data.readers.row_errors import Origin, first_line
from mlpcli.spec.file_words import server_address
from mlpcli.spec.locations import VARIABLE

LOCAL = ("", "localhost", "127.0.0.1", "::1")
PARAMETERS = ("sslmode", "connect_timeout", "application_name")


class PostgresConnection(Connection):
    """A server, read in one transaction that cannot write, its rows by a cursor of the server."""

    def __init__(self, path: Path, origin: Origin) -> None:
        """Connect to the server.

        Raises:
            DataError: the address names another server than is allowed, or there is no connection.
        """
        arguments = connection_arguments(str(path), origin)
        self._psycopg = import_extra("psycopg", "postgres", "a PostgreSQL server", origin)
        try:
            self._connection = self._psycopg.connect(**arguments)
            self._connection.read_only = True
            self._connection.execute(f"SET LOCAL statement_timeout = {int(limits.SECONDS * 1000)}")
        except self._psycopg.Error as error:
            origin.refuse(f"cannot be reached ({_clean(first_line(error), arguments)})")
        self._arguments = arguments
        self._cursor = self._connection.cursor(name="mlpcli")  # DECLARE takes one SELECT, nothing else

    def run(self, query: str) -> list[str]:
        """Run a SELECT, and return the names of its columns."""
        check_select(query)
        try:
            self._cursor.execute(query)
            return [str(each.name) for each in self._cursor.description]
        except self._psycopg.Error as error:
            raise self._error(error) from None

    def fetch(self, rows: int) -> Sequence[Sequence[object]]:
        """Return at most so many of the next rows; none at the end."""
        try:
            return list(self._cursor.fetchmany(rows))
        except self._psycopg.Error as error:
            raise self._error(error) from None

    def tables(self) -> list[str]:
        """Return the names of the tables and views."""
        try:
            self._connection.rollback()  # after an error the transaction takes nothing else
            rows = self._connection.execute(
                "SELECT table_name FROM information_schema.tables "
                "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY table_name"
            )
            return [str(name) for (name,) in rows]
        except self._psycopg.Error as error:
            raise self._error(error) from None

    def close(self) -> None:
        """Close the connection; nothing of the transaction stays."""
        self._connection.close()

    def _error(self, error: Exception) -> QueryError:
        diagnosis = getattr(error, "diag", None)
        if getattr(error, "sqlstate", "") == "57014":
            return too_late()
        if "multiple commands" in str(error):
            return QueryError("must be a single statement")
        if re.search("read-only transaction|data-modifying|read-write mode", str(error)):
            return QueryError(f"must only read: a SELECT, nothing else ({first_line(error)})")
        place = getattr(diagnosis, "statement_position", None)
        return QueryError(_clean(first_line(error), self._arguments), _within_query(place))


_DECLARE = len('DECLARE "mlpcli" CURSOR FOR ')


def _within_query(place: str | None) -> int | None:
    """Return a position within the query, from 0; the server counts from the start of DECLARE, from 1."""
    return max(0, int(place) - 1 - _DECLARE) if place else None


def connection_arguments(address: str, origin: Origin) -> dict[str, str]:
    """Return what the driver takes, with the variables of the address replaced by their values.

    Raises:
        DataError: the address names a server or a parameter that is not allowed.
    """
    parts = urlsplit(server_address(address))
    host = parts.hostname or ""
    if host not in (*LOCAL, os.environ.get("PGHOST", "").lower()):
        hint = f"to allow it: export PGHOST={host}"
        origin.refuse("names a server that is neither this machine nor the one of PGHOST", hint=hint)
    given = dict(parse_qsl(parts.query))
    if unknown := next((name for name in given if name not in PARAMETERS), None):
        origin.refuse(f"parameter {unknown!r} must be one of {', '.join(PARAMETERS)}")
    try:
        port = parts.port
    except ValueError:
        origin.refuse("the port must be a number")
    named = {
        "host": host,
        "port": "" if port is None else str(port),
        "user": unquote(parts.username or ""),
        "password": VARIABLE.sub(lambda name: os.environ.get(name[1], ""), unquote(parts.password or "")),
        "dbname": unquote(parts.path.strip("/")),
    }
    return {name: value for name, value in (named | given).items() if value}


def _clean(message: str, arguments: dict[str, str]) -> str:
    """Return a message of the driver without the password."""
    password = arguments.get("password") or os.environ.get("PGPASSWORD", "")
    return message.replace(password, "***") if password else message
