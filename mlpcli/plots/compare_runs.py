"""The curves of several runs in one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    BLUE,
    CLASS_COLORS,
    CLASS_MARKERS,
    FAINT,
    INK,
    LABEL_FONT,
    LINE_STYLES,
    LINE_WIDTH,
    MARKER_SIZE,
    PAPER,
    SMALL_FONT,
    THIN_LINE,
    marker,
    new_figure,
    panel_grid,
    style_panel,
    whole_numbers,
)
from mlpcli.plots.text import distinct_labels, plot_name, title_panel
from mlpcli.runs.folder import Run
from mlpcli.runs.paired_results import Breakdown
from mlpcli.runs.record_models import read_history

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 4.4
"""Of a panel, in inches."""

LEGEND_CHARACTERS = 58
"""Of the names of runs, below a panel."""

MOST_BARS, MOST_BROKEN = 20, 4
"""The most groups in a panel, and the most panels of them."""

History = dict[str, list[float]]
"""What was logged in each epoch, by name."""

NOT_DRAWN = ("epoch", "learning_rate")


def draw_comparison(
    found: Sequence[Run],
    labels: Sequence[str],
    target: Path,
    breakdowns: Sequence[Breakdown] = (),
    *,
    beside: bool = True,
) -> bool:
    """Draw a panel for each metric that all runs log, with a line for each run.

    Validation values are drawn where there are some, else training values. Of two runs, further panels show
    by how much the first is better or worse by class or decile.

    Args:
        found: the runs.
        labels: one for each run.
        target: the PNG file.
        breakdowns: of the outputs, by class or decile.
        beside: whether to write an SVG beside it.

    Returns:
        False where the runs have no metric in common; nothing is written then.
    """
    drawn = draw_histories([_columns(run / runs.HISTORY) for run in found], labels, breakdowns)
    if drawn is not None:
        drawn.write(target, beside=beside)
    return drawn is not None


def draw_histories(
    histories: Sequence[History], labels: Sequence[str], breakdowns: Sequence[Breakdown] = ()
) -> Drawing | None:
    """Draw the same of the histories of runs; None without a metric in common.

    Args:
        histories: of each run.
        labels: one for each run.
        breakdowns: see `draw_comparison`.
    """
    names = _common(histories)
    if not names:
        return None
    groups = [each for each in breakdowns if len(labels) == 2 and len(each.groups) <= MOST_BARS][:MOST_BROKEN]
    rows, columns = panel_grid(len(names) + len(groups), 2)
    line = int(LEGEND_CHARACTERS * columns)
    labels = [plot_name(label, line) for label in labels]
    side_by_side = max(1, min(2 * columns, line // (max(map(len, labels)) + 6)))
    below = 0.17 * -(-len(labels) // side_by_side)
    figure = new_figure(WIDTH * columns + 0.4, 3.1 * rows + 0.3 + below)
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        _draw_metric(axes, name, labels, histories)
    for index, breakdown in enumerate(groups, len(names)):
        _draw_groups(figure.add_subplot(rows, columns, index + 1), breakdown)
    handles, _ = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=side_by_side,
        frameon=False,
        fontsize=LABEL_FONT,
    )
    return finish(figure)


def _draw_metric(axes: Axes, name: str, labels: Sequence[str], histories: Sequence[History]) -> None:
    """Draw one metric of all runs into a panel."""
    for number, (label, history) in enumerate(zip(labels, histories, strict=True)):
        axes.plot(
            history["epoch"],
            history[name],
            color=CLASS_COLORS[number % len(CLASS_COLORS)],
            linestyle=LINE_STYLES[number % len(LINE_STYLES)],
            linewidth=LINE_WIDTH,
            marker=CLASS_MARKERS[number % len(CLASS_MARKERS)] if marker(len(history["epoch"])) else None,
            markersize=MARKER_SIZE + 1,
            label=label,
        )
    title_panel(axes, name, WIDTH)
    axes.set_xlabel("epoch")
    whole_numbers(axes.xaxis)
    style_panel(axes)


def _draw_groups(axes: Axes, breakdown: Breakdown) -> None:
    """Draw the difference of the first score of two runs by group: dark where it is more than chance."""
    name = next(iter(breakdown.groups[0].scores))
    differences = [first - second for first, second in (each.scores[name] for each in breakdown.groups)]
    places = range(len(breakdown.groups))
    bars = axes.barh(
        places, differences, color=[BLUE if each.is_real else FAINT for each in breakdown.groups]
    )
    for bar, group in zip(bars, breakdown.groups, strict=True):
        bar.set_hatch("" if group.is_real else "///")
        bar.set_edgecolor(PAPER)
    axes.axvline(0, color=INK, linewidth=THIN_LINE)
    axes.set_yticks(
        places, distinct_labels([each.name for each in breakdown.groups], 24), fontsize=SMALL_FONT
    )
    axes.invert_yaxis()
    of = f"{breakdown.output}: " if breakdown.output else ""
    by = "prediction" if breakdown.by == "decile" else breakdown.by
    title_panel(axes, f"{of}{name} by {by}, A minus B", WIDTH)
    axes.set_xlabel("full: more than chance; hatched: not")
    style_panel(axes)


def _columns(path: Path) -> History:
    try:
        return columns_of(read_history(path))
    except FileNotFoundError:
        return {}


def columns_of(rows: Sequence[Mapping[str, float]]) -> History:
    """Return a history, a row an epoch, as a list for each name."""
    return {name: [row.get(name, math.nan) for row in rows] for name in (rows[0] if rows else {})}


def _common(histories: Sequence[History]) -> list[str]:
    """Return the names of what all runs log: of validation, or of training where there is no validation."""
    names = [name for name in histories[0] if all(name in history for history in histories)]
    names = [name for name in names if name not in NOT_DRAWN]
    validation = [name for name in names if name.startswith("val_")]
    return validation or names
