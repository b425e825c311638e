"""The learning curves of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    GREEN,
    INK,
    LABEL_FONT,
    LINE_WIDTH,
    MARKER_SIZE,
    THIN_LINE,
    TRAINING,
    VALIDATION,
    marker,
    new_figure,
    panel_grid,
    short_number,
    style_panel,
    whole_numbers,
)
from mlpcli.plots.text import plot_label, title_figure, title_panel
from mlpcli.printable import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 1000
"""Epochs drawn of a curve; more would be no finer than a pixel."""

RATE = "learning_rate"
MANY_TIMES = 20.0
"""A rate that changes by more has a logarithmic axis."""

WIDTH = 4.3
"""Of a panel, in inches."""

History = Sequence[dict[str, float]]


def draw_learning_curves(
    history: list[dict[str, float]],
    *,
    title: str,
    best_epoch: int | None,
    planned: int | None = None,
) -> Drawing:
    """Draw loss and metrics by epoch, a panel each, training and validation together, and the learning rate.

    Training values are running means over their epoch, so their curve is drawn half an epoch to the left.

    Args:
        history: the logs of each epoch, with `epoch`.
        title: of the figure.
        best_epoch: marked with a line, where there is one.
        planned: the epochs that the spec asks for; fewer are said to have ended early.
    """
    names = [name for name in history[0] if name not in ("epoch", RATE) and not name.startswith("val_")]
    changes = len({row.get(RATE) for row in history}) > 1
    panels = len(names) + changes
    rows, columns = panel_grid(panels, 2)
    figure = new_figure(WIDTH * columns + 0.4, 3.0 * rows + 0.9)
    last, kept = max(row["epoch"] for row in history), _some(history, best_epoch)
    for index in range(panels):
        axes = figure.add_subplot(rows, columns, index + 1)
        if index < len(names):
            _draw_metric(axes, names[index], kept)
        else:
            _draw_rate(axes, kept)
        if best_epoch is not None:
            label = f"best epoch ({best_epoch:,})"
            axes.axvline(best_epoch, color=INK, linewidth=THIN_LINE, linestyle=":", label=label)
        axes.set(xlabel="epoch", xlim=(0, last + max(0.02 * last, 0.1)))
        whole_numbers(axes.xaxis)
        style_panel(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    place = "outside lower center"
    figure.legend(
        handles, labels, loc=place, ncols=2 * columns, frameon=False, fontsize=LABEL_FONT, markerscale=1.4
    )
    rate = history[-1].get(RATE, math.nan)
    notes = [] if changes or math.isnan(rate) else [f"learning rate {short_number(rate)}"]
    notes += [f"ended after {last:.0f} of {counted(planned, 'epoch')}"] if planned and last < planned else []
    title_figure(figure, title, ", ".join(notes))
    return finish(figure)


def _some(history: History, best: int | None) -> History:
    """Return the rows that are drawn: of long trainings evenly many, the best and the last among them."""
    if len(history) <= MOST_POINTS:
        return history
    step = len(history) / MOST_POINTS
    places = {int(number * step) for number in range(MOST_POINTS)} | {len(history) - 1}
    places |= {place for place, row in enumerate(history) if row["epoch"] == best}
    return [history[place] for place in sorted(places)]


def _draw_metric(axes: Axes, name: str, history: History) -> None:
    epochs = [row["epoch"] for row in history]
    _draw_curve(axes, [epoch - 0.5 for epoch in epochs], history, name, "training", TRAINING)
    if f"val_{name}" in history[0]:
        _draw_curve(axes, epochs, history, f"val_{name}", "validation", VALIDATION)
    title_panel(axes, name, WIDTH)


def _draw_rate(axes: Axes, history: History) -> None:
    rates = [row.get(RATE, math.nan) for row in history]
    axes.plot([row["epoch"] for row in history], rates, color=GREEN, linewidth=LINE_WIDTH, drawstyle="steps")
    known = [rate for rate in rates if rate > 0]
    if known and max(known) > MANY_TIMES * min(known):
        axes.set_yscale("log")
    title_panel(axes, "learning rate", WIDTH)


def _draw_curve(axes: Axes, x: list[float], history: History, name: str, label: str, color: str) -> None:
    axes.plot(
        x,
        [row.get(name, math.nan) for row in history],
        color=color,
        label=plot_label(label),
        marker=marker(len(x)),
        markersize=MARKER_SIZE,
        linewidth=LINE_WIDTH,
        linestyle="-" if label == "training" else "--",
    )
