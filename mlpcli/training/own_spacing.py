"""Columns that a network takes by their quantiles, as the numbers that they were, for a linear model."""

from __future__ import annotations

import numpy as np

from mlpcli.data.dataset import Dataset
from mlpcli.data.features.encoders import NumericEncoder
from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.quantiles import CLIP
from mlpcli.data.types import Array

MOST_CLIPPED = 1 - 1e-6
"""A clipped value as a share of the limit, beyond which what it was is lost in rounding."""


def in_own_spacing(dataset: Dataset, rows: Array) -> Array | None:
    """Return rows whose numbers are as far from each other as in the table; None where they are already.

    A linear model of quantiles cannot follow a target that is proportional to a column.

    Args:
        dataset: the data.
        rows: (rows, features) of it, the arrays of its inputs side by side.
    """
    found: Array | None = None
    preprocessor = dataset.contract.preprocessor
    if preprocessor is None or isinstance(preprocessor, StackedPreprocessor):
        return None  # of a mean, each member has quantiles of its own
    inputs = dataset.contract.inputs
    wide = range(sum(encoder.width for encoder in preprocessor.encoders))
    places = [place for each in inputs for place in each.columns or wide] if inputs else [*wide]
    if len(places) != rows.shape[1]:
        return None
    for encoder in preprocessor.encoders:
        if not isinstance(encoder, NumericEncoder) or encoder.quantiles is None:
            continue
        start = preprocessor.spans[encoder.name].start
        for place in (place for place, position in enumerate(places) if position == start):
            found = rows.astype(np.float64) if found is None else found
            values = found[:, place]
            if encoder.clip:  # the inverse of `smooth_clip`
                share = np.clip(values / CLIP, -MOST_CLIPPED, MOST_CLIPPED)
                values = values / np.sqrt(1 - share**2)
            found[:, place] = encoder.quantiles.from_normal(values)
    return found
