"""Turn the raw columns of a table into one matrix of numbers: fitted on the training rows, then frozen."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mlpcli.data.features.encoded import Encoded
from mlpcli.data.features.encoders import (
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoder,
    NumericEncoder,
    encoder_to_json,
    parse_booleans,
    parse_date_column,
)
from mlpcli.data.features.fit_scaling import ScalingRules, fill_value
from mlpcli.data.features.image_encoder import ImageEncoder, image_encoder
from mlpcli.data.features.text_columns import no_words
from mlpcli.data.features.text_encoder import TextEncoder, fit_text
from mlpcli.data.images.image_reading import reading_of_column
from mlpcli.data.quantiles import quantile_count
from mlpcli.data.readers.dialect import PLAIN, Dialect, dialect_to_json
from mlpcli.data.readers.parse_cells import ParsedColumn, Texts
from mlpcli.data.types import Array, ArrowColumn, EarlierRule, NumberType
from mlpcli.spec.features import FeatureSpec

VERSIONS: dict[NumberType, int] = {"float32": 1, "float64": 2}


@dataclass(frozen=True)
class Transformed:
    """Encoded rows.

    Attributes:
        x: (rows, width) float32.
        found: each column's missing, unreadable, unseen and out-of-range cells, by its name.
    """

    x: Array
    found: dict[str, Encoded]


@dataclass(frozen=True)
class Preprocessor:
    """The encoders of a table's columns, and the dialect of their cells.

    Attributes:
        encoders: in the model's order.
        dialect: how their cells are read.
    """

    encoders: tuple[Encoder, ...]
    dialect: Dialect = PLAIN

    @property
    def names(self) -> tuple[str, ...]:
        """The raw columns."""
        return tuple(encoder.name for encoder in self.encoders)

    @cached_property
    def served(self) -> dict[str, str]:
        """The name of each raw column as an argument in Python and an input of Keras: letters, digits and _.

        A Python keyword gets a _ too, and so does `self`, which is already an argument of every method.
        """
        names: dict[str, str] = {}
        taken = {*keyword.kwlist, "self"}
        for column in self.names:
            bare = re.sub(r"[^A-Za-z0-9_]", "_", column)
            bare = bare if re.match(r"[A-Za-z]", bare) else f"column_{bare}"
            while bare in taken:
                bare += "_"
            taken.add(bare)
            names[column] = bare
        return names

    @cached_property
    def _by_name(self) -> dict[str, Encoder]:
        return {encoder.name: encoder for encoder in self.encoders}

    def encoder(self, column: str) -> Encoder:
        """Return the encoder of a raw column."""
        return self._by_name[column]

    @cached_property
    def spans(self) -> dict[str, range]:
        """The columns of the matrix that each raw column becomes."""
        spans: dict[str, range] = {}
        start = 0
        for encoder in self.encoders:
            spans[encoder.name] = range(start, start + encoder.width)
            start += encoder.width
        return spans

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return sum(encoder.width for encoder in self.encoders)

    @property
    def plain(self) -> bool:
        """Whether the matrix holds the raw numbers unchanged, apart from filled missing cells."""
        return all(
            isinstance(encoder, NumericEncoder) and encoder.is_plain and not encoder.indicator
            for encoder in self.encoders
        )

    @property
    def texts(self) -> frozenset[str]:
        """The raw columns that are read as text."""
        return frozenset(encoder.name for encoder in self.encoders if encoder.text)

    @property
    def spelled(self) -> frozenset[str]:
        """The raw columns whose cells are read as texts from a file: also those that name image files."""
        return self.texts | {each.name for each in self.images}

    @property
    def sentences(self) -> frozenset[str]:
        """The raw columns whose words are counted."""
        return frozenset(encoder.name for encoder in self.encoders if isinstance(encoder, TextEncoder))

    @cached_property
    def images(self) -> tuple[ImageEncoder, ...]:
        """The encoders of the raw columns that name image files."""
        return tuple(encoder for encoder in self.encoders if isinstance(encoder, ImageEncoder))

    def image_at(self, place: int) -> ImageEncoder:
        """Return the encoder of the image that begins at a column of the matrix."""
        return next(each for each in self.images if self.spans[each.name].start == place)

    def without_images(self) -> Preprocessor:
        """Return what encodes the other raw columns; there must be some."""
        return replace(self, encoders=tuple(each for each in self.encoders if each not in self.images))

    def places_beside_images(self, places: Sequence[int]) -> tuple[int, ...]:
        """Return where in the matrix of `without_images` some columns of this matrix are.

        Args:
            places: none of them of an image.
        """
        if not self.images:
            return tuple(places)
        ends = np.array([self.spans[each.name].stop for each in self.images])
        widths = np.cumsum([0, *(each.width for each in self.images)])
        found = np.asarray(places, np.int64)
        return tuple((found - widths[np.searchsorted(ends, found, side="right")]).tolist())

    @property
    def embeddings(self) -> dict[int, tuple[int, int]]:
        """By position in the matrix: the number of distinct indices, and the width of their vectors."""
        return {
            self.spans[encoder.name].start: (encoder.slots, encoder.embedding)
            for encoder in self.encoders
            if isinstance(encoder, CategoryEncoder) and encoder.embedding
        }

    def positions(self, columns: Sequence[str]) -> tuple[int, ...]:
        """Return the columns of the matrix that some raw columns become, in their order."""
        return tuple(place for name in columns for place in self.spans[name])

    def columns(self, arrow: Mapping[str, ArrowColumn]) -> dict[str, ParsedColumn]:
        """Return the raw columns among some PyArrow columns, ready to be parsed."""
        return {name: ParsedColumn(arrow[name], self.dialect.of(name)) for name in self.names}

    def transform(self, columns: Mapping[str, ParsedColumn]) -> Transformed:
        """Encode rows and release the parsed cells; unreadable cells are left to the caller."""
        rows = len(columns[self.encoders[0].name])
        x = np.empty((rows, self.width), np.float32)
        found: dict[str, Encoded] = {}
        for encoder in self.encoders:
            span = self.spans[encoder.name]
            own = x[:, span.start : span.stop]
            if isinstance(encoder, TextEncoder | ImageEncoder):  # wide: written in place, not copied
                encoded = encoder.encode(columns[encoder.name], out=own)
            else:
                encoded = encoder.encode(columns[encoder.name])
                own[:] = encoded.values
            columns[encoder.name].release()
            found[encoder.name] = encoded
        return Transformed(x, found)

    def to_json(self) -> dict[str, object]:
        """Return the preprocessor as plain JSON values."""
        return {
            "version": VERSIONS[self.dialect.numbers],
            **dialect_to_json(self.dialect),
            "columns": [encoder_to_json(encoder) for encoder in self.encoders],
        }


def fit_preprocessor(
    columns: Mapping[str, ParsedColumn],
    features: Mapping[str, FeatureSpec],
    rows: Array,
    dialect: Dialect,
    *,
    earlier: frozenset[EarlierRule] = frozenset(),
) -> Preprocessor:
    """Fit an encoder for each column on some of the rows.

    Args:
        columns: the raw columns by name.
        features: the columns to use, in the model's order, each with every key of its kind filled in.
        rows: (training rows,) int64, positions; no other row is used.
        dialect: how the cells are read.
        earlier: what is encoded as in earlier versions.

    Returns:
        The preprocessor, which never changes afterwards.
    """
    by_quantiles = sum(spec.scaling == "quantile" for spec in features.values())
    rules = ScalingRules(dialect.numbers, quantile_count(len(rows), by_quantiles), earlier=earlier)
    return Preprocessor(
        tuple(_fit(name, spec, columns[name], rows, rules) for name, spec in features.items()), dialect
    )


def _fit(name: str, spec: FeatureSpec, column: ParsedColumn, rows: Array, rules: ScalingRules) -> Encoder:
    if spec.kind == "image":
        return image_encoder(reading_of_column(name, spec))
    if spec.kind == "numeric":
        return _fit_numeric(name, spec, column.numbers_of(rows), rules)
    if spec.kind == "boolean":
        return _fit_boolean(name, spec, parse_booleans(column)[0][rows], text=_holds_words(column))
    if spec.kind == "date":
        return _fit_date(name, spec, column, rows, rules)
    cells = Texts(column.texts.values, column.texts.codes[rows])
    return _fit_text(name, spec, cells) if spec.kind == "text" else _fit_category(name, spec, cells)


def _holds_words(column: ParsedColumn) -> bool:
    """Return whether booleans are written as words; a column of 0 and 1 is read as numbers."""
    import pyarrow as pa

    kind = column.written_kind
    return not (pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _fit_numeric(name: str, spec: FeatureSpec, values: Array, rules: ScalingRules) -> NumericEncoder:
    kept = np.dtype(rules.numbers).type
    gaps = np.isnan(values)
    known = (values[~gaps] if gaps.any() else values).astype(kept, copy=False).astype(np.float64, copy=False)
    if not len(known):
        known = np.zeros(1)
    log = spec.scaling == "log"
    shaped = np.sign(known) * np.log1p(np.abs(known)) if log else known
    fitted = rules.fit(spec.scaling or "none", shaped)
    return NumericEncoder(
        name,
        fill=float(kept(fill_value(spec, known))),
        offset=float(kept(fitted.offset)),
        scale=float(kept(fitted.scale)),
        log=log,
        indicator=spec.missing == "indicator",
        required=spec.missing == "error",
        lowest=float(kept(known.min())),
        highest=float(kept(known.max())),
        quantiles=fitted.quantiles,
        clip="smooth" if spec.clip == "smooth" else None,
    )


def _fit_boolean(name: str, spec: FeatureSpec, values: Array, *, text: bool) -> BooleanEncoder:
    known = values[~np.isnan(values)].astype(np.float64)
    if isinstance(spec.missing, int | float):
        fill = float(spec.missing)
    elif len(known):
        fill = float(np.median(known) if spec.missing == "median" else known.mean())
    else:
        fill = 0.5
    return BooleanEncoder(
        name,
        text=text,
        fill=float(np.float32(fill)),
        indicator=spec.missing == "indicator",
        required=spec.missing == "error",
    )


def _fit_date(
    name: str, spec: FeatureSpec, column: ParsedColumn, rows: Array, rules: ScalingRules
) -> DateEncoder:
    assert spec.format is not None
    cells, dates = parse_date_column(column, spec.format)
    codes = cells.codes[rows]
    codes = codes[dates.valid[codes]]
    days, years = dates.days[codes], dates.year[codes]
    if not len(codes):
        days, years = np.zeros(1, np.int64), np.full(1, 1970)
    reference = int(days.min())
    scaling = spec.scaling or "standardize"
    elapsed = rules.fit(scaling, days - reference + (dates.seconds[codes] / 86400 if len(codes) else 0.0))
    year = rules.fit(scaling, years)
    return DateEncoder(
        name,
        spec.format,
        tuple(spec.parts or ("elapsed",)),
        reference,
        elapsed=(elapsed.offset, elapsed.scale),
        years=(year.offset, year.scale),
        indicator=spec.missing == "indicator",
        required=spec.missing == "error",
        lowest=reference,
        highest=int(days.max()),
        elapsed_quantiles=elapsed.quantiles,
        year_quantiles=year.quantiles,
        clip="smooth" if spec.clip == "smooth" else None,
        exact_zeros="dates" not in rules.earlier,
    )


def _fit_category(name: str, spec: FeatureSpec, cells: Texts) -> CategoryEncoder:
    counts = np.bincount(cells.codes, minlength=len(cells.values))
    found = {value: int(count) for value, count in zip(cells.values, counts, strict=True) if count}
    gaps = found.pop(None, 0)
    least = spec.min_count or 1
    values = sorted(value for value, count in found.items() if value is not None and count >= least)
    rare = sorted(value for value, count in found.items() if value is not None and count < least)
    fill = spec.missing if isinstance(spec.missing, str) and spec.missing not in ("bucket", "error") else None
    return CategoryEncoder(
        name,
        tuple(values),
        tuple(rare),
        other=bool(rare) or not values,
        missing=bool(gaps) and fill is None,
        fill=fill,
        required=spec.missing == "error",
        embedding=(spec.width or 1) if spec.encoding == "embedding" else 0,
        unseen=spec.unseen or "bucket",
    )


def _fit_text(name: str, spec: FeatureSpec, cells: Texts) -> TextEncoder:
    found = fit_text(
        name,
        spec,
        cells,
        min_count=spec.min_count or 1,
        required=spec.missing == "error",
        unseen=spec.unseen or "bucket",
    )
    if not found.tokens:
        raise no_words(name, spec.min_count or 1)
    return found
