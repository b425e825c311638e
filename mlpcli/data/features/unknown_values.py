"""Find rows that cannot be used: unreadable cells, unseen categories, values out of range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mlpcli.data.features.date_hints import date_hint, date_rule, day_text
from mlpcli.data.features.dates import parse_dates
from mlpcli.data.features.encoded import Encoded
from mlpcli.data.features.encoders import CategoryEncoder, DateEncoder, Encoder, NumericEncoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.parse_cells import TOO_LARGE, ParsedColumn
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.readers.table_values import cell_at, cell_error, number_in
from mlpcli.data.types import Array
from mlpcli.errors import listing

Policy = Literal["error", "bucket", "null"]
"""How a row with an unknown value is handled: rejected, used, or its prediction left empty."""


@dataclass
class RowCounts:
    """Counts over all rows of a prediction.

    Attributes:
        rows: that were predicted.
        rejected: rows that could not be used.
        empty: predictions that were left empty.
        missing: missing cells, by column.
        unseen: cells with a category that no training row has, or with words of which none is known, by
            column.
        outside: cells with a value outside the range of the training rows, by column.
        notes: what a person should know of how the files were read.
    """

    rows: int = 0
    rejected: int = 0
    empty: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, found: Mapping[str, Encoded], used: Array | None = None) -> None:
        """Count the cells of some rows.

        Args:
            found: what encoding found in each column.
            used: (rows,) bool, which of the rows count; None for all.
        """
        for name, encoded in found.items():
            for counter, rows in (
                (self.missing, encoded.missing),
                (self.unseen, encoded.unseen),
                (self.outside, encoded.outside),
            ):
                if len(rows):
                    counter[name] += len(rows) if used is None else int(used[rows].sum())


@dataclass(frozen=True)
class PolicyResult:
    """What a policy decides.

    Attributes:
        rejected: (position of the row, column) of every cell for which its row is rejected.
        nulled: positions of rows, int64, whose prediction is left empty.
    """

    rejected: list[tuple[int, str]]
    nulled: Array


def apply_policy(
    preprocessor: Preprocessor, found: Mapping[str, Encoded], unknown: Policy | None
) -> PolicyResult:
    """Decide which rows of an encoded table are rejected, and which get no prediction.

    Args:
        preprocessor: that encoded the rows.
        found: what encoding found in each column.
        unknown: the policy for every column; None for each column's own.

    Returns:
        The rejected cells and the rows without a prediction.
    """
    rejected: list[tuple[int, str]] = []
    nulled: list[Array] = []
    for encoder in preprocessor.encoders:
        encoded = found[encoder.name]
        own = encoder.unseen if isinstance(encoder, CategoryEncoder | TextEncoder) else "bucket"
        rejected += [(int(row), encoder.name) for row in encoded.unreadable]
        for rows, policy in ((encoded.unseen, unknown or own), (encoded.outside, unknown or "bucket")):
            if policy == "error":
                rejected += [(int(row), encoder.name) for row in rows]
            elif policy == "null" and len(rows):
                nulled.append(rows)
    return PolicyResult(rejected, np.unique(np.concatenate(nulled)) if nulled else np.empty(0, np.int64))


def describe_cell_error(encoder: Encoder, row: int, value: object, dialect: Dialect) -> RowError:
    """Return why a cell is rejected."""
    location = f"column {encoder.name!r}"
    text = value.strip() if isinstance(value, str) else value
    empty = text is None or text in dialect.missing_spellings or text != text
    if isinstance(encoder, NumericEncoder):
        number = number_in(text, dialect)
        if not empty and number is not None and abs(number) < TOO_LARGE:
            limits = f"{encoder.lowest:g} and {encoder.highest:g}"
            if abs(encoder.scaled(np.array([number], np.float64))[0]) >= TOO_LARGE:
                rule = f"is too far from the training rows, which are between {limits}"
                return RowError(row, location, rule, value)
            rule = f"must be between {limits}, as in the training rows"
            return RowError(row, location, rule, value, "--on-unknown bucket lets it through")
        return cell_error(row, encoder.name, value, dialect)
    if empty:
        return RowError(row, location, "must not be empty", hint="fill it, or remove the row")
    if isinstance(encoder, DateEncoder):
        if not parse_dates([str(text)], encoder.format, dialect.numbers).valid[0]:
            hint = date_hint(str(text), encoder.format)
            return RowError(row, location, date_rule(encoder.format), value, hint)
        ends = [day_text(each, encoder.format) for each in (encoder.lowest, encoder.highest)]
        rule = f"must be within the dates of the training rows, {ends[0]} to {ends[1]}"
        return RowError(row, location, rule, value, "--on-unknown bucket lets it through")
    if isinstance(encoder, TextEncoder):
        rule = "must have a word that the model knows"
        return RowError(row, location, rule, value, "--on-unknown bucket lets it through")
    hint = "true or false, yes or no, 1 or 0"
    if isinstance(encoder, CategoryEncoder):
        hint = f"the categories are {listing(encoder.values)}"
    return RowError(row, location, "must be a value that occurs in the training rows", value, hint)


def cell_errors(
    preprocessor: Preprocessor,
    rejected: Iterable[tuple[int, str]],
    columns: Mapping[str, ParsedColumn],
    positions: Array | Sequence[int],
    origin: Origin,
) -> RowErrors:
    """Return why some cells are rejected.

    Args:
        preprocessor: that encoded the rows.
        rejected: (row, column) of the cells.
        columns: the raw columns by name.
        positions: of their rows in the table.
        origin: of the table.
    """
    rows_of: dict[str, list[int]] = {}
    for row, name in sorted(set(rejected)):
        rows_of.setdefault(name, []).append(row)
    errors = RowErrors()
    for encoder in preprocessor.encoders:
        rows = rows_of.get(encoder.name, [])
        dialect = preprocessor.dialect.of(encoder.name)
        described = []
        for row in rows[:MAX_DESCRIBED]:
            place = int(positions[row])
            cell = cell_at(origin, place, encoder.name, columns[encoder.name].value(row))
            described.append(describe_cell_error(encoder, place, cell, dialect))
        errors.add(described, len(rows))
    return errors
