"""Names in figures: shown as they are spelled, and every figure written by one function.

matplotlib takes what lies between two `$` for mathematics (`$x$` is set in italics, `$\\frac` fails), leaves
labels that begin with `_` out of its legends, and warns of each character that its fonts lack.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from mlpcli.files import write_with
from mlpcli.printable import printable, shortened

LONGEST_LABEL = 60


def plot_label(text: str, limit: int = LONGEST_LABEL) -> str:
    """A name from outside as a label, a tick or a title of a figure."""
    label = shortened(text, limit)
    return f" {label}" if label.startswith("_") else label


def save_figure(figure: Any, target: Path, **settings: Any) -> None:
    """Write a figure as PNG, whole or not at all, no text of it taken for mathematics.

    Args:
        figure: of matplotlib; its texts become printable.
        target: the file.
        settings: of `savefig`.
    """
    from matplotlib.text import Text

    numbers = {id(label) for axes in figure.axes for label in _powers(axes)}
    for text in figure.findobj(Text):
        if id(text) not in numbers:
            text.set_parse_math(False)
            text.set_text("\n".join(map(printable, text.get_text().split("\n"))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks is drawn as a box
        write_with(target, lambda path: figure.savefig(path, **settings))


def _powers(axes: Any) -> list[Any]:
    """Labels of ticks that are powers of ten, which matplotlib itself spells as mathematics."""
    from matplotlib.ticker import LogFormatter

    scales = (axes.xaxis, axes.yaxis)
    powers = [axis for axis in scales if isinstance(axis.get_major_formatter(), LogFormatter)]
    return [label for axis in powers for label in axis.get_ticklabels(which="both")]
