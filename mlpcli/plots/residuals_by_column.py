"""Residuals against each column: where a column still explains an error, the model has missed something."""

from __future__ import annotations

from collections.abc import Mapping
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
    THIN_LINE,
    new_figure,
    panel_grid,
    short_number,
    short_numbers,
    style_panel,
    value_ticks,
)
from mlpcli.plots.text import distinct_labels, plot_name, title_figure
from mlpcli.printable import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Column = NDArray[np.generic]

MOST_COLUMNS = 12
MOST_CATEGORIES = 8
GROUPS, LEAST_ROWS = 10, 5
"""Groups of a column of numbers, and the rows that each has at least: the mean of one row says nothing."""

MOST, FAR, MARGIN = (0.025, 0.975), 3.0, 0.3
"""The quantiles between which most residuals are; where all need so many times their range, only theirs is
drawn, with a margin of this share at each side."""

WIDTH, HEIGHT = 2.7, 2.2
"""Of a panel, in inches."""


def draw_residuals_by_column(columns: Mapping[str, Column], residual: Floats, *, title: str) -> Drawing:
    """Draw the residuals against each column, with their mean in each tenth of the rows, or at each value.

    Few rows are divided into fewer parts. Of few distinct values each has its own mean. Where some residuals
    are far beyond all others, these set the range.

    Args:
        columns: by name, (rows,) numbers, datetime64 or texts. Of many, those that the residual depends on
            most.
        residual: (rows,) predicted minus true, in the target's own units.
        title: of the figure.
    """
    groups = {name: group_of(values) for name, values in columns.items()}
    ranked = sorted(columns, key=lambda name: -explained(groups[name], residual))
    drawn = ranked[:MOST_COLUMNS]
    rows, across = panel_grid(len(drawn), 3)
    figure = new_figure(max(WIDTH * across + 0.2, 4.0), HEIGHT * rows + 0.9)
    limits = shown_range(residual)
    for place, name in enumerate(drawn):
        axes = figure.add_subplot(rows, across, place + 1)
        values = columns[name]
        if values.dtype == object:
            _draw_categories(axes, np.asarray(values, str), residual)
        elif values.dtype.kind == "M":
            _draw_dates(axes, values, residual, groups[name])
        else:
            _draw_numbers(axes, np.asarray(values, np.float64), residual, groups[name])
        axes.axhline(0, color=INK, linewidth=THIN_LINE)
        axes.set_xlabel(plot_name(name, 30), fontsize=LABEL_FONT + 1)
        if place % across == 0:
            axes.set_ylabel("predicted - true", fontsize=LABEL_FONT + 1)
        axes.tick_params(labelsize=LABEL_FONT)
        style_panel(axes)
        if limits is not None:
            axes.set_ylim(*limits)
        short_numbers(axes.yaxis, 5)
    more = (
        f"the {len(drawn)} of {len(columns):,} columns that they depend on most; "
        if len(columns) > len(drawn)
        else ""
    )
    title_figure(
        figure, title, f"predicted - true by column; {more}squares: their mean{_beyond(residual, limits)}"
    )
    return finish(figure)


def shown_range(residual: Floats) -> tuple[float, float] | None:
    """Return the range in which residuals are drawn, if some are far outside that of most; None for all."""
    low, high = (float(each) for each in np.quantile(residual, MOST))
    least, most = float(residual.min()), float(residual.max())
    if high <= low or most - least <= FAR * (high - low):
        return None
    margin = MARGIN * (high - low)
    return max(low - margin, least), min(high + margin, most)


def _beyond(residual: Floats, limits: tuple[float, float] | None) -> str:
    if limits is None:
        return ""
    outside = residual[(residual < limits[0]) | (residual > limits[1])]
    ends = " to ".join(short_number(float(each)) for each in (residual.min(), residual.max()))
    return f"; {counted(len(outside), 'row')} beyond what is drawn (all: {ends})"


def group_of(values: Column) -> NDArray[np.int64]:
    """Return the group of each row by a column: values or categories, or of many values tenths of the rows.

    Those without a value are in group -1.
    """
    if values.dtype == object:
        _, groups = np.unique(np.asarray(values, str), return_inverse=True)
        return np.asarray(groups, np.int64)
    numbers = _as_numbers(values)
    known = np.isfinite(numbers)
    found = np.full(len(numbers), -1, np.int64)
    if known.any():
        parts = min(GROUPS, max(1, int(known.sum()) // LEAST_ROWS))
        found[known] = group_codes(numbers[known], parts, LEAST_ROWS)
    return found


def _as_numbers(values: Column) -> Floats:
    if values.dtype.kind != "M":
        return np.asarray(values, np.float64)
    return np.where(np.isnat(values), np.nan, values.astype("datetime64[s]").astype(np.float64))


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
    _draw_means(axes, values, residual, groups)
    value_ticks(axes.xaxis, values[known], 4)


def _draw_dates(axes: Axes, values: Column, residual: Floats, groups: NDArray[np.int64]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    days = np.where(np.isnat(values), np.nan, date2num(values))
    known = np.isfinite(days)
    scatter_rows(axes, days[known], residual[known], size=9, hexagons=26)
    _draw_means(axes, days, residual, groups)
    locator = AutoDateLocator(minticks=2, maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set_fontsize(LABEL_FONT)


def _draw_means(axes: Axes, values: Floats, residual: Floats, groups: NDArray[np.int64]) -> None:
    """Draw the mean of the residuals of each group at its middle; of few rows where no group has more."""
    kinds, rows = np.unique(groups[groups >= 0], return_counts=True)
    kinds = kinds[rows >= min(LEAST_ROWS, int(rows.max(initial=0)))]
    centre = [float(np.median(values[groups == kind])) for kind in kinds]
    mean = [float(residual[groups == kind].mean()) for kind in kinds]
    axes.plot(centre, mean, "s-", color=ORANGE, linewidth=LINE_WIDTH, markersize=4)


def _draw_categories(axes: Axes, values: NDArray[np.str_], residual: Floats) -> None:
    """Draw the middle nine tenths of the residuals by category, and their mean; the most frequent first."""
    names, groups, rows = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(-rows, kind="stable")[:MOST_CATEGORIES]
    for at, kind in enumerate(order):
        own = residual[groups == kind]
        low, high = np.quantile(own, [0.05, 0.95])
        axes.plot([at, at], [low, high], color=BLUE, linewidth=3, alpha=0.6, solid_capstyle="butt")
        axes.plot([at], [own.mean()], "s", color=ORANGE, markersize=5)
    labels = distinct_labels([names[kind] or "missing" for kind in order], 16)
    axes.set_xticks(range(len(order)), labels, rotation=90, fontsize=SMALL_FONT)
    axes.set_xlim(-0.6, len(order) - 0.4)
