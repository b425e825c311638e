"""The style of every figure: colours, sizes, fonts, resolution, and the look of one panel.

Every colour here is a light one with a dark counterpart, in `DARK`. A figure is drawn in the light ones; its
SVG carries both and follows the reader's setting, and its PNG is dark where `MLPCLI_FIGURES` says so
(`drawing.py`). Colour alone tells nothing apart: curves differ in their lines, rows in their markers.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.errors import Problem, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PAPER, INK, SOFT, FAINT, GRID = "#ffffff", "#2b323b", "#56616f", "#b9c0c8", "#b0b0b1"
"""The ground; text and thin lines; text that is not so important; axes in the background; the grid."""

BLUE, ORANGE, RED = "#2a5db0", "#b3520e", "#a31621"
GREEN, PINK, OLIVE, VIOLET, BRICK, TEAL = "#1d7446", "#9b2f74", "#67640f", "#6a4bb0", "#9a4a3c", "#256f74"

TRAINING, VALIDATION = BLUE, ORANGE
POINT, BEST = BLUE, ORANGE

CLASS_COLORS = (BLUE, ORANGE, GREEN, PINK, OLIVE, VIOLET, BRICK, TEAL)
"""One for each class, in order; more classes begin again with the first."""

CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
"""Of the rows of each class, in order; one more than colours, so that a pair recurs after 72 classes."""

LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
"""Of curves, in order."""

BOX_INK, BOX_DETAIL, BOX_EDGE, BOX_FILL, INPUT_FILL = INK, SOFT, "#7d8894", "#eef3f8", "#fbf1e3"
"""Of the model diagram: names, shapes, edges and frames, layers, inputs."""

DARK_ON_BOTH, LIGHT_ON_BOTH, DARK_THEN_LIGHT, LIGHT_THEN_DARK = "#000001", "#fffffe", "#000002", "#fffffd"
"""Text on a coloured cell: in the light theme and in the dark one."""

DARK = {
    PAPER: "#1d232a",
    INK: "#e1e7ed",
    SOFT: "#a3afbd",
    FAINT: "#4c5865",
    GRID: "#8994a0",
    BLUE: "#82aaff",
    ORANGE: "#f0a35e",
    RED: "#ff9090",
    GREEN: "#6fcf97",
    PINK: "#f08ac8",
    OLIVE: "#d3cd62",
    VIOLET: "#b9a2ff",
    BRICK: "#ffa492",
    TEAL: "#6fd0d0",
    BOX_EDGE: "#7f8b98",
    BOX_FILL: "#28323d",
    INPUT_FILL: "#3a3226",
    DARK_ON_BOTH: "#000000",
    LIGHT_ON_BOTH: "#ffffff",
    DARK_THEN_LIGHT: "#ffffff",
    LIGHT_THEN_DARK: "#000000",
}
"""What each colour is in the dark theme."""

THEME = "MLPCLI_FIGURES"
"""The environment variable with the theme of PNG files: `light` or `dark`."""

DPI = 110
PICTURE_DPI = 100
"""Resolution of charts, and of the model diagram and the decision boundary, in pixels per inch."""

LINE_WIDTH, THIN_LINE = 1.4, 0.8
MARKER_SIZE = 3
MOST_MARKERS = 30
"""Above this many points a curve has no markers."""

TITLE_FONT, LABEL_FONT, SMALL_FONT = 10, 8, 7.5

LONGEST_TITLE = 80
"""Characters; a title breaks where its figure is too narrow for it."""


def is_dark() -> bool:
    """Return whether PNG files are to be dark.

    Raises:
        UsageError: `MLPCLI_FIGURES` is neither light nor dark.
    """
    theme = os.environ.get(THEME) or "light"
    if theme not in ("light", "dark"):
        rule = f"the environment variable {THEME} must be light or dark"
        raise UsageError(Problem(rule, received=theme, hint=f"write {THEME}=dark, or unset it"))
    return theme == "dark"


def luminance(color: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1 (WCAG 2.2, "relative luminance").

    Args:
        color: `#rrggbb`.
    """
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def mixed(color: str, ground: str, alpha: float) -> str:
    """Return what a colour of some opacity looks like on a ground."""
    parts = ((int(color[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(alpha * over + (1 - alpha) * under):02x}" for over, under in parts)


def cell_ink(color: str, alpha: float) -> str:
    """Return a colour for text on a cell, readable in both themes.

    Args:
        color: of the cell, one of this module.
        alpha: its opacity.
    """
    light, dark = mixed(color, PAPER, alpha), mixed(DARK[color], DARK[PAPER], alpha)
    dark_first, dark_then = (contrast("#000000", cell) >= contrast("#ffffff", cell) for cell in (light, dark))
    if dark_first:
        return DARK_ON_BOTH if dark_then else DARK_THEN_LIGHT
    return LIGHT_THEN_DARK if dark_then else LIGHT_ON_BOTH


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` inches whose panels do not overlap."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.08)  # inches around each panel
    return Figure(figsize=(width, height), dpi=DPI, layout=layout)


def panel_grid(count: int, most_columns: int) -> tuple[int, int]:
    """Return the rows and columns in which `count` panels are arranged."""
    columns = min(most_columns, count)
    return -(-count // columns), columns


def style_panel(axes: Axes) -> None:
    """Give a panel a faint grid and no frame at the top and the right."""
    axes.grid(alpha=0.3, color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def whole_numbers(axis: Axis, most: int = 6) -> None:
    """Put ticks at whole numbers only, and at few of them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(most, integer=True))
    if max(axis.get_view_interval()) >= LARGE:
        axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def marker(points: int) -> str | None:
    """Return the marker of a curve: a dot where there are few points, else none."""
    return "o" if points <= MOST_MARKERS else None


FEW_TICKS = 6
"""So many distinct values of an axis are its ticks, where their labels have room."""


def value_ticks(axis: Axis, values: NDArray[np.float64], most: int = 6) -> None:
    """Put the ticks of an axis at the values that there are, if they are few; whole numbers at whole ones.

    Args:
        axis: of a column's values.
        values: (rows,) that it shows, without NaN.
        most: spaces between ticks.
    """
    distinct = np.unique(_whole_if_near(values))
    span = float(distinct[-1] - distinct[0]) if len(distinct) else 0.0
    if 0 < len(distinct) <= FEW_TICKS and np.diff(distinct).min(initial=np.inf) > span / (2 * FEW_TICKS):
        axis.set_ticks(distinct.tolist(), labels=[short_number(float(each)) for each in distinct])
    elif len(distinct) and np.array_equal(distinct, np.round(distinct)):
        whole_numbers(axis, most)
    else:
        short_numbers(axis, most)


def _whole_if_near(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return whole numbers where all are, but for what a way through float32 has left."""
    near = np.round(values)
    return near if (np.abs(values - near) <= 1e-6 * np.maximum(1, np.abs(near))).all() else values


LARGE, SMALL = 1e4, 1e-3
"""Numbers from here on are written with a prefix: `100k`, `2.5M`, `300µ`."""


def short_numbers(axis: Axis, most: int = 6) -> None:
    """Write the ticks of an axis in few characters, and at most so many spaces between them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(most))
    low, high = axis.get_view_interval()
    if max(abs(low), abs(high)) >= LARGE:
        axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def short_number(value: float) -> str:
    """Return a number in few characters: `12.5`, `100k`, `2.5M`."""
    from matplotlib.ticker import EngFormatter

    if value == 0 or SMALL <= abs(value) < LARGE:
        return f"{value:.4g}"
    return str(EngFormatter(sep="").format_eng(float(f"{value:.3g}")))
