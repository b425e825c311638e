"""Lines of equal value through a grid of numbers."""

from __future__ import annotations

import numpy as np

from mlpcli.data.types import Array


def zero_lines(values: Array) -> list[Array]:
    """Return the lines along which a grid of numbers is 0.

    Args:
        values: (rows, columns); NaN is around no line.

    Returns:
        Lines of (points, 2): the place across, in columns, and up, in rows.
    """
    from contourpy import contour_generator

    known = np.ma.masked_invalid(np.asarray(values, np.float64))
    if known.count() == 0 or not known.min() < 0 < known.max():
        return []
    return [np.asarray(line) for line in contour_generator(z=known).lines(0.0)]
