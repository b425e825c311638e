"""Weights as images, in which grey is zero; in Keras's own every negative weight is black."""

from __future__ import annotations

import numpy as np

from mlpcli.data.types import Array

MOST_PIXELS = 2_000_000


def weight_image(values: Array) -> Array | None:
    """Return a weight as an image, (height, width, 1), from 0, the most negative, to 1, the most positive.

    A vector is one line; a matrix lies on its longer side; of convolutions and others with more axes the last
    axis goes across, and the others down.

    Args:
        values: a weight.

    Returns:
        The image; None for a single number, and for more numbers than an image should have.
    """
    bare = np.squeeze(values)
    if bare.ndim == 0 or bare.size > MOST_PIXELS:
        return None
    flat = bare.reshape(1, -1) if bare.ndim == 1 else bare.reshape(-1, bare.shape[-1])
    flat = flat.T if bare.ndim == 2 and flat.shape[0] > flat.shape[1] else flat
    most = float(np.abs(flat).max())
    scaled = flat / most if most > 0 and np.isfinite(most) else np.zeros(flat.shape)
    return np.asarray(0.5 + scaled / 2, np.float32)[..., None]
