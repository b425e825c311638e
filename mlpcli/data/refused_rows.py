"""Rows that cannot be used, in a file that is read in parts: the errors of its other parts are shown too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from mlpcli.data.readers.broken_rules import RowErrors, raise_row_errors
from mlpcli.data.readers.row_errors import REJECTS, Origin, RowError
from mlpcli.errors import AllAtOnce

P = TypeVar("P")
T = TypeVar("T")

MOST_PARTS = 16
"""Parts, of some 100,000 rows each, that are read behind the first one with errors."""


class RefusedRows(Exception):
    """Rows of a part cannot be used."""

    def __init__(self, errors: RowErrors) -> None:
        super().__init__()
        self.errors = errors


def refuse(row_errors: Sequence[RowError] | RowErrors) -> None:
    """Raise RefusedRows if there are errors."""
    errors = row_errors if isinstance(row_errors, RowErrors) else RowErrors(row_errors)
    if errors:
        raise RefusedRows(errors)


def all_parts(origin: Origin, parts: Iterable[P], work: Callable[[P], T]) -> Iterator[T]:
    """Yield what becomes of the parts of a file, up to the first with rows that cannot be used.

    Args:
        origin: names the rows.
        parts: of the file.
        work: raises RefusedRows for a part with such rows.

    Raises:
        DataError: There is such a part; with the errors of the parts behind it.
    """
    at_once, errors, behind = AllAtOnce(), RowErrors(), 0
    with at_once:
        for part in parts:
            if behind == MOST_PARTS:
                errors = errors.at_least()
                break
            try:
                done = work(part)
                if not errors:
                    yield done
            except RefusedRows as refused:
                errors = errors.with_more(refused.errors)
            behind += bool(errors)
    with at_once:
        raise_row_errors(origin, errors, way_out=REJECTS)
    at_once.finish()
