"""One column as numbers for the network: fitted on the training rows, then a plain value that never changes.

Each encoder does in NumPy what `model/preprocessing.py` builds of Keras layers; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from mlpcli.data.features.dates import ParsedDates, parse_dates
from mlpcli.data.readers.parse_cells import Dialect, NumberCells, TextCells, number_cells, text_cells
from mlpcli.data.types import Array

NO_ROWS = np.empty(0, np.int64)

BOOLEANS = {"true": True, "yes": True, "y": True, "t": True, "on": True, "1": True, "1.0": True}
BOOLEANS |= {"false": False, "no": False, "n": False, "f": False, "off": False, "0": False, "0.0": False}

BOOLEAN_SPELLINGS = {
    spelled: value for text, value in BOOLEANS.items() for spelled in (text, text.capitalize(), text.upper())
}
"""Every spelling of a boolean. A cell that is none of these is not seen as one."""


def _no_rows() -> Array:
    return NO_ROWS


@dataclass(frozen=True)
class Encoded:
    """A column's part of the matrix, and the rows that are worth a word.

    values: (rows, width) float32. The others are positions of rows, int64: `missing` cells, `bad` ones (no
    usable value), `unseen` categories, values `outside` the range of the training rows.
    """

    values: Array
    missing: Array = field(default_factory=_no_rows)
    bad: Array = field(default_factory=_no_rows)
    unseen: Array = field(default_factory=_no_rows)
    outside: Array = field(default_factory=_no_rows)


@dataclass(frozen=True)
class NumericEncoder:
    """(fill, then log, then (value - offset) / scale), and where asked for a column that tells of gaps."""

    name: str
    fill: float
    offset: float = 0.0
    scale: float = 1.0
    log: bool = False
    indicator: bool = False
    required: bool = False  # a missing cell is an error
    lowest: float = float("-inf")  # of the training rows
    highest: float = float("inf")
    kind: Literal["numeric"] = "numeric"
    text: ClassVar[bool] = False

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return 1 + self.indicator

    def encode(self, column: Any, dialect: Dialect) -> Encoded:
        """The column of some rows."""
        return self.encode_cells(number_cells(column, dialect))

    def encode_cells(self, cells: NumberCells) -> Encoded:
        """Numbers, NaN where there is none."""
        values = cells.values
        # NaN poisons both sums: one pass says whether there are gaps at all, and whether all is in range
        lowest, highest = (values.min(), values.max()) if len(values) else (0.0, 0.0)
        missing = outside = NO_ROWS
        gaps: Array | None = None
        if np.isnan(lowest):
            gaps = np.isnan(values)
            missing = np.setdiff1d(np.flatnonzero(gaps), cells.bad, assume_unique=True)
            values = np.where(gaps, np.float32(self.fill), values)
            lowest, highest = values.min(), values.max()
        if lowest < self.lowest or highest > self.highest:
            beyond = (values < self.lowest) | (values > self.highest)
            outside = np.flatnonzero(beyond if gaps is None else beyond & ~gaps)
        scaled = self._scaled(values)
        if self.indicator:
            told = np.zeros(len(values), np.float32) if gaps is None else gaps.astype(np.float32)
            matrix = np.stack([scaled, told], axis=1)
        else:
            matrix = scaled[:, None]
        return Encoded(matrix, missing, _with(cells.bad, missing, self.required), outside=outside)

    def _scaled(self, values: Array) -> Array:
        if self.log:
            values = np.sign(values) * np.log1p(np.abs(values))
        if self.offset or self.scale != 1:
            values = (values - np.float32(self.offset)) / np.float32(self.scale)
        return np.asarray(values, np.float32)


@dataclass(frozen=True)
class BooleanEncoder:
    """1 for true, 0 for false, and `fill` between them where nothing is known."""

    name: str
    text: bool  # whether cells are texts such as yes and no, or the numbers 1 and 0
    fill: float
    indicator: bool = False
    required: bool = False
    kind: Literal["boolean"] = "boolean"

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return 1 + self.indicator

    def encode(self, column: Any, dialect: Dialect) -> Encoded:
        """The column of some rows."""
        cells, unseen = parse_booleans(column, dialect)
        gaps = np.isnan(cells.values)
        values = np.where(gaps, np.float32(self.fill), cells.values)
        parts = [values, gaps.astype(np.float32)] if self.indicator else [values]
        missing = np.setdiff1d(np.flatnonzero(gaps), unseen, assume_unique=True)
        bad = missing if self.required else NO_ROWS
        return Encoded(np.stack(parts, axis=1).astype(np.float32), missing, bad, unseen=unseen)


def parse_booleans(column: Any, dialect: Dialect) -> tuple[NumberCells, Array]:
    """A column as 1, 0 and NaN, and the rows that hold something else."""
    cells = text_cells(column, dialect)
    known = {None: np.nan} | {text: float(value) for text, value in BOOLEAN_SPELLINGS.items()}
    distinct = np.array([known.get(value, np.inf) for value in cells.values] or [np.nan], np.float32)
    values = distinct[cells.codes] if len(cells.codes) else distinct[:0]
    unseen = np.flatnonzero(np.isinf(values))
    return NumberCells(np.where(np.isinf(values), np.float32(np.nan), values), NO_ROWS), unseen


@dataclass(frozen=True)
class DateEncoder:
    """Parts of a date: elapsed days and the year scaled, the others as points on a circle (sine, cosine)."""

    name: str
    format: str
    parts: tuple[str, ...]
    reference: int  # first day of the training rows, in days since 1970-01-01
    elapsed: tuple[float, float]  # mean and deviation of the days since then
    years: tuple[float, float]
    indicator: bool = False
    required: bool = False
    lowest: int = 0
    highest: int = 0
    kind: Literal["date"] = "date"
    text: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return sum(1 if part in ("elapsed", "year") else 2 for part in self.parts) + self.indicator

    def encode(self, column: Any, dialect: Dialect) -> Encoded:
        """The column of some rows."""
        cells, dates = parse_date_column(column, self.format, dialect)
        distinct = np.stack([part * dates.valid for part in self._parts(dates)], axis=1)
        values = distinct.astype(np.float32)[cells.codes]
        missing = np.flatnonzero(cells.mask((None,)))
        valid = dates.valid[cells.codes]
        bad = np.setdiff1d(np.flatnonzero(~valid), missing, assume_unique=True)
        beyond = (dates.days < self.lowest) | (dates.days > self.highest)
        outside = np.flatnonzero((beyond & dates.valid)[cells.codes])
        if self.indicator:
            values = np.concatenate([values, (~valid).astype(np.float32)[:, None]], axis=1)
        return Encoded(values, missing, _with(bad, missing, self.required), outside=outside)

    def _parts(self, dates: ParsedDates) -> list[Array]:
        found: list[Array] = []
        for part in self.parts:
            if part == "elapsed":
                days = dates.days - self.reference + dates.seconds / 86400
                found.append((days - self.elapsed[0]) / self.elapsed[1])
            elif part == "year":
                found.append((dates.year - self.years[0]) / self.years[1])
            else:
                turn = 2 * np.pi * cyclic_position(part, dates)
                found += [np.sin(turn), np.cos(turn)]
        return found


PERIODS = {"month": 12, "day": 31, "weekday": 7, "hour": 24}
"""Steps of each part that comes round again."""


def cyclic_position(part: str, dates: ParsedDates) -> Array:
    """How far round its circle a part is, 0 up to 1; weeks begin on Monday."""
    position = {
        "month": dates.month - 1,
        "day": dates.day - 1,
        "weekday": (dates.days + 3) % 7,
        "hour": dates.seconds / 3600,
    }[part]
    return np.asarray(position / PERIODS[part])


def parse_date_column(column: Any, name: str, dialect: Dialect) -> tuple[TextCells, ParsedDates]:
    """A column's cells and the dates of its different values."""
    cells = text_cells(column, dialect)
    return cells, parse_dates([value or "" for value in cells.values] or [""], name)


def bad_dates(column: Any, name: str, dialect: Dialect) -> Array:
    """Rows that hold something which is no date of a format."""
    cells, dates = parse_date_column(column, name, dialect)
    wrong = np.array([value is not None for value in cells.values] or [False]) & ~dates.valid
    return np.flatnonzero(wrong[cells.codes]) if wrong.any() else NO_ROWS


@dataclass(frozen=True)
class CategoryEncoder:
    """One column a category (one-hot), or the number of the category for an embedding.

    One-hot: the values in their order, then `other`, then `missing` where training rows are in these; an
    unseen value without a column of its own is a row of zeros. Embedding: 0 is other, 1 is missing, then the
    values.
    """

    name: str
    values: tuple[str, ...]
    rare: tuple[str, ...] = ()  # seen in training, in fewer rows than min_count: they are other
    other: bool = False
    missing: bool = False
    fill: str | None = None  # the category that a missing cell counts as
    required: bool = False
    embedding: int = 0  # its width; 0 for one-hot
    unseen: Literal["bucket", "error", "null"] = "bucket"
    kind: Literal["categorical"] = "categorical"
    text: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return 1 if self.embedding else len(self.values) + self.other + self.missing

    @property
    def slots(self) -> int:
        """How many different numbers an embedding takes."""
        return len(self.values) + 2

    def slot(self, value: str | None) -> int:
        """The place of a value; -1 for a row of zeros."""
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

    def encode(self, column: Any, dialect: Dialect) -> Encoded:
        """The column of some rows."""
        cells = text_cells(column, dialect)
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


Encoder = NumericEncoder | BooleanEncoder | DateEncoder | CategoryEncoder


def encoder_to_json(encoder: Encoder) -> dict[str, Any]:
    """An encoder as plain JSON values; limits that are not there are null."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in asdict(encoder).items()
    }


def without_limits(document: dict[str, Any]) -> dict[str, Any]:
    """What `encoder_to_json` wrote, without the limits that are not there: those have their defaults."""
    return {key: value for key, value in document.items() if value is not None}


def _with(bad: Array, missing: Array, required: bool) -> Array:
    return np.union1d(bad, missing) if required and len(missing) else bad


def total_width(encoders: Sequence[Encoder]) -> int:
    """Columns of the matrix that some encoders make."""
    return sum(encoder.width for encoder in encoders)
