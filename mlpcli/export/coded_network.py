"""A trained network as one function of tensors without texts, from raw columns to results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import (
    BOOLEAN_SPELLINGS,
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoder,
    NumericEncoder,
)
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.instants import date_of
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.types import Array
from mlpcli.export.given_columns import DAY, NO_DAY, Given, given_columns, shift_of, shifted
from mlpcli.export.saved_model import Tensors, named_outputs, take_inputs
from mlpcli.keras_import import keras, tf
from mlpcli.model.outputs import final_outputs
from mlpcli.model.preprocessing import DateTensors, SharedColumns, build_matrix, date_columns
from mlpcli.model.raw_column_network import core_inputs
from mlpcli.spec.schema import Spec

ops = keras.ops


@dataclass(frozen=True)
class CodedNetwork:
    """A function from inputs to results, and what the inputs are.

    Attributes:
        function: takes a tensor for each of `signature`, in its order; returns the results by name.
        signature: name, dtype and shape of each input, without the rows.
        given: how a table's columns go in; empty for arrays, whose only input is `rows`.
    """

    function: Callable[..., Tensors]
    signature: tuple[tuple[str, str, tuple[int, ...]], ...]
    given: tuple[Given, ...] = ()

    @property
    def specs(self) -> list[tf.TensorSpec]:
        """The inputs as TensorFlow takes them; their names are texts that any graph allows."""
        return [
            tf.TensorSpec((None, *shape), dtype, name=f"input_{place}")
            for place, (_, dtype, shape) in enumerate(self.signature)
        ]


def coded_network(model: keras.Model, spec: Spec, contract: Contract, *, wide: bool) -> CodedNetwork:
    """Return a network as a function without texts; see `named_outputs` for its results.

    Args:
        model: the network, whose targets may be scaled.
        spec: the run's spec.
        contract: what the rows look like.
        wide: whether the format has float64.
    """
    preprocessor = contract.preprocessor

    def finish(inputs: tf.Tensor | Tensors, *, table: bool) -> Tensors:
        outputs = final_outputs(spec, contract, model(inputs, training=False))
        return named_outputs(spec, contract, outputs, table=table, texts=False)

    if preprocessor is None:
        dtype = contract.dtype if contract.dtype != "int64" or wide else "int32"

        def of_rows(rows: tf.Tensor) -> Tensors:
            kind = "int64" if contract.dtype == "int64" else "float32"
            return finish(take_inputs(contract, tf.cast(rows, kind)), table=False)

        return CodedNetwork(of_rows, (("rows", dtype, contract.shape),))
    given = given_columns(preprocessor, wide=wide)

    def of_columns(*tensors: tf.Tensor) -> Tensors:
        by_name = {each.name: tensor for each, tensor in zip(given, tensors, strict=True)}
        images = {each.column: by_name[each.name] for each in given if each.form == "pixels"}
        matrix = _matrix(preprocessor, given, by_name)
        return finish(core_inputs(preprocessor, contract.inputs, matrix, images), table=True)

    return CodedNetwork(of_columns, tuple((each.name, each.dtype, each.shape) for each in given), given)


def _matrix(preprocessor: Preprocessor, given: Sequence[Given], tensors: Tensors) -> tf.Tensor | None:
    """Return the network's rows, (rows, width) float32, of what went in; without images, which may be all."""
    by_column: dict[str, dict[str, Given]] = {}
    for each in given:
        by_column.setdefault(each.column, {})[each.form] = each
    raw: Tensors = {}
    shifts: dict[str, float] = {}
    for encoder in preprocessor.encoders:
        if isinstance(encoder, ImageEncoder):
            continue
        forms = by_column[encoder.name]
        if "number" in forms:
            shifts[encoder.name] = shift_of(encoder) if isinstance(encoder, NumericEncoder) else 0.0
            raw[encoder.name] = _number(preprocessor, forms["number"], shifts[encoder.name], tensors)
    told = shifted(preprocessor, shifts)
    shared = SharedColumns()
    members = told.members if isinstance(told, StackedPreprocessor) else (told,)
    for name, forms in by_column.items():
        if not {"number", "pixels"} & {*forms}:
            for encoder in {member.encoder(name) for member in members}:
                shared.encoded[encoder] = _encode(encoder, preprocessor, forms, tensors)
    return build_matrix(told, raw, shared)


def _number(preprocessor: Preprocessor, given: Given, shift: float, tensors: Tensors) -> tf.Tensor:
    """Return a column of numbers less its shift, with NaN for a gap, in the type in which it is scaled."""
    kind = preprocessor.dialect.numbers
    values = tf.cast(tensors[given.name], kind)
    for number in preprocessor.dialect.missing_numbers:
        values = tf.where(values == number, tf.constant(np.nan, kind), values)
    less = shift - given.less
    return values - tf.constant(less, kind) if less else values


def _encode(
    encoder: Encoder, preprocessor: Preprocessor, forms: Mapping[str, Given], tensors: Tensors
) -> tf.Tensor:
    """Return a column's part of the matrix, of its code or of the numbers of a date."""
    if isinstance(encoder, DateEncoder):
        return date_columns(encoder, _date(forms, tensors), preprocessor.dialect.numbers)
    code = forms["code"]
    assert isinstance(encoder, BooleanEncoder | CategoryEncoder)
    missing = preprocessor.dialect.of(encoder.name).missing_texts
    return ops.take(_table(encoder, code, missing), tensors[code.name], axis=0)


def _date(forms: Mapping[str, Given], tensors: Tensors) -> DateTensors:
    """Return the parts of dates that went in as seconds, or as days and seconds."""
    if "seconds" in forms:
        instants = tensors[forms["seconds"].name]
        valid = tf.logical_not(tf.math.is_nan(instants))
        instants = tf.where(valid, instants, 0.0)
        whole = tf.floor(instants / DAY)
        days, seconds = tf.cast(whole, "int32"), instants - whole * DAY
    else:
        days = tensors[forms["days"].name]
        valid = tf.not_equal(days, NO_DAY)
        days = tf.where(valid, days, 0)
        seconds = tf.cast(tensors[forms["seconds_of_day"].name], "float64")
    return DateTensors(valid, days, seconds, *date_of(ops, days))


def _table(encoder: CategoryEncoder | BooleanEncoder, given: Given, missing: Sequence[str]) -> Array:
    """Return a column's part of the matrix for each code, (codes, width) float32."""
    if isinstance(encoder, BooleanEncoder):
        rows = [[encoder.fill, 1.0], *([float(value), 0.0] for value in BOOLEAN_SPELLINGS.values())]
        return np.array(rows, np.float32)[:, : encoder.width]

    def slot(text: str) -> int:
        is_gap = text in missing and text not in encoder.values
        return encoder.slot(None if is_gap else text)

    slots = [encoder.slot("\0"), *(slot(text) for text, _ in given.codes)]
    if encoder.embedding:
        return np.array(slots, np.float32)[:, None]
    table = np.zeros((len(slots), encoder.width), np.float32)
    for row, place in enumerate(slots):
        if place >= 0:
            table[row, place] = 1
    return table
