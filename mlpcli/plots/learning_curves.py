"""The pictures of a run, drawn without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlpcli.plots.text import plot_label, save_figure

TRAINING, VALIDATION, INK = "#3366aa", "#dd7733", "#444444"


def draw_learning_curves(
    history: list[dict[str, float]], target: Path, *, title: str, best_epoch: int | None
) -> None:
    """Loss and metrics by epoch, one panel each, training and validation together.

    Training values are running means over their epoch, so their curve is drawn half an epoch to the left.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = [
        name for name in history[0] if name not in ("epoch", "learning_rate") and not name.startswith("val_")
    ]
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(5.2 * columns + 0.6, 3.6 * rows + 0.4), dpi=110, layout="constrained")
    epochs = [row["epoch"] for row in history]
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        _draw_curve(axes, [epoch - 0.5 for epoch in epochs], history, name, "training", TRAINING)
        if f"val_{name}" in history[0]:
            _draw_curve(axes, epochs, history, f"val_{name}", "validation", VALIDATION)
        if best_epoch is not None:
            axes.axvline(
                best_epoch, color=INK, linewidth=0.8, linestyle=":", label=f"best epoch ({best_epoch})"
            )
        axes.set(title=plot_label(name), xlabel="epoch", xlim=(0, max(epochs) + 0.02 * max(epochs)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(plot_label(title))
    save_figure(figure, target)


def _draw_curve(
    axes: Any, x: list[float], history: list[dict[str, float]], name: str, label: str, color: str
) -> None:
    marker = "o" if len(x) <= 30 else None
    axes.plot(
        x,
        [row[name] for row in history],
        color=color,
        label=label,
        marker=marker,
        markersize=3,
        linewidth=1.4,
    )
