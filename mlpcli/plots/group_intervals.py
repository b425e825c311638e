"""A metric by group of rows: a point and an interval for each, beside the value of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    BLUE,
    INK,
    LABEL_FONT,
    LINE_WIDTH,
    MARKER_SIZE,
    ORANGE,
    PAPER,
    THIN_LINE,
    new_figure,
    short_numbers,
    style_panel,
)
from mlpcli.plots.text import distinct_labels, plot_label, title_figure
from mlpcli.printable import counted

MOST_DRAWN = 30
"""Of more groups the worst are drawn."""


@dataclass(frozen=True)
class GroupPoint:
    """What is drawn of a group.

    Attributes:
        name: of the group.
        rows: how many it has.
        value: of the metric.
        interval: of 95%; None for none.
        apart: whether it differs from all rows by more than chance.
    """

    name: str
    rows: int
    value: float
    interval: tuple[float, float] | None
    apart: bool


def draw_group_intervals(
    points: Sequence[GroupPoint], overall: float, *, metric: str, column: str, title: str
) -> Drawing:
    """Draw a line for each group, the worst at the top.

    Groups that differ from all rows by more than chance are filled diamonds, others are empty circles.

    Args:
        points: the groups, the worst first.
        overall: the value of all rows.
        metric: its name.
        column: by which the rows are grouped.
        title: of the figure.
    """
    drawn = points[:MOST_DRAWN]
    figure = new_figure(6.4, 1.6 + 0.28 * len(drawn))
    axes = figure.add_subplot()
    for place, each in enumerate(drawn):
        at, color = len(drawn) - 1 - place, ORANGE if each.apart else BLUE
        if each.interval is not None:
            axes.plot(each.interval, [at, at], color=color, linewidth=LINE_WIDTH, solid_capstyle="butt")
        axes.plot(
            [each.value],
            [at],
            marker="D" if each.apart else "o",
            color=color,
            markerfacecolor=color if each.apart else PAPER,
            markersize=MARKER_SIZE + 2,
        )
    axes.axvline(overall, color=INK, linewidth=THIN_LINE, linestyle="--")
    axes.plot([], [], color=INK, linewidth=THIN_LINE, linestyle="--", label=f"all rows: {overall:.4g}")
    if any(each.apart for each in drawn):
        axes.plot([], [], color=ORANGE, marker="D", linewidth=LINE_WIDTH, label="more than chance apart")
    labels = distinct_labels([each.name for each in drawn], 32)
    names = [f"{label}  ({each.rows:,})" for label, each in zip(labels, drawn, strict=True)]
    axes.set_yticks(np.arange(len(drawn))[::-1], names, fontsize=LABEL_FONT)
    axes.set_ylim(-0.6, len(drawn) - 0.4)
    axes.set_xlabel(f"{plot_label(metric, 40)} (lines: 95% intervals)")
    axes.set_ylabel(f"{plot_label(column, 30)} (rows)")
    figure.legend(fontsize=LABEL_FONT, loc="outside lower center", ncols=2, frameon=False)
    left = len(points) - len(drawn)
    title_figure(figure, title, f"the worst {len(drawn)} of {counted(len(points), 'group')}" if left else "")
    style_panel(axes)
    short_numbers(axes.xaxis)
    return finish(figure)
