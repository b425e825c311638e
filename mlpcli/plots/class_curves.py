"""How well a model ranks the rows of a class: ROC, precision and recall, gain and lift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    CLASS_COLORS,
    CLASS_MARKERS,
    INK,
    LABEL_FONT,
    LINE_STYLES,
    LINE_WIDTH,
    MARKER_SIZE,
    PAPER,
    SOFT,
    THIN_LINE,
    new_figure,
    style_panel,
)
from mlpcli.plots.text import plot_name, title_figure, title_panel
from mlpcli.printable import counted
from mlpcli.statistics.ranking import RankingCurves, at_threshold

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CURVES = 8
MOST_POINTS = 400
"""Points drawn of a curve; more would be no finer than a pixel."""

LONGEST_CLASS = 24
WIDTH = 3.7
"""Of a panel, in inches."""

MOST_LIFT = 20.0
"""The axis of lift ends here: among a handful of rows it may be anything."""

Panels = tuple["Axes", "Axes", "Axes", "Axes"]


def draw_class_curves(
    curves: Mapping[str, RankingCurves], *, title: str, threshold: float | None = None
) -> Drawing:
    """Draw ROC, precision by recall, gain and lift, one curve a class against the rest.

    Args:
        curves: by class; of many, those that are distinguished worst are drawn.
        title: of the figure.
        threshold: in use, which is marked; None for none.
    """
    known = {name: each for name, each in curves.items() if each.roc_area == each.roc_area}
    drawn = dict(sorted(known.items(), key=lambda item: item[1].roc_area)[:MOST_CURVES])
    figure = new_figure(2 * WIDTH + 0.2, 7.0 + 0.2 * len(drawn))
    roc, recall, gain, lift = (figure.add_subplot(2, 2, place + 1) for place in range(4))
    panels = (roc, recall, gain, lift)
    for number, (name, each) in enumerate(drawn.items()):
        areas = f"ROC area {each.roc_area:.3f}, average precision {each.average_precision:.3f}"
        for axes, (x, y) in zip(panels, _points(each), strict=True):
            axes.plot(
                x,
                y,
                label=f"{plot_name(name, LONGEST_CLASS)}: {areas}",
                color=CLASS_COLORS[number % len(CLASS_COLORS)],
                linestyle=LINE_STYLES[number % len(LINE_STYLES)],
                linewidth=LINE_WIDTH,
                marker=CLASS_MARKERS[number % len(CLASS_MARKERS)] if len(drawn) > 1 else None,
                markevery=(0.01 + 0.017 * number, 0.18),
                markersize=MARKER_SIZE + 0.5,
            )
        if threshold is not None:
            _mark(panels, each, threshold)
    _finish(panels, drawn, threshold)
    left_out = len(known) - len(drawn)
    rest = (
        f"the {counted(len(drawn), 'class', 'classes')} separated worst, of {len(known)}" if left_out else ""
    )
    title_figure(figure, title, rest)
    return finish(figure)


def _points(curves: RankingCurves) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return the points of the four curves that are drawn, their ends among them."""
    count = len(curves.recall)
    kept = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    recall, taken = curves.recall[kept], curves.taken[kept]
    some = taken > 0
    return (
        (curves.false_positive_rate[kept], recall),
        (recall[1:], curves.precision[kept][1:]),
        (taken, recall),
        (taken[some], recall[some] / taken[some]),
    )


def _mark(panels: Panels, curves: RankingCurves, threshold: float) -> None:
    """Put a ring where the threshold in use is."""
    point = at_threshold(curves, threshold)
    recall, taken = curves.recall[point], curves.taken[point]
    lift = recall / taken if taken else np.nan
    x = (curves.false_positive_rate[point], recall, taken, taken)
    y = (recall, curves.precision[point], recall, lift)
    for axes, across, up in zip(panels, x, y, strict=True):
        axes.plot(
            [across],
            [up],
            marker="o",
            color=INK,
            markersize=6.5,
            markerfacecolor=PAPER,
            zorder=5,
            clip_on=False,
            linestyle="",
            label=f"threshold {threshold:.3g}",
        )


def _finish(panels: Panels, drawn: Mapping[str, RankingCurves], threshold: float | None) -> None:
    """Add what a curve is compared with, titles, units and the legend."""
    roc, recall, gain, lift = panels
    for axes in (roc, gain):
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=THIN_LINE, zorder=1, label="no better than chance")
    lift.axhline(1, color=SOFT, linewidth=THIN_LINE, zorder=1)
    if len(drawn) == 1:
        (only,) = drawn.values()
        recall.axhline(only.prevalence, color=SOFT, linewidth=THIN_LINE, zorder=1)
    roc.set(xlabel="share of other rows taken", ylabel="recall")
    recall.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    gain.set(xlabel="share of all rows taken, the most confident first", ylabel="recall")
    lift.set(xlabel="share of all rows taken, the most confident first", ylabel="times as many as by chance")
    lift.set_ylim(0, min(max(1.5, 1.08 * lift.get_ylim()[1]), MOST_LIFT))
    for axes, name in zip(panels, ("ROC", "precision and recall", "gain", "lift"), strict=True):
        axes.set_xlim(0, 1)
        title_panel(axes, name, WIDTH)
        style_panel(axes)
    handles, labels = roc.get_legend_handles_labels()
    roc.figure.legend(handles, labels, loc="outside lower center", frameon=False, fontsize=LABEL_FONT)
