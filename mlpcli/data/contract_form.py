"""Read the contract of a run from its record: strictly, since the record may come from elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from mlpcli.data.dataset import OTHER, Contract, Input, Output
from mlpcli.data.features.dates import LAYOUTS
from mlpcli.data.features.encoders import (
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoder,
    NumericEncoder,
    without_limits,
)
from mlpcli.data.features.image_encoder import ImageEncoder, image_contradictions
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.text_encoder import TextEncoder, text_contradictions
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.quantiles import Quantiles
from mlpcli.data.readers.dialect import Dialect, Notation
from mlpcli.data.types import NumberType
from mlpcli.spec.features import DATE_PARTS, THOUSANDS_PATTERN
from mlpcli.spec.file_words import COMMENT_PATTERN, DELIMITER_PATTERN
from mlpcli.spec.number_rules import are_levels
from mlpcli.spec.schema import check_charset

Size = Annotated[int, Field(ge=0, lt=2**31)]
Thousands = Annotated[str, Field(pattern=THOUSANDS_PATTERN)]
Kept = ConfigDict(strict=True, frozen=True, extra="allow")
ENCODERS: TypeAdapter[Encoder] = TypeAdapter(
    Annotated[
        NumericEncoder | BooleanEncoder | DateEncoder | CategoryEncoder | TextEncoder | ImageEncoder,
        Field(discriminator="kind"),
    ]
)


class NotationForm(BaseModel):
    """How a column writes its numbers, as `dialect_to_json` writes it."""

    model_config = Kept

    decimal: Literal[".", ","]
    thousands: Thousands
    unit: str


class PreprocessorForm(BaseModel):
    """The JSON that `Preprocessor.to_json` writes."""

    model_config = Kept

    version: Literal[1, 2] = 1
    decimal: Literal[".", ","]
    missing: tuple[str, ...]
    thousands: Thousands = ""
    charset: Annotated[str, AfterValidator(lambda name: name and check_charset(name))] = ""
    header: bool | None = None
    delimiter: Annotated[str, Field(pattern=DELIMITER_PATTERN)] = ""
    comment: Annotated[str, Field(pattern=COMMENT_PATTERN)] = ""
    sheet: str = ""
    query: str = ""
    width: Size = 0
    values: dict[str, tuple[str, ...]] = {}
    notations: dict[str, NotationForm] = {}
    columns: Annotated[tuple[dict[str, object], ...], Field(min_length=1)]


class InputForm(BaseModel):
    """An input of a `Contract`, as `Contract.to_json` writes it: of an image, its values as a range."""

    model_config = Kept

    name: str
    columns: tuple[int, ...] | Annotated[str, Field(pattern=r"^\d{1,10}:\d{1,10}$")] | None
    shape: tuple[int, ...]

    def input(self) -> Input:
        """Return the input."""
        if not isinstance(self.columns, str):
            return Input(self.name, self.columns, self.shape)
        first, _, last = self.columns.partition(":")
        return Input(self.name, range(int(first), int(last)), self.shape)


class ContractForm(BaseModel):
    """The JSON that `Contract.to_json` writes."""

    model_config = Kept

    kind: Literal["table", "array"]
    features: tuple[str, ...]
    shape: tuple[Size, ...]
    dtype: Literal["float32", "uint8", "int64"]
    outputs: Annotated[tuple[Output, ...], Field(min_length=1)]
    inputs: tuple[InputForm, ...] = ()
    weights: str | None = None
    preprocessor: PreprocessorForm | None = None
    numbers: NumberType = "float32"
    image: ImageReading | None = None


def read_contract(document: dict[str, object]) -> Contract:
    """Read the JSON that `Contract.to_json` wrote.

    Raises:
        ValueError: a field has another type, or contradicts another field; pydantic's ValidationError, which
            names the field, is one.
    """
    form = ContractForm.model_validate_json(json.dumps(document))
    apart = ("preprocessor", "inputs")
    fields = {name: getattr(form, name) for name in ContractForm.model_fields if name not in apart}
    inputs = tuple(each.input() for each in form.inputs)
    contract = Contract(**fields, inputs=inputs, preprocessor=_preprocessor(form.preprocessor))
    for contradiction in _contradictions(contract):
        raise ValueError(contradiction)
    return contract


def _preprocessor(form: PreprocessorForm | None) -> Preprocessor | None:
    if form is None:
        return None
    encoders = (
        ENCODERS.validate_json(json.dumps(without_limits(each)), strict=True) for each in form.columns
    )
    dialect = Dialect(
        form.decimal,
        form.missing,
        form.thousands,
        charset=form.charset,
        certain=False,
        header=form.header,
        delimiter=form.delimiter,
        comment=form.comment,
        sheet=form.sheet,
        query=form.query,
        width=form.width,
        values=form.values,
        notations={
            name: Notation(each.decimal, each.thousands, each.unit) for name, each in form.notations.items()
        },
        numbers="float32" if form.version == 1 else "float64",
    )
    return Preprocessor(tuple(encoders), dialect)


def _contradictions(contract: Contract) -> Iterator[str]:
    names = [output.name for output in contract.outputs]
    if len(set(names)) < len(names) or (len(names) > 1 and not all(names)):
        yield "outputs: each of several needs its own name"
    width = math.prod(contract.shape)
    for output in contract.outputs:
        yield from _output_contradictions(output)
    for each in contract.inputs:
        if not _has_columns(each, width):
            yield f"inputs: {each.name!r} takes columns that rows do not have"
        if min(each.shape, default=0) < 0:
            yield f"inputs: {each.name!r} has a negative size"
    if contract.image is not None and (contract.image.shape != contract.shape or contract.dtype != "uint8"):
        yield "image: its size and colors are not the shape of the rows"
    preprocessor = contract.preprocessor
    if contract.kind == "table" and len(contract.shape) != 1:
        yield "shape: rows of a table have one dimension"
    if preprocessor is not None:
        if preprocessor.names != contract.features or len(set(preprocessor.names)) < len(preprocessor.names):
            yield "preprocessor: its columns are not the features"
        if contract.shape != (preprocessor.width,):
            yield f"shape: the preprocessor returns {preprocessor.width} columns"
        if preprocessor.dialect.numbers != contract.numbers:
            yield f"numbers: the preprocessor keeps {preprocessor.dialect.numbers}"
        for encoder in preprocessor.encoders:
            yield from _encoder_contradictions(encoder)
        numeric = (each for each in preprocessor.encoders if isinstance(each, NumericEncoder))
        if len({len(each.quantiles.values) for each in numeric if each.quantiles is not None}) > 1:
            yield "preprocessor: its columns must have equally many quantiles"


def _has_columns(given: Input, width: int) -> bool:
    """Return whether rows have the columns that an input takes, and these have its shape."""
    columns = given.columns
    if isinstance(columns, range):
        inside = 0 <= columns.start < columns.stop <= width
        return inside and len(columns) == math.prod(given.shape) and min(given.shape) > 0
    return columns is None or all(0 <= place < width for place in columns)


def _output_contradictions(output: Output) -> Iterator[str]:
    if not output.target:
        yield "outputs: an output has no target"
    if (output.kind in ("numbers", "sequences")) != (output.classes is None) or output.classes == ():
        yield f"outputs: classes do not fit the kind {output.kind}"
    if output.pooled and OTHER not in (output.classes or ()):
        yield f"outputs: pooled labels need a class {OTHER}"
    if output.levels and (output.kind != "numbers" or not are_levels(output.levels)):
        yield "outputs: levels must rise from above 0 to below 1, and are of numbers"
    if min(output.steps, default=1) < 1:
        yield "outputs: steps must be at least 1"
    scales = (output.scale, output.offset)
    if output.scale is None or output.offset is None:
        if scales != (None, None):
            yield "outputs: scale and offset must be given together"
    elif len(output.scale) != len(output.offset) or len(output.scale) not in (1, len(output.target)):
        yield "outputs: there must be a scale and an offset for each target"
    elif not all(map(math.isfinite, (*output.scale, *output.offset))) or 0 in output.scale:
        yield "outputs: scale and offset must be finite, and the scale not 0"
    yield from _curve_contradictions(output)
    if output.fitted is not None:
        wide = math.prod(output.width) if output.kind == "numbers" else 1
        bounds = math.prod(output.steps) * wide
        yield from output.fitted.contradictions(output.kind, len(output.classes or ()), bounds)


def _curve_contradictions(output: Output) -> Iterator[str]:
    """Yield what is wrong with how a scaled target becomes its own units beyond scale and offset."""
    parts = [part for part in (output.log, output.quantiles, output.limits) if part is not None]
    if any(len(part) != len(output.scale or ()) for part in parts):
        yield "outputs: log, quantiles and limits must have a value for each target that is scaled"
    numbers = [*(output.log or ()), *(end for ends in output.limits or () for end in ends)]
    if not all(map(math.isfinite, numbers)) or any(low > high for low, high in output.limits or ()):
        yield "outputs: log and limits must be finite, and no limit below the other"
    quantiles = output.quantiles or ()
    if not all(map(is_rising, quantiles)) or len({(len(q.values), q.margin) for q in quantiles}) > 1:
        yield "outputs: quantiles must be two or more that do not fall, equally many for each target"


def _encoder_contradictions(encoder: Encoder) -> Iterator[str]:
    where = f"preprocessor: column {encoder.name!r}"
    quantiles: tuple[Quantiles | None, ...] = ()
    if isinstance(encoder, NumericEncoder):
        quantiles = (encoder.quantiles,)
        numbers = [encoder.fill, encoder.offset, encoder.scale]
        scales = [encoder.scale]
    elif isinstance(encoder, BooleanEncoder):
        numbers, scales = [encoder.fill], []
    elif isinstance(encoder, DateEncoder):
        numbers = [*encoder.elapsed, *encoder.years]
        quantiles = (encoder.elapsed_quantiles, encoder.year_quantiles)
        scales = [encoder.elapsed[1], encoder.years[1]]
        if encoder.format not in LAYOUTS:
            yield f"{where} has an unknown format"
        if not encoder.parts or not set(encoder.parts) <= set(DATE_PARTS):
            yield f"{where} has unknown parts"
    elif isinstance(encoder, TextEncoder | ImageEncoder):
        numbers, scales = [], []
        if isinstance(encoder, TextEncoder):
            yield from text_contradictions(encoder, where)
        else:
            yield from image_contradictions(encoder, where)
    else:
        numbers, scales = [], []
        if encoder.embedding < 0:
            yield f"{where} has an embedding of a negative width"
    if not all(map(math.isfinite, numbers)) or 0 in scales:
        yield f"{where} must have finite numbers, and a scale that is not 0"
    for each in quantiles:
        if each is not None and not is_rising(each):
            yield f"{where} must have two quantiles or more, that do not fall"


def is_rising(quantiles: Quantiles) -> bool:
    """Return whether quantiles are two finite numbers or more, none below the one before it."""
    table = quantiles.table
    rising = len(table) > 1 and bool(np.isfinite(table).all()) and bool((np.diff(table) >= 0).all())
    return rising and 0 <= quantiles.margin < 0.5
