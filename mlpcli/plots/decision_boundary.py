"""The plane of two features, coloured by the class that the model predicts at each point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.types import Array
from mlpcli.plots.style import CLASS_COLORS, LABEL_FONT, PICTURE_DPI, QUICK_PNG
from mlpcli.plots.text import figure_png, plot_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = 200
"""Points along each side of the plane."""

MOST_POINTS = 1500
"""Rows shown of each split; more only hide the plane."""


@dataclass(frozen=True)
class Plane:
    """A grid of points, and what the model says of each.

    Attributes:
        low: the lower end of each axis, (2,).
        high: the upper end, (2,).
        outputs: at each point, row by row: probabilities, (points, 2 or more), or those of the second
            class, (points, 1).
        threshold: from which probability on the second of two classes is predicted; None for the most
            probable class.
    """

    low: Array
    high: Array
    outputs: Array
    threshold: float | None = None


def predict_plane(
    predict: Callable[[Array], Array],
    splits: dict[str, tuple[Array, Array]],
    threshold: float | None = None,
) -> Plane:
    """Return the outputs of a model over the plane that holds all rows.

    Args:
        predict: maps points, (points, 2) float32, to outputs as `Plane` has them.
        splits: by name, x of (rows, 2) and class indices of (rows,).
        threshold: as `Plane` has it.
    """
    low, high = _limits([x for x, _ in splits.values()])
    return Plane(low, high, np.asarray(predict(_grid_points(low, high))), threshold)


def draw_decision_boundary(
    plane: Plane,
    splits: dict[str, tuple[Array, Array]],
    *,
    title: str,
    features: tuple[str, ...],
    classes: tuple[str, ...],
) -> bytes:
    """Draw the plane of two features, coloured by the predicted class of each point, with the rows on it.

    Args:
        plane: the outputs over the plane.
        splits: by name, x of (rows, 2) and class indices of (rows,).
        title: of the figure.
        features: names of the two axes.
        classes: names of the classes.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure

    low, high = plane.low, plane.high
    colors = _colors(plane.outputs, plane.threshold).reshape(GRID, GRID, 3)
    figure = Figure(figsize=(5.4, 4.8), dpi=PICTURE_DPI)
    axes = figure.add_axes((0.13, 0.11, 0.84, 0.8))
    extent = (low[0], high[0], low[1], high[1])
    axes.imshow(colors, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    for number, (x, y) in enumerate(splits.values()):
        _draw_rows(axes, x[:MOST_POINTS], y[:MOST_POINTS], classes if number == 0 else (), "o^s"[number % 3])
    axes.set(
        xlabel=plot_label(features[0]),
        ylabel=plot_label(features[1]),
        title=plot_label(title),
        xlim=extent[:2],
        ylim=extent[2:],
    )
    axes.legend(
        frameon=True,
        framealpha=0.8,
        fontsize=LABEL_FONT,
        loc="best" if sum(len(x) for x, _ in splits.values()) < 300 else "upper right",
    )
    return figure_png(figure, QUICK_PNG)


def _limits(arrays: list[Array]) -> tuple[Array, Array]:
    """Return the lower and the upper end of each axis, (2,) each: all rows, with a margin."""
    low = np.min([x.min(axis=0) for x in arrays], axis=0)
    high = np.max([x.max(axis=0) for x in arrays], axis=0)
    margin = np.maximum(0.08 * (high - low), 1e-6)
    return low - margin, high + margin


def _grid_points(low: Array, high: Array) -> Array:
    """Return the points of the plane, (GRID * GRID, 2) float32, row by row."""
    sides = [np.linspace(low[axis], high[axis], GRID, dtype=np.float32) for axis in (0, 1)]
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)


def _draw_rows(axes: Axes, x: Array, y: Array, labels: tuple[str, ...], marker: str) -> None:
    """Draw the rows of one split, each class in its colour; `labels` names the classes in the legend."""
    for index in range(int(y.max()) + 1):
        rows = x[y == index]
        axes.plot(
            rows[:, 0],
            rows[:, 1],
            marker,
            color=CLASS_COLORS[index % len(CLASS_COLORS)],
            markeredgecolor="white",
            markeredgewidth=0.4,
            markersize=4.5,
            label=plot_label(labels[index], 40) if labels else None,
        )


def _colors(outputs: Array, threshold: float | None = None) -> Array:
    """Return (points, 3) colours: each predicted class's own, paler where the model is less certain."""
    if outputs.shape[1] == 1:
        second = np.clip(outputs, 0.0, 1.0)
        outputs = np.concatenate([1.0 - second, second], axis=1)
    palette = np.array([_rgb(CLASS_COLORS[index % len(CLASS_COLORS)]) for index in range(outputs.shape[1])])
    chosen = outputs.argmax(axis=1) if threshold is None else (outputs[:, 1] >= threshold).astype(np.int64)
    even = 1.0 / outputs.shape[1]
    sure = np.clip((outputs.max(axis=1) - even) / (1.0 - even), 0.0, 1.0)
    strength = (0.12 + 0.38 * sure)[:, None]
    painted: Array = 1.0 - strength * (1.0 - palette[chosen])
    return painted


def _rgb(color: str) -> tuple[float, float, float]:
    return tuple(int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))  # type: ignore[return-value]
