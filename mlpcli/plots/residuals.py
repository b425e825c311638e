"""Predicted numbers against true ones, and where the errors are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.style import (
    BLUE,
    FAINT,
    INK,
    LABEL_FONT,
    LINE_WIDTH,
    ORANGE,
    THIN_LINE,
    new_figure,
    short_number,
    short_numbers,
    style_panel,
)
from mlpcli.plots.text import figure_png, plot_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_POINTS = 3000
"""Above this many rows, hexagons show how many rows are at a place, instead of a point for each."""

RANGES = 10


def draw_residuals(truth: Floats, predicted: Floats, *, target: str, title: str) -> bytes:
    """Draw predicted against true, residual against predicted, their distribution, and the error by range.

    Args:
        truth: (rows,) true values, in the target's own units.
        predicted: (rows,) predicted values.
        target: the name of the target, for the axes.
        title: of the figure.

    Returns:
        A PNG file.
    """
    figure = new_figure(10.8, 8.0)
    panels = [figure.add_subplot(2, 2, place + 1) for place in range(4)]
    residual = predicted - truth
    name = plot_label(target, 30)
    _predicted_panel(panels[0], truth, predicted, name)
    _scatter(panels[1], predicted, residual)
    panels[1].axhline(0, color=INK, linewidth=THIN_LINE)
    panels[1].set(title="residuals", xlabel=f"predicted {name}", ylabel="predicted - true")
    _spread_panel(panels[2], residual)
    _ranges_panel(panels[3], truth, residual, name)
    for axes in panels:
        style_panel(axes)
        for axis in (axes.xaxis, axes.yaxis) if axes is not panels[3] else (axes.yaxis,):
            short_numbers(axis)
    figure.suptitle(plot_label(title))
    return figure_png(figure)


def _predicted_panel(axes: Axes, truth: Floats, predicted: Floats, name: str) -> None:
    _scatter(axes, truth, predicted)
    low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
    axes.plot([low, high], [low, high], color=INK, linewidth=THIN_LINE, label="predicted = true")
    deviation = float(((truth - truth.mean()) ** 2).sum())
    r2 = 1 - float(((predicted - truth) ** 2).sum()) / deviation if deviation else np.nan
    shown = "" if np.isnan(r2) else f", R2 {r2:.3f}"
    axes.set(title=f"predicted against true{shown}", xlabel=f"true {name}", ylabel=f"predicted {name}")
    axes.legend(frameon=False, fontsize=LABEL_FONT, loc="upper left")


def _scatter(axes: Axes, x: Floats, y: Floats) -> None:
    """Draw a point for each row, or hexagons where they would hide each other."""
    if len(x) > MOST_POINTS:
        axes.hexbin(x, y, gridsize=50, bins="log", cmap="Blues", mincnt=1, linewidths=0.1)
    else:
        size = 14 if len(x) < 300 else 6
        axes.scatter(x, y, s=size, color=BLUE, alpha=0.5, linewidths=0)


def _spread_panel(axes: Axes, residual: Floats) -> None:
    """Draw how often each size of residual occurs, without the outermost hundredth."""
    low, high = np.quantile(residual, [0.005, 0.995])
    inside = residual[(residual >= low) & (residual <= high)]
    axes.hist(inside if len(inside) else residual, bins=40, color=BLUE, alpha=0.7)
    axes.axvline(0, color=INK, linewidth=THIN_LINE)
    axes.axvline(
        float(np.median(residual)), color=ORANGE, linewidth=LINE_WIDTH, linestyle="--", label="median"
    )
    left = len(residual) - len(inside)
    more = f" ({left:,} outside)" if left else ""
    axes.set(title=f"how large they are{more}", xlabel="predicted - true", ylabel="rows")
    axes.legend(frameon=False, fontsize=LABEL_FONT)


def _ranges_panel(axes: Axes, truth: Floats, residual: Floats, name: str) -> None:
    """Draw the mean absolute error and the bias in each tenth of the rows by true value."""
    edges = np.unique(np.quantile(truth, np.linspace(0, 1, RANGES + 1)))
    if len(edges) < 2:
        edges = np.array([truth.min() - 0.5, truth.max() + 0.5])
    place = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, len(edges) - 2)
    rows = np.bincount(place, minlength=len(edges) - 1)
    filled = np.maximum(rows, 1)
    error = np.bincount(place, np.abs(residual), len(edges) - 1) / filled
    bias = np.bincount(place, residual, len(edges) - 1) / filled
    at = np.arange(len(edges) - 1)
    axes.bar(at, error, color=BLUE, alpha=0.7, label="mean absolute error")
    axes.plot(at, bias, color=ORANGE, marker="o", linewidth=LINE_WIDTH, label="mean of predicted - true")
    axes.axhline(0, color=FAINT, linewidth=THIN_LINE)
    ticks = [f"{short_number(low)} to\n{short_number(high)}" for low, high in itertools.pairwise(edges)]
    axes.set_xticks(at, ticks, fontsize=LABEL_FONT - 1, rotation=45)
    axes.set(title="error by range, as many rows in each", xlabel=f"true {name}", ylabel="error")
    axes.legend(frameon=False, fontsize=LABEL_FONT)
