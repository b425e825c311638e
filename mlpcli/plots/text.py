r"""Names in figures, shown exactly as spelled; every figure is written by one function.

matplotlib reads what lies between two `$` as mathematics (`$x$` is set in italics, `$\frac` fails), leaves
labels that begin with `_` out of its legends, and warns of each character that its fonts lack.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.files import write_bytes
from mlpcli.printable import printable, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

LONGEST_LABEL = 60


def plot_label(text: str, limit: int = LONGEST_LABEL) -> str:
    """Return a name from outside as a label, a tick or a title of a figure."""
    label = shortened(text, limit)
    return f" {label}" if label.startswith("_") else label


def save_figure(figure: Figure, target: Path) -> None:
    """Write a figure as PNG, completely or not at all; see `figure_png`.

    Args:
        figure: of matplotlib; its texts become printable.
        target: the file.
    """
    write_bytes(target, figure_png(figure))


def figure_png(figure: Figure, pil_kwargs: dict[str, int] | None = None) -> bytes:
    """Return a figure as a PNG file, with none of its text read as mathematics.

    Args:
        figure: of matplotlib; its texts become printable.
        pil_kwargs: settings of PNG.
    """
    from matplotlib.text import Text

    numbers = {id(label) for axes in figure.axes for label in _powers(axes)}
    for text in figure.findobj(Text):
        if id(text) not in numbers:
            text.set_parse_math(False)
            text.set_text("\n".join(map(printable, text.get_text().split("\n"))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks is drawn as a box
        content = io.BytesIO()
        figure.savefig(content, format="png", pil_kwargs=pil_kwargs)
    return content.getvalue()


def _powers(axes: Axes) -> list[Text]:
    """Return labels of ticks that are powers of ten, which matplotlib itself writes as mathematics."""
    from matplotlib.ticker import LogFormatter

    scales = (axes.xaxis, axes.yaxis)
    powers = [axis for axis in scales if isinstance(axis.get_major_formatter(), LogFormatter)]
    return [label for axis in powers for label in axis.get_ticklabels(which="both")]
