"""Predicted numbers against true ones, and where the errors are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.value_groups import group_codes
from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.scatter import scatter_rows
from mlpcli.plots.style import (
    BLUE,
    INK,
    LABEL_FONT,
    LINE_WIDTH,
    ORANGE,
    SMALL_FONT,
    SOFT,
    THIN_LINE,
    new_figure,
    short_number,
    short_numbers,
    style_panel,
    whole_numbers,
)
from mlpcli.plots.text import plot_label, title_figure, title_panel
from mlpcli.printable import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RANGES = 10
WIDTH = 3.9
"""Of a panel, in inches."""

LONGEST_TARGET = 24


def draw_residuals(truth: Floats, predicted: Floats, *, target: str, title: str) -> Drawing:
    """Draw predicted against true, residual against predicted, their distribution, and the error by range.

    Args:
        truth: (rows,) true values, in the target's own units.
        predicted: (rows,) predicted values.
        target: the name of the target, for the axes.
        title: of the figure.
    """
    figure = new_figure(2 * WIDTH + 0.2, 7.4)
    panels = [figure.add_subplot(2, 2, place + 1) for place in range(4)]
    residual = predicted - truth
    name = plot_label(target, LONGEST_TARGET)
    _predicted_panel(panels[0], truth, predicted, name)
    scatter_rows(panels[1], predicted, residual)
    panels[1].axhline(0, color=INK, linewidth=THIN_LINE)
    panels[1].set(xlabel=f"predicted {name}", ylabel="predicted - true")
    title_panel(panels[1], "residuals: predicted - true", WIDTH)
    _spread_panel(panels[2], residual)
    _ranges_panel(panels[3], truth, residual, name)
    for axes in panels:
        style_panel(axes)
        for axis in (axes.xaxis, axes.yaxis):
            if axis is panels[2].yaxis:
                whole_numbers(axis)
            elif axis is not panels[3].xaxis:
                short_numbers(axis)
    title_figure(figure, title)
    return finish(figure)


def _predicted_panel(axes: Axes, truth: Floats, predicted: Floats, name: str) -> None:
    scatter_rows(axes, truth, predicted)
    low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
    axes.plot([low, high], [low, high], color=INK, linewidth=THIN_LINE, label="predicted = true")
    deviation = float(((truth - truth.mean()) ** 2).sum())
    r2 = 1 - float(((predicted - truth) ** 2).sum()) / deviation if deviation else np.nan
    shown = "" if np.isnan(r2) else f", R2 {r2:.3f}"
    axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}")
    title_panel(axes, f"predicted against true{shown}", WIDTH)
    axes.legend(frameon=False, fontsize=LABEL_FONT, loc="upper left")


def _spread_panel(axes: Axes, residual: Floats) -> None:
    """Draw how often each size of residual occurs, without the outermost hundredth."""
    low, high = np.quantile(residual, [0.005, 0.995])
    inside = residual[(residual >= low) & (residual <= high)]
    shown = inside if len(inside) else residual
    edges = bin_edges(shown, min(40, max(8, len(residual) // 5)))
    axes.hist(shown, bins=edges.tolist(), color=BLUE, alpha=0.75)
    axes.axvline(0, color=INK, linewidth=THIN_LINE)
    axes.axvline(
        float(np.median(residual)), color=ORANGE, linewidth=LINE_WIDTH, linestyle="--", label="median"
    )
    left = len(residual) - len(inside)
    more = f" ({counted(left, 'row')} outside)" if left else ""
    title_panel(axes, f"how large they are{more}", WIDTH)
    axes.set(xlabel="predicted - true", ylabel="rows")
    axes.legend(frameon=False, fontsize=LABEL_FONT)


def bin_edges(values: Floats, bins: int) -> Floats:
    """Return the edges of bins, (bins + 1,); of values that hardly differ, as far apart as float64 needs."""
    low, high = float(values.min()), float(values.max())
    least = 2 * bins * float(np.spacing(max(abs(low), abs(high))))
    if high - low < least:
        half = max(0.5, least)
        low, high = low - half, high + half
    return np.linspace(low, high, bins + 1)


def _ranges_panel(axes: Axes, truth: Floats, residual: Floats, name: str) -> None:
    """Draw the mean absolute error and the bias in each tenth of the rows by true value, or at each value."""
    _, place = np.unique(group_codes(truth, RANGES), return_inverse=True)
    rows = np.bincount(place)
    error = np.bincount(place, np.abs(residual)) / rows
    bias = np.bincount(place, residual) / rows
    at = np.arange(len(rows))
    axes.bar(at, error, color=BLUE, alpha=0.75, label="mean absolute error")
    axes.plot(
        at,
        bias,
        color=ORANGE,
        marker="o",
        linestyle="--",
        linewidth=LINE_WIDTH,
        label="mean of predicted - true",
    )
    axes.axhline(0, color=SOFT, linewidth=THIN_LINE)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.25 * (high - low))  # for the legend
    ends = [(float(own.min()), float(own.max())) for own in (truth[place == each] for each in at)]
    alone = all(low == high for low, high in ends)
    ticks = [
        short_number(low) if alone else f"{short_number(low)} to {short_number(high)}" for low, high in ends
    ]
    axes.set_xticks(at, ticks, fontsize=SMALL_FONT, rotation=90 if len(ticks) > 3 and not alone else 0)
    axes.set(xlabel=f"true {name}", ylabel="predicted - true")
    title_panel(axes, "error by value" if alone else "error by range, of as many rows each", WIDTH)
    axes.legend(frameon=False, fontsize=SMALL_FONT, loc="upper left", ncols=2, columnspacing=1.0)
