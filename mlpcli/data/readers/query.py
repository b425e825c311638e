"""What the databases have in common: a connection that runs one SELECT, and the error of a query."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

SECONDS = 600.0
"""How long a query may take until its next rows."""


class QueryError(Exception):
    """A query cannot be run.

    Attributes:
        place: the position in the query, from 0, at which it is wrong; None if that is not known.
    """

    def __init__(self, message: str, place: int | None = None) -> None:
        super().__init__(message)
        self.place = place


class Connection(ABC):
    """A connection that can only read."""

    @abstractmethod
    def run(self, query: str) -> list[str]:
        """Run a SELECT, and return the names of its columns.

        Raises:
            QueryError: it is none, or cannot be run.
        """

    @abstractmethod
    def fetch(self, rows: int) -> Sequence[Sequence[object]]:
        """Return at most so many of the next rows; none at the end.

        Raises:
            QueryError: the query cannot go on.
        """

    @abstractmethod
    def tables(self) -> list[str]:
        """Return the names of the tables and views.

        Raises:
            QueryError: they cannot be read.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_SELECT = re.compile(r"(?is)(?>\s|\(|--[^\n]*\n|/\*.*?\*/)*+(?:select|with|values)\b")
"""What a query begins with; possessive, or many comments would be tried in every combination."""


def check_select(query: str) -> None:
    """Refuse a statement that does not begin as one that reads; what it does is up to the connection.

    Raises:
        QueryError: it begins otherwise.
    """
    if not _SELECT.match(query):
        raise QueryError("must only read: a SELECT, nothing else")


def too_late() -> QueryError:
    """Return the error of a query that takes too long."""
    minutes = SECONDS / 60
    amount = f"{minutes:g} minutes" if minutes >= 1 else f"{SECONDS:g} seconds"
    return QueryError(f"takes more than {amount}: is there an end to it?")
