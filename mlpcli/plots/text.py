r"""Names in figures, shown exactly as spelled.

matplotlib reads what lies between two `$` as mathematics (`$x$` is set in italics, `$\frac` fails), leaves
labels that begin with `_` out of its legends, and warns of each character that its fonts lack.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpcli.plots.style import LONGEST_TITLE, TITLE_FONT
from mlpcli.printable import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_LABEL = 60

CHARACTERS_PER_INCH = 11.5
"""That a title of 10 points has room for: a little more than the mean width of DejaVu Sans."""


MOST_ROUNDS = 3
"""In which names that still begin alike are told apart."""


def plot_label(text: str, limit: int = LONGEST_LABEL) -> str:
    """Return a name from outside as a label, a tick or a title of a figure."""
    label = shortened(text, limit)
    return f" {label}" if label.startswith("_") else label


def plot_name(text: str, limit: int) -> str:
    """Return a name of many that may begin alike: its start and its end, where it is too long."""
    if len(text) > limit:
        tail = (limit - 1) // 2
        text = f"{text[: limit - 1 - tail]}…{text[-tail:]}"
    return plot_label(text, limit)


def distinct_labels(texts: Sequence[str], limit: int) -> list[str]:
    """Return names as labels that differ where the names do: `price to…`, `pric… in May`.

    Args:
        texts: of the categories of one axis.
        limit: characters of a label.
    """
    labels = [plot_label(text, limit) for text in texts]
    for _ in range(MOST_ROUNDS):
        alike: dict[str, list[int]] = {}
        for place, label in enumerate(labels):
            alike.setdefault(label, []).append(place)
        for places in alike.values():
            first, last = (of(texts[place] for place in places) for of in (min, max))
            common = next(
                (at for at, pair in enumerate(zip(first, last, strict=False)) if len({*pair}) > 1), len(first)
            )
            for place in places if len(places) > 1 else ():
                if rest := texts[place][common:]:
                    labels[place] = plot_label(f"{texts[place][: limit // 3]}…{rest}", limit)
    return labels


def plot_title(text: str, width: float, font: float = 10) -> str:
    """Return a title in as many lines as the width of its figure needs.

    Args:
        text: of any length; it is shortened to two lines at least.
        width: of the figure, or of the panel, in inches.
        font: its size, in points.
    """
    line = max(int(CHARACTERS_PER_INCH * width * 10 / font), 12)
    label = shortened(text, max(LONGEST_TITLE, 2 * line))
    broken = textwrap.wrap(label, line, break_on_hyphens=False) or [""]
    first, *rest = broken
    return "\n".join([f" {first}" if first.startswith("_") else first, *rest])


def title_figure(figure: Figure, text: str, *more: str) -> None:
    """Write the title of a figure, and lines of ours below it."""
    width = float(figure.get_figwidth())
    lines = [plot_title(each, width, TITLE_FONT) for each in (text, *more) if each]
    figure.suptitle("\n".join(lines), fontsize=TITLE_FONT)


def title_panel(axes: Axes, text: str, width: float) -> None:
    """Write the title of a panel that is about so many inches wide."""
    axes.set_title(plot_title(text, width, TITLE_FONT), fontsize=TITLE_FONT)
