"""Which rows cannot be used, or only in part: bad cells, unseen categories, values out of range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mlpcli.data.features.dates import parse_dates
from mlpcli.data.features.encoders import CategoryEncoder, DateEncoder, Encoded, Encoder, NumericEncoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.readers.delimited import TextOrigin
from mlpcli.data.readers.parse_cells import Dialect, python_values
from mlpcli.data.readers.row_errors import MAX_SHOWN, Origin, RowError
from mlpcli.data.readers.tables import cell_error, raise_row_errors, written_cell
from mlpcli.data.types import Array
from mlpcli.errors import listing

Policy = Literal["error", "bucket", "null"]
"""What an unknown value does to its row: refuses it, is let through, or leaves its prediction empty."""


@dataclass
class RowCounts:
    """Counts over all rows of a prediction; the dicts are by column."""

    rows: int = 0
    rejected: int = 0
    empty: int = 0  # predictions left empty
    missing: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class PolicyResult:
    """refused: (position of the row, column) of every cell that its row cannot be used for; nulled: rows."""

    rejected: list[tuple[int, str]]
    nulled: Array


def apply_policy(
    preprocessor: Preprocessor, found: Mapping[str, Encoded], unknown: Policy | None
) -> PolicyResult:
    """Which rows of a transformed table are refused, and which get no prediction.

    unknown: for every column; None leaves it to the columns' own policy.
    """
    rejected: list[tuple[int, str]] = []
    nulled: list[Array] = []
    for encoder in preprocessor.encoders:
        encoded = found[encoder.name]
        own = encoder.unseen if isinstance(encoder, CategoryEncoder) else "bucket"
        rejected += [(int(row), encoder.name) for row in encoded.bad]
        for rows, policy in ((encoded.unseen, unknown or own), (encoded.outside, unknown or "bucket")):
            if policy == "error":
                rejected += [(int(row), encoder.name) for row in rows]
            elif policy == "null" and len(rows):
                nulled.append(rows)
    return PolicyResult(rejected, np.unique(np.concatenate(nulled)) if nulled else np.empty(0, np.int64))


def count_rows(counts: RowCounts, found: Mapping[str, Encoded], taken: Array | None = None) -> None:
    """Add what the columns of some rows had to the counts; `taken`, (rows,) bool, tells which rows count."""
    for name, encoded in found.items():
        for counter, rows in (
            (counts.missing, encoded.missing),
            (counts.unseen, encoded.unseen),
            (counts.outside, encoded.outside),
        ):
            if len(rows):
                counter[name] += len(rows) if taken is None else int(taken[rows].sum())


def describe_cell_error(encoder: Encoder, row: int, value: Any, dialect: Dialect) -> RowError:
    """Why a cell is refused."""
    what = f"column {encoder.name!r}"
    text = value.strip() if isinstance(value, str) else value
    empty = text is None or text in dialect.missing_spellings or text != text
    if isinstance(encoder, NumericEncoder):
        number = dialect.number(text) if isinstance(text, str) else text
        if not empty and isinstance(number, int | float) and abs(number) < 3.4e38:
            rule = f"must lie between {encoder.lowest:g} and {encoder.highest:g}, as the training rows do"
            hint = "--on-unknown bucket lets it through"
            return RowError(row, what, rule, value, hint)
        return cell_error(row, encoder.name, value, dialect)
    if empty:
        return RowError(row, what, "must not be empty", hint="fill it, or take the row out")
    if isinstance(encoder, DateEncoder):
        valid = bool(parse_dates([str(text)], encoder.format).valid[0])
        rule = "must lie in the span of the training rows" if valid else "must be a date"
        return RowError(row, what, f"{rule}, written {encoder.format}", value)
    hint = "true or false, yes or no, 1 or 0"
    if isinstance(encoder, CategoryEncoder):
        hint = f"the categories are {listing(encoder.values)}"
    return RowError(row, what, "must be a value that the training rows know", value, hint)


def raise_cell_errors(
    preprocessor: Preprocessor,
    rejected: Iterable[tuple[int, str]],
    columns: Mapping[str, Any],
    positions: Array | Sequence[int],
    origin: Origin,
) -> None:
    """Raise a DataError for refused cells; return when there are none.

    columns: PyArrow columns by name; positions: of their rows in the table.
    """
    rejected = list(rejected)
    raise_row_errors(origin, cell_errors(preprocessor, rejected, columns, positions, origin), len(rejected))


def cell_errors(
    preprocessor: Preprocessor,
    rejected: Iterable[tuple[int, str]],
    columns: Mapping[str, Any],
    positions: Array | Sequence[int],
    origin: Origin,
) -> list[RowError]:
    """Why cells are refused, of the first of them, in the order of the rows."""
    places = sorted(set(rejected))
    encoders = {encoder.name: encoder for encoder in preprocessor.encoders}
    row_errors = []
    for row, name in places[:MAX_SHOWN]:
        where, inside = origin.at(int(positions[row]))
        text = written_cell(where, inside, name) if isinstance(where, TextOrigin) else None
        value = python_values(columns[name][row : row + 1])[0] if text is None else text
        row_errors.append(
            describe_cell_error(encoders[name], int(positions[row]), value, preprocessor.dialect)
        )
    return row_errors
