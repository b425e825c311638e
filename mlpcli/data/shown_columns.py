"""The raw values of encoded rows, to show them: what was scaled in its own units, categories by their names.

A missing cell that was filled in has the value that it was filled with. Dates, texts and images cannot be
read back from what they became: `inference/written_cells.py` reads them from their file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import BooleanEncoder, CategoryEncoder, Encoder, NumericEncoder
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.quantiles import CLIP
from mlpcli.data.raw_columns import column_places, places_read, values_at
from mlpcli.data.types import Array, Arrays

NEAR = 0.01
"""A number of a column of whole ones that is as near to one of them as this is that one."""


def shown_columns(contract: Contract, x: Arrays) -> dict[str, Array]:
    """Return the columns of rows by name: float64, in which a missing number is NaN, or texts.

    Args:
        contract: of the run. Rows without names of columns have none. A column that no input reads is left
            out.
        x: (rows, width), or by input where inputs have names.
    """
    if not contract.features or not x_is_flat(contract):
        return {}
    preprocessor = contract.preprocessor
    if isinstance(preprocessor, StackedPreprocessor):  # of a mean: its members read the same columns
        preprocessor = preprocessor.members[0]  # whose values are the first of a row
    read = places_read(contract)
    if preprocessor is None:
        places = {name: each for name, each in column_places(contract).items() if {*each} <= read}
        return {
            name: values_at(x, contract, where)[:, 0].astype(np.float64) for name, where in places.items()
        }
    found: dict[str, Array] = {}
    for name, span in preprocessor.spans.items():
        if isinstance(preprocessor.encoder(name), ImageEncoder) or not {*span} <= read:
            continue
        encoded = values_at(x, contract, span)
        values = decoded(preprocessor.encoder(name), encoded)
        if values is not None:
            found[name] = values
    return found


def x_is_flat(contract: Contract) -> bool:
    """Return whether rows are flat: columns of a table, perhaps with images among them, and no sequences."""
    flat = (len(each.shape) == 1 or isinstance(each.columns, range) for each in contract.inputs)
    return len(contract.shape) == 1 and all(flat)


def decoded(encoder: Encoder, encoded: Array) -> Array | None:
    """Return the raw values of a column, (rows,); None for dates and texts.

    Args:
        encoder: of the column.
        encoded: (rows, width), as the encoder writes them.
    """
    if isinstance(encoder, NumericEncoder):
        return _with_gaps(_numbers(encoder, encoded[:, 0].astype(np.float64)), encoder.indicator, encoded)
    if isinstance(encoder, BooleanEncoder):
        return _with_gaps(encoded[:, 0].astype(np.float64), encoder.indicator, encoded)
    if isinstance(encoder, CategoryEncoder):
        return _texts(encoder, encoded)
    return None


def _numbers(encoder: NumericEncoder, values: Array) -> Array:
    """Return numbers in their own units: each step of the encoder backwards."""
    if encoder.clip:
        share = np.clip(values / CLIP, -0.999999, 0.999999)
        values = values / np.sqrt(1 - share**2)
    if encoder.quantiles is not None:
        values = _as_whole(encoder.quantiles.from_normal(values), encoder.quantiles.table)
    values = values * encoder.scale + encoder.offset
    if encoder.log:
        values = np.sign(values) * np.expm1(np.abs(values))
    return np.asarray(values, np.float64)


def _as_whole(values: Array, learned: Array) -> Array:
    """Return numbers of a column of whole ones without what float32 left of the way back."""
    near = np.round(values)
    whole = np.array_equal(learned, np.round(learned))
    found: Array = np.where(np.abs(values - near) < NEAR, near, values) if whole else values
    return found


def _with_gaps(values: Array, indicator: bool, encoded: Array) -> Array:
    found: Array = np.where(encoded[:, -1] == 1, np.nan, values) if indicator else values
    return found


def _texts(encoder: CategoryEncoder, encoded: Array) -> Array:
    names: Sequence[str]
    if encoder.embedding:
        names, slots = ("other", "", *encoder.values), encoded[:, 0].astype(np.int64)
    else:
        names = [*encoder.values, *(["other"] if encoder.other else []), *([""] if encoder.missing else [])]
        slots = encoded.argmax(axis=1)
    found: Array = np.array(names, dtype=object)[np.clip(slots, 0, len(names) - 1)]
    return np.where(encoded.any(axis=1), found, "other") if not encoder.embedding else found
