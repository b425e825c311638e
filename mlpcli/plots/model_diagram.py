"""The diagram of a model: its layers as boxes, connected as in the network.

Keras's `plot_model` needs pydot and Graphviz, a system package that pip cannot install.
This diagram needs only matplotlib, shows mlpcli's own details of a layer, and grows with the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.diagram_layout import Box, Graph
from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    BOX_DETAIL,
    BOX_EDGE,
    BOX_FILL,
    BOX_INK,
    INPUT_FILL,
    LABEL_FONT,
    PICTURE_DPI,
    SMALL_FONT,
    TITLE_FONT,
)
from mlpcli.plots.text import plot_label
from mlpcli.printable import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 0.2
BOX_WIDTH, GAP_ACROSS, GAP_DOWN = 2.5, 0.35, 0.32
"""Height of a line of text, least width of a box and the gaps between boxes, in inches."""

CHARACTER = 0.6
"""Width of a character, in sizes of the font, with some room at the ends of a line."""

MOST_HELD = 66
"""Characters of what an input holds: the numbers of columns of six kinds."""

MOST_PIXELS = 6000
"""Of each side of the diagram."""


def draw_model(graph: Graph, *, title: str) -> Drawing:
    """Draw the graph of a functional model: each layer with its class, its output's shape and its parameters.

    Args:
        graph: of the model, from `read_graph`.
        title: of the figure.
    """
    from matplotlib.figure import Figure

    heights = [0.0] * graph.ranks
    for box in graph.boxes:
        heights[box.rank] = max(heights[box.rank], LINE * (2.4 + len(box.details)))
    tops = [sum(heights[:rank]) + GAP_DOWN * rank for rank in range(graph.ranks)]
    places = [place for box in graph.boxes for place in (box.place,)]
    places += [place for bends in graph.bends.values() for place in bends]
    left, right = min(places) - 0.5, max(places) + 0.5
    box_width = max([BOX_WIDTH, *(_width(box) for box in graph.boxes)])
    width = (right - left) * (box_width + GAP_ACROSS) + 0.2
    height = tops[-1] + heights[-1] + 0.55
    dpi = min(PICTURE_DPI, MOST_PIXELS / max(width, height))
    figure = Figure(figsize=(width, height), dpi=dpi)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    axes.text(
        width / 2, 0.24, plot_label(title), ha="center", va="center", fontsize=TITLE_FONT, color=BOX_INK
    )
    page = _Page(graph, box_width, left, [top + 0.45 for top in tops], heights)
    page.draw_edges(axes)
    for box in graph.boxes:
        page.draw_box(axes, box)
    return finish(figure, quick=True)


class _Page:
    """Boxes and edges in inches from the upper left corner."""

    def __init__(
        self, graph: Graph, box_width: float, left: float, tops: list[float], heights: list[float]
    ) -> None:
        self.graph, self.box_width, self.left, self.tops, self.heights = graph, box_width, left, tops, heights

    def across(self, place: float) -> float:
        """Return the middle of a column."""
        return (place - self.left) * (self.box_width + GAP_ACROSS) + 0.1

    def draw_box(self, axes: Axes, box: Box) -> None:
        """Draw a rounded box with its lines."""
        from matplotlib.patches import FancyBboxPatch

        middle, top = self.across(box.place), self.tops[box.rank]
        height = LINE * (2.4 + len(box.details))
        patch = FancyBboxPatch(
            (middle - self.box_width / 2 + 0.04, top + 0.04),
            self.box_width - 0.08,
            height - 0.08,
            boxstyle="round,pad=0.04",
            facecolor=INPUT_FILL if box.kind == "input" else BOX_FILL,
            edgecolor=BOX_EDGE,
            linewidth=0.9,
        )
        axes.add_patch(patch)
        first, *rest = _lines(box)
        axes.text(
            middle,
            top + 0.75 * LINE,
            first,
            ha="center",
            va="center",
            fontsize=LABEL_FONT + 0.5,
            color=BOX_INK,
        )
        for number, line in enumerate(rest):
            y = top + (1.7 + number) * LINE
            axes.text(middle, y, line, ha="center", va="center", fontsize=SMALL_FONT, color=BOX_DETAIL)

    def draw_edges(self, axes: Axes) -> None:
        """Draw a line from the bottom of each box to the top of those it feeds, past the ranks between."""
        from matplotlib.collections import LineCollection, PolyCollection

        lines = [self._way(edge) for edge in self.graph.edges]
        axes.add_collection(LineCollection(lines, colors=BOX_EDGE, linewidths=1.1, zorder=0))
        heads = [_arrow_head(line[-2], line[-1]) for line in lines]
        axes.add_collection(PolyCollection(heads, facecolors=BOX_EDGE, linewidths=0, zorder=3))

    def _way(self, edge: tuple[int, int]) -> list[tuple[float, float]]:
        first, second = (self.graph.boxes[index] for index in edge)
        points = [(self.across(first.place), self.tops[first.rank] + LINE * (2.4 + len(first.details)))]
        for step, place in enumerate(self.graph.bends[edge]):
            top = self.tops[first.rank + 1 + step]
            points += [
                (self.across(place), top),
                (self.across(place), top + self.heights[first.rank + 1 + step]),
            ]
        return [*points, (self.across(second.place), self.tops[second.rank])]


def _arrow_head(before: tuple[float, float], tip: tuple[float, float]) -> list[tuple[float, float]]:
    """Return a triangle at the end of a line, pointing along it."""
    way = np.array(tip) - np.array(before)
    way = way / max(float(np.hypot(*way)), 1e-9)
    foot = np.array(tip) - 0.1 * way
    aside = 0.045 * np.array([-way[1], way[0]])
    return [tip, tuple(foot + aside), tuple(foot - aside)]


def _lines(box: Box) -> list[str]:
    """Return what a box says: the name and the class, shape and parameters, then what an input holds.

    Of a model within the model, the layers inside follow.
    """
    parameters = f"   {counted(box.parameters, 'parameter')}" if box.parameters else ""
    details = [f"{box.shape}{parameters}", *box.details]
    lines = (_short(line, MOST_HELD if line == box.holds else 46) for line in details)
    return [f"{_short(box.name)}   {_short(box.kind)}", *lines]


def _width(box: Box) -> float:
    """Return the inches that the lines of a box take."""
    first, *rest = (len(line) for line in _lines(box))
    return max((LABEL_FONT + 0.5) * first, SMALL_FONT * max(rest)) * CHARACTER / 72


def _short(text: str, limit: int = 34) -> str:
    return plot_label(text, limit)
