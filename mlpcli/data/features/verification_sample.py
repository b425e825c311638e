"""Some rows of a table as they stand in the file, to hold an exported model against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.data.features.encoders import Encoder, NumericEncoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.readers.parse_cells import Dialect, is_text, number_cells, plain_type, text_cells
from mlpcli.data.types import Array

SAMPLE_ROWS = 300
CANDIDATE_ROWS = 20_000
"""Rows, from all over a table, among which a sample is chosen."""

SAMPLE_CELLS = 100_000
"""Of a wide table fewer rows are taken, but never fewer than ten."""

VALUES_PER_COLUMN = 20
"""Rows that are added for what one column of text holds: a row for each of so many values."""


@dataclass(frozen=True)
class Sample:
    """Rows in both their shapes.

    columns: by raw column its cells as the served model takes them: a list of texts, where the empty one is a
        gap, or float32, where NaN is. x: (rows, width) float32, what the preprocessor makes of them.
    positions: (rows,) int64, each row's position in its file, from 0. label: of the file.
    """

    columns: dict[str, list[str] | Array]
    x: Array
    positions: Array
    label: str

    def __len__(self) -> int:
        return len(self.positions)


def take_sample(preprocessor: Preprocessor, columns: Mapping[str, Any], rows: int, label: str) -> Sample:
    """Rows from all over a table, and for every column one with a gap, and one of each of its values.

    columns: PyArrow columns by name, of `rows` rows.
    """
    dialect = preprocessor.dialect
    most = max(10, min(SAMPLE_ROWS, SAMPLE_CELLS // len(preprocessor.names)))
    places = _evenly_spaced(rows, CANDIDATE_ROWS)
    near = {name: columns[name].take(places) for name in preprocessor.names}
    chosen = _evenly_spaced(len(places), most)
    for encoder in preprocessor.encoders:
        if len(chosen) < 2 * most:
            chosen = np.union1d(chosen, _informative_rows(encoder, near[encoder.name], dialect))
    picked = {name: column.take(chosen) for name, column in near.items()}
    raw = {each.name: served_values(each, picked[each.name], dialect) for each in preprocessor.encoders}
    return Sample(raw, preprocessor.transform(picked).x, places[chosen], label)


def _evenly_spaced(rows: int, most: int) -> Array:
    """At most so many positions, evenly spread over some rows."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


def served_values(encoder: Encoder, column: Any, dialect: Dialect) -> list[str] | Array:
    """A PyArrow column as the served model takes it: text as it is written, else numbers."""
    if not encoder.text:
        return number_cells(column, dialect).values
    column = plain_type(column)
    if is_text(column.type):
        return [text or "" for text in column.to_pylist()]
    cells = text_cells(column, dialect)
    return [cells.values[code] or "" for code in cells.codes]


def _informative_rows(encoder: Encoder, column: Any, dialect: Dialect) -> Array:
    """Rows, at most some of a kind, that show what else a column holds: a gap, and each of its values."""
    if isinstance(encoder, NumericEncoder):
        return np.flatnonzero(np.isnan(number_cells(column, dialect).values))[:1]
    cells = text_cells(column, dialect)
    seen, first = np.unique(cells.codes, return_index=True)
    gaps = np.array([cells.values[code] is None for code in seen], dtype=bool)
    return np.concatenate([first[gaps], first[~gaps][:VALUES_PER_COLUMN]])
