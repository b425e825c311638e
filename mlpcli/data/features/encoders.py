"""Encode one column as numbers for the network: fitted on the training rows, then frozen.

Each encoder does in NumPy what `model/preprocessing.py` does with Keras layers; a test compares the two.
scikit-learn's encoders would not do: they keep neither the rows of unreadable cells nor unseen categories,
and a run stores plain JSON, never a pickle.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import numpy as np

from mlpcli.data.features.dates import ParsedDates, parse_dates
from mlpcli.data.features.encoded import NO_ROWS, Encoded
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.quantiles import Quantiles, smooth_clip
from mlpcli.data.readers.parse_cells import TOO_LARGE, ParsedColumn, Texts
from mlpcli.data.types import Array

BOOLEANS = {"true": True, "yes": True, "y": True, "t": True, "on": True, "1": True, "1.0": True}
BOOLEANS |= {"false": False, "no": False, "n": False, "f": False, "off": False, "0": False, "0.0": False}

BOOLEAN_SPELLINGS = {
    spelled: value for text, value in BOOLEANS.items() for spelled in (text, text.capitalize(), text.upper())
}
"""Every spelling of a boolean; other cells are no booleans."""


@dataclass(frozen=True)
class NumericEncoder:
    """Fill missing values, take the log, then (value - offset) / scale; optionally mark missing cells.

    All of it in float64, and then rounded to float32; in a run of version 0.1 in float32 from the start.

    Attributes:
        name: of the raw column.
        fill: the value of a missing cell.
        offset: subtracted from each value.
        scale: divides the result.
        log: whether values become sign(x) * log(1 + |x|) first.
        indicator: whether a second column of the matrix is 1 where a cell is missing.
        required: whether a missing cell is an error.
        lowest: the smallest value of the training rows.
        highest: the largest value of the training rows.
        quantiles: by which values become those of a normal distribution, instead of offset and scale.
        clip: `smooth` keeps the scaled values between -3 and 3.
    """

    name: str
    fill: float
    offset: float = 0.0
    scale: float = 1.0
    log: bool = False
    indicator: bool = False
    required: bool = False
    lowest: float = float("-inf")
    highest: float = float("inf")
    quantiles: Quantiles | None = None
    clip: Literal["smooth"] | None = None
    kind: Literal["numeric"] = "numeric"
    text: ClassVar[bool] = False

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return 1 + self.indicator

    @property
    def is_plain(self) -> bool:
        """Whether the values are neither scaled nor changed otherwise."""
        linear = self.quantiles is None and not self.log and self.clip is None
        return linear and (self.offset, self.scale) == (0, 1)

    def encode(self, column: ParsedColumn) -> Encoded:
        """Encode the cells of some rows."""
        values, unreadable = column.numbers.values, column.numbers.unreadable
        values = values.astype(column.dialect.numbers, copy=False)
        # NaN propagates into both: one pass shows whether cells are missing, and whether all are in range
        lowest, highest = (values.min(), values.max()) if len(values) else (0.0, 0.0)
        missing = outside = NO_ROWS
        gaps: Array | None = None
        if np.isnan(lowest):
            gaps = np.isnan(values)
            missing = np.setdiff1d(np.flatnonzero(gaps), unreadable, assume_unique=True)
            values = np.where(gaps, values.dtype.type(self.fill), values)
            lowest, highest = values.min(), values.max()
        if lowest < self.lowest or highest > self.highest:
            beyond = (values < self.lowest) | (values > self.highest)
            outside = np.flatnonzero(beyond if gaps is None else beyond & ~gaps)
        if np.abs(self.scaled(np.array([lowest, highest], np.float64))).max() >= TOO_LARGE:
            far = np.abs(self.scaled(values.astype(np.float64))) >= TOO_LARGE
            unreadable = np.union1d(unreadable, np.flatnonzero(far))
            values = np.where(far, values.dtype.type(self.fill), values)
        scaled = np.asarray(self.scaled(values), np.float32)
        if self.indicator:
            marks = np.zeros(len(values), np.float32) if gaps is None else gaps.astype(np.float32)
            matrix = np.stack([scaled, marks], axis=1)
        else:
            matrix = scaled[:, None]
        return Encoded(matrix, missing, _with_missing(unreadable, missing, self.required), outside=outside)

    def scaled(self, values: Array) -> Array:
        """Return numbers as the network takes them, but in their own precision; see the class."""
        kept = values.dtype.type
        if self.log:
            values = np.sign(values) * np.log1p(np.abs(values))
        if self.offset or self.scale != 1:
            values = values - kept(self.offset)
            values /= kept(self.scale)
        return _shaped(values, self.quantiles, self.clip)


def _shaped(values: Array, quantiles: Quantiles | None, clip: str | None) -> Array:
    """Return numbers after the steps that follow offset and scale: to a normal distribution, clipped."""
    if quantiles is not None:
        values = quantiles.to_normal(values)
    return np.asarray(smooth_clip(np, values)) if clip else values


@dataclass(frozen=True)
class BooleanEncoder:
    """1 for true, 0 for false, and `fill` where the value is missing or unseen.

    Attributes:
        name: of the raw column.
        text: whether cells are texts such as yes and no, rather than the numbers 1 and 0.
        fill: the value of a missing cell.
        indicator: whether a second column of the matrix is 1 where a cell is missing.
        required: whether a missing cell is an error.
    """

    name: str
    text: bool
    fill: float
    indicator: bool = False
    required: bool = False
    kind: Literal["boolean"] = "boolean"

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return 1 + self.indicator

    def encode(self, column: ParsedColumn) -> Encoded:
        """Encode the cells of some rows."""
        known, unseen = parse_booleans(column)
        gaps = np.isnan(known)
        values = np.where(gaps, np.float32(self.fill), known)
        parts = [values, gaps.astype(np.float32)] if self.indicator else [values]
        missing = np.setdiff1d(np.flatnonzero(gaps), unseen, assume_unique=True)
        unreadable = missing if self.required else NO_ROWS
        return Encoded(np.stack(parts, axis=1).astype(np.float32), missing, unreadable, unseen=unseen)


def parse_booleans(column: ParsedColumn) -> tuple[Array, Array]:
    """Return a column as 1, 0 and NaN, (rows,) float32, and the positions of rows with another value."""
    cells = column.texts_without_gaps
    known = {None: np.nan} | {text: float(value) for text, value in BOOLEAN_SPELLINGS.items()}
    distinct = np.array([known.get(value, np.inf) for value in cells.values] or [np.nan], np.float32)
    values = distinct[cells.codes] if len(cells.codes) else distinct[:0]
    unseen = np.flatnonzero(np.isinf(values))
    return np.where(np.isinf(values), np.float32(np.nan), values), unseen


@dataclass(frozen=True)
class DateEncoder:
    """Parts of a date in UTC: elapsed days and the year scaled, the others as sine and cosine.

    Attributes:
        name: of the raw column.
        format: such as `%Y-%m-%d`.
        parts: `elapsed`, `year`, `month`, `day`, `weekday`, `hour`, in their order in the matrix.
        reference: the first day of the training rows, in days since 1970-01-01.
        elapsed: mean and standard deviation of the days since `reference`.
        years: mean and standard deviation of the years.
        indicator: whether a last column of the matrix is 1 where the date is missing or invalid.
        required: whether a missing cell is an error.
        lowest: the first day of the training rows, in days since 1970-01-01.
        highest: the last day of the training rows.
        elapsed_quantiles: as for numbers, instead of `elapsed`.
        year_quantiles: instead of `years`.
        clip: `smooth` keeps elapsed days and years between -3 and 3.
        exact_zeros: whether the sine of midday is 0, and not 1e-16, as runs have it that are older than this.
    """

    name: str
    format: str
    parts: tuple[str, ...]
    reference: int
    elapsed: tuple[float, float]
    years: tuple[float, float]
    indicator: bool = False
    required: bool = False
    lowest: int = 0
    highest: int = 0
    elapsed_quantiles: Quantiles | None = None
    year_quantiles: Quantiles | None = None
    clip: Literal["smooth"] | None = None
    exact_zeros: bool = False
    kind: Literal["date"] = "date"
    text: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return sum(1 if part in ("elapsed", "year") else 2 for part in self.parts) + self.indicator

    def encode(self, column: ParsedColumn) -> Encoded:
        """Encode the cells of some rows."""
        cells, dates = parse_date_column(column, self.format)
        values = self._distinct(dates).astype(np.float32)[cells.codes]
        missing = np.flatnonzero(cells.mask((None,)))
        valid = dates.valid[cells.codes]
        unreadable = np.setdiff1d(np.flatnonzero(~valid), missing, assume_unique=True)
        beyond = (dates.days < self.lowest) | (dates.days > self.highest)
        outside = np.flatnonzero((beyond & dates.valid)[cells.codes])
        if self.indicator:
            values = np.concatenate([values, (~valid).astype(np.float32)[:, None]], axis=1)
        return Encoded(values, missing, _with_missing(unreadable, missing, self.required), outside=outside)

    def exact_parts(self, column: ParsedColumn) -> Array:
        """Return the parts of some rows in float64, (rows, columns), without the indicator."""
        cells, dates = parse_date_column(column, self.format)
        return self._distinct(dates)[cells.codes]

    def _distinct(self, dates: ParsedDates) -> Array:
        return np.stack([part * dates.valid for part in self._parts(dates)], axis=1)

    def _parts(self, dates: ParsedDates) -> list[Array]:
        found: list[Array] = []
        for part in self.parts:
            if part == "elapsed":
                days = dates.days - self.reference + dates.seconds / 86400
                scaled = (days - self.elapsed[0]) / self.elapsed[1]
                found.append(_shaped(scaled, self.elapsed_quantiles, self.clip))
            elif part == "year":
                scaled = (dates.year - self.years[0]) / self.years[1]
                found.append(_shaped(scaled, self.year_quantiles, self.clip))
            else:
                turn = 2 * np.pi * cyclic_position(part, dates)
                around = [np.sin(turn), np.cos(turn)]
                found += [without_rounding(each) for each in around] if self.exact_zeros else around
        return found


PERIODS = {"month": 12, "day": 31, "weekday": 7, "hour": 24}
"""Steps in one period of each cyclic part of a date."""


LEAST_SINE = 1e-12
"""Smaller sines and cosines of a part of a date are rounding: that of a nanosecond of a day is 7e-14."""


def without_rounding(values: Array) -> Array:
    """Return sines or cosines with 0 where they are 0 but for the rounding of pi.

    The sines of the hours 0 and 12 are 0 and 1.2e-16: of a column that has no others, a layer that measures
    its numbers by their range would make much of nothing.
    """
    return np.where(np.abs(values) < LEAST_SINE, 0.0, values)


def cyclic_position(part: str, dates: ParsedDates) -> Array:
    """Return where in its period a part of a date is, from 0 up to 1; weeks begin on Monday."""
    position = {
        "month": dates.month - 1,
        "day": dates.day - 1,
        "weekday": (dates.days + 3) % 7,
        "hour": dates.seconds / 3600,
    }[part]
    return np.asarray(position / PERIODS[part])


def parse_date_column(column: ParsedColumn, name: str) -> tuple[Texts, ParsedDates]:
    """Return a column's texts, and the dates of its distinct texts in the format `name`.

    What the file holds as dates, and not as texts, needs no format.
    """
    import pyarrow as pa

    cells = column.texts_without_gaps
    texts = [value or "" for value in cells.values] or [""]
    written = "%Y-%m-%d" if pa.types.is_temporal(column.kind) else name
    return cells, parse_dates(texts, written, column.dialect.numbers)


def invalid_dates(column: ParsedColumn, name: str) -> Array:
    """Return the positions of rows whose cell is neither missing nor a date in the format `name`."""
    cells, dates = parse_date_column(column, name)
    wrong = np.array([value is not None for value in cells.values] or [False]) & ~dates.valid
    return np.flatnonzero(wrong[cells.codes]) if wrong.any() else NO_ROWS


@dataclass(frozen=True)
class CategoryEncoder:
    """One column per category (one-hot), or the index of the category for an embedding.

    One-hot: the values in their order, then `other`, then `missing`, if training rows fall into these; an
    unseen value without an `other` column is a row of zeros. Embedding: 0 is other, 1 is missing, then the
    values.

    Attributes:
        name: of the raw column.
        values: the categories.
        rare: categories of fewer training rows than `min_count`; they count as other.
        other: whether one-hot has a column for other values.
        missing: whether missing cells are a category of their own.
        fill: the category that a missing cell counts as.
        required: whether a missing cell is an error.
        embedding: the width of the embedding; 0 for one-hot.
        unseen: what to do with a row whose category no training row has.
    """

    name: str
    values: tuple[str, ...]
    rare: tuple[str, ...] = ()
    other: bool = False
    missing: bool = False
    fill: str | None = None
    required: bool = False
    embedding: int = 0
    unseen: Literal["bucket", "error", "null"] = "bucket"
    kind: Literal["categorical"] = "categorical"
    text: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return 1 if self.embedding else len(self.values) + self.other + self.missing

    @property
    def slots(self) -> int:
        """The number of distinct indices that an embedding takes."""
        return len(self.values) + 2

    def slot(self, value: str | None) -> int:
        """Return the index of a value; -1 for a row of zeros."""
        return self._places().get(value, self._other())

    def _other(self) -> int:
        if self.embedding:
            return 0
        return len(self.values) if self.other else -1

    def _places(self) -> dict[str | None, int]:
        first = 2 if self.embedding else 0
        places: dict[str | None, int] = {value: first + place for place, value in enumerate(self.values)}
        if self.fill is not None:
            places[None] = places.get(self.fill, self._other())
        elif self.missing:
            places[None] = 1 if self.embedding else len(self.values) + self.other
        return places

    def encode(self, column: ParsedColumn) -> Encoded:
        """Encode the cells of some rows."""
        cells = column.texts
        places = self._places()
        slots = np.array([places.get(value, self._other()) for value in cells.values] or [0], np.int64)
        known = {None, *self.values, *self.rare}
        invalid = np.array([value not in known for value in cells.values] or [False])
        if self.embedding:
            values = slots.astype(np.float32)[cells.codes][:, None]
        else:
            table = np.zeros((len(slots), self.width), np.float32)
            seen = np.flatnonzero(slots >= 0)
            table[seen, slots[seen]] = 1
            values = table[cells.codes]
        missing = np.flatnonzero(cells.mask((None,))) if None in cells.values else NO_ROWS
        unseen = np.flatnonzero(invalid[cells.codes]) if invalid.any() else NO_ROWS
        return Encoded(values, missing, missing if self.required else NO_ROWS, unseen=unseen)


Encoder = NumericEncoder | BooleanEncoder | DateEncoder | CategoryEncoder | TextEncoder | ImageEncoder


OPTIONAL = ("quantiles", "elapsed_quantiles", "year_quantiles", "clip", "exact_zeros")
"""Attributes that runs only have where they are used: others are written as before there were these."""


def encoder_to_json(encoder: Encoder) -> dict[str, object]:
    """Return an encoder as plain JSON values; an infinite limit is null."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in asdict(encoder).items()
        if value not in (None, False) or key not in OPTIONAL
    }


def without_limits(document: dict[str, object]) -> dict[str, object]:
    """Return what `encoder_to_json` wrote without infinite limits, which are the defaults."""
    return {key: value for key, value in document.items() if value is not None}


def _with_missing(unreadable: Array, missing: Array, required: bool) -> Array:
    return np.union1d(unreadable, missing) if required and len(missing) else unreadable
