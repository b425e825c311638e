"""The curves of several runs in one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.files import write_bytes
from mlpcli.plots.style import (
    BLUE,
    FAINT,
    INK,
    LABEL_FONT,
    LINE_WIDTH,
    MARKER_SIZE,
    SMALL_FONT,
    THIN_LINE,
    marker,
    new_figure,
    panel_grid,
    style_panel,
    whole_numbers,
)
from mlpcli.plots.text import figure_png, plot_label
from mlpcli.runs.folder import Run
from mlpcli.runs.paired_results import Breakdown
from mlpcli.runs.record_models import read_history

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS, MOST_BROKEN = 20, 4
"""The most groups in a panel, and the most panels of them."""

History = dict[str, list[float]]
"""What was logged in each epoch, by name."""

NOT_DRAWN = ("epoch", "learning_rate")


def draw_comparison(
    found: Sequence[Run], labels: Sequence[str], target: Path, breakdowns: Sequence[Breakdown] = ()
) -> bool:
    """Draw a panel for each metric that all runs log, with a line for each run.

    Validation values are drawn where there are some, else training values. Of two runs, further panels show
    by how much the first is better or worse by class or decile.

    Args:
        found: the runs.
        labels: one for each run.
        target: the PNG file.
        breakdowns: of the outputs, by class or decile.

    Returns:
        False where the runs have no metric in common; nothing is written then.
    """
    drawn = draw_histories([_columns(run / runs.HISTORY) for run in found], labels, breakdowns)
    if drawn:
        write_bytes(target, drawn)
    return bool(drawn)


def draw_histories(
    histories: Sequence[History], labels: Sequence[str], breakdowns: Sequence[Breakdown] = ()
) -> bytes:
    """Draw the same of the histories of runs, as a PNG file; without a metric in common, of no bytes.

    Args:
        histories: of each run.
        labels: one for each run.
        breakdowns: see `draw_comparison`.
    """
    labels = [plot_label(label) for label in labels]
    names = _common(histories)
    if not names:
        return b""
    groups = [each for each in breakdowns if len(labels) == 2 and len(each.groups) <= MOST_BARS][:MOST_BROKEN]
    rows, columns = panel_grid(len(names) + len(groups), 2)
    figure = new_figure(5.2 * columns + 0.6, 3.6 * rows + 0.8)
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
        ncols=min(2, len(labels)),
        frameon=False,
        fontsize=LABEL_FONT,
    )
    return figure_png(figure)


def _draw_metric(axes: Axes, name: str, labels: Sequence[str], histories: Sequence[History]) -> None:
    """Draw one metric of all runs into a panel."""
    from matplotlib import colormaps

    colors = colormaps["tab10" if len(labels) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    for number, (label, history) in enumerate(zip(labels, histories, strict=True)):
        axes.plot(
            history["epoch"],
            history[name],
            color=colors[number % len(colors)],
            linewidth=LINE_WIDTH,
            marker=marker(len(history["epoch"])),
            markersize=MARKER_SIZE,
            label=label,
        )
    axes.set(title=plot_label(name), xlabel="epoch")
    whole_numbers(axes.xaxis)
    style_panel(axes)


def _draw_groups(axes: Axes, breakdown: Breakdown) -> None:
    """Draw the difference of the first score of two runs by group: dark where it is more than chance."""
    name = next(iter(breakdown.groups[0].scores))
    differences = [first - second for first, second in (each.scores[name] for each in breakdown.groups)]
    places = range(len(breakdown.groups))
    axes.barh(places, differences, color=[BLUE if each.is_real else FAINT for each in breakdown.groups])
    axes.axvline(0, color=INK, linewidth=THIN_LINE)
    axes.set_yticks(places, [plot_label(each.name, 24) for each in breakdown.groups], fontsize=SMALL_FONT)
    axes.invert_yaxis()
    of = f"{breakdown.output}: " if breakdown.output else ""
    by = "prediction" if breakdown.by == "decile" else breakdown.by
    axes.set(title=plot_label(f"{of}{name} by {by}, A minus B"), xlabel="blue: more than chance")
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
