"""The confusion matrix: for each class, where its rows went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import BLUE, FAINT, LABEL_FONT, ORANGE, SMALL_FONT, cell_ink, new_figure, style_panel
from mlpcli.plots.text import plot_name, title_figure, title_panel
from mlpcli.printable import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Shares = NDArray[np.float64]

MOST_TEXT = 15
"""With more classes, cells have no numbers: the colours remain, and a panel names the worst pairs."""

MOST_CLASSES = 40
"""With more, only the classes with most mistakes are drawn."""

MOST_PAIRS = 15
LONGEST_CLASS = 18
STRONGEST = 0.92
"""The opacity of a cell that holds all rows of its class."""


def draw_confusion_matrix(counts: Counts, classes: tuple[str, ...], *, title: str) -> Drawing:
    """Draw the rows of each true class by predicted class: a colour for the share, a number for the count.

    Many classes are sorted by the rows that went wrong, the worst first, and the pairs that are confused most
    are named below.

    Args:
        counts: (classes, classes), true classes down, predicted across.
        classes: the name of each class.
        title: of the figure.
    """
    right, total = int(np.trace(counts)), int(counts.sum())
    pairs = _worst_pairs(counts) if len(classes) > MOST_TEXT else []
    shown, names, note = _most_confused(counts, classes)
    size = len(names)
    labels = [plot_name(name, LONGEST_CLASS) for name in names]
    room = 0.075 * max(map(len, labels))
    inches = 0.5 * size if size <= MOST_TEXT else min(0.155 * size, 5.6)
    inches = min(6.2, max(2.2, inches))
    width = max(inches + 0.6 + room, 4.0)
    below = 0.7 + 0.19 * len(pairs) if pairs else 0.0
    figure = new_figure(width, inches + 1.1 + room + below)
    heights = (inches + room, below) if pairs else (1.0,)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    axes = figure.add_subplot(grid[0])
    _matrix_panel(axes, shown, labels)
    if pairs:
        _pairs_panel(figure.add_subplot(grid[1]), pairs, classes, width)
    axes.set(xlabel="predicted class", ylabel="true class")
    line = f"{right:,} of {counted(total, 'row')} right; colour: share of a true class's rows"
    title_figure(figure, title, f"{line}\n{note}" if note else line)
    return finish(figure)


def _matrix_panel(axes: Axes, counts: Counts, labels: list[str]) -> None:
    """Draw the cells with the names of the classes."""
    from matplotlib.colors import to_rgba

    size = len(labels)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    if size <= MOST_TEXT:
        _draw_cells(axes, counts, shares)
    else:
        colors = np.empty((size, size, 4))
        colors[...] = to_rgba(BLUE)
        colors[..., 3] = STRONGEST * np.sqrt(shares)  # so that one row of a hundred is seen
        axes.imshow(colors, interpolation="nearest")
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal")
    font = LABEL_FONT if size <= MOST_TEXT else 6.5 if size <= 25 else 5.0
    upright = size > 5 or max(map(len, labels)) > 8
    axes.set_xticks(range(size), labels, rotation=90 if upright else 0, fontsize=font)
    axes.set_yticks(range(size), labels, fontsize=font)
    axes.tick_params(length=0)
    axes.spines[:].set_color(FAINT)


def _draw_cells(axes: Axes, counts: Counts, shares: Shares) -> None:
    """Draw a box for each cell with rows, and their number in it."""
    from matplotlib.patches import Rectangle

    few = len(counts) <= 8
    for row, column in np.ndindex(*counts.shape):
        count, share = int(counts[row, column]), float(shares[row, column])
        if count == 0:
            continue
        alpha = STRONGEST * share
        box = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=BLUE, alpha=alpha, linewidth=0)
        axes.add_patch(box)
        axes.text(
            column,
            row,
            f"{count:,}\n{share:.0%}" if few else f"{count:,}",
            ha="center",
            va="center",
            fontsize=LABEL_FONT if few and count < 1e6 else SMALL_FONT if count < 1e5 else 5.5,
            color=cell_ink(BLUE, alpha),
        )


def _pairs_panel(
    axes: Axes, pairs: list[tuple[int, int, int]], classes: tuple[str, ...], width: float
) -> None:
    """Draw a bar for each pair of classes that is confused most."""
    names = [
        f"{plot_name(classes[true], LONGEST_CLASS)} → {plot_name(classes[taken], LONGEST_CLASS)}"
        for true, taken, _ in pairs
    ]
    bars = axes.barh(range(len(pairs)), [count for *_, count in pairs], color=ORANGE, height=0.7)
    axes.bar_label(bars, [f"{count:,}" for *_, count in pairs], padding=3, fontsize=SMALL_FONT)
    axes.set_yticks(range(len(pairs)), names, fontsize=SMALL_FONT)
    axes.margins(x=0.12)
    axes.invert_yaxis()
    title_panel(axes, "confused most: true → predicted", width)
    axes.set_xlabel("rows")
    style_panel(axes)


def _worst_pairs(counts: Counts) -> list[tuple[int, int, int]]:
    """Return the pairs of a true and a predicted class with most rows, and how many."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    places = np.stack(np.unravel_index(order, wrong.shape), axis=1)
    return [(int(true), int(taken), int(wrong[true, taken])) for true, taken in places if wrong[true, taken]]


def _most_confused(counts: Counts, classes: tuple[str, ...]) -> tuple[Counts, list[str], str]:
    """Return the matrix that is drawn, its classes, and a note where it is not all."""
    if len(classes) <= MOST_TEXT:
        return counts, list(classes), ""
    wrong = counts.sum(axis=1) + counts.sum(axis=0) - 2 * np.diag(counts)
    order = np.argsort(-wrong, kind="stable")[:MOST_CLASSES]
    note = "the classes with most mistakes first"
    if len(classes) > MOST_CLASSES:
        note = f"the {MOST_CLASSES} of {counted(len(classes), 'class', 'classes')} with most mistakes"
    return counts[np.ix_(order, order)], [classes[index] for index in order], note
