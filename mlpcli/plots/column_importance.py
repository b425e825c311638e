"""The importance of columns, and how the prediction follows the strongest of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    BLUE,
    FAINT,
    INK,
    LABEL_FONT,
    LINE_WIDTH,
    MARKER_SIZE,
    SMALL_FONT,
    THIN_LINE,
    new_figure,
    panel_grid,
    short_numbers,
    style_panel,
    value_ticks,
)
from mlpcli.plots.text import distinct_labels, plot_label, title_figure
from mlpcli.printable import counted, verb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MOST_BARS = 30


def draw_importance(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    *,
    metric: str,
    title: str,
) -> Drawing:
    """Draw a bar for each column with its interval, the strongest at the top.

    Args:
        names: of the columns, the strongest first.
        values: how much worse the metric becomes without each.
        intervals: of 95%.
        metric: its name.
        title: of the figure.
    """
    count = min(len(names), MOST_BARS)
    figure = new_figure(6.0, 1.6 + 0.26 * count)
    axes = figure.add_subplot()
    at = np.arange(count)[::-1]
    shown = np.array(values[:count])
    ends = np.array(intervals[:count]).reshape(count, 2)
    errors = np.abs(np.stack([shown - ends[:, 0], ends[:, 1] - shown]))
    axes.barh(at, shown, color=BLUE, alpha=0.75, xerr=errors, ecolor=INK, error_kw={"linewidth": THIN_LINE})
    axes.axvline(0, color=INK, linewidth=THIN_LINE)
    axes.set_yticks(at, distinct_labels(names[:count], 32), fontsize=LABEL_FONT)
    worse = f"how much worse {plot_label(metric, 30)} becomes"
    axes.set_xlabel(f"{worse}\nwhen the column is shuffled (lines: 95%)", fontsize=LABEL_FONT + 1)
    left = len(names) - count
    title_figure(
        figure, title, f"{counted(left, 'more column')} {verb(left, 'are')} not drawn" if left else ""
    )
    style_panel(axes)
    short_numbers(axes.xaxis)
    return finish(figure)


def draw_dependence(
    curves: Sequence[tuple[str, Sequence[float | str], NDArray[np.float64], NDArray[np.float64]]],
    *,
    shown: str,
    title: str,
    left: str = "",
) -> Drawing:
    """Draw the mean prediction by the value of a column, over the curves of single rows.

    Args:
        curves: for each column its name, its values, the mean prediction at each, (values,), and those of
            single rows, (rows, values).
        shown: what is predicted.
        title: of the figure.
        left: says what is not drawn.
    """
    rows, columns = panel_grid(len(curves), 2)
    figure = new_figure(max(3.6 * columns + 0.2, 4.6), 2.9 * rows + 0.7)
    for place, (name, values, mean, single) in enumerate(curves):
        axes = figure.add_subplot(rows, columns, place + 1)
        numbers = not any(isinstance(value, str) for value in values)
        at = np.array(values if numbers else range(len(values)), np.float64)
        line, dot = ("-", "") if numbers else ("", "_")  # between two categories lies nothing
        if not numbers:
            axes.set_xlim(-0.5, len(at) - 0.5)
        for each in single:
            axes.plot(at, each, color=FAINT, linewidth=0.6, alpha=0.6, linestyle=line, marker=dot)
        axes.plot(
            at,
            mean,
            color=BLUE,
            linewidth=LINE_WIDTH + 0.6,
            linestyle=line,
            marker="o",
            markersize=MARKER_SIZE if numbers else 2 * MARKER_SIZE,
        )
        axes.set(xlabel=plot_label(name, 34))
        if place % columns == 0:
            axes.set_ylabel(plot_label(shown, 34))
        style_panel(axes)
        if numbers:
            _mark_values(axes, at)
            value_ticks(axes.xaxis, at)
        else:
            _name_values(axes, at, [str(value) for value in values])
        short_numbers(axes.yaxis)
    lines = "mean prediction (thick) and single rows (thin), all else as it is"
    title_figure(figure, title, lines, left)
    return finish(figure)


def _name_values(axes: Axes, at: NDArray[np.float64], values: Sequence[str]) -> None:
    """Write the values of the column below, as long as a date with its seconds."""
    labels = distinct_labels(values, 19)
    across = len(labels) <= 3 and max(map(len, labels)) <= 8
    axes.set_xticks(at, labels, rotation=0 if across else 90, fontsize=SMALL_FONT)


def _mark_values(axes: Axes, at: NDArray[np.float64]) -> None:
    """Mark below where the values of the column lie, each of which stands for as many rows."""
    axes.plot(
        at,
        np.zeros(len(at)),
        "|",
        color=INK,
        markersize=7,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )
