"""The changed columns of new rows beside those of the training rows: a panel of bars for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    BLUE,
    LABEL_FONT,
    ORANGE,
    PAPER,
    SMALL_FONT,
    new_figure,
    panel_grid,
    style_panel,
)
from mlpcli.plots.text import distinct_labels, plot_label, title_figure, title_panel

MOST_PANELS, MOST_BARS, ACROSS = 8, 12, 2


@dataclass(frozen=True)
class DriftPanel:
    """What is drawn of a column.

    Attributes:
        name: of the column.
        change: a word.
        labels: of the bins.
        known: shares of the training rows.
        new: shares of the new rows.
    """

    name: str
    change: str
    labels: tuple[str, ...]
    known: tuple[float, ...]
    new: tuple[float, ...]


def draw_drift(panels: Sequence[DriftPanel], *, title: str) -> Drawing:
    """Draw the shares of training rows and of new rows in each bin.

    Args:
        panels: a column each, the most changed first.
        title: of the figure.
    """
    drawn = panels[:MOST_PANELS]
    rows, columns = panel_grid(len(drawn), ACROSS)
    figure = new_figure(max(3.6 * columns + 0.2, 4.6), 2.9 * rows + 0.9)
    for place, each in enumerate(drawn):
        axes = figure.add_subplot(rows, columns, place + 1)
        bins = _most_moved(each)
        at = np.arange(len(bins))
        known, new = (np.array(shares)[bins] for shares in (each.known, each.new))
        axes.bar(at - 0.2, known, 0.4, color=BLUE, label="training rows")
        axes.bar(at + 0.2, new, 0.4, color=ORANGE, label="new rows", hatch="///", edgecolor=PAPER)
        labels = distinct_labels([each.labels[bin] for bin in bins], 18)
        axes.set_xticks(at, labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=SMALL_FONT)
        title_panel(axes, f"{plot_label(each.name, 30)}: {each.change}", 3.2)
        if place % columns == 0:
            axes.set_ylabel("share of rows")
        style_panel(axes)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=LABEL_FONT)
    left = len(panels) - len(drawn)
    more = f"the {len(drawn)} most changed of {len(panels)} columns" if left else ""
    title_figure(figure, title, more)
    return finish(figure)


def _most_moved(panel: DriftPanel) -> list[int]:
    """Return the bins that are drawn, in their order: of many those whose share has changed most."""
    moved = np.abs(np.array(panel.known) - np.array(panel.new))
    return sorted(np.argsort(-moved, kind="stable")[:MOST_BARS].tolist())
