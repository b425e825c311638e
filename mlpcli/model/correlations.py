"""Correlation over the rows: Keras's own metrics correlate the values within a row, of which one has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from mlpcli.keras_import import keras
from mlpcli.keras_internals import set_metric_direction

KINDS: dict[str, Literal["pearson", "concordance"]] = {
    "PearsonCorrelation": "pearson",
    "ConcordanceCorrelation": "concordance",
}
"""By the class of Keras's metric."""


@keras.saving.register_keras_serializable(package="mlpcli")
class RowCorrelation(keras.metrics.Metric):  # type: ignore[misc]
    """The correlation of targets and outputs over all rows, the mean of the columns' correlations.

    Means and squared deviations of the batches are merged by the formulas of Chan, Golub and LeVeque (1983):
    sums of squares would lose the digits of values far from 0.

    Args:
        kind: `pearson`, or `concordance` (Lin, 1989).
        units: columns of the output.
        name: under which it is logged.
        dtype: of the sums.
    """

    def __init__(
        self,
        kind: Literal["pearson", "concordance"],
        units: int,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name or f"{kind}_correlation", dtype=dtype)
        self.kind, self.units = kind, units
        set_metric_direction(self, "up")
        self.count = self.add_variable((), "zeros", dtype=self.dtype, name="count")
        self.means = self.add_variable(
            (2, units), "zeros", dtype=self.dtype, name="means"
        )  # of targets, of outputs
        self.squares = self.add_variable(
            (3, units), "zeros", dtype=self.dtype, name="squares"
        )  # targets, outputs, products

    def update_state(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> None:
        """Merge a batch of targets, (rows,) or (rows, units), and outputs, (rows, units)."""
        ops = keras.ops
        x, y = (ops.reshape(ops.cast(each, self.dtype), (-1, self.units)) for each in (y_true, y_pred))
        weights = ops.ones_like(x[:, :1])
        if sample_weight is not None:
            weights = weights * ops.reshape(ops.cast(sample_weight, self.dtype), (-1, 1))
        count = ops.sum(weights)
        means = ops.stack([ops.divide_no_nan(ops.sum(weights * each, axis=0), count) for each in (x, y)])
        x, y = x - means[0], y - means[1]
        squares = ops.stack([ops.sum(weights * each, axis=0) for each in (x * x, y * y, x * y)])
        whole = self.count + count
        gap = means - self.means
        gaps = ops.stack([gap[0] * gap[0], gap[1] * gap[1], gap[0] * gap[1]])
        self.squares.assign(self.squares + squares + gaps * ops.divide_no_nan(self.count * count, whole))
        self.means.assign(self.means + gap * ops.divide_no_nan(count, whole))
        self.count.assign(whole)

    def result(self) -> keras.KerasTensor:
        """Return the correlation; NaN where a column of targets or outputs is constant."""
        targets, outputs, products = self.squares[0], self.squares[1], self.squares[2]
        if self.kind == "pearson":
            return keras.ops.mean(products / (keras.ops.sqrt(targets) * keras.ops.sqrt(outputs)))
        gap = self.means[0] - self.means[1]
        return keras.ops.mean(2 * products / (targets + outputs + self.count * gap * gap))

    def reset_state(self) -> None:
        """Begin again without rows."""
        for variable in (self.count, self.means, self.squares):
            variable.assign(keras.ops.zeros_like(variable))

    def get_config(self) -> dict[str, object]:
        """Return the configuration."""
        return {"kind": self.kind, "units": self.units, "name": self.name, "dtype": self.dtype}


def merged_states(states: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Return the state of the metric over the rows of several, each with rows of its own.

    Args:
        states: the values of the variables of each: count, (2, units) means, (3, units) squares; float64.
    """
    count = sum(state[0] for state in states)
    means = sum(state[0] * state[1] for state in states) / np.maximum(count, 1e-300)
    squares = np.zeros_like(states[0][2])
    for number, own, around_own in states:
        gap = own - means
        squares += around_own + number * np.stack([gap[0] * gap[0], gap[1] * gap[1], gap[0] * gap[1]])
    return [np.asarray(count), means, squares]
