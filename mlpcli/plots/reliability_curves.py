"""The reliability of probabilities: how often what was predicted with a probability is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    INK,
    LABEL_FONT,
    PAPER,
    THIN_LINE,
    TRAINING,
    VALIDATION,
    new_figure,
    panel_grid,
    style_panel,
)
from mlpcli.plots.text import plot_label, title_figure, title_panel
from mlpcli.statistics.calibration import BINS, Bin
from mlpcli.statistics.label_quality import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_AREA = 140.0
"""Of a marker, in square points: of the bin with most predictions."""

FEW_AREA = 14.0
"""That of a bin with few."""

WIDTH = 3.9
"""Of a panel, in inches."""


FEW = 10
"""A bin with fewer predictions is hollow, and no line goes through it: its share is mostly chance."""

LONGEST_CLASS = 34
"""Characters of a label of an axis."""


@dataclass(frozen=True)
class Panel:
    """The reliability on some rows.

    Attributes:
        before, after: the bins before and after calibration.
        predicted: the label of the probabilities.
        observed: that of the share that is true.
    """

    before: Sequence[Bin]
    after: Sequence[Bin]
    predicted: str = "predicted probability"
    observed: str = "share that is true"


def draw_reliability(panels: Mapping[str, Panel], *, title: str) -> Drawing:
    """Draw the share of true predictions by their probability, before and after calibration.

    Args:
        panels: by rows, such as `validation`. The area of a point is its number of predictions; a bar is the
            95% interval of a share after calibration.
        title: of the figure.
    """
    rows, columns = panel_grid(len(panels), 2)
    figure = new_figure(WIDTH * columns + 0.2, 3.7 * rows + 0.9)
    for place, (name, panel) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.plot([0, 1], [0, 1], color=INK, linewidth=THIN_LINE, linestyle=":", label="as it says")
        _draw_bins(axes, panel.before, "before", VALIDATION, "o", "--")
        for each in panel.after:
            ends = wilson_interval(round(each.observed * each.count), each.count)
            axes.plot([each.predicted] * 2, ends, color=TRAINING, linewidth=THIN_LINE, alpha=0.5)
        _draw_bins(axes, panel.after, "after calibration", TRAINING, "s", "-")
        predicted, observed = (plot_label(each, LONGEST_CLASS) for each in (panel.predicted, panel.observed))
        axes.set(xlabel=predicted, ylabel=observed, xlim=(-0.03, 1.03))
        count = sum(each.count for each in panel.after)
        title_panel(axes, f"{name}: {count:,} predictions, {BINS} bins", WIDTH)
        axes.set(ylim=(-0.03, 1.03), xticks=[0, 0.25, 0.5, 0.75, 1])
        style_panel(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if any(each.count < FEW for panel in panels.values() for each in (*panel.before, *panel.after)):
        hollow = figure.axes[0].scatter([], [], s=FEW_AREA * 2, facecolors=PAPER, edgecolors=INK)
        handles, labels = [*handles, hollow], [*labels, f"fewer than {FEW} predictions"]
    place_below = "outside lower center"
    figure.legend(
        handles, labels, loc=place_below, ncols=2, frameon=False, markerscale=0.6, fontsize=LABEL_FONT
    )
    title_figure(figure, title)
    return finish(figure)


def _draw_bins(axes: Axes, bins: Sequence[Bin], label: str, color: str, marker: str, line: str) -> None:
    most = max(each.count for each in bins)
    known = [each for each in bins if each.count >= FEW]
    x, y = [each.predicted for each in known], [each.observed for each in known]
    areas = [max(MOST_AREA * each.count / most, 4.0) for each in known]
    axes.plot(x, y, color=color, linewidth=THIN_LINE, linestyle=line)
    axes.scatter(x, y, s=areas, color=color, marker=marker, alpha=0.8, linewidths=0, label=label)
    few = [each for each in bins if each.count < FEW]
    x, y = [each.predicted for each in few], [each.observed for each in few]
    axes.scatter(x, y, s=FEW_AREA, marker=marker, facecolors=PAPER, edgecolors=color)
