"""A preprocessor as stock layers and operations of Keras: from raw columns to the matrix of a row's values.

It does with tensors what `data/features/encoders.py` does with arrays. `keras.models.load_model` reads the
result without mlpcli.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mlpcli.data.features.dates import LAYOUTS, OLD_LENGTH
from mlpcli.data.features.encoders import (
    BOOLEAN_SPELLINGS,
    LEAST_SINE,
    PERIODS,
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoder,
    NumericEncoder,
    without_rounding,
)
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.instants import (
    CHARACTERS,
    LENGTH,
    date_of,
    days_of,
    read_instants,
    with_zeros,
    without_halves,
)
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.quantiles import Quantiles, smooth_clip
from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.model.normal_values import to_normal
from mlpcli.model.plain_normal import by_arithmetic_alone
from mlpcli.model.text_layers import vectorize

ops = keras.ops


def raw_inputs(preprocessor: Preprocessor, names: Sequence[str]) -> list[keras.KerasTensor]:
    """Return a symbolic input, (rows,), per raw column: numbers with NaN, or string with "", for a gap.

    That of an image is (rows, height, width, channels), uint8.
    """
    kinds = [
        ("string" if encoder.text else preprocessor.dialect.numbers, ())
        if not isinstance(encoder, ImageEncoder)
        else ("uint8", encoder.shape)
        for encoder in preprocessor.encoders
    ]
    return [
        keras.Input(shape, dtype=dtype, name=name) for (dtype, shape), name in zip(kinds, names, strict=True)
    ]


class DateTensors(NamedTuple):
    """Tensors of a column of dates, (rows,) each: whole days since 1970, and seconds since midnight."""

    valid: keras.KerasTensor
    days: keras.KerasTensor
    seconds: keras.KerasTensor
    year: keras.KerasTensor
    month: keras.KerasTensor
    day: keras.KerasTensor


@dataclass
class SharedColumns:
    """What several preprocessors of the same raw columns compute alike, and is computed once.

    Attributes:
        encoded: columns of the matrix, by the encoder that they are from.
        dates: columns that are read as dates, by name and format.
    """

    encoded: dict[Encoder, keras.KerasTensor] = field(default_factory=dict)
    dates: dict[tuple[str, str], DateTensors] = field(default_factory=dict)


def build_matrix(
    preprocessor: Preprocessor, inputs: Mapping[str, keras.KerasTensor], shared: SharedColumns | None = None
) -> keras.KerasTensor | None:
    """Return the symbolic (rows, width) float32 matrix of some raw inputs; None where all are images.

    It is that of the columns that are no images, see `Preprocessor.places_beside_images`.

    Args:
        preprocessor: learned from the training rows.
        inputs: the raw columns by name.
        shared: what other preprocessors of these inputs have computed.
    """
    shared = shared or SharedColumns()
    if isinstance(preprocessor, StackedPreprocessor):
        members = [build_matrix(each, inputs, shared) for each in preprocessor.members]
        members = [each for each in members if each is not None]
        return ops.concatenate(members, axis=1) if members else None
    if preprocessor.images:
        preprocessor = preprocessor.without_images()
        if not preprocessor.encoders:
            return None
    numeric = [encoder for encoder in preprocessor.encoders if isinstance(encoder, NumericEncoder)]
    parts: list[keras.KerasTensor] = []
    owners: list[int] = []  # of each column in `parts`, its position in the matrix
    spans = preprocessor.spans
    if numeric:
        raw = ops.stack([inputs[encoder.name] for encoder in numeric], axis=1)
        for number in preprocessor.dialect.missing_numbers:  # those that mean that a cell is missing
            kept = np.dtype(preprocessor.dialect.numbers).type
            raw = ops.where(ops.equal(raw, kept(number)), kept(np.nan), raw)
        parts.append(_numeric(numeric, raw))
        owners += [spans[encoder.name].start for encoder in numeric]
        marked = [place for place, encoder in enumerate(numeric) if encoder.indicator]
        if marked:
            parts.append(ops.take(ops.cast(ops.isnan(raw), "float32"), np.array(marked), axis=1))
            owners += [spans[numeric[place].name].start + 1 for place in marked]
    for encoder in preprocessor.encoders:
        if not isinstance(encoder, NumericEncoder):
            if encoder not in shared.encoded:
                shared.encoded[encoder] = _encode(encoder, inputs[encoder.name], preprocessor, shared)
            parts.append(shared.encoded[encoder])
            owners += list(spans[encoder.name])
    matrix = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
    if owners != list(range(len(owners))):
        matrix = ops.take(matrix, np.argsort(owners), axis=1)
    return matrix


def _numeric(encoders: list[NumericEncoder], raw: keras.KerasTensor) -> keras.KerasTensor:
    """Return numbers side by side, (rows, encoders): filled, then logarithms taken, then scaled."""
    dtype = keras.backend.standardize_dtype(raw.dtype)

    def each(name: str) -> Array:
        return np.array([getattr(encoder, name) for encoder in encoders], dtype)

    values = ops.where(ops.isnan(raw), each("fill"), raw)
    logged = np.array([encoder.log for encoder in encoders])
    if logged.any():
        values = ops.where(logged, ops.multiply(ops.sign(values), ops.log1p(ops.abs(values))), values)
    offset, scale = each("offset"), each("scale")
    if offset.any() or (scale != 1).any():
        values = ops.divide(ops.subtract(values, offset), scale)
    values = _by_quantiles(values, [encoder.quantiles for encoder in encoders])
    clipped = np.array([encoder.clip is not None for encoder in encoders])
    if clipped.any():
        smooth = smooth_clip(ops, values)
        values = smooth if clipped.all() else ops.where(clipped, smooth, values)
    return ops.cast(values, "float32")


def _by_quantiles(values: keras.KerasTensor, quantiles: Sequence[Quantiles | None]) -> keras.KerasTensor:
    """Return numbers, (rows, columns), those of columns with quantiles as those of a normal distribution."""
    curved = [place for place, each in enumerate(quantiles) if each is not None]
    if not curved:
        return values
    others = [place for place, each in enumerate(quantiles) if each is None]
    picked = ops.take(values, np.array(curved), axis=1) if others else values
    found = to_normal(ops.cast(picked, "float64"), [each for each in quantiles if each is not None])
    if not others:
        return found
    rest = ops.cast(ops.take(values, np.array(others), axis=1), "float64")
    return ops.take(ops.concatenate([rest, found], axis=1), np.argsort([*others, *curved]), axis=1)


def _encode(
    encoder: Encoder, raw: keras.KerasTensor, preprocessor: Preprocessor, shared: SharedColumns
) -> keras.KerasTensor:
    missing = preprocessor.dialect.of(encoder.name).missing_texts
    if isinstance(encoder, CategoryEncoder):
        return _category(encoder, raw, missing)
    if isinstance(encoder, BooleanEncoder):
        return _boolean(encoder, raw)
    if isinstance(encoder, TextEncoder):
        return vectorize(encoder, raw, missing)
    assert isinstance(encoder, DateEncoder)
    if preprocessor.dialect.numbers == "float32":
        return _date_of_version_0_1(encoder, raw)
    read = (encoder.name, encoder.format)
    if read not in shared.dates:
        shared.dates[read] = _date(encoder.format, raw)
    return date_columns(encoder, shared.dates[read], "float64")


def _category(
    encoder: CategoryEncoder, raw: keras.KerasTensor, missing: tuple[str, ...]
) -> keras.KerasTensor:
    """Look the text up, then take the row of a constant table at its index."""
    spelled = [text for text in missing if text not in encoder.values]
    vocabulary = [*encoder.values, *spelled]
    slots = [encoder.slot("\0"), *map(encoder.slot, encoder.values), *(encoder.slot(None) for _ in spelled)]
    # Keras would take the value [UNK] for its own, were it not told another one.
    index = keras.layers.StringLookup(vocabulary=vocabulary, num_oov_indices=1, oov_token="\0")(raw)
    if encoder.embedding:
        return keras.ops.take(np.array(slots, np.float32)[:, None], index, axis=0)
    table = np.zeros((len(slots), encoder.width), np.float32)
    for row, slot in enumerate(slots):
        if slot >= 0:
            table[row, slot] = 1
    return keras.ops.take(table, index, axis=0)


def _boolean(encoder: BooleanEncoder, raw: keras.KerasTensor) -> keras.KerasTensor:
    fill = np.float32(encoder.fill)
    if not encoder.text:
        known = ops.logical_or(ops.equal(raw, 0.0), ops.equal(raw, 1.0))
        columns = [
            ops.where(known, ops.cast(raw, "float32"), fill),
            ops.cast(ops.logical_not(known), "float32"),
        ]
        return ops.stack(columns[: encoder.width], axis=1)
    index = keras.layers.StringLookup(vocabulary=list(BOOLEAN_SPELLINGS), num_oov_indices=1)(raw)
    rows = [[encoder.fill, 1.0], *([float(value), 0.0] for value in BOOLEAN_SPELLINGS.values())]
    return ops.take(np.array(rows, np.float32)[:, : encoder.width], index, axis=0)


def _characters(raw: keras.KerasTensor, known: str, length: int) -> keras.KerasTensor:
    """Return the characters of texts, (rows, length) int32: 0 is none, 1 any that is not among the known."""
    cut = keras.layers.TextVectorization(
        standardize=None,
        split="character",
        output_mode="int",
        vocabulary=list(known),
        output_sequence_length=length,
    )
    return ops.cast(cut(raw), "int32")


def _date(written: str, raw: keras.KerasTensor) -> DateTensors:
    """Read instants by the arithmetic that NumPy shares; the parts are float64 until they are scaled."""

    def real(values: keras.KerasTensor) -> keras.KerasTensor:
        return ops.cast(values, "float64")

    layout = LAYOUTS[written]
    ids, *halves = without_halves(ops, _characters(raw, CHARACTERS, LENGTH))
    ids = with_zeros(ops, ids, layout)
    found = read_instants(ops, ids, layout, real, halves=(halves[0], halves[1]))
    seconds = real(found.seconds) + found.fraction
    return DateTensors(found.valid, found.days, seconds, *date_of(ops, found.days))


def _date_of_version_0_1(encoder: DateEncoder, raw: keras.KerasTensor) -> keras.KerasTensor:
    """Read digits by their positions, as version 0.1 did; zones and fractions do not count."""
    layout = LAYOUTS[encoder.format]
    digits = ops.subtract(_characters(raw, "0123456789", OLD_LENGTH), 2)

    def number(place: int, count: int) -> keras.KerasTensor:
        weights = np.zeros(OLD_LENGTH, np.int32)
        weights[place : place + count] = 10 ** np.arange(count - 1, -1, -1)
        return ops.sum(ops.multiply(digits, weights), axis=1)

    def are_digits(place: int, count: int) -> keras.KerasTensor:
        return ops.all(ops.greater_equal(digits[:, place : place + count], 0), axis=1)

    assert layout.day is not None
    year, month, day = number(layout.year, 4), number(layout.month, 2), number(layout.day, 2)
    valid = ops.logical_and(
        are_digits(layout.year, 4), ops.logical_and(are_digits(layout.month, 2), are_digits(layout.day, 2))
    )
    for value, least, most in ((year, 1, 9999), (month, 1, 12), (day, 1, 31)):
        within = ops.logical_and(ops.greater_equal(value, least), ops.less_equal(value, most))
        valid = ops.logical_and(valid, within)
    seconds = 0
    for place, unit in zip(layout.time, (3600, 60, 1), strict=True):
        seconds = seconds + ops.where(are_digits(place, 2), number(place, 2) * unit, 0)
    date = DateTensors(valid, days_of(ops, year, month, day), seconds, year, month, day)
    return date_columns(encoder, date, "float32")


def date_columns(encoder: DateEncoder, date: DateTensors, numbers: str) -> keras.KerasTensor:
    """Return the columns of a date, (rows, width) float32, computed in `numbers`."""
    parts = _date_parts(encoder, date, numbers)
    columns = [ops.where(date.valid, ops.cast(part, "float32"), 0.0) for part in parts]
    if encoder.indicator:
        columns.append(ops.cast(ops.logical_not(date.valid), "float32"))
    return ops.stack(columns, axis=1)


def _date_parts(encoder: DateEncoder, date: DateTensors, numbers: str) -> list[keras.KerasTensor]:
    """Return the columns of a date, (rows,) each, in the encoder's order."""

    def real(value: keras.KerasTensor) -> keras.KerasTensor:
        return ops.cast(value, numbers)

    positions = {
        "month": lambda: real(date.month - 1),
        "day": lambda: real(date.day - 1),
        "weekday": lambda: real(ops.mod(date.days + 3, 7)),
        "hour": lambda: real(date.seconds) / 3600.0,
    }

    def shaped(values: keras.KerasTensor, quantiles: Quantiles | None) -> keras.KerasTensor:
        if quantiles is not None:
            values = to_normal(ops.expand_dims(ops.cast(values, "float64"), 1), [quantiles])[:, 0]
        return smooth_clip(ops, values) if encoder.clip else values

    found: list[keras.KerasTensor] = []
    for part in encoder.parts:
        if part == "elapsed":
            elapsed = real(date.days - encoder.reference) + real(date.seconds) / 86400.0
            scaled = (elapsed - encoder.elapsed[0]) / encoder.elapsed[1]
            found.append(shaped(scaled, encoder.elapsed_quantiles))
        elif part == "year":
            scaled = (real(date.year) - encoder.years[0]) / encoder.years[1]
            found.append(shaped(scaled, encoder.year_quantiles))
        else:
            found += _around(part, positions[part], exact_zeros=encoder.exact_zeros)
    return found


LEAST_SINE_FLOAT32 = 1e-6
"""Where a network has no float64; of the hour it is that of a hundredth of a second."""


def _around(
    part: str, position: Callable[[], keras.KerasTensor], *, exact_zeros: bool
) -> list[keras.KerasTensor]:
    """Return the sine and the cosine of a cyclic part of a date, 0 where the encoder has it.

    For other formats these are looked up where they can be: a network may tell 0 from the sine of pi, 1e-16.
    """
    period = PERIODS[part]
    turn = position() * float(2 * np.pi / period)
    found = [ops.sin(turn), ops.cos(turn)]
    dtype = keras.backend.standardize_dtype(turn.dtype)
    if exact_zeros:
        least = LEAST_SINE if dtype == "float64" else LEAST_SINE_FLOAT32
        found = [ops.where(ops.less(ops.abs(each), least), ops.zeros_like(each), each) for each in found]
    if not by_arithmetic_alone():
        return found
    count = 24 * 60 if part == "hour" else period
    place = position() * (count // period)
    nearest = ops.floor(place + 0.5)
    index = ops.cast(ops.minimum(nearest, count - 1.0), "int32")
    turns = 2 * np.pi * (np.arange(count) / count)
    known_sines = [np.sin(turns), np.cos(turns)]
    if exact_zeros:
        known_sines = [without_rounding(each) for each in known_sines]
    tables = [each.astype(dtype) for each in known_sines]
    looked_up = [ops.take(each, index, axis=0) for each in tables]
    if part != "hour":
        return looked_up
    whole = ops.less(ops.abs(place - nearest), 1e-4)  # minutes
    return [ops.where(whole, known, each) for known, each in zip(looked_up, found, strict=True)]
