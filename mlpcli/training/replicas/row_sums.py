"""Which metrics keep sums over rows, so that those of several workers can be added: found by trying them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpcli.data.named_arrays import of_name
from mlpcli.data.types import Array
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import compiled_metrics
from mlpcli.training.compiled.forward import is_keras, run_network
from mlpcli.training.compiled.row_arrays import Arrays, take_rows

TRIED_ROWS = 32
CUTS = (13, 20)
"""Where the rows are cut into two parts."""


def without_sums(model: keras.Model, train: Arrays) -> Iterator[tuple[str, int, keras.metrics.Metric]]:
    """Yield the metrics of a plug-in whose variables for two parts do not add up to those for all rows.

    Args:
        model: The compiled model.
        train: The training rows, of which the first few are used.

    Yields:
        The name of the output, empty for an only one; the metric's place among its metrics; the metric.
    """
    own = [
        (output, place, metric)
        for output, metrics in compiled_metrics(model)
        for place, metric in enumerate(metrics)
        if not is_keras(metric)
    ]
    rows = min(TRIED_ROWS, train.rows)
    if not own or rows < 2:
        return
    some = slice(0, rows)
    values = run_network(model, keras.tree.map_structure(lambda leaf: take_rows(leaf, some), train.x)).values
    for output, place, metric in own:
        truth, found = take_rows(of_name(train.y, output), some), np.asarray(of_name(values, output))
        if not _adds_up(metric, truth, found):
            yield output, place, metric


def _adds_up(metric: keras.metrics.Metric, truth: Array, found: Array) -> bool:
    """Return whether a metric's variables are sums over the rows."""
    whole = _state(metric, truth, found)
    for cut in {max(1, len(truth) * each // TRIED_ROWS) for each in CUTS}:
        parts = [_state(metric, truth[part], found[part]) for part in (slice(cut), slice(cut, None))]
        for one, first, second in zip(whole, *parts, strict=True):
            size = float(np.max(np.abs(one), initial=0.0, where=np.isfinite(one)))
            if not np.allclose(first + second, one, rtol=1e-3, atol=1e-5 * size, equal_nan=True):
                return False
    return True


def _state(metric: keras.metrics.Metric, truth: Array, found: Array) -> list[Array]:
    """Return a metric's variables after some rows."""
    metric.reset_state()
    metric.update_state(tf.convert_to_tensor(truth), tf.convert_to_tensor(found))
    state = [np.array(each).astype(np.float64) for each in metric.variables]
    metric.reset_state()
    return state
