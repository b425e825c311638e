"""Scores against numbers of training rows, with the curve through them and its value at twice the rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.drawing import save_figure
from mlpcli.plots.style import BEST, INK, LINE_WIDTH, POINT, new_figure, style_panel
from mlpcli.plots.text import plot_label, title_panel
from mlpcli.printable import counted
from mlpcli.runs.more_data import MoreData

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_more_data(found: MoreData, target: Path, *, beside: bool = True) -> None:
    """Draw a dot for each training, a ring for the mean of each size, and the curve up to twice the rows.

    Args:
        found: The scores.
        target: The PNG file.
        beside: Whether to write an SVG beside it.
    """
    figure = new_figure(7.2, 4.4)
    axes = figure.add_subplot()
    rows = [each.rows for each in found.sizes for _ in each.scores(found.metric)]
    scores = [score for each in found.sizes for score in each.scores(found.metric)]
    axes.plot(rows, scores, "o", color=POINT, alpha=0.45, markersize=4, linestyle="", label="one training")
    means = [(each.rows, np.mean(own)) for each in found.sizes if (own := each.scores(found.metric))]
    axes.plot(*zip(*means, strict=True), "o", color=POINT, markersize=7, fillstyle="none", label="mean")
    if found.doubling is not None:
        law = found.doubling
        for low, high, style in ((law.smallest, law.rows, "-"), (law.rows, 2 * law.rows, ":")):
            x = np.geomspace(low, high, 100)
            axes.plot(x, law.limit + law.factor * x**-law.exponent, style, color=INK, linewidth=LINE_WIDTH)
        least, most = law.from_now
        axes.errorbar(
            [2 * law.rows],
            [law.doubled],
            yerr=[[law.doubled - least], [most - law.doubled]],
            fmt="D",
            color=BEST,
            capsize=4,
            markersize=5,
            label="at twice the rows, 95%",
        )
    title = f"{found.name}: val_{found.metric} on {counted(found.validation_rows, 'validation row')}"
    axes.set(
        xscale="log",
        xlabel="training rows",
        ylabel=plot_label(f"val_{found.metric}"),
    )
    title_panel(axes, title, 6.6)
    _mark_sizes(axes, [each.rows for each in found.sizes], found.doubling is not None)
    style_panel(axes)
    axes.legend(frameon=False)
    save_figure(figure, target, beside=beside)


def _mark_sizes(axes: Axes, sizes: list[int], doubled: bool) -> None:
    """Put a tick at each number of rows."""
    ticks = [*sizes, 2 * sizes[-1]] if doubled else sizes
    axes.set_xticks(ticks, [f"{each:,}" for each in ticks], minor=False)
    axes.set_xticks([], minor=True)
