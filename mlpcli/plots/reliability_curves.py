"""The reliability of probabilities: how often what was predicted with a probability is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    INK,
    LABEL_FONT,
    THIN_LINE,
    TRAINING,
    VALIDATION,
    new_figure,
    panel_grid,
    style_panel,
)
from mlpcli.plots.text import title_figure, title_panel
from mlpcli.statistics.calibration import BINS, Bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_AREA = 140.0
"""Of a marker, in square points: of the bin with most predictions."""

WIDTH = 3.9
"""Of a panel, in inches."""


def draw_reliability(panels: Mapping[str, tuple[Sequence[Bin], Sequence[Bin]]], *, title: str) -> Drawing:
    """Draw the share of true predictions by their probability, before and after calibration.

    Args:
        panels: by rows, such as `validation`: the bins before, and those after. The area of a point is its
            number of predictions.
        title: of the figure.
    """
    rows, columns = panel_grid(len(panels), 2)
    figure = new_figure(WIDTH * columns + 0.2, 3.7 * rows + 0.9)
    for place, (name, (before, after)) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.plot([0, 1], [0, 1], color=INK, linewidth=THIN_LINE, linestyle=":", label="as it says")
        _draw_bins(axes, before, "before", VALIDATION, "o", "--")
        _draw_bins(axes, after, "after calibration", TRAINING, "s", "-")
        axes.set(xlabel="predicted probability", ylabel="share that is true", xlim=(-0.03, 1.03))
        count = sum(each.count for each in after)
        title_panel(axes, f"{name}: {count:,} predictions, {BINS} bins", WIDTH)
        axes.set(ylim=(-0.03, 1.03), xticks=[0, 0.25, 0.5, 0.75, 1])
        style_panel(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    place_below = "outside lower center"
    figure.legend(
        handles, labels, loc=place_below, ncols=3, frameon=False, markerscale=0.6, fontsize=LABEL_FONT
    )
    title_figure(figure, title)
    return finish(figure)


def _draw_bins(axes: Axes, bins: Sequence[Bin], label: str, color: str, marker: str, line: str) -> None:
    most = max(each.count for each in bins)
    x, y = [each.predicted for each in bins], [each.observed for each in bins]
    areas = [max(MOST_AREA * each.count / most, 4.0) for each in bins]
    axes.plot(x, y, color=color, linewidth=THIN_LINE, linestyle=line)
    axes.scatter(x, y, s=areas, color=color, marker=marker, alpha=0.8, linewidths=0, label=label)
