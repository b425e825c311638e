"""A preprocessor as a Keras model of stock layers and operations, and joined to the core it feeds.

What stands here does with tensors what `data/features/encoders.py` does with arrays.
`keras.models.load_model` reads the result without mlpcli.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.dates import LAYOUTS, LENGTH
from mlpcli.data.features.encoders import (
    BOOLEAN_SPELLINGS,
    PERIODS,
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoder,
    NumericEncoder,
)
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.keras_import import import_keras


def raw_inputs(preprocessor: Preprocessor, names: Sequence[str]) -> list[Any]:
    """A symbolic input a raw column, (rows,): float32 with NaN, or string with the empty one, for a gap."""
    keras = import_keras()
    return [
        keras.Input((), dtype="string" if encoder.text else "float32", name=name)
        for encoder, name in zip(preprocessor.encoders, names, strict=True)
    ]


def build_matrix(preprocessor: Preprocessor, inputs: Mapping[str, Any]) -> Any:
    """The symbolic (rows, width) float32 matrix of some raw inputs."""
    keras = import_keras()
    ops = keras.ops
    numeric = [encoder for encoder in preprocessor.encoders if isinstance(encoder, NumericEncoder)]
    parts: list[Any] = []
    owners: list[int] = []  # of each column that `parts` hold, its place in the matrix
    spans = preprocessor.spans
    if numeric:
        raw = ops.stack([inputs[encoder.name] for encoder in numeric], axis=1)
        for number in preprocessor.dialect.missing_numbers:  # those that mean that a cell is missing
            raw = ops.where(ops.equal(raw, np.float32(number)), np.float32(np.nan), raw)
        parts.append(_numeric(ops, numeric, raw))
        owners += [spans[encoder.name].start for encoder in numeric]
        told = [place for place, encoder in enumerate(numeric) if encoder.indicator]
        if told:
            parts.append(ops.take(ops.cast(ops.isnan(raw), "float32"), np.array(told), axis=1))
            owners += [spans[numeric[place].name].start + 1 for place in told]
    for encoder in preprocessor.encoders:
        if not isinstance(encoder, NumericEncoder):
            parts.append(_encode(keras, encoder, inputs[encoder.name], preprocessor))
            owners += list(spans[encoder.name])
    matrix = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
    if owners != list(range(len(owners))):
        matrix = ops.take(matrix, np.argsort(owners), axis=1)
    return matrix


def _numeric(ops: Any, encoders: list[NumericEncoder], raw: Any) -> Any:
    """Numbers side by side, (rows, encoders): filled, then logarithms, then scaled."""

    def each(name: str) -> Any:
        return np.array([getattr(encoder, name) for encoder in encoders], np.float32)

    values = ops.where(ops.isnan(raw), each("fill"), raw)
    logged = np.array([encoder.log for encoder in encoders])
    if logged.any():
        values = ops.where(logged, ops.multiply(ops.sign(values), ops.log1p(ops.abs(values))), values)
    offset, scale = each("offset"), each("scale")
    if offset.any() or (scale != 1).any():
        values = ops.divide(ops.subtract(values, offset), scale)
    return values


def _encode(keras: Any, encoder: Encoder, raw: Any, preprocessor: Preprocessor) -> Any:
    missing = preprocessor.dialect.missing_spellings
    if isinstance(encoder, CategoryEncoder):
        return _category(keras, encoder, raw, missing)
    if isinstance(encoder, BooleanEncoder):
        return _boolean(keras, encoder, raw)
    assert isinstance(encoder, DateEncoder)
    return _date(keras, encoder, raw)


def _category(keras: Any, encoder: CategoryEncoder, raw: Any, missing: tuple[str, ...]) -> Any:
    """A look-up of the text, then the row of a constant table that its index names."""
    spelled = [text for text in missing if text not in encoder.values]
    vocabulary = [*encoder.values, *spelled]
    slots = [encoder.slot("\0"), *map(encoder.slot, encoder.values), *(encoder.slot(None) for _ in spelled)]
    index = keras.layers.StringLookup(vocabulary=vocabulary, num_oov_indices=1)(raw)
    if encoder.embedding:
        return keras.ops.take(np.array(slots, np.float32)[:, None], index, axis=0)
    table = np.zeros((len(slots), encoder.width), np.float32)
    for row, slot in enumerate(slots):
        if slot >= 0:
            table[row, slot] = 1
    return keras.ops.take(table, index, axis=0)


def _boolean(keras: Any, encoder: BooleanEncoder, raw: Any) -> Any:
    ops = keras.ops
    fill = np.float32(encoder.fill)
    if not encoder.text:
        known = ops.logical_or(ops.equal(raw, 0.0), ops.equal(raw, 1.0))
        columns = [ops.where(known, raw, fill), ops.cast(ops.logical_not(known), "float32")]
        return ops.stack(columns[: encoder.width], axis=1)
    index = keras.layers.StringLookup(vocabulary=list(BOOLEAN_SPELLINGS), num_oov_indices=1)(raw)
    rows = [[encoder.fill, 1.0], *([float(value), 0.0] for value in BOOLEAN_SPELLINGS.values())]
    return ops.take(np.array(rows, np.float32)[:, : encoder.width], index, axis=0)


def _date(keras: Any, encoder: DateEncoder, raw: Any) -> Any:
    """Digits by their places, then days by the arithmetic of `civil_days`."""
    ops = keras.ops
    layout = LAYOUTS[encoder.format]
    cut = keras.layers.TextVectorization(
        standardize=None,
        split="character",
        output_mode="int",
        vocabulary=list("0123456789"),
        output_sequence_length=LENGTH,
    )
    digits = ops.subtract(ops.cast(cut(raw), "int32"), 2)  # 0 is padding, 1 any other character

    def number(place: int, count: int) -> Any:
        weights = np.zeros(LENGTH, np.int32)
        weights[place : place + count] = 10 ** np.arange(count - 1, -1, -1)
        return ops.sum(ops.multiply(digits, weights), axis=1)

    def are_digits(place: int, count: int) -> Any:
        return ops.all(ops.greater_equal(digits[:, place : place + count], 0), axis=1)

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
    days = _civil_days(ops, year, month, day)
    parts = _date_parts(ops, encoder, days, seconds, year, month, day)
    columns = [ops.where(valid, ops.cast(part, "float32"), 0.0) for part in parts]
    if encoder.indicator:
        columns.append(ops.cast(ops.logical_not(valid), "float32"))
    return ops.stack(columns, axis=1)


def _civil_days(ops: Any, year: Any, month: Any, day: Any) -> Any:
    shifted = ops.subtract(year, ops.cast(ops.less_equal(month, 2), "int32"))
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ops.mod(month + 9, 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def _date_parts(
    ops: Any, encoder: DateEncoder, days: Any, seconds: Any, year: Any, month: Any, day: Any
) -> list[Any]:
    def real(value: Any) -> Any:
        return ops.cast(value, "float32")

    positions = {
        "month": lambda: real(month - 1),
        "day": lambda: real(day - 1),
        "weekday": lambda: real(ops.mod(days + 3, 7)),
        "hour": lambda: real(seconds) / 3600.0,
    }
    found: list[Any] = []
    for part in encoder.parts:
        if part == "elapsed":
            elapsed = real(days - encoder.reference) + real(seconds) / 86400.0
            found.append((elapsed - encoder.elapsed[0]) / encoder.elapsed[1])
        elif part == "year":
            found.append((real(year) - encoder.years[0]) / encoder.years[1])
        else:
            turn = positions[part]() * float(2 * np.pi / PERIODS[part])
            found += [ops.sin(turn), ops.cos(turn)]
    return found


def build_preprocessing(preprocessor: Preprocessor, take: Mapping[str, Sequence[int] | None]) -> Any:
    """The Keras model of a preprocessor: raw columns in their order to what the core takes.

    Args:
        take: for each named input of the core the columns of the matrix that it takes (None for all); empty
            when the core has one input, which takes the whole matrix.
    """
    keras = import_keras()
    inputs = raw_inputs(preprocessor, [f"column_{place}" for place in range(len(preprocessor.encoders))])
    matrix = build_matrix(preprocessor, dict(zip(preprocessor.names, inputs, strict=True)))
    outputs = {
        name: matrix if columns is None else keras.ops.take(matrix, np.array(columns), axis=1)
        for name, columns in take.items()
    }
    served = preprocessor.served.values()
    free = next(name for name in ("preprocessing", "preprocessing_", "preprocessing__") if name not in served)
    return keras.Model(inputs, outputs or matrix, name=free)


def join(preprocessor: Preprocessor, core: Any, take: Mapping[str, Sequence[int] | None]) -> Any:
    """A model from raw columns, a dict by their served names, to the core's outputs; see `core_of`."""
    keras = import_keras()
    served = list(preprocessor.served.values())
    inputs = raw_inputs(preprocessor, served)
    if core.name in served:  # names of layers are unique, and the column's is the one that people use
        core.name = f"{core.name}_core"
    fed = build_preprocessing(preprocessor, take)(inputs)
    return keras.Model(dict(zip(served, inputs, strict=True)), core(fed))


def with_raw_columns(core: Any, contract: Contract) -> Any:
    """A network as the model of a table's raw columns; itself where the data was not a table's."""
    if contract.preprocessor is None:
        return core
    return join(contract.preprocessor, core, {each.name: each.columns for each in contract.inputs})


def core_of(model: Any) -> Any:
    """The trained part of a joined model, which is its last layer; any other model is its own core."""
    keras = import_keras()
    nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    is_joined = len(nested) == 2 and nested[0].name.startswith("preprocessing")
    return nested[1] if is_joined else model
