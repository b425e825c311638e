"""Images beside what each of their pixels adds to a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import FAINT, SMALL_FONT, new_figure, panel_grid
from mlpcli.plots.text import plot_label, title_figure
from mlpcli.plots.worst_images import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MAP = "RdBu_r"
"""Red raises, blue lowers; the ground is nearly white."""

UPPER_SHARE = 99.5
"""The percentile of a map's sizes that has the full colour: single pixels do not make the others pale."""


def draw_saliency(
    images: NDArray[np.generic],
    maps: NDArray[np.float64],
    captions: Sequence[tuple[str, str]],
    *,
    title: str,
    explained: str,
) -> Drawing:
    """Draw pairs of an image and its map, each map in its own scale.

    Args:
        images: (images, height, width) or (images, height, width, 1, 3 or 4), of any range.
        maps: of the same shape, what each value adds.
        captions: for each pair a text for the image, and one for the map.
        title: of the figure.
        explained: what the pixels add to.
    """
    rows, columns = panel_grid(len(images), 3)
    figure = new_figure(max(2.5 * columns + 0.2, 4.4), 1.5 * rows + 0.7)
    for place, (image, added, (left, right)) in enumerate(zip(images, maps, captions, strict=True)):
        row, column = divmod(place, columns)
        first = row * 2 * columns + 2 * column + 1
        shown = drawable(image)
        axes = figure.add_subplot(rows, 2 * columns, first)
        axes.imshow(shown, cmap="gray" if shown.ndim == 2 else None, interpolation="nearest")
        _bare(axes, left)
        axes = figure.add_subplot(rows, 2 * columns, first + 1)
        flat = added.sum(axis=-1) if added.ndim == 3 else added
        most = float(np.percentile(np.abs(flat), UPPER_SHARE)) or float(np.abs(flat).max()) or 1.0
        axes.imshow(flat, cmap=MAP, vmin=-most, vmax=most, interpolation="nearest")
        _bare(axes, right)
    title_figure(figure, title, f"red pixels raise {plot_label(explained, 40)}, blue ones lower it")
    return finish(figure, photographs=True)


def _bare(axes: Axes, text: str) -> None:
    axes.set_title(plot_label(text, 24), fontsize=SMALL_FONT, pad=3)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(FAINT)
