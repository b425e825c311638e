"""What each hidden unit does over the plane of two features: a row of small maps for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.types import Array
from mlpcli.plots.contours import zero_lines
from mlpcli.plots.style import BLUE, INK, LABEL_FONT, ORANGE, SMALL_FONT, SOFT, THIN_LINE
from mlpcli.plots.text import plot_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 48
"""Points along each side of a map."""

GAP = 5
"""Points between two maps."""

MOST_UNITS, MOST_LAYERS = 8, 6
"""Maps in a row, and rows; of more layers the first and the last."""

ROW_HEIGHT = 0.98
"""Inches that a layer takes, with its name."""

STRONGEST = 0.9
"""Opacity where a unit is at its largest."""


STRIPES, FADED = 6, 0.45
"""Points from one stripe to the next, which tell what is below 0 in grey, and their opacity."""


@dataclass(frozen=True)
class LayerPattern:
    """What the units of one hidden layer do.

    Attributes:
        name: of the layer, with its activation.
        units: how many it has.
        maps: of the units that are drawn, (units, SIDE, SIDE), the lowest row first.
    """

    name: str
    units: int
    maps: Array


def draw_patterns(
    figure: Figure, layers: Sequence[LayerPattern], place: tuple[float, float, float, float]
) -> None:
    """Draw the maps of layers, the first at the top.

    Args:
        figure: into which they are drawn.
        layers: what their units do.
        place: left, bottom, width and height, in inches.
    """
    left, bottom, width, height = place
    whole, tall = figure.get_size_inches()
    words = "hidden units, each on a scale of its own; blue above 0, orange stripes below"
    figure.text((left + 0.2) / whole, (bottom + height - 0.22) / tall, words, fontsize=LABEL_FONT, color=SOFT)
    strip = MOST_UNITS * SIDE + (MOST_UNITS - 1) * GAP
    inches = width - 0.4
    for number, layer in enumerate(layers):
        row = bottom + height - 0.35 - ROW_HEIGHT * (number + 1)
        tall_map = inches * SIDE / strip
        box = ((left + 0.2) / whole, (row + 0.05) / tall, inches / whole, tall_map / tall)
        axes = figure.add_axes(box)
        _draw_layer(axes, layer, strip)


def _draw_layer(axes: Axes, layer: LayerPattern, strip: int) -> None:
    """Draw the maps of one layer side by side, as one image."""
    from matplotlib.patches import Rectangle

    image = np.zeros((SIDE, strip, 4))
    for number, values in enumerate(layer.maps):
        start = number * (SIDE + GAP)
        image[:, start : start + SIDE] = unit_colors(values)
        for line in zero_lines(values):
            axes.plot(start + line[:, 0], line[:, 1], color=INK, linewidth=0.6)
        axes.add_patch(
            Rectangle((start - 0.5, -0.5), SIDE, SIDE, fill=False, edgecolor=SOFT, linewidth=THIN_LINE)
        )
        if np.ptp(values) == 0:
            axes.text(
                start + SIDE / 2,
                SIDE / 2,
                f"always\n{values.flat[0]:.3g}",
                ha="center",
                va="center",
                fontsize=SMALL_FONT,
                color=INK,
            )
    axes.imshow(image, origin="lower", interpolation="nearest", aspect="auto")
    axes.set(xlim=(-1, strip), ylim=(-1, SIDE), xticks=[], yticks=[])
    axes.axis("off")
    shown = len(layer.maps)
    count = f"{layer.units:,} units" if shown == layer.units else f"{shown} of {layer.units:,} units"
    count = "1 unit" if layer.units == 1 else count
    axes.set_title(f"{plot_label(layer.name, 56)}: {count}", fontsize=LABEL_FONT, loc="left", pad=2.5)


def unit_colors(values: Array) -> Array:
    """Return the colours of a unit's outputs, (rows, columns, 4): blue above 0, orange with stripes below.

    A unit that is never below 0, or never above, has its whole range from faint to strong.

    Args:
        values: (rows, columns) outputs.
    """
    values = np.nan_to_num(np.asarray(values, np.float64))
    low, high = float(values.min()), float(values.max())
    largest = max(abs(low), abs(high)) or 1.0
    share = np.abs(values) / largest
    if low >= 0 and high > low:
        share = (values - low) / (high - low)
    elif high <= 0 and high > low:
        share = (high - values) / (high - low)
    elif low == high:
        share = np.zeros(values.shape)
    colors = np.empty((*values.shape, 4))
    for color, chosen in ((BLUE, values >= 0), (ORANGE, values < 0)):
        colors[chosen, :3] = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    colors[..., 3] = STRONGEST * share
    stripes = np.add.outer(np.arange(len(values)), np.arange(values.shape[1])) % STRIPES < STRIPES // 3
    colors[(values < 0) & stripes, 3] *= FADED
    return colors
