"""Cells of a table as numbers, in short: functions that are copied into scripts.

They read what people usually write; `encode_columns.py` sees first that they read a column as mlpcli does.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from mlpcli.data.features.words import ngrams_of, split_text, standardized
from mlpcli.data.types import Array
from mlpcli.spec.text_keys import Standardize, TokenSplit

EXACT = 2**53
"""Whole numbers from this one on may not be exact."""


def as_text(cell: object) -> str:
    """A cell as it is written in a text: `3` for 3.0, `true` for True, nothing for None."""
    if isinstance(cell, bool | np.bool_):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < EXACT:
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


def texts(cells: Array, missing: list[str]) -> list[str | None]:
    """Cells as texts; None where one is missing."""
    return [None if text in missing else text for text in map(as_text, cells)]


def numbers(
    cells: Array, missing: list[str], decimal: str = ".", thousands: str = "", unit: str = ""
) -> Array:
    """Cells as numbers, (rows,) float64; NaN where one is missing."""
    found = []
    for text in map(as_text, cells):
        bare = text.replace(unit, "").replace(thousands, "").replace(decimal, ".")
        found.append(np.nan if text in missing else float(bare))
    return np.array(found, "float64")


def booleans(cells: Array, missing: list[str]) -> Array:
    """Cells as 1 and 0, (rows,) float64; NaN where one is missing."""
    known = {"true": 1, "yes": 1, "y": 1, "t": 1, "on": 1, "1": 1, "1.0": 1}
    known |= {"false": 0, "no": 0, "n": 0, "f": 0, "off": 0, "0": 0, "0.0": 0}
    found = [
        known.get(text.lower(), np.nan) if text not in missing else np.nan for text in map(as_text, cells)
    ]
    return np.array(found, "float64")


def one_hot(cells: list[str | None], values: list[str], other: bool, missing: bool) -> Array:
    """A column of 0 and 1 for each value, any other and a missing one, (rows, columns) float64."""
    places: dict[str | None, int] = {value: place for place, value in enumerate(values)}
    if missing:
        places[None] = len(values) + other
    chosen = np.array([places.get(cell, len(values) if other else -1) for cell in cells])
    columns = np.arange(len(values) + other + missing)
    return np.asarray(chosen[:, None] == columns, "float64")


def index(cells: list[str | None], values: list[str], missing: bool) -> Array:
    """Indices for an embedding, (rows,) float64: 0 is any other, 1 a missing one, then the values."""
    places: dict[str | None, int] = {value: 2 + place for place, value in enumerate(values)}
    if missing:
        places[None] = 1
    return np.array([places.get(cell, 0) for cell in cells], "float64")


def tokens_of(
    cells: list[str | None], standardize: Standardize, split: TokenSplit, widths: list[int]
) -> list[list[str]]:
    """The tokens of texts: words, or characters, or so many in a row."""
    return [ngrams_of(split_text(standardized(cell or "", standardize), split), widths) for cell in cells]


def count_tokens(tokens: list[list[str]], known: list[str]) -> Array:
    """How often each token occurs, first all that are not known, (rows, 1 + tokens) float64."""
    places = {token: 1 + place for place, token in enumerate(known)}
    counts = np.zeros((len(tokens), 1 + len(known)))
    for row, each in enumerate(tokens):
        for token in each:
            counts[row, places.get(token, 0)] += 1
    return counts


def idf_weights(documents: list[int], rows: int) -> Array:
    """log(1 + rows / (1 + rows with the token)), first the mean for others, (1 + tokens,) float32."""
    weights = np.log(1 + rows / (1 + np.array(documents, "float64"))).astype("float32")
    return np.concatenate([[np.average(weights)], weights])


def token_ids(tokens: list[list[str]], known: list[str], length: int) -> Array:
    """The first ids of each row, (rows, length) float64: 0 behind the last, 1 for others, then the tokens."""
    places = {token: 2 + place for place, token in enumerate(known)}
    ids = np.zeros((len(tokens), length))
    for row, each in enumerate(tokens):
        found = [places.get(token, 1) for token in each[:length]] or [1]
        ids[row, : len(found)] = found
    return ids


def dates(cells: Array, form: str, missing: list[str]) -> Array:
    """Days since 1970, seconds of the day, year, month and day, (5, rows) float64; NaN without a date."""
    found = []
    for text in map(as_text, cells):
        if text in missing:
            found.append([np.nan] * 5)
            continue
        written, _, time = text.replace("T", " ").partition(" ")
        day = datetime.strptime(written, form)
        hours, minutes, seconds = [*map(float, time.split(":") if time else ()), 0, 0, 0][:3]
        clock = hours * 3600 + minutes * 60 + seconds
        found.append(
            [day.toordinal() - datetime(1970, 1, 1).toordinal(), clock, day.year, day.month, day.day]
        )
    return np.array(found, "float64").reshape(-1, 5).T


def around(position: Array) -> Array:
    """Sine and cosine of places in a period, each from 0 to 1, (rows, 2) float64; 0 where there is none."""
    turns = np.column_stack([np.sin(2 * np.pi * position), np.cos(2 * np.pi * position)])
    return np.where(np.isnan(turns) | (np.abs(turns) < 1e-12), 0.0, turns)


def filled(values: Array, fill: float) -> Array:
    """Numbers with another one for NaN."""
    return np.where(np.isnan(values), fill, values)


def fit_quantiles(values: Array, count: int) -> Array:
    """Quantiles of numbers at evenly spaced shares of the rows, (count,) float64; NaN is left out."""
    known = values[~np.isnan(values)] if not np.isnan(values).all() else np.zeros(1)
    return np.maximum.accumulate(np.percentile(known, np.linspace(0, 1, count) * 100))


def to_normal(values: Array, quantiles: Array) -> Array:
    """Numbers as those of a normal distribution, by quantiles; NaN stays."""
    from scipy.special import ndtri

    last = len(quantiles) - 1
    place = np.maximum(np.searchsorted(quantiles, values, side="right") - 1, 0)
    first = np.searchsorted(quantiles, quantiles)[place]  # a repeated one is in the middle of its places
    lower, upper = quantiles[place], quantiles[np.minimum(place + 1, last)]
    gap = np.where(upper > lower, upper - lower, 1)
    rank = np.where(values == lower, (place + first) / 2, place + (values - lower) / gap)
    least = 1e-7 - np.spacing(1)
    return np.asarray(ndtri(np.clip(np.clip(rank, 0, last) / last, least, 1 - least)))


def smooth_clip(values: Array) -> Array:
    """Numbers drawn to between -3 and 3."""
    return np.asarray(values / np.sqrt(1 + (values / 3) ** 2))
