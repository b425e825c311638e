"""Residuals against each column: where a column still explains an error, the model has missed something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.scatter import scatter_rows
from mlpcli.plots.style import (
    BLUE,
    INK,
    LABEL_FONT,
    LINE_WIDTH,
    ORANGE,
    SMALL_FONT,
    THIN_LINE,
    new_figure,
    panel_grid,
    short_numbers,
    style_panel,
)
from mlpcli.plots.text import plot_label, plot_name, title_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Column = NDArray[np.generic]

MOST_COLUMNS = 12
MOST_CATEGORIES = 8
GROUPS, LEAST_ROWS = 10, 5
"""Groups of a column of numbers, and the rows that each has at least: the mean of one row says nothing."""

WIDTH, HEIGHT = 2.7, 2.2
"""Of a panel, in inches."""


def draw_residuals_by_column(columns: Mapping[str, Column], residual: Floats, *, title: str) -> Drawing:
    """Draw the residuals against each column, with their mean in each tenth of the rows, or category.

    Few rows are divided into fewer parts.

    Args:
        columns: by name, (rows,) numbers or texts. Of many, those that the residual depends on most.
        residual: (rows,) predicted minus true, in the target's own units.
        title: of the figure.
    """
    groups = {name: group_of(values) for name, values in columns.items()}
    ranked = sorted(columns, key=lambda name: -explained(groups[name], residual))
    drawn = ranked[:MOST_COLUMNS]
    rows, across = panel_grid(len(drawn), 3)
    figure = new_figure(max(WIDTH * across + 0.2, 4.0), HEIGHT * rows + 0.9)
    for place, name in enumerate(drawn):
        axes = figure.add_subplot(rows, across, place + 1)
        values = columns[name]
        if values.dtype == object:
            _draw_categories(axes, np.asarray(values, str), residual)
        else:
            _draw_numbers(axes, np.asarray(values, np.float64), residual, groups[name])
        axes.axhline(0, color=INK, linewidth=THIN_LINE)
        axes.set_xlabel(plot_name(name, 30), fontsize=LABEL_FONT + 1)
        if place % across == 0:
            axes.set_ylabel("predicted - true", fontsize=LABEL_FONT + 1)
        axes.tick_params(labelsize=LABEL_FONT)
        style_panel(axes)
        short_numbers(axes.yaxis, 5)
    more = (
        f"the {len(drawn)} of {len(columns):,} columns that they depend on most; "
        if len(columns) > len(drawn)
        else ""
    )
    title_figure(figure, title, f"residuals by column; {more}squares: their mean")
    return finish(figure)


def group_of(values: Column) -> NDArray[np.int64]:
    """Return the group of each row by a column: tenths of the rows, fewer of few rows, or categories.

    Those without a value are in group -1.
    """
    if values.dtype == object:
        _, groups = np.unique(np.asarray(values, str), return_inverse=True)
        return np.asarray(groups, np.int64)
    numbers = np.asarray(values, np.float64)
    known = np.isfinite(numbers)
    if not known.any():
        return np.full(len(numbers), -1)
    parts = min(GROUPS, max(1, int(known.sum()) // LEAST_ROWS))
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, parts + 1)))
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, max(len(edges) - 2, 0))
    return np.where(known, places, -1).astype(np.int64)


def explained(groups: NDArray[np.int64], residual: Floats) -> float:
    """Return which share of the variance of residuals lies between groups, less what chance would give.

    The correlation ratio, adjusted as R2 is: 1 - (1 - eta2) (n - 1) / (n - k) (Kelley 1935, epsilon squared).

    Args:
        groups: (rows,) the group of each row; -1 for none.
        residual: (rows,).
    """
    inside = groups >= 0
    own, values = groups[inside], residual[inside]
    kinds, own = np.unique(own, return_inverse=True)
    total = float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0
    if total == 0 or len(values) <= len(kinds):
        return 0.0
    rows = np.bincount(own)
    means = np.bincount(own, values) / rows
    between = float((rows * (means - values.mean()) ** 2).sum())
    return 1 - (1 - between / total) * (len(values) - 1) / (len(values) - len(kinds))


def _draw_numbers(axes: Axes, values: Floats, residual: Floats, groups: NDArray[np.int64]) -> None:
    known = np.isfinite(values)
    scatter_rows(axes, values[known], residual[known], size=9, hexagons=26)
    kinds = np.unique(groups[known])
    centre = [float(np.median(values[groups == kind])) for kind in kinds]
    mean = [float(residual[groups == kind].mean()) for kind in kinds]
    axes.plot(centre, mean, "s-", color=ORANGE, linewidth=LINE_WIDTH, markersize=4)
    short_numbers(axes.xaxis, 3)


def _draw_categories(axes: Axes, values: NDArray[np.str_], residual: Floats) -> None:
    """Draw the middle nine tenths of the residuals by category, and their mean; the most frequent first."""
    names, groups, rows = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(-rows, kind="stable")[:MOST_CATEGORIES]
    for at, kind in enumerate(order):
        own = residual[groups == kind]
        low, high = np.quantile(own, [0.05, 0.95])
        axes.plot([at, at], [low, high], color=BLUE, linewidth=3, alpha=0.6, solid_capstyle="butt")
        axes.plot([at], [own.mean()], "s", color=ORANGE, markersize=5)
    labels = [plot_label(names[kind], 14) or "missing" for kind in order]
    axes.set_xticks(range(len(order)), labels, rotation=90, fontsize=SMALL_FONT)
    axes.set_xlim(-0.6, len(order) - 0.4)
