"""The plane of two features: what the model predicts at each point, and what each hidden unit does there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.types import Array
from mlpcli.plots.contours import zero_lines
from mlpcli.plots.drawing import Drawing, finish
from mlpcli.plots.style import (
    BLUE,
    CLASS_COLORS,
    CLASS_MARKERS,
    INK,
    LABEL_FONT,
    PAPER,
    PICTURE_DPI,
    SOFT,
    THIN_LINE,
    TITLE_FONT,
    short_numbers,
)
from mlpcli.plots.text import plot_label, plot_name, plot_title
from mlpcli.plots.unit_patterns import ROW_HEIGHT, LayerPattern, draw_patterns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = 200
"""Points along each side of the plane."""

MOST_POINTS = 1500
"""Rows shown of each split; more only hide the plane."""

MOST_NAMED, LONGEST_CLASS = 8, 28
"""Classes in the legend, and characters of their names."""

STEPS = 6
"""Lines of equal prediction, of numbers."""

WIDTH, PLANE_HEIGHT = 5.8, 4.0
LEFT, RIGHT, ABOVE, BELOW = 0.72, 0.2, 0.5, 0.55
"""Inches of the figure, of the plane, and around it."""

LINE_HEIGHT = 0.2


@dataclass(frozen=True)
class Plane:
    """A grid of points, and what the model says of each.

    Attributes:
        low: the lower end of each axis, (2,).
        high: the upper end, (2,).
        outputs: at each point, row by row: probabilities, (points, 2 or more), those of the second class, or
            numbers, (points, 1).
        threshold: from which probability on the second of two classes is predicted; None for the most
            probable class.
        layers: what the units of each hidden layer do.
    """

    low: Array
    high: Array
    outputs: Array
    threshold: float | None = None
    layers: tuple[LayerPattern, ...] = ()


def predict_plane(
    predict: Callable[[Array], Array],
    splits: dict[str, tuple[Array, Array]],
    threshold: float | None = None,
    patterns: Callable[[Array, Array], Sequence[LayerPattern]] = lambda low, high: (),
) -> Plane:
    """Return the outputs of a model over the plane that holds all rows.

    Args:
        predict: maps points, (points, 2) float32, to outputs as `Plane` has them.
        splits: by name, x of (rows, 2) and class indices or numbers of (rows,).
        threshold: as `Plane` has it.
        patterns: returns what hidden units do between the two ends of the axes.
    """
    low, high = _limits([x for x, _ in splits.values()])
    outputs = np.asarray(predict(grid_points(low, high, GRID)))
    return Plane(low, high, outputs, threshold, tuple(patterns(low, high)))


def grid_points(low: Array, high: Array, side: int) -> Array:
    """Return the points of a plane, (side * side, 2) float32, row by row."""
    sides = [np.linspace(low[axis], high[axis], side, dtype=np.float32) for axis in (0, 1)]
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)


def draw_decision_boundary(
    plane: Plane,
    splits: dict[str, tuple[Array, Array]],
    *,
    title: str,
    features: tuple[str, ...],
    classes: tuple[str, ...],
    target: str = "",
) -> Drawing:
    """Draw the plane of two features with the rows on it, and below it what each hidden unit does there.

    Of classes, the plane has the colour of the predicted class, paler where the model is less sure, and lines
    between them; of numbers, a stronger colour for a larger prediction, and lines of equal prediction.

    Args:
        plane: the outputs over the plane.
        splits: by name, x of (rows, 2) and class indices, or numbers, of (rows,).
        title: of the figure.
        features: names of the two axes.
        classes: names of the classes; none for numbers.
        target: the name of numbers.
    """
    from matplotlib.figure import Figure

    entries = min(len(classes), MOST_NAMED) + len(splits) - 1 if classes else len(splits)
    named = [plot_name(name, LONGEST_CLASS) for name in classes[:MOST_NAMED]]
    across = 3 if max(map(len, named), default=0) <= LONGEST_CLASS // 2 else 2
    legend = LINE_HEIGHT * -(-entries // across) + 0.1
    bar = 0.0 if classes else 0.55
    patterns = 0.42 + ROW_HEIGHT * len(plane.layers) if plane.layers else 0.0
    height = ABOVE + PLANE_HEIGHT + BELOW + legend + bar + patterns
    figure = Figure(figsize=(WIDTH, height), dpi=PICTURE_DPI)
    bottom = height - ABOVE - PLANE_HEIGHT
    axes = _panel(figure, LEFT, bottom, WIDTH - LEFT - RIGHT, PLANE_HEIGHT)
    extent = (plane.low[0], plane.high[0], plane.low[1], plane.high[1])
    colors, lines = _painted(plane, classes)
    axes.imshow(colors, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    for line in lines:
        axes.plot(*_in_plane(line, plane), color=INK, linewidth=THIN_LINE)
    if classes:
        _draw_classes(axes, splits, len(classes), named)
    else:
        _draw_numbers(axes, splits, plane)
        place = bottom - BELOW - legend - bar + 0.35
        _draw_scale(_panel(figure, LEFT, place, WIDTH - LEFT - RIGHT, 0.12), plane, target)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    _name_axes(axes, features, across)
    name = plot_title(title, WIDTH, TITLE_FONT)
    figure.suptitle(name, fontsize=TITLE_FONT, y=1 - 0.08 / height, va="top")
    if plane.layers:
        draw_patterns(figure, plane.layers, (0.0, 0.0, WIDTH, patterns))
    return finish(figure, quick=True)


def _name_axes(axes: Axes, features: tuple[str, ...], across: int) -> None:
    """Write the names of the axes, and the legend below, in some columns."""
    axes.set(xlabel=plot_label(features[0]), ylabel=plot_label(features[1]))
    for axis in (axes.xaxis, axes.yaxis):
        short_numbers(axis)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.42 / PLANE_HEIGHT),
        frameon=False,
        fontsize=LABEL_FONT,
        ncols=across,
        borderpad=0,
    )


def _panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return a panel at a place in inches from the lower left corner."""
    whole, tall = figure.get_size_inches()
    return figure.add_axes((left / whole, bottom / tall, width / whole, height / tall))


def _limits(arrays: list[Array]) -> tuple[Array, Array]:
    """Return the lower and the upper end of each axis, (2,) each: all rows, with a margin."""
    low = np.min([x.min(axis=0) for x in arrays], axis=0)
    high = np.max([x.max(axis=0) for x in arrays], axis=0)
    margin = np.maximum(0.08 * (high - low), 1e-6)
    return low - margin, high + margin


def _in_plane(line: Array, plane: Plane) -> tuple[Array, Array]:
    """Return a line in places of the grid as one in the units of the axes."""
    points = plane.low + line / (GRID - 1) * (plane.high - plane.low)
    return points[:, 0], points[:, 1]


# ---------------------------------------------------------------- the plane


def _painted(plane: Plane, classes: tuple[str, ...]) -> tuple[Array, list[Array]]:
    """Return the plane as an image, (GRID, GRID, 4), and lines over it in places of the grid."""
    if not classes:
        values = plane.outputs.reshape(GRID, GRID)
        low, high = _ends(plane)
        colors = np.empty((GRID, GRID, 4))
        colors[...] = (*_rgb(BLUE), 0.0)
        colors[..., 3] = _strength(values, low, high)
        levels: Sequence[float] = np.linspace(low, high, STEPS + 2)[1:-1].tolist() if high > low else []
        return colors, [line for level in levels for line in zero_lines(values - level)]
    outputs = _by_class(plane.outputs)
    chosen = outputs.argmax(axis=1)
    if plane.threshold is not None:
        chosen = (outputs[:, 1] >= plane.threshold).astype(np.int64)
    colors = _colors(outputs, chosen).reshape(GRID, GRID, 4)
    if plane.threshold is not None or outputs.shape[1] == 2:
        level = 0.5 if plane.threshold is None else plane.threshold
        return colors, zero_lines((outputs[:, 1] - level).reshape(GRID, GRID))
    lines = []
    for index in np.unique(chosen)[1:]:
        others = np.delete(outputs, index, axis=1).max(axis=1)
        lines += zero_lines((outputs[:, index] - others).reshape(GRID, GRID))
    return colors, lines


def _by_class(outputs: Array) -> Array:
    """Return probabilities, (points, classes)."""
    if outputs.shape[1] > 1:
        return outputs
    second = np.clip(outputs, 0.0, 1.0)
    return np.concatenate([1.0 - second, second], axis=1)


def _colors(outputs: Array, chosen: Array) -> Array:
    """Return (points, 4) colours: each predicted class's own, fainter where the model is less certain."""
    palette = np.array([_rgb(CLASS_COLORS[index % len(CLASS_COLORS)]) for index in range(outputs.shape[1])])
    even = 1.0 / outputs.shape[1]
    sure = np.clip((outputs.max(axis=1) - even) / (1.0 - even), 0.0, 1.0)
    return np.concatenate([palette[chosen], (0.12 + 0.38 * sure)[:, None]], axis=1)


def _rgb(color: str) -> tuple[float, float, float]:
    return tuple(int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))  # type: ignore[return-value]


def _ends(plane: Plane) -> tuple[float, float]:
    """Return the least and the largest number predicted over the plane."""
    finite = plane.outputs[np.isfinite(plane.outputs)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def _strength(values: Array, low: float, high: float) -> Array:
    """Return the opacity of numbers: from faint to strong, and none for what is no number."""
    share = (
        (np.nan_to_num(values, nan=low) - low) / (high - low) if high > low else np.full(values.shape, 0.5)
    )
    found: Array = np.where(np.isfinite(values), 0.05 + 0.8 * np.clip(share, 0, 1), 0.0)
    return found


# ---------------------------------------------------------------- the rows


def _draw_classes(
    axes: Axes, splits: dict[str, tuple[Array, Array]], classes: int, names: Sequence[str]
) -> None:
    """Draw the rows: each class in its colour and its marker, filled in the first split, hollow in others."""
    for number, (x, y) in enumerate(splits.values()):
        for index in range(classes):
            rows = x[:MOST_POINTS][y[:MOST_POINTS] == index]
            color = CLASS_COLORS[index % len(CLASS_COLORS)]
            axes.plot(
                rows[:, 0],
                rows[:, 1],
                CLASS_MARKERS[index % len(CLASS_MARKERS)],
                color=color,
                markerfacecolor=PAPER if number else color,
                markeredgecolor=color if number else PAPER,
                markeredgewidth=0.9 if number else 0.4,
                markersize=3.6 if number else 4.6,
                label=names[index] if number == 0 and index < len(names) else None,
                rasterized=len(rows) > 400,
            )
    _name_splits(axes, tuple(splits)[1:])


def _name_splits(axes: Axes, hollow: tuple[str, ...]) -> None:
    for name in hollow:
        axes.plot(
            [],
            [],
            "o",
            color=SOFT,
            markerfacecolor=PAPER,
            markersize=4,
            label=f"hollow: {name.replace('_', '-')}",
        )


def _draw_numbers(axes: Axes, splits: dict[str, tuple[Array, Array]], plane: Plane) -> None:
    """Draw the rows, each as strong as its true number; round in the first split, square in others."""
    low, high = _ends(plane)
    for number, (name, (x, y)) in enumerate(splits.items()):
        rows, values = x[:MOST_POINTS], np.asarray(y[:MOST_POINTS], np.float64).reshape(-1)
        colors = np.empty((len(rows), 4))
        colors[:] = (*_rgb(BLUE), 0.0)
        colors[:, 3] = _strength(values, low, high)
        marker, many = "os^D"[number % 4], len(rows) > 400
        across, up = rows[:, 0], rows[:, 1]
        axes.scatter(across, up, s=22, marker=marker, color=PAPER, linewidths=0, rasterized=many)
        axes.scatter(
            across,
            up,
            s=22,
            marker=marker,
            facecolors=colors,
            edgecolors=INK,
            linewidths=0.6,
            rasterized=many,
        )
        label = f"{name.replace('_', '-')} rows"
        axes.plot([], [], marker, color=INK, markerfacecolor=PAPER, markersize=4.5, label=label)


def _draw_scale(axes: Axes, plane: Plane, target: str) -> None:
    """Draw what number each strength of the colour stands for."""
    low, high = _ends(plane)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    values = np.linspace(low, high, 128)[None, :]
    colors = np.empty((1, 128, 4))
    colors[...] = (*_rgb(BLUE), 0.0)
    colors[..., 3] = _strength(values, low, high)
    axes.imshow(colors, extent=(low, high, 0, 1), aspect="auto", interpolation="nearest")
    axes.set(yticks=[], xlabel=f"predicted {plot_label(target, 30)}", xlim=(low, high))
    axes.tick_params(labelsize=LABEL_FONT)
    short_numbers(axes.xaxis)
