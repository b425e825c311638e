"""How well a model ranks the rows of a class: ROC, precision and recall, and lift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.style import (
    CLASS_COLORS,
    FAINT,
    INK,
    LINE_WIDTH,
    SMALL_FONT,
    THIN_LINE,
    new_figure,
    style_panel,
)
from mlpcli.plots.text import figure_png, plot_label
from mlpcli.statistics.ranking import RankingCurves, at_threshold

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE_STYLES = ("-", "--", "-.", ":")
"""With the colours, so that curves differ in grey, too."""

MOST_CURVES = 8
MOST_POINTS = 1000
"""Points drawn of a curve; more would be no finer than a pixel."""


def draw_class_curves(
    curves: Mapping[str, RankingCurves], *, title: str, threshold: float | None = None
) -> bytes:
    """Draw ROC, precision by recall, and gain, one curve a class against the rest.

    Args:
        curves: by class; of many, those that are told apart worst are drawn.
        title: of the figure.
        threshold: in use, which is marked; None for none.

    Returns:
        A PNG file.
    """
    known = {name: each for name, each in curves.items() if each.roc_area == each.roc_area}
    drawn = dict(sorted(known.items(), key=lambda item: item[1].roc_area)[:MOST_CURVES])
    figure = new_figure(12.6, 4.4)
    roc, recall, gain = (figure.add_subplot(1, 3, place + 1) for place in range(3))
    for number, (name, each) in enumerate(drawn.items()):
        color = CLASS_COLORS[number % len(CLASS_COLORS)]
        line = LINE_STYLES[number // 2 % len(LINE_STYLES)]
        label, kept = plot_label(name, 20), _some(len(each.recall))
        areas = (f"  area {each.roc_area:.3f}", f"  area {each.average_precision:.3f}", "")
        points = (
            (each.false_positive_rate[kept], each.recall[kept]),
            (each.recall[kept][1:], each.precision[kept][1:]),
            (each.taken[kept], each.recall[kept]),
        )
        for axes, (x, y), area in zip((roc, recall, gain), points, areas, strict=True):
            axes.plot(x, y, label=label + area, color=color, linestyle=line, linewidth=LINE_WIDTH)
        if threshold is not None:
            _mark(roc, recall, gain, each, threshold)
    _finish(roc, recall, gain, drawn, threshold)
    left_out = len(known) - len(drawn)
    rest = f" (the {len(drawn)} classes told apart worst, of {len(known)})" if left_out else ""
    figure.suptitle(f"{plot_label(title)}{rest}")
    return figure_png(figure)


def _some(points: int) -> np.ndarray:
    """Return the places of the points of a curve that are drawn, its ends among them."""
    return np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).round().astype(int))


def _mark(roc: Axes, recall: Axes, gain: Axes, curves: RankingCurves, threshold: float) -> None:
    point = at_threshold(curves, threshold)
    marks = {
        roc: (curves.false_positive_rate[point], curves.recall[point]),
        recall: (curves.recall[point], curves.precision[point]),
        gain: (curves.taken[point], curves.recall[point]),
    }
    for axes, (x, y) in marks.items():
        axes.plot([x], [y], marker="o", color=INK, markersize=6, markerfacecolor="white", zorder=5)


def _finish(
    roc: Axes, recall: Axes, gain: Axes, drawn: Mapping[str, RankingCurves], threshold: float | None
) -> None:
    """Add what a curve is compared with, titles, units and legends."""
    for axes in (roc, gain):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=THIN_LINE, zorder=0)
    if len(drawn) == 1:
        (only,) = drawn.values()
        recall.axhline(only.prevalence, color=FAINT, linewidth=THIN_LINE, zorder=0)
    if threshold is not None:
        label = f"threshold {threshold:.3g}"
        roc.plot([], [], marker="o", color=INK, markerfacecolor="white", linestyle="", label=label)
    roc.set(title="ROC", xlabel="share of other rows taken", ylabel="recall: share of the class found")
    recall.set(title="precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    gain.set(title="gain", xlabel="share of all rows taken, the surest first", ylabel="recall")
    for axes in (roc, recall, gain):
        axes.set_xlim(0, 1)
        style_panel(axes)
    for axes, place in ((roc, "lower right"), (recall, "best")):
        axes.legend(fontsize=SMALL_FONT, loc=place, framealpha=0.8, edgecolor="white")
