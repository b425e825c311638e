"""The confusion matrix: for each class, where its rows went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.style import INK, LABEL_FONT, SMALL_FONT, new_figure
from mlpcli.plots.text import figure_png, plot_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

COLOR_MAP = "Blues"
"""From white to dark in one hue, so that it reads in grey."""

MOST_TEXT = 15
"""With more classes, cells have no numbers: the colours remain."""

MOST_CLASSES = 40
"""With more, only the classes with most mistakes are drawn."""

LONGEST_CLASS = 18


def draw_confusion_matrix(counts: NDArray[np.int64], classes: tuple[str, ...], *, title: str) -> bytes:
    """Draw the rows of each true class by predicted class: a colour for the share, a number for the count.

    Many classes are sorted by the rows that went wrong, the worst first.

    Args:
        counts: (classes, classes), true classes down, predicted across.
        classes: the name of each class.
        title: of the figure.

    Returns:
        A PNG file.
    """
    counts, names, note = _most_confused(counts, classes)
    size = len(names)
    inches = min(9.0, max(3.4, 1.6 + 0.55 * size if size <= MOST_TEXT else 2.0 + 0.22 * size))
    figure = new_figure(inches + 1.2, inches)
    axes = figure.add_subplot()
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    image = axes.imshow(shares, cmap=COLOR_MAP, vmin=0, vmax=1)
    if size <= MOST_TEXT:
        _write_counts(axes, counts, shares)
    labels = [plot_label(name, LONGEST_CLASS) for name in names]
    font = LABEL_FONT if size <= MOST_TEXT else SMALL_FONT
    upright = size > 5 or max(map(len, labels)) > 8
    axes.set_xticks(range(size), labels, rotation=90 if upright else 0, fontsize=font)
    axes.set_yticks(range(size), labels, fontsize=font)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of the true class's rows", fontsize=LABEL_FONT)
    right = int(np.trace(counts))
    total = int(counts.sum())
    line = note or f"{right:,} of {total:,} rows right"
    axes.set_title(f"{plot_label(title)}\n{line}", fontsize=LABEL_FONT + 1, color=INK)
    return figure_png(figure)


def _most_confused(
    counts: NDArray[np.int64], classes: tuple[str, ...]
) -> tuple[NDArray[np.int64], list[str], str]:
    """Return the matrix that is drawn, its classes, and a note where it is not all."""
    if len(classes) <= MOST_TEXT:
        return counts, list(classes), ""
    wrong = counts.sum(axis=1) + counts.sum(axis=0) - 2 * np.diag(counts)
    order = np.argsort(-wrong, kind="stable")[:MOST_CLASSES]
    note = ""
    if len(classes) > MOST_CLASSES:
        note = f"the {MOST_CLASSES} of {len(classes):,} classes with most mistakes"
    return counts[np.ix_(order, order)], [classes[index] for index in order], note


def _write_counts(axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for row, column in np.ndindex(*counts.shape):
        count, share = int(counts[row, column]), float(shares[row, column])
        if count == 0:
            continue
        text = f"{count:,}\n{share:.0%}" if len(counts) <= 8 else f"{count:,}"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=LABEL_FONT if len(counts) <= 8 else SMALL_FONT,
            color="white" if share > 0.55 else INK,
        )
