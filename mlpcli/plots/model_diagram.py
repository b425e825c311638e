"""Pictures of a model, drawn by matplotlib alone: its graph, and where it draws the line between classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Dataset
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.files import write_text
from mlpcli.plots.diagram_layout import Box, Graph, read_graph, summary_text
from mlpcli.plots.text import plot_label, save_figure

INK, EDGE, FILL, INPUT_FILL = "#333333", "#8899aa", "#eef3f8", "#fbf1e3"
LINE = 0.2  # inches
BOX_WIDTH, GAP_ACROSS, GAP_DOWN = 2.5, 0.35, 0.32  # inches
MOST_PIXELS = 6000
QUICK = {"compress_level": 1}
"""Of PNG: a small job should not wait for its pictures."""

GRID = 200  # points along each side of the plane
MOST_POINTS = 1500  # shown of each split; more only hide the plane
CLASS_COLOURS = ("#3366aa", "#dd7733", "#339966", "#aa3377", "#888833", "#7755bb", "#bb5544", "#449999")


def picture_model(model: Any, dataset: Dataset, predict: Any, run_dir: Path, *, title: str) -> None:
    """Write a model's summary and picture into a run, and the plane of its classes where that can be drawn.

    predict: (rows, ...) to the outputs that `predict` gives.
    """
    write_text(run_dir / runs.SUMMARY, summary_text(model))
    draw_model(model, run_dir / runs.MODEL_PICTURE, title=title)
    contract = dataset.contract
    classes = contract.output.classes
    one = len(contract.outputs) == 1 and contract.output.kind in ("classes", "one_hot")
    if classes is None or not one or contract.inputs or contract.shape != (2,):
        return
    splits = {name: (split.x, class_indices(split.y)) for name, split in dataset.splits().items()}
    draw_decision_boundary(
        predict,
        splits,
        run_dir / runs.DECISION_BOUNDARY,
        title=title,
        features=contract.features or ("x1", "x2"),
        classes=classes,
    )


def draw_model(model: Any, target: Path, *, title: str) -> None:
    """The graph of a functional model: each layer with its class, its output's shape and its parameters."""
    from matplotlib.figure import Figure

    graph = read_graph(model)
    heights = [0.0] * graph.ranks
    for box in graph.boxes:
        heights[box.rank] = max(heights[box.rank], LINE * (2.4 + len(box.inside)))
    tops = [sum(heights[:rank]) + GAP_DOWN * rank for rank in range(graph.ranks)]
    places = [place for box in graph.boxes for place in (box.place,)]
    places += [place for bends in graph.bends.values() for place in bends]
    left, right = min(places) - 0.5, max(places) + 0.5
    width = (right - left) * (BOX_WIDTH + GAP_ACROSS) + 0.2
    height = tops[-1] + heights[-1] + 0.55
    dpi = min(100.0, MOST_PIXELS / max(width, height))
    figure = Figure(figsize=(width, height), dpi=dpi)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    axes.text(width / 2, 0.24, plot_label(title), ha="center", va="center", fontsize=10, color=INK)
    page = _Page(graph, left, [top + 0.45 for top in tops], heights)
    page.draw_edges(axes)
    for box in graph.boxes:
        page.draw_box(axes, box)
    save_figure(figure, target, pil_kwargs=QUICK)


class _Page:
    """Boxes and edges in inches from the upper left."""

    def __init__(self, graph: Graph, left: float, tops: list[float], heights: list[float]) -> None:
        self.graph, self.left, self.tops, self.heights = graph, left, tops, heights

    def across(self, place: float) -> float:
        """The middle of a column."""
        return (place - self.left) * (BOX_WIDTH + GAP_ACROSS) + 0.1

    def draw_box(self, axes: Any, box: Box) -> None:
        """A rounded box: the name and the class, then shape and parameters, then the layers inside."""
        from matplotlib.patches import FancyBboxPatch

        middle, top = self.across(box.place), self.tops[box.rank]
        height = LINE * (2.4 + len(box.inside))
        patch = FancyBboxPatch(
            (middle - BOX_WIDTH / 2 + 0.04, top + 0.04),
            BOX_WIDTH - 0.08,
            height - 0.08,
            boxstyle="round,pad=0.04",
            facecolor=INPUT_FILL if box.kind == "input" else FILL,
            edgecolor=EDGE,
            linewidth=0.9,
        )
        axes.add_patch(patch)
        parameters = f"   {box.parameters:,} parameters" if box.parameters else ""
        inside = [f"{name}  {kind}  {count:,}" for name, kind, count in box.inside]
        first, *rest = [f"{_short(box.name)}   {_short(box.kind)}", f"{box.shape}{parameters}", *inside]
        axes.text(middle, top + 0.75 * LINE, first, ha="center", va="center", fontsize=8.5, color=INK)
        for number, line in enumerate(rest):
            y = top + (1.7 + number) * LINE
            axes.text(middle, y, _short(line, 46), ha="center", va="center", fontsize=7.5, color="#667788")

    def draw_edges(self, axes: Any) -> None:
        """A line from the foot of each box to the head of those it feeds, past the ranks between."""
        from matplotlib.collections import LineCollection, PolyCollection

        lines = [self._way(edge) for edge in self.graph.edges]
        axes.add_collection(LineCollection(lines, colors=EDGE, linewidths=1.1, zorder=0))
        heads = [_arrow_head(line[-2], line[-1]) for line in lines]
        axes.add_collection(PolyCollection(heads, facecolors=EDGE, linewidths=0, zorder=3))

    def _way(self, edge: tuple[int, int]) -> list[tuple[float, float]]:
        first, second = (self.graph.boxes[index] for index in edge)
        points = [(self.across(first.place), self.tops[first.rank] + LINE * (2.4 + len(first.inside)))]
        for step, place in enumerate(self.graph.bends[edge]):
            top = self.tops[first.rank + 1 + step]
            points += [
                (self.across(place), top),
                (self.across(place), top + self.heights[first.rank + 1 + step]),
            ]
        return [*points, (self.across(second.place), self.tops[second.rank])]


def _arrow_head(before: tuple[float, float], tip: tuple[float, float]) -> list[tuple[float, float]]:
    """A triangle at the end of a stretch, pointing along it."""
    way = np.array(tip) - np.array(before)
    way = way / max(float(np.hypot(*way)), 1e-9)
    foot = np.array(tip) - 0.1 * way
    aside = 0.045 * np.array([-way[1], way[0]])
    return [tip, tuple(foot + aside), tuple(foot - aside)]


def _short(text: str, limit: int = 26) -> str:
    return plot_label(text, limit)


def draw_decision_boundary(
    predict: Any,
    splits: dict[str, tuple[Array, Array]],
    target: Path,
    *,
    title: str,
    features: tuple[str, ...],
    classes: tuple[str, ...],
) -> None:
    """The plane of two features, coloured by what the model takes each point for, with the rows on it.

    predict: (points, 2) float32 to (points, 2 or more) probabilities, or (points, 1) of the second class.
    splits: by name, x of (rows, 2) and class indices of (rows,).
    """
    from matplotlib.figure import Figure

    everything = np.concatenate([x for x, _ in splits.values()])
    low, high = everything.min(axis=0), everything.max(axis=0)
    margin = np.maximum(0.08 * (high - low), 1e-6)
    low, high = low - margin, high + margin
    sides = [np.linspace(low[axis], high[axis], GRID, dtype=np.float32) for axis in (0, 1)]
    points = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    plane = _colours(np.asarray(predict(points))).reshape(GRID, GRID, 3)
    figure = Figure(figsize=(5.4, 4.8), dpi=100)
    axes = figure.add_axes((0.13, 0.11, 0.84, 0.8))
    extent = (low[0], high[0], low[1], high[1])
    axes.imshow(plane, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    for number, (x, y) in enumerate(splits.values()):
        _draw_rows(axes, x[:MOST_POINTS], y[:MOST_POINTS], classes if number == 0 else (), "o^s"[number % 3])
    axes.set(
        xlabel=plot_label(features[0]),
        ylabel=plot_label(features[1]),
        title=plot_label(title),
        xlim=extent[:2],
        ylim=extent[2:],
    )
    axes.legend(
        frameon=True, framealpha=0.8, fontsize=8, loc="best" if len(everything) < 300 else "upper right"
    )
    save_figure(figure, target, pil_kwargs=QUICK)


def _draw_rows(axes: Any, x: Array, y: Array, labels: tuple[str, ...], marker: str) -> None:
    """Rows of one split, each class in its colour; `labels` names the classes in the legend."""
    for index in range(int(y.max()) + 1):
        rows = x[y == index]
        axes.plot(
            rows[:, 0],
            rows[:, 1],
            marker,
            color=CLASS_COLOURS[index % len(CLASS_COLOURS)],
            markeredgecolor="white",
            markeredgewidth=0.4,
            markersize=4.5,
            label=plot_label(labels[index], 40) if labels else None,
        )


def _colours(outputs: Array) -> Array:
    """(points, 3) colours: each class's own, paler where the model is less sure of it."""
    if outputs.shape[1] == 1:
        second = np.clip(outputs, 0.0, 1.0)
        outputs = np.concatenate([1.0 - second, second], axis=1)
    palette = np.array([_rgb(CLASS_COLOURS[index % len(CLASS_COLOURS)]) for index in range(outputs.shape[1])])
    chosen = outputs.argmax(axis=1)
    even = 1.0 / outputs.shape[1]
    sure = np.clip((outputs.max(axis=1) - even) / (1.0 - even), 0.0, 1.0)
    strength = (0.12 + 0.38 * sure)[:, None]
    painted: Array = 1.0 - strength * (1.0 - palette[chosen])
    return painted


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))  # type: ignore[return-value]
