"""The learning curves of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpcli.plots.style import (
    INK,
    LINE_WIDTH,
    MARKER_SIZE,
    THIN_LINE,
    TRAINING,
    VALIDATION,
    marker,
    new_figure,
    panel_grid,
    style_panel,
    whole_numbers,
)
from mlpcli.plots.text import figure_png, plot_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_learning_curves(history: list[dict[str, float]], *, title: str, best_epoch: int | None) -> bytes:
    """Draw loss and metrics by epoch, one panel each, training and validation together, as a PNG file.

    Training values are running means over their epoch, so their curve is drawn half an epoch to the left.

    Args:
        history: the logs of each epoch, with `epoch`.
        title: of the figure.
        best_epoch: marked with a line, where there is one.
    """
    names = [
        name for name in history[0] if name not in ("epoch", "learning_rate") and not name.startswith("val_")
    ]
    rows, columns = panel_grid(len(names), 2)
    figure = new_figure(5.2 * columns + 0.6, 3.6 * rows + 0.4)
    epochs = [row["epoch"] for row in history]
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        _draw_curve(axes, [epoch - 0.5 for epoch in epochs], history, name, "training", TRAINING)
        if f"val_{name}" in history[0]:
            _draw_curve(axes, epochs, history, f"val_{name}", "validation", VALIDATION)
        if best_epoch is not None:
            axes.axvline(
                best_epoch, color=INK, linewidth=THIN_LINE, linestyle=":", label=f"best epoch ({best_epoch})"
            )
        axes.set(title=plot_label(name), xlabel="epoch", xlim=(0, max(epochs) + 0.02 * max(epochs)))
        whole_numbers(axes.xaxis)
        style_panel(axes)
        axes.legend(frameon=False)
    figure.suptitle(plot_label(title))
    return figure_png(figure)


def _draw_curve(
    axes: Axes, x: list[float], history: list[dict[str, float]], name: str, label: str, color: str
) -> None:
    axes.plot(
        x,
        [row[name] for row in history],
        color=color,
        label=label,
        marker=marker(len(x)),
        markersize=MARKER_SIZE,
        linewidth=LINE_WIDTH,
    )
