"""A point for each row, or hexagons where points would hide each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.style import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_POINTS = 3000
"""Above this many rows, hexagons show how many rows are at a place, instead of a point for each."""

MOST_VECTORS = 400
"""Above this many, points are pixels in an SVG, which would be large otherwise."""

HEXAGONS = 40
"""Across a panel."""


def scatter_rows(axes: Axes, x: Floats, y: Floats, *, size: float = 14.0, hexagons: int = HEXAGONS) -> None:
    """Draw rows into a panel.

    Args:
        axes: the panel.
        x: (rows,) across.
        y: (rows,) up.
        size: of a point where there are few, in square points.
        hexagons: across the panel, where there are many rows.
    """
    if len(x) > MOST_POINTS:
        _draw_hexagons(axes, x, y, hexagons)
        return
    area = size if len(x) < 300 else 0.45 * size
    axes.scatter(x, y, s=area, color=BLUE, alpha=0.55, linewidths=0, rasterized=len(x) > MOST_VECTORS)


def _draw_hexagons(axes: Axes, x: Floats, y: Floats, hexagons: int) -> None:
    """Draw hexagons, the stronger the more rows are at their place, by the logarithm of their number."""
    from matplotlib.colors import to_rgba

    found = axes.hexbin(x, y, gridsize=hexagons, mincnt=1, linewidths=0.0)
    counts = np.log1p(np.asarray(found.get_array(), np.float64))
    colors = np.empty((len(counts), 4))
    colors[:] = to_rgba(BLUE)
    colors[:, 3] = 0.12 + 0.88 * counts / max(float(counts.max()), 1e-9)
    found.set_array(None)
    found.set_facecolor(colors.tolist())
    found.set_edgecolor("none")
    found.set_rasterized(True)
