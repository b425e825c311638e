"""Choose rows of a table, as the file holds them, to verify an exported model with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlpcli.data.features.encoders import Encoder, NumericEncoder
from mlpcli.data.features.image_encoder import ImageEncoder, pixel_rows
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.readers.parse_cells import ParsedColumn, is_text, plain_type
from mlpcli.data.types import Array

SAMPLE_ROWS = 300
CANDIDATE_ROWS = 20_000
"""Rows from all over a table among which a sample is chosen."""

SAMPLE_CELLS = 100_000
"""A wide table gets fewer rows, but never fewer than ten."""

SAMPLE_PIXELS = 1_000_000
"""Large images get fewer rows too."""

VALUES_PER_COLUMN = 20
"""Up to this many values of a text column get a row each in the sample."""


@dataclass(frozen=True)
class Sample:
    """Rows as the served model takes them, and encoded.

    Attributes:
        columns: the cells of each raw column: a list of texts, in which a missing one is empty; float64, in
            which it is NaN; or images, (rows, height, width, channels) uint8.
        x: (rows, width) float32, the encoded rows.
        positions: (rows,) int64, each row's position in its file, from 0.
        label: of the file.
    """

    columns: dict[str, list[str] | Array]
    x: Array
    positions: Array
    label: str

    def __len__(self) -> int:
        return len(self.positions)


def take_sample(
    preprocessor: Preprocessor, columns: Mapping[str, ParsedColumn], rows: int, label: str
) -> Sample:
    """Choose rows from all over a table, and for every column rows with a missing cell and with each value.

    Args:
        preprocessor: that encodes the rows.
        columns: the raw columns by name.
        rows: their number of rows.
        label: of the file.

    Returns:
        Some hundred rows.
    """
    pixels = sum(each.width for each in preprocessor.images)
    most = max(10, min(SAMPLE_ROWS, SAMPLE_CELLS // len(preprocessor.names), SAMPLE_PIXELS // max(1, pixels)))
    places = _evenly_spaced(rows, CANDIDATE_ROWS)
    candidates = {name: columns[name].take(places) for name in preprocessor.names}
    chosen = _evenly_spaced(len(places), most)
    for encoder in preprocessor.encoders:
        if len(chosen) < 2 * most:
            chosen = np.union1d(chosen, _informative_rows(encoder, candidates[encoder.name]))
    picked = {name: column.take(chosen) for name, column in candidates.items()}
    raw = {each.name: served_values(each, picked[each.name]) for each in preprocessor.encoders}
    return Sample(raw, preprocessor.transform(picked).x, places[chosen], label)


def _evenly_spaced(rows: int, most: int) -> Array:
    """Return at most `most` positions, evenly spaced over the rows."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


def served_values(encoder: Encoder, column: ParsedColumn) -> list[str] | Array:
    """Return a column as the served model takes it: text as it is written, otherwise numbers."""
    if isinstance(encoder, ImageEncoder):
        return pixel_rows(column.arrow, encoder.width).reshape(-1, *encoder.shape)
    if not encoder.text:
        return column.numbers.values
    arrow = plain_type(column.arrow)
    if is_text(arrow.type):
        return [text or "" for text in arrow.to_pylist()]
    cells = column.texts
    return [cells.values[code] or "" for code in cells.codes]


def _informative_rows(encoder: Encoder, column: ParsedColumn) -> Array:
    """Return rows that show what else a column holds: a missing cell, extremes, each of its first values."""
    if isinstance(encoder, ImageEncoder):
        return np.empty(0, np.int64)
    if isinstance(encoder, NumericEncoder):
        values = column.numbers.values
        gaps = np.flatnonzero(np.isnan(values))
        ends = [] if len(gaps) == len(values) else [np.nanargmin(values), np.nanargmax(values)]
        return np.array([*gaps[:1], *ends], np.int64)
    cells = column.texts
    seen, first = np.unique(cells.codes, return_index=True)
    gaps = np.array([cells.values[code] is None for code in seen], dtype=bool)
    return np.concatenate([first[gaps], first[~gaps][:VALUES_PER_COLUMN]])
