"""How well predicted quantiles are calibrated: the share of rows below each of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.types import Array
from mlpcli.runs.results import QuantileScores

RESOLUTION = 1e-6
"""Of a scaled target's unit: equal numbers differ by less, since they were kept as float32."""


def quantile_scores(output: Output, y: Array, values: Array) -> Iterator[QuantileScores]:
    """Yield the scores of each target of an output of quantiles; steps count as rows.

    Args:
        output: with levels.
        y: (rows, ...), as a split has it, scaled where the target is.
        values: (rows, ..., targets * levels), in the target's own units.
    """
    names, levels = output.number_names, output.levels
    truth = output.restore(np.asarray(y), truth=True).reshape(-1, len(names)).astype(np.float64)
    found = values.reshape(len(truth), len(names), len(levels)).astype(np.float64)
    for place, name in enumerate(names):
        own, quantiles = truth[:, place], found[:, place]
        slack = RESOLUTION * output.unit_sizes(own, place) if output.scale is not None else 0.0
        below = tuple(float((own <= each + slack).mean()) for each in quantiles.T)
        within = (own >= quantiles[:, 0] - slack) & (own <= quantiles[:, -1] + slack)
        yield QuantileScores(name, levels, below, float(within.mean()), len(own))
