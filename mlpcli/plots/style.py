"""The style of every figure: colours, sizes, fonts, resolution, and the look of one panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

BLUE, ORANGE, RED = "#3366aa", "#dd7733", "#bb2222"
INK, FAINT = "#444444", "#bbbbbb"
"""Text and thin lines; axes that should stay in the background."""

TRAINING, VALIDATION = BLUE, ORANGE
POINT, BEST = BLUE, ORANGE

CLASS_COLORS = (BLUE, ORANGE, "#339966", "#aa3377", "#888833", "#7755bb", "#bb5544", "#449999")
"""One for each class, in order; more classes begin again with the first."""

BOX_INK, BOX_DETAIL, BOX_EDGE, BOX_FILL, INPUT_FILL = "#333333", "#667788", "#8899aa", "#eef3f8", "#fbf1e3"
"""Of the model diagram: names, shapes, edges and frames, layers, inputs."""

SCORE_MAP = "viridis"
"""The colour map of scores; without its last tenth, a yellow that is hard to see on white."""

DPI = 110
PICTURE_DPI = 100
"""Resolution of charts, and of the model diagram and the decision boundary, in pixels per inch."""

LINE_WIDTH, THIN_LINE = 1.4, 0.8
MARKER_SIZE = 3
MOST_MARKERS = 30
"""Above this many points a curve has no markers."""

TITLE_FONT, LABEL_FONT, SMALL_FONT = 10, 8, 7.5

QUICK_PNG = {"compress_level": 1}
"""Settings of PNG that are fast to write: a small job should not wait for its figures."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` inches whose panels do not overlap."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def panel_grid(count: int, most_columns: int) -> tuple[int, int]:
    """Return the rows and columns in which `count` panels are arranged."""
    columns = min(most_columns, count)
    return -(-count // columns), columns


def style_panel(axes: Axes) -> None:
    """Give a panel a faint grid and no frame at the top and the right."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def whole_numbers(axis: Axis) -> None:
    """Put ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def marker(points: int) -> str | None:
    """Return the marker of a curve: a dot where there are few points, else none."""
    return "o" if points <= MOST_MARKERS else None


LARGE, SMALL = 1e4, 1e-3
"""Numbers from here on are written with a prefix: `100k`, `2.5M`, `300µ`."""


def short_numbers(axis: Axis) -> None:
    """Write the ticks of an axis in few characters, and as many as have room."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6))
    low, high = axis.get_view_interval()
    if max(abs(low), abs(high)) >= LARGE:
        axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def short_number(value: float) -> str:
    """Return a number in few characters: `12.5`, `100k`, `2.5M`."""
    from matplotlib.ticker import EngFormatter

    if value == 0 or SMALL <= abs(value) < LARGE:
        return f"{value:.4g}"
    return str(EngFormatter(sep="").format_eng(float(f"{value:.3g}")))
