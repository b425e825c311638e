"""Curves of a page: plain SVG, which shows its values under the pointer and by the arrow keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlpcli.report.console import format_number

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 12, 30
"""Pixels of a curve's drawing, and of its margins, in the units of its `viewBox`."""

TICKS = 4
MOST_POINTS = 400
"""Points of a line; of longer trainings some epochs are left out, never the best or the last."""


@dataclass(frozen=True)
class Line:
    """One line: its name, its class in the style sheet, and its points."""

    name: str
    kind: str
    points: str
    values: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """One metric by epoch.

    Attributes:
        name: the metric.
        lines: for training and validation.
        ticks_x: places and texts.
        ticks_y: places and texts.
        best_x: where the best epoch is; None without one.
        description: for who does not see it.
        document: the values, for the script.
    """

    name: str
    lines: tuple[Line, ...]
    ticks_x: tuple[tuple[float, str], ...]
    ticks_y: tuple[tuple[float, str], ...]
    best_x: float | None
    description: str
    document: dict[str, object]


def charts(history: Sequence[dict[str, float]], best_epoch: int | None) -> list[Chart]:
    """Return a chart for each metric of a history, and one for a learning rate that changes.

    Args:
        history: a row for each epoch.
        best_epoch: counted from 1; None for none.
    """
    if not history:
        return []
    kept = _kept(len(history), best_epoch)
    rows = [history[index] for index in kept]
    names = [name for name in history[0] if name != "epoch" and not name.startswith("val_")]
    if len({row.get("learning_rate") for row in history}) <= 1:
        names = [name for name in names if name != "learning_rate"]
    found = [_chart(name, rows, best_epoch) for name in names]
    return [each for each in found if each is not None]


def _kept(epochs: int, best: int | None) -> list[int]:
    """Return the places of the epochs that are drawn."""
    if epochs <= MOST_POINTS:
        return list(range(epochs))
    step = epochs / MOST_POINTS
    places = {int(index * step) for index in range(MOST_POINTS)} | {epochs - 1}
    return sorted(places | ({best - 1} if best is not None and 0 < best <= epochs else set()))


def _chart(name: str, rows: Sequence[dict[str, float]], best_epoch: int | None) -> Chart | None:
    """Return the chart of a metric; None where no value of it is a number."""
    known = _points(name, rows)
    values = [value for points in known.values() for _, value in points]
    if not values:
        return None
    first, last = rows[0]["epoch"], max(rows[-1]["epoch"], rows[0]["epoch"] + 1)
    low, high = _range(values)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = LEFT + (point[0] - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        y = TOP + (high - point[1]) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    lines = tuple(
        Line(words, KINDS[words], " ".join(f"{x},{y}" for x, y in map(place, points)), tuple(points))
        for words, points in known.items()
        if points
    )
    whole = sorted({round(value) for value in _ticks(first, last)})
    inside = best_epoch is not None and first <= best_epoch <= last
    return Chart(
        name,
        lines,
        tuple((place((value, low))[0], f"{value:,}") for value in whole if first <= value <= last),
        tuple((place((first, value))[1], f"{value:.4g}") for value in _ticks(low, high)),
        place((float(best_epoch), low))[0] if inside and best_epoch is not None else None,
        _description(name, lines, best_epoch),
        {"lines": [_for_script(line, place) for line in lines]},
    )


KINDS = {"training": "train", "validation": "held", "learning rate": "train"}


def _points(name: str, rows: Sequence[dict[str, float]]) -> dict[str, list[tuple[float, float]]]:
    """Return epochs and values of a metric that are numbers, by line."""
    keys = {"training": name, "validation": f"val_{name}"}
    if name == "learning_rate":
        keys = {"learning rate": name}
    return {
        words: [
            (row["epoch"], row[key])
            for row in rows
            if key in row and math.isfinite(row[key]) and math.isfinite(row["epoch"])
        ]
        for words, key in keys.items()
    }


def _for_script(line: Line, place: Callable[[tuple[float, float]], tuple[float, float]]) -> dict[str, object]:
    """Return a line's places, epochs and values for the script."""
    points = [[*place(point), point[0], format_number(point[1])] for point in line.values]
    return {"name": line.name, "kind": line.kind, "points": points}


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the axis: those of the values, and a little more."""
    low, high = min(values), max(values)
    pad = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    return low - pad, high + pad


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two ends."""
    raw = (high - low) / TICKS
    power = 10 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= raw * 0.999)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def _description(name: str, lines: Sequence[Line], best: int | None) -> str:
    """Return the chart in words."""
    parts = [
        f"{line.name} from {format_number(line.values[0][1])} to {format_number(line.values[-1][1])}"
        for line in lines
    ]
    ending = "" if best is None else f"; best epoch {best}"
    return f"{name} by epoch: {', '.join(parts)}{ending}"
