"""The curves of several runs in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from mlpcli import runs
from mlpcli.plots.text import plot_label, save_figure
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import read_history

NOT_DRAWN = ("epoch", "learning_rate")


def draw_comparison(found: Sequence[Run], labels: Sequence[str], target: Path) -> bool:
    """Draw a panel for each metric that all runs log, a line a run; False when there is none.

    Validation values are drawn where there are some, else training values.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    labels = [plot_label(label) for label in labels]
    histories = [_history(run / runs.HISTORY) for run in found]
    names = _common(histories)
    if not names:
        return False
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(5.2 * columns + 0.6, 3.6 * rows + 0.8), dpi=110, layout="constrained")
    colors = colormaps["tab10" if len(found) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        for number, (label, history) in enumerate(zip(labels, histories, strict=True)):
            axes.plot(
                history["epoch"],
                history[name],
                color=colors[number % len(colors)],
                linewidth=1.5,
                marker="o" if len(history["epoch"]) <= 30 else None,
                markersize=3,
                label=label,
            )
        axes.set(title=plot_label(name), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, _ = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(2, len(found)), frameon=False, fontsize=8
    )
    save_figure(figure, target)
    return True


def _history(path: Path) -> dict[str, list[float]]:
    try:
        rows = read_history(path)
    except FileNotFoundError:
        return {}
    return {name: [row.get(name, math.nan) for row in rows] for name in (rows[0] if rows else {})}


def _common(histories: list[dict[str, list[float]]]) -> list[str]:
    """Names of what all runs log: of validation, or of training where there is no validation."""
    names = [name for name in histories[0] if all(name in history for history in histories)]
    names = [name for name in names if name not in NOT_DRAWN]
    validation = [name for name in names if name.startswith("val_")]
    return validation or names
