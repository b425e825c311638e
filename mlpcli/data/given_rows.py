"""Rows that are given as plain values, as in a request: encoded as `predict` encodes those of a file."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.image_encoder import pixel_column
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.unknown_values import RowCounts
from mlpcli.data.images.given_images import decode_given, given_pixels
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.readers.delimited_stream import Block
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.rows import as_model_rows
from mlpcli.data.stream import Chunk, ReadOptions, encode_block, screened, table_preprocessor
from mlpcli.data.types import Array
from mlpcli.errors import FEW_COLUMNS, DataError, listing, nearest_name
from mlpcli.printable import is_unicode

if TYPE_CHECKING:
    import pyarrow as pa

LABEL = "the request"

MOST_HINTED = 20
"""Errors of missing columns that are compared with the keys of their rows: no more are shown."""

MOST_INT = 2**63
"""Whole numbers beyond it are floating-point numbers."""


def encode_given(rows: Sequence[object], options: ReadOptions) -> Chunk:
    """Encode rows; a row that cannot be used is returned as rejected, and does not change the others.

    Args:
        rows: for a model of a table, mappings of columns to numbers, texts, booleans or None; columns that
            it does not know are ignored. For a model of arrays, and of a table of numbers in its order of
            columns, lists of numbers, nested as the rows are.
        options: how the rows are read.

    Returns:
        The rows that can be used, in their order, and an error for each of the others.
    """
    options = replace(options, reject=True, keep=())
    contract = options.contract
    table = contract.preprocessor is not None or contract.kind == "table"
    named = contract.preprocessor is not None and bool(contract.preprocessor.spelled)  # which lists cannot be
    lists = [place for place, row in enumerate(rows) if not table or (isinstance(row, list) and not named)]
    others = sorted({*range(len(rows))} - {*lists})
    broken: list[RowError] = []
    if contract.image is not None:
        rows, broken = decode_given(rows, contract.image)
        lists = sorted({*lists} - {each.row for each in broken})
    parts = list(_array_chunks(rows, lists, options))
    if broken:
        empty = np.empty((0, *contract.shape), contract.dtype)
        parts.append((np.array([each.row for each in broken]), Chunk(empty, {}, rejected=broken)))
    if others:
        names = contract.preprocessor.names if contract.preprocessor else contract.features
        parts += _table_chunks(rows, others, table_preprocessor(names, Origin(LABEL), options), options)
    return _joined(parts, options)


_Part = tuple[Array, Chunk]
"""The places of the rows that were given together, and what became of them."""


def _joined(parts: Sequence[_Part], options: ReadOptions) -> Chunk:
    """Return the chunks as one, the rows in the order in which they were given."""
    contract = options.contract
    rejected = sorted((each for _, chunk in parts for each in chunk.rejected), key=lambda each: each.row)
    kept = [(np.setdiff1d(rows, [each.row for each in chunk.rejected]), chunk) for rows, chunk in parts]
    kept = [(rows, chunk) for rows, chunk in kept if len(rows)]
    if not kept:
        return Chunk(np.empty((0, *contract.shape), contract.dtype), {}, rejected=rejected)
    order = np.argsort(np.concatenate([rows for rows, _ in kept]))
    x = np.concatenate([chunk.x for _, chunk in kept])[order]
    empties = [np.zeros(len(chunk), bool) if chunk.empty is None else chunk.empty for _, chunk in kept]
    empty = np.concatenate(empties)[order]
    return Chunk(x, {}, empty if empty.any() else None, rejected)


def _table_chunks(
    rows: Sequence[object], places: Sequence[int], preprocessor: Preprocessor, options: ReadOptions
) -> Iterator[_Part]:
    """Yield the rows whose cells are of the same types, group by group, so that a column has one type."""
    groups: dict[tuple[type, ...], list[int]] = {}
    errors: list[RowError] = []
    names, ids = preprocessor.names, options.contract.dtype == "int64"
    pictures = {each.name: each.reading for each in preprocessor.images}
    pixels: dict[int, dict[str, Array]] = {}
    for place in places:
        row = rows[place]
        found = _row_errors(place, row, names, pictures, ids=ids, hinted=len(errors) < MOST_HINTED)
        if not found and pictures:
            pixels[place], found = _pixels(place, row, pictures)
        if found and len(errors) < MOST_HINTED and isinstance(row, Mapping):
            found += _other_errors(place, row, found, preprocessor, options)
        errors += found
        if not found:
            groups.setdefault(tuple(map(_type, _cells(row, names, pictures))), []).append(place)
    if errors:
        empty = np.empty((0, *options.contract.shape), options.contract.dtype)
        yield np.array([each.row for each in errors]), Chunk(empty, {}, rejected=errors)
    for types, group in groups.items():
        columns = _columns([_cells(rows[place], names, pictures) for place in group], names, types)
        images = {name: pixel_column(np.stack([pixels[place][name] for place in group])) for name in pictures}
        block = Block(columns, np.array(group), pixels=images)
        yield block.positions, encode_block(block, preprocessor, Origin(LABEL), options)


def _columns(
    rows: Sequence[tuple[object, ...]], names: Sequence[str], types: Sequence[type]
) -> dict[str, pa.Array]:
    """Return cells of rows, of the same types in each, by column."""
    cells = zip(*rows, strict=True)
    return {name: _column(values, kind) for name, values, kind in zip(names, cells, types, strict=True)}


def _other_errors(
    place: int,
    row: Mapping[str, object],
    found: Sequence[RowError],
    preprocessor: Preprocessor,
    options: ReadOptions,
) -> list[RowError]:
    """Return what is wrong with the other cells of a row that lacks some columns, or has unusable cells."""
    names = preprocessor.names
    if preprocessor.images:
        return []
    bad = {name for name in names if name not in row or any(each.column == name for each in found)}
    cells = tuple(None if name in bad else row[name] for name in names)
    if any(_cell_rule(cell, ids=options.contract.dtype == "int64") for cell in cells):
        return []
    columns = _columns([cells], names, tuple(map(_type, cells)))
    quiet = replace(options, counts=RowCounts())
    chunk = encode_block(Block(columns, np.array([place])), preprocessor, Origin(LABEL), quiet)
    return [each for each in chunk.rejected if each.column and each.column not in bad]


def _cells(row: object, names: Sequence[str], pictures: Container[str]) -> tuple[object, ...]:
    """Return the cells of a row; those that are images are empty texts."""
    assert isinstance(row, Mapping)
    return tuple("" if name in pictures else row[name] for name in names)


def _pixels(
    place: int, row: object, pictures: Mapping[str, ImageReading]
) -> tuple[dict[str, Array], list[RowError]]:
    """Return the images of a row by column, and what keeps some from being read."""
    assert isinstance(row, Mapping)
    found: dict[str, Array] = {}
    errors = []
    for name, reading in pictures.items():
        pixels = given_pixels(row[name], reading)
        if isinstance(pixels, str):
            errors.append(RowError(place, f"column {name!r}", pixels))
        else:
            found[name] = pixels
    return found, errors


def _row_errors(
    place: int, row: object, names: Sequence[str], pictures: Container[str], *, ids: bool, hinted: bool
) -> list[RowError]:
    """Return what keeps a row from being read; nothing if it can be.

    Args:
        place: of the row.
        row: the row.
        names: of the columns of the model.
        pictures: those of images.
        ids: whether the network is of ids, which are whole numbers.
        hinted: whether keys that may stand for missing columns are looked for, which takes time.
    """
    if not isinstance(row, Mapping):
        hint = "such as {" + ", ".join(f'"{name}": ...' for name in names[:3]) + "}"
        return [RowError(place, "", "must be an object of columns and values", row, hint)]
    errors = _missing(place, row, names, hinted=hinted)
    for name in names:
        if name in row and name not in pictures and (rule := _cell_rule(row[name], ids=ids)):
            errors.append(RowError(place, f"column {name!r}", rule, row[name]))
    return errors


def _missing(
    place: int, row: Mapping[object, object], names: Sequence[str], *, hinted: bool
) -> list[RowError]:
    """Return the error of all columns that a row has not, with the keys that may stand for some of them."""
    missing = [name for name in names if name not in row]
    if not missing:
        return []
    known = set(names)
    others = [key for key in row if key not in known]
    keys = {name: nearest_name(name, others) for name in missing[:FEW_COLUMNS] if hinted}
    hints = [f"{key!r}: did you mean {name!r}?" for name, key in keys.items() if key is not None]
    hint = " ".join(hints) or "null stands for an empty cell"
    if len(missing) == 1:
        return [RowError(place, f"column {missing[0]!r}", "is missing", hint=hint)]
    return [RowError(place, "", f"columns {listing(map(repr, missing))} are missing", hint=hint)]


def _cell_rule(value: object, *, ids: bool) -> str:
    """Return the rule that a value breaks, whatever its column is; empty for none."""
    if not (value is None or isinstance(value, bool | int | float | str)):
        return "must be a number, a text, true, false or null"
    if isinstance(value, str) and not is_unicode(value):
        return "must be text, it holds half of a surrogate pair"
    if isinstance(value, float) and math.isinf(value):
        return "must be a finite number"
    if ids and isinstance(value, float) and not (math.isnan(value) or value.is_integer()):
        return "must be a whole number, an id"
    return ""


def _type(value: object) -> type:
    """Return the type of a cell: one of bool, int, float, str and NoneType; NaN is an empty cell."""
    if isinstance(value, float) and math.isnan(value):
        return type(None)
    if isinstance(value, int) and not isinstance(value, bool) and not -MOST_INT <= value < MOST_INT:
        return float
    return type(value)


def _column(values: Sequence[object], kind: type) -> pa.Array:
    """Return cells of one type as a PyArrow array."""
    import pyarrow as pa

    if kind is type(None):
        return pa.nulls(len(values), pa.string())
    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    if kind is float:
        values = [_as_float(value) for value in values]
    return pa.array(values, types[kind])


def _as_float(value: object) -> float:
    """Return a number, infinite where it is too large, which no column takes."""
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf


def _array_chunks(rows: Sequence[object], given: Sequence[int], options: ReadOptions) -> Iterator[_Part]:
    """Yield the rows that are lists: each by itself where one of them has another shape."""
    read = {place: _array(place, rows[place], options.contract) for place in given}
    for place, (_, found) in read.items():
        if found is not None:
            empty = np.empty((0, *options.contract.shape), options.contract.dtype)
            yield np.array([place]), Chunk(empty, {}, rejected=[found])
    places = [place for place, (_, found) in read.items() if found is None]
    alike = len({read[place][0].shape for place in places}) == 1
    together = [places] if alike else [[place] for place in places]
    for group in together:
        yield np.array(group), _array_chunk(np.stack([read[place][0] for place in group]), group, options)


def _array(place: int, row: object, contract: Contract) -> tuple[Array, RowError | None]:
    """Return a row as an array of numbers, or why it is none."""
    try:
        array = np.asarray(row)
        if array.dtype.kind not in "iufb":
            array = np.asarray(row, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
        return array, RowError(place, "", "must be nested lists of numbers, all of one length", row)
    if rule := _unusable(array, contract):
        return array, RowError(place, "", rule)
    ids = contract.preprocessor is None and contract.dtype == "int64"
    return array.astype(np.int64) if ids else array, None


def _unusable(array: Array, contract: Contract) -> str:
    """Return the rule that a row of numbers breaks, as a file's rows are checked when they are read."""
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        return "must hold finite numbers"
    if contract.preprocessor is not None:
        return ""
    if contract.dtype == "int64":
        whole = (np.floor(numbers) == numbers) & (np.abs(numbers) < 2.0**63)
        return "" if whole.all() else "must hold whole numbers below 2^63, which are ids"
    largest = float(np.finfo(np.float32).max)
    return "" if (np.abs(numbers) <= largest).all() else f"must hold numbers of at most {largest:.2g}"


def _array_chunk(x: Array, places: Sequence[int], options: ReadOptions) -> Chunk:
    """Return rows of one shape as the model takes them, or the reason why it does not."""
    try:
        taken = as_model_rows(x, options.contract, Origin(LABEL))
    except DataError as error:
        rule = "; ".join(problem.headline().removeprefix(f"{LABEL}: ") for problem in error.problems)
        errors = [RowError(place, "", rule) for place in places]
        return Chunk(np.empty((0, *options.contract.shape), options.contract.dtype), {}, rejected=errors)
    return screened(Chunk(taken, {}), np.array(places), Origin(LABEL), options)
