"""Layers that turn each number of a row into a vector, which an MLP on a table learns from better.

Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
arXiv 2203.05556.
"""

from __future__ import annotations

import numpy as np

from mlpcli.keras_import import keras

ops = keras.ops
_registered = keras.saving.register_keras_serializable(package="mlpcli")


@_registered
class PeriodicEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Each number as a vector: itself, and linear functions of cosines of it (PBLD).

    The output is (x, cos(2 pi frequency x + phase) @ kernel + bias), each column with weights of its own:
    normal frequencies, phases uniform in -pi to pi, kernel and bias uniform within frequencies**-0.5 of 0.

    Args:
        frequencies: the cosines of a column.
        width: the values for each number, itself counted.
        stddev: of the initial frequencies; a larger one tells numbers apart that lie closer together.
        activation: of the linear functions.

    Input shape: (rows, columns). Output shape: (rows, columns * width).

    Source: the embedding of RealMLP, arXiv 2407.04491; periodic embeddings are from arXiv 2203.05556.
    """

    def __init__(
        self,
        frequencies: int = 16,
        width: int = 4,
        stddev: float = 0.1,
        activation: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # half precision has no digits for many turns
        self.frequencies, self.width, self.stddev = frequencies, width, stddev
        self.activation = keras.activations.get(activation)
        self.input_spec = keras.layers.InputSpec(ndim=2)
        uniform, bound = keras.initializers.RandomUniform, frequencies**-0.5
        self._initializers = {
            "frequency": keras.initializers.RandomNormal(stddev=stddev),
            "phase": uniform(-np.pi, np.pi),
            "kernel": uniform(-bound, bound),
            "bias": uniform(-bound, bound),
        }

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for rows of (rows, columns)."""
        columns, waves = input_shape[-1], self.frequencies
        shapes = {
            "frequency": (columns, waves),
            "phase": (columns, waves),
            "kernel": (columns, waves, self.width - 1),
            "bias": (columns, self.width - 1),
        }
        self.frequency, self.phase, self.kernel, self.bias = (
            self.add_weight(shape, self._initializers[name], autocast=False, name=name)
            for name, shape in shapes.items()
        )

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the vectors of a batch, (rows, columns * width)."""
        numbers = ops.cast(inputs, self.frequency.dtype)[:, :, None]
        waves = ops.cos(2 * np.pi * self.frequency * numbers + self.phase)
        waves, kernel, bias = (ops.cast(each, self.compute_dtype) for each in (waves, self.kernel, self.bias))
        found = self.activation(ops.einsum("rcf,cfe->rce", waves, kernel) + bias)
        output = ops.concatenate([ops.cast(numbers, self.compute_dtype), found], axis=-1)
        return ops.reshape(output, (-1, output.shape[1] * output.shape[2]))

    def compute_output_shape(self, input_shape: tuple[int | None, int]) -> tuple[int | None, int]:
        """Return the shape of the output for rows of (rows, columns)."""
        return input_shape[0], input_shape[1] * self.width

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this layer."""
        own = {"frequencies": self.frequencies, "width": self.width, "stddev": self.stddev}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}


NARROWEST_END = 1e-4
"""Width of the first and the last bin, of how far the edges lie from their middle (the median of both)."""


def _bin_edges(quantiles: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    """Return the edges of bins as numbers of float32: quantiles, once where rounding alone tells them apart.

    The first bin is open below and the last one above, so that a narrow one sends what lies outside far
    away: the sines of January and July are 0 and 1.2e-16, and between them that of August would be -4e15.
    Both are measured by the middle of the edges, which a single large number does not move.
    """
    found = np.unique(quantiles.astype(np.float32)).astype(np.float64)
    rounding = float(np.finfo(np.float32).eps) / 2 * float(np.median(np.abs(found)))
    edges: list[float] = []
    for edge in found:
        if not edges or edge - edges[-1] >= max(rounding, float(np.finfo(np.float32).tiny)):
            edges.append(float(edge))
    narrow = NARROWEST_END * float(np.median(np.abs(found - np.median(found))))
    while len(edges) > 2 and edges[1] - edges[0] < narrow:
        del edges[1]
    while len(edges) > 2 and edges[-1] - edges[-2] < narrow:
        del edges[-2]
    return edges


@_registered
class PiecewiseLinearEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Each number as a vector: a function of it that is linear between quantiles of the training rows.

    A column's range is divided at its quantiles into bins. A number is encoded as 1 for every bin below it, 0
    for every bin above it, and the share that it has passed of its own; the first bin is open below, the last
    one above. The output is x * linear + bias + encoding @ steps, with weights of their own for each column;
    `steps` are 0 at first, so that training starts from a linear function.

    A column with few values has as many bins as lie between them, a constant one has none. The shapes of the
    weights depend on the arguments alone.

    Args:
        bins: the most bins of a column.
        width: the values for each number.
        activation: of the output.

    Input shape: (rows, columns). Output shape: (rows, columns * width).

    Source: version B of `PiecewiseLinearEmbeddings` in yandex-research/rtdl-num-embeddings; arXiv 2203.05556.
    """

    def __init__(
        self,
        bins: int = 48,
        width: int = 16,
        activation: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # half precision would move the numbers across edges
        self.bins, self.width = bins, width
        self.activation = keras.activations.get(activation)
        self.input_spec = keras.layers.InputSpec(ndim=2)
        self._uniform = [keras.initializers.RandomUniform(-(width**-0.5), width**-0.5) for _ in range(2)]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for rows of (rows, columns)."""
        columns = input_shape[-1]
        linear, bias = self._uniform
        self.edges = self.add_weight(
            (columns, self.bins + 1), "zeros", trainable=False, autocast=False, name="edges"
        )
        self.linear = self.add_weight((columns, self.width), linear, name="linear")
        self.bias = self.add_weight((columns, self.width), bias, name="bias")
        self.steps = self.add_weight((columns, self.bins, self.width), "zeros", name="steps")

    def adapt(self, rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
        """Learn the edges of the bins: quantiles of rows, (rows, columns), equal ones once."""
        if np.ndim(rows) != 2:
            raise ValueError(f"it takes (rows, columns), received {np.shape(rows)}: put Flatten before it")
        if not self.built:
            self.build(np.shape(rows))
        edges = np.empty(self.edges.shape, np.float32)
        for column, values in enumerate(np.asarray(rows).T):
            quantiles = np.quantile(values.astype(np.float64), np.linspace(0, 1, self.bins + 1))
            found = _bin_edges(quantiles)
            edges[column] = np.pad(found, (0, self.bins + 1 - len(found)), mode="edge")  # bins of no size
        self.edges.assign(edges)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the vectors of a batch, (rows, columns * width)."""
        numbers = ops.cast(inputs, self.edges.dtype)[:, :, None]
        linear, bias, steps = (
            ops.cast(each, self.compute_dtype) for each in (self.linear, self.bias, self.steps)
        )
        bent = ops.einsum("rcb,cbe->rce", ops.cast(self._encode(numbers), self.compute_dtype), steps)
        output = self.activation(ops.cast(numbers, self.compute_dtype) * linear + bias + bent)
        return ops.reshape(output, (-1, output.shape[1] * output.shape[2]))

    def _encode(self, numbers: keras.KerasTensor) -> keras.KerasTensor:
        """Return how far numbers, (rows, columns, 1), have passed each bin, (rows, columns, bins)."""
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        is_bin = high > low
        share = (numbers - low) / ops.where(is_bin, high - low, 1.0)
        lowest = ops.where(ops.arange(self.bins) == 0, -np.inf, 0.0)
        highest = ops.where(high == self.edges[:, -1:], np.inf, 1.0)
        return ops.where(is_bin, ops.minimum(ops.maximum(share, lowest), highest), 0.0)

    def compute_output_shape(self, input_shape: tuple[int | None, int]) -> tuple[int | None, int]:
        """Return the shape of the output for rows of (rows, columns)."""
        return input_shape[0], input_shape[1] * self.width

    def get_config(self) -> dict[str, object]:
        """Return the arguments of this layer."""
        own = {"bins": self.bins, "width": self.width}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}
