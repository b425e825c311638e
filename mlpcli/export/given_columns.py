"""How each raw column of a table goes into a file whose format has no texts, or only few functions of them.

A category goes in as its code: 0 for any other text, then 1, 2, ... for the texts that are known. A date goes
in as numbers. Where numbers are float32, one whose digits that cannot hold goes in less a constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mlpcli.data.features.dates import parse_dates
from mlpcli.data.features.encoders import (
    BOOLEAN_SPELLINGS,
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoder,
    NumericEncoder,
)
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.features.verification_sample import Sample
from mlpcli.data.quantiles import Quantiles
from mlpcli.data.types import Array
from mlpcli.errors import Problem, UsageError

Form = Literal["number", "code", "seconds", "days", "seconds_of_day", "pixels"]

NO_DAY = -(2**31)
"""The days of a missing date."""

FINE = 1e-5
"""Numbers whose float32 steps are wider than this share of their range go in less a constant."""

DAY = 86_400


@dataclass(frozen=True)
class Given:
    """One input of an exported file.

    Attributes:
        column: the raw column.
        name: of the input, as Python and Keras allow it.
        form: what it is: a number; a code; seconds since 1970; or, of a date in two inputs, its whole days
            since 1970 and the seconds since midnight; the pixels of an image.
        dtype: of the input.
        codes: the code of each text that is known; empty but for codes.
        less: what is subtracted from a number before it goes in.
        shape: of a row: of an image, its height, width and channels.
    """

    column: str
    name: str
    form: Form
    dtype: str
    codes: tuple[tuple[str, int], ...] = ()
    less: float = 0.0
    shape: tuple[int, ...] = ()

    def describe(self) -> str:
        """Return what goes in, in a phrase."""
        if self.form == "number":
            return f"a number less {self.less:.17g}; NaN is a gap" if self.less else "a number; NaN is a gap"
        return {
            "code": "the code of the text; 0 is any other text",
            "seconds": "seconds since 1970-01-01 UTC; NaN is a gap",
            "days": f"whole days since 1970-01-01 UTC; {NO_DAY} is a gap",
            "seconds_of_day": "seconds since midnight UTC; 0 where there is no time",
            "pixels": f"the pixels of an image, {' x '.join(map(str, self.shape))}, 0 to 255",
        }[self.form]


CODED = ("onnx", "litert", "openvino")
"""Formats without texts, or without their functions."""


def check_formats(preprocessor: Preprocessor | None, formats: Sequence[str]) -> None:
    """Refuse formats that have no place for a kind of column that a table has.

    Args:
        preprocessor: of the table; None for rows of numbers.
        formats: their names.

    Raises:
        UsageError: with a problem for each such column.
    """
    wanted = [name for name in formats if name in CODED]
    if preprocessor is None or not wanted:
        return
    known = NumericEncoder | BooleanEncoder | CategoryEncoder | DateEncoder | ImageEncoder
    if problems := [_no_place(each, wanted) for each in preprocessor.encoders if not isinstance(each, known)]:
        raise UsageError(*problems)


def _no_place(encoder: Encoder, formats: Sequence[str]) -> Problem:
    """Return the problem of a column that some formats have no place for."""
    names = " or ".join(filter(None, (", ".join(formats[:-1]), formats[-1])))
    rule = f"--format: {names} cannot take column {encoder.name!r} of the kind {encoder.kind}"
    return Problem(rule, hint="export to saved_model or keras")


def given_columns(preprocessor: Preprocessor, *, wide: bool) -> tuple[Given, ...]:
    """Return the inputs of a table's columns, in the order of the columns.

    Args:
        preprocessor: of the table.
        wide: whether the format has float64.

    Raises:
        UsageError: a column is of a kind that only a SavedModel and Keras take.
    """
    check_formats(preprocessor, CODED)
    return tuple(each for encoder in preprocessor.encoders for each in _given(preprocessor, encoder, wide))


def _given(preprocessor: Preprocessor, encoder: Encoder, wide: bool) -> Iterator[Given]:
    column, name = encoder.name, preprocessor.served[encoder.name]
    number = preprocessor.dialect.numbers if wide else "float32"
    if isinstance(encoder, NumericEncoder):
        less = 0.0 if wide or preprocessor.dialect.missing_numbers else too_fine(encoder)
        yield Given(column, name, "number", number, less=less)
    elif isinstance(encoder, BooleanEncoder) and not encoder.text:
        yield Given(column, name, "number", number)
    elif isinstance(encoder, ImageEncoder):
        yield Given(column, name, "pixels", "uint8", shape=encoder.shape)
    elif isinstance(encoder, BooleanEncoder | CategoryEncoder):
        yield Given(column, name, "code", "int32", codes=codes_of(preprocessor, encoder))
    elif wide:  # a date, as in what follows: `check_formats` has refused any other kind
        yield Given(column, name, "seconds", "float64")
    else:
        free = {*preprocessor.served.values()}
        for ending, form, kind in (("days", "days", "int32"), ("seconds", "seconds_of_day", "float32")):
            bare = f"{name}_{ending}"
            while bare in free:
                bare += "_"
            yield Given(column, bare, form, kind)  # type: ignore[arg-type]


def too_fine(encoder: NumericEncoder) -> float:
    """Return what to subtract from numbers whose range has too few float32 digits; 0 where it has enough."""
    low, high = encoder.lowest, encoder.highest
    if encoder.log or not np.isfinite([low, high]).all() or low == high:
        return 0.0
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    return low if step > FINE * (high - low) else 0.0


def codes_of(
    preprocessor: Preprocessor, encoder: CategoryEncoder | BooleanEncoder
) -> tuple[tuple[str, int], ...]:
    """Return the code of each text that some encoder of a column knows, and of those that mean a gap."""
    if isinstance(encoder, BooleanEncoder):
        return tuple((text, code) for code, text in enumerate(BOOLEAN_SPELLINGS, 1))
    missing = preprocessor.dialect.of(encoder.name).missing_texts
    known = dict.fromkeys(encoder.values) | dict.fromkeys(missing)
    return tuple((text, code) for code, text in enumerate(known, 1))


def rows_given(preprocessor: Preprocessor, given: Sequence[Given], sample: Sample) -> dict[str, Array]:
    """Return the cells of some rows as they go in, by the name of the input.

    Args:
        preprocessor: of the table.
        given: its inputs.
        sample: the rows.
    """
    found = {}
    for each in given:
        cells = sample.columns[each.column]
        if each.form == "number":
            values: Array = np.asarray(cells, np.float64) - each.less
        elif each.form == "pixels":
            values = np.asarray(cells)
        elif each.form == "code":
            codes = dict(each.codes)
            values = np.array([codes.get(text.strip(), 0) for text in cells])
        else:
            encoder = preprocessor.encoder(each.column)
            assert isinstance(encoder, DateEncoder)
            values = _instants(encoder, [str(text).strip() for text in cells], each.form, preprocessor)
        found[each.name] = values.astype(each.dtype)
    return found


def _instants(encoder: DateEncoder, texts: list[str], form: Form, preprocessor: Preprocessor) -> Array:
    """Return dates as they go in, (rows,) float64."""
    dates = parse_dates(texts, encoder.format, preprocessor.dialect.numbers)
    if form == "days":
        return np.where(dates.valid, dates.days, NO_DAY).astype(np.float64)
    if form == "seconds_of_day":
        return np.where(dates.valid, dates.seconds, 0.0)
    return np.where(dates.valid, dates.days * float(DAY) + dates.seconds, np.nan)


def shifted(preprocessor: Preprocessor, shifts: dict[str, float]) -> Preprocessor:
    """Return a preprocessor that encodes numbers less some constants as the given one encodes the numbers.

    No number of it means that a cell is missing: those are NaN before anything is subtracted.

    Args:
        preprocessor: of a table.
        shifts: what is subtracted, by column.
    """
    dialect = replace(preprocessor.dialect, missing=())
    encoders = tuple(_shifted(each, shifts.get(each.name, 0.0)) for each in preprocessor.encoders)
    if isinstance(preprocessor, StackedPreprocessor):
        members = tuple(shifted(each, shifts) for each in preprocessor.members)
        return replace(preprocessor, encoders=encoders, dialect=dialect, members=members)
    return replace(preprocessor, encoders=encoders, dialect=dialect)


def _shifted(encoder: Encoder, less: float) -> Encoder:
    if not isinstance(encoder, NumericEncoder) or not less:
        return encoder
    quantiles = encoder.quantiles
    if quantiles is not None:
        values = tuple(float(each) for each in np.array(quantiles.values) - less)
        quantiles = Quantiles(values, quantiles.margin)
    offset = encoder.offset if quantiles is not None else encoder.offset - less
    return replace(encoder, fill=encoder.fill - less, offset=offset, quantiles=quantiles)


def shift_of(encoder: NumericEncoder) -> float:
    """Return a float32 near the middle of a column's numbers, which are exact less it, or 0 for none."""
    if encoder.log:
        return 0.0
    quantiles = encoder.quantiles
    middle = encoder.offset if quantiles is None else quantiles.values[len(quantiles.values) // 2]
    return float(np.float32(middle)) if abs(middle) < 1e30 else 0.0
