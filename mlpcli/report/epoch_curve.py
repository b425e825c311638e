"""A small curve of a metric over all epochs, drawn with the dots of Braille letters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

MOST_POINTS = 512
"""Means that a curve keeps; beyond them, neighbours are joined, however many epochs there are."""

LOG_FROM = 5.0
"""The ratio of the largest to the smallest value from which the curve has a logarithmic axis."""

MOST_REPEATS = 4
"""Dots side by side that a point takes where there are few."""

BLANK = " "
LEFT_DOTS, RIGHT_DOTS = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)
"""The bits of a Braille letter's dots, from the lowest to the highest."""

ASCII_LEVELS = "_.-^"


class EpochCurve:
    """The values of a metric by epoch, as a bounded number of means over neighbouring epochs."""

    def __init__(self) -> None:
        self._means: list[float] = []
        self._stride = 1
        self._sum, self._count = 0.0, 0

    def add(self, value: float) -> None:
        """Add the value of the next epoch; what is no finite number is left out."""
        if not math.isfinite(value):
            return
        self._sum += value
        self._count += 1
        if self._count == self._stride:
            self._means.append(self._sum / self._count)
            self._sum, self._count = 0.0, 0
        if len(self._means) == MOST_POINTS:
            pairs = zip(self._means[::2], self._means[1::2], strict=True)
            self._means = [(one + two) / 2 for one, two in pairs]
            self._stride *= 2

    def points(self) -> list[float]:
        """Return the means, the newest one over fewer epochs included."""
        rest = [self._sum / self._count] if self._count else []
        return self._means + rest

    def bounds(self) -> tuple[float, float] | None:
        """Return the smallest and the largest mean; None without two points."""
        points = self.points()
        return (min(points), max(points)) if len(points) > 1 else None


def curve_lines(points: Sequence[float], width: int, height: int, *, ascii_only: bool = False) -> list[str]:
    """Return a curve as lines, the uppermost first, each at most `width` letters long.

    Args:
        points: two or more finite values.
        width: columns of the terminal.
        height: lines.
        ascii_only: the stream has no Braille letters: the curve is one line of `_.-^`.
    """
    across = width if ascii_only else 2 * width
    levels = len(ASCII_LEVELS) if ascii_only else 4 * height
    heights = _levels(_fitted(points, across), levels)
    if ascii_only:
        return ["".join(ASCII_LEVELS[level] for level in heights)]
    cells = [[0] * -(-len(heights) // 2) for _ in range(height)]
    for place, level in enumerate(heights):
        before = heights[place - 1] if place else level
        # The dots between the last level and this one join them to a line.
        low, high = min(level, before + (level > before)), max(level, before - (level < before))
        for each in range(low, high + 1):
            row = height - 1 - each // 4
            cells[row][place // 2] |= (RIGHT_DOTS if place % 2 else LEFT_DOTS)[each % 4]
    return ["".join(chr(0x2800 + bits) if bits else BLANK for bits in row).rstrip() for row in cells]


def is_logarithmic(points: Sequence[float]) -> bool:
    """Return whether a curve of these points has a logarithmic axis."""
    return min(points) > 0 and max(points) > LOG_FROM * min(points)


def _fitted(points: Sequence[float], across: int) -> list[float]:
    """Return at most `across` points, each the mean of neighbours; of few points, each several times."""
    if len(points) <= across:
        repeats = min(MOST_REPEATS, across // len(points))
        return [point for point in points for _ in range(repeats)]
    ends = [place * len(points) // across for place in range(across + 1)]
    return [math.fsum(point / (end - start) for point in points[start:end]) for start, end in pairwise(ends)]


def _levels(points: Sequence[float], levels: int) -> list[int]:
    """Return the level of each point, from 0."""
    scaled = [math.log(point) for point in points] if is_logarithmic(points) else list(points)
    low = min(scaled)
    span = max(scaled) - low
    if not 0 < span < math.inf:
        return [0] * len(scaled)
    return [min(levels - 1, int((value - low) / span * levels)) for value in scaled]
