"""The images that a model got most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import FAINT, RED, SMALL_FONT, new_figure, panel_grid
from mlpcli.plots.text import plot_label, title_figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_IMAGES = 24


def draw_worst_images(
    images: NDArray[np.generic], captions: Sequence[tuple[str, str]], *, title: str
) -> Drawing:
    """Draw images side by side, each with what it is and what it was taken for.

    Args:
        images: (images, height, width) or (images, height, width, 1, 3 or 4), of any range.
        captions: for each, the true class and the predicted one with its probability.
        title: of the figure.
    """
    rows, columns = panel_grid(len(images), 4)
    figure = new_figure(max(1.5 * columns + 0.2, 4.0), 1.85 * rows + 0.7)
    for place, (image, (true, taken)) in enumerate(zip(images, captions, strict=True)):
        axes = figure.add_subplot(rows, columns, place + 1)
        shown = drawable(image)
        axes.imshow(shown, cmap="gray" if shown.ndim == 2 else None, interpolation="nearest")
        axes.set_title(plot_label(true, 22), fontsize=SMALL_FONT, pad=3)
        axes.set_xlabel(plot_label(taken, 22), fontsize=SMALL_FONT, color=RED, labelpad=3)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color(FAINT)
    title_figure(figure, title, "above: true class; below: what it was taken for")
    return finish(figure, photographs=True)


def drawable(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return an image with values from 0 to 1, of one channel as (height, width); colors as they are."""
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[-1] in (3, 4):
        return np.asarray(image, np.float64) / 255.0
    values = np.asarray(image, np.float64)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / (high - low) if high > low else np.zeros(values.shape))
