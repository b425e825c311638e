"""The values of one column of some rows, as numbers or as categories, whatever the data they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import CategoryEncoder, DateEncoder, NumericEncoder, parse_date_column
from mlpcli.data.features.profiles import profile_column
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.readers.parse_cells import ParsedColumn, spell_number
from mlpcli.data.types import Array

ValueKind = Literal["numbers", "dates", "categories"]

DAY = 86_400


@dataclass(frozen=True)
class ColumnValues:
    """A column of some rows.

    Attributes:
        name: of the column.
        kind: numbers; dates, as numbers of days since 1970-01-01; or categories.
        numbers: (rows,) float64, NaN where there is none; without rows for categories.
        texts: the distinct categories; None for a missing one. Empty for numbers and dates.
        codes: (rows,) int, each row's place in `texts`; without rows for numbers and dates.
        unreadable: (rows,) bool, cells that are not missing, and no number or date.
        words: some of these cells, as they are written.
        hint: how the first of them would be read as a number or a date; empty for in no way.
    """

    name: str
    kind: ValueKind
    numbers: Array
    texts: tuple[str | None, ...]
    codes: Array
    unreadable: Array
    words: tuple[str, ...] = ()
    hint: str = ""

    def __len__(self) -> int:
        return len(self.unreadable)

    @property
    def missing(self) -> Array:
        """Whether each row has no value, (rows,) bool."""
        if self.kind != "categories":
            return np.isnan(self.numbers) & ~self.unreadable
        return np.array([text is None for text in self.texts] or [False])[self.codes]

    @property
    def examples(self) -> str:
        """One of the unreadable cells, and how to have it read, to be said after what they are."""
        such = f", such as {self.words[0]!r}" if self.words else ""
        return f"{such} ({self.hint})" if self.hint else such

    @property
    def known(self) -> Array:
        """The numbers that there are, (some,) float64."""
        return self.numbers[~np.isnan(self.numbers)]

    def shown(self, number: float) -> str:
        """Return a number, or a date, as it is written."""
        if self.kind != "dates":
            return spell_number(number) or ""
        return date_text(number)

    def take(self, rows: Array) -> ColumnValues:
        """Return some of the rows."""
        numbers = self.numbers[rows] if self.kind != "categories" else self.numbers
        codes = self.codes[rows] if self.kind == "categories" else self.codes
        return replace(self, numbers=numbers, codes=codes, unreadable=self.unreadable[rows])


def date_text(days: float) -> str:
    """Return days since 1970 as `2024-05-31`, with the time where it is not midnight."""
    seconds = round(days * DAY)
    text = str(np.datetime64(seconds, "s")).replace("T", " ")
    return text[:-9] if seconds % DAY == 0 else text.removesuffix(":00")


def of_numbers(name: str, numbers: Array, kind: ValueKind = "numbers") -> ColumnValues:
    """Return a column of numbers, or of dates in days since 1970.

    Args:
        name: of the column.
        numbers: (rows,), NaN where there is none.
        kind: of the values.
    """
    wide = np.asarray(numbers, np.float64)
    wide = np.where(np.isfinite(wide), wide, np.nan)
    return ColumnValues(name, kind, wide, (), np.empty(0, np.int64), np.zeros(len(wide), bool))


def of_texts(name: str, texts: Sequence[str | None], codes: Array) -> ColumnValues:
    """Return a column of categories.

    Args:
        name: of the column.
        texts: the categories; None for a missing one.
        codes: (rows,) int, each row's place in them.
    """
    places = np.asarray(codes, np.int64)
    return ColumnValues(name, "categories", np.empty(0), tuple(texts), places, np.zeros(len(places), bool))


def of_cells(name: str, column: ParsedColumn, kind: ValueKind, date_format: str = "") -> ColumnValues:
    """Return the values of a column of a table.

    Args:
        name: of the column.
        column: its cells.
        kind: as what they are read.
        date_format: of dates.
    """
    if kind == "categories":
        cells = column.texts
        return of_texts(name, cells.values, cells.codes)
    if kind == "numbers":
        found = of_numbers(name, column.numbers.values)
        bad = column.numbers.unreadable
    else:
        cells, dates = parse_date_column(column, date_format)
        days = np.where(dates.valid, dates.days + dates.seconds / DAY, np.nan)[cells.codes]
        found = of_numbers(name, days, "dates")
        bad = np.flatnonzero(np.isnan(days) & ~cells.mask((None,)))
    unreadable = np.zeros(len(found), bool)
    unreadable[bad] = True
    words = tuple(dict.fromkeys(str(column.value(int(row))).strip() for row in bad[:3]))
    return ColumnValues(name, kind, found.numbers, (), found.codes, unreadable, words)


def kind_of(name: str, column: ParsedColumn, contract: Contract) -> tuple[ValueKind, str]:
    """Return as what a column is read, and the format of dates: as the model reads it, or by its values.

    Args:
        name: of the column.
        column: its cells.
        contract: of the model.
    """
    preprocessor = contract.preprocessor
    if preprocessor is not None and name in preprocessor.names:
        encoder = preprocessor.encoder(name)
        if isinstance(encoder, NumericEncoder):
            return "numbers", ""
        if isinstance(encoder, DateEncoder):
            return "dates", encoder.format
        if isinstance(encoder, CategoryEncoder | TextEncoder):
            return "categories", ""
    if any(name in output.target and output.classes is not None for output in contract.outputs):
        return "categories", ""
    profile = profile_column(name, column)
    if profile.content == "numbers":
        return "numbers", ""
    return ("dates", profile.format or "%Y-%m-%d") if profile.content == "dates" else ("categories", "")
