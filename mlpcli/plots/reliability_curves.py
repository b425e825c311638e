"""The reliability of probabilities: how often what was predicted with a probability is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlpcli.plots.style import (
    INK,
    THIN_LINE,
    TRAINING,
    VALIDATION,
    new_figure,
    panel_grid,
    style_panel,
)
from mlpcli.plots.text import figure_png, plot_label
from mlpcli.statistics.calibration import BINS, Bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_AREA = 140.0
"""Of a marker, in square points: of the bin with most predictions."""


def draw_reliability(panels: Mapping[str, tuple[Sequence[Bin], Sequence[Bin]]], *, title: str) -> bytes:
    """Draw the share of true predictions by their probability, before and after calibration, as a PNG file.

    Args:
        panels: by rows, such as `validation`: the bins before, and those after. The area of a point is its
            number of predictions.
        title: of the figure.
    """
    rows, columns = panel_grid(len(panels), 2)
    figure = new_figure(4.4 * columns + 0.4, 4.0 * rows + 0.5)
    for place, (name, (before, after)) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.plot([0, 1], [0, 1], color=INK, linewidth=THIN_LINE, linestyle=":", label="as it says")
        _draw_bins(axes, before, "before", VALIDATION, "o")
        _draw_bins(axes, after, "after", TRAINING, "s")
        axes.set(xlabel="predicted probability", ylabel="share that is true", xlim=(-0.02, 1.02))
        count = sum(each.count for each in after)
        axes.set(
            title=plot_label(f"{name}: {count:,} predictions, {BINS} bins"),
            ylim=(-0.02, 1.02),
            xticks=[0, 0.25, 0.5, 0.75, 1],
        )
        style_panel(axes)
        axes.legend(frameon=False, loc="upper left", markerscale=0.6)
    figure.suptitle(plot_label(title))
    return figure_png(figure)


def _draw_bins(axes: Axes, bins: Sequence[Bin], label: str, color: str, marker: str) -> None:
    most = max(each.count for each in bins)
    x, y = [each.predicted for each in bins], [each.observed for each in bins]
    areas = [MOST_AREA * each.count / most for each in bins]
    axes.plot(x, y, color=color, linewidth=THIN_LINE, alpha=0.5)
    axes.scatter(x, y, s=areas, color=color, marker=marker, alpha=0.8, linewidths=0, label=label)
