"""The figures of a run: drawn in the side process where there is one, written into the folder from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Contract, Dataset, Output
from mlpcli.data.features.encoders import CategoryEncoder, NumericEncoder
from mlpcli.data.input_contents import input_contents
from mlpcli.data.levels import median_of
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.files import write_text
from mlpcli.model.hidden_outputs import hidden_outputs
from mlpcli.plots.decision_boundary import draw_decision_boundary, grid_points, predict_plane
from mlpcli.plots.diagram_layout import read_graph, summary_text
from mlpcli.plots.learning_curves import draw_learning_curves
from mlpcli.plots.model_diagram import draw_model
from mlpcli.plots.reliability_curves import Panel, draw_reliability
from mlpcli.plots.unit_patterns import MOST_LAYERS, MOST_UNITS, SIDE, LayerPattern
from mlpcli.statistics.calibration import Of, Reliability
from mlpcli.training.side_process import begin

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

Write = Callable[[], None]
"""Waits for a figure and writes it."""


def begin_curves(
    history: list[dict[str, float]],
    run_dir: Path,
    *,
    title: str,
    best_epoch: int | None,
    planned: int | None = None,
) -> Write:
    """Begin to draw the learning curves of the epochs so far; return what writes them.

    Args:
        history: A row for each epoch; without any, nothing is drawn.
        run_dir: The run's folder.
        title: Of the figure.
        best_epoch: Marked with a line, where there is one.
        planned: The epochs that the spec asks for.
    """
    if not history:
        return lambda: None
    drawn = begin(
        draw_learning_curves,
        history,
        title=title,
        best_epoch=best_epoch,
        planned=planned,
    )
    return lambda: drawn().write(run_dir / runs.LEARNING_CURVES)


def begin_diagram(model: keras.Model, contract: Contract, run_dir: Path, *, title: str) -> Write:
    """Begin to draw a model; return what writes its summary and its diagram.

    Args:
        model: The network.
        contract: What its inputs hold.
        run_dir: The run's folder.
        title: Of the figure.
    """
    drawn = begin(draw_model, read_graph(model, input_contents(contract)), title=title)

    def write() -> None:
        write_text(run_dir / runs.SUMMARY, summary_text(model))
        drawn().write(run_dir / runs.MODEL_PICTURE)

    return write


def begin_reliability(
    curves: Mapping[tuple[str, str], tuple[Reliability, Reliability]],
    contract: Contract,
    run_dir: Path,
    *,
    title: str,
) -> Write:
    """Begin to draw the reliability of probabilities before and after their calibration.

    Args:
        curves: By output and rows; without any, nothing is drawn.
        contract: The outputs.
        run_dir: The run's folder.
        title: Of the figure.
    """
    if not curves:
        return lambda: None
    classes = {each.name: each.classes for each in contract.outputs}
    panels = {
        f"{output}, {name}" if output else name: Panel(
            before.curve, after.curve, *_axes_of(after.of, classes.get(output) or ("",))
        )
        for (output, name), (before, after) in curves.items()
    }
    drawn = begin(draw_reliability, panels, title=title)
    return lambda: drawn().write(run_dir / runs.RELIABILITY)


def _axes_of(of: Of, classes: Sequence[str]) -> tuple[str, str]:
    """Return what the axes of a reliability are: whose probability, and what is counted."""
    if of == "second":
        return f"predicted probability of {classes[-1]}", f"share that is {classes[-1]}"
    if of == "most probable":
        return "probability of the predicted class", "share that is this class"
    return "predicted probability of a label", "share that has the label"


def begin_boundary(
    dataset: Dataset,
    predict: Callable[[Array], Array],
    run_dir: Path,
    *,
    title: str,
    network: keras.Model | None = None,
) -> Write:
    """Begin to draw the plane of two features, where that can be drawn; return what writes it.

    Args:
        dataset: The data.
        predict: Maps rows, (rows, ...), to the outputs that `predict` returns.
        run_dir: The run's folder.
        title: Of the figure.
        network: Whose hidden units are drawn, too; None for none.
    """
    axes = plane_axes(dataset.contract)
    if axes is None:
        return lambda: None
    output = dataset.contract.output
    splits = {name: (split.x, _shown_truth(output, split.y)) for name, split in dataset.splits().items()}

    def outputs(points: Array) -> Array:
        found = np.asarray(predict(points))
        return median_of(found, output.levels) if output.levels else found

    def patterns(low: Array, high: Array) -> list[LayerPattern]:
        return [] if network is None else layer_patterns(network, low, high)

    plane = predict_plane(outputs, splits, next(iter(output.thresholds), None), patterns)
    drawn = begin(
        draw_decision_boundary,
        replace(plane, low=axes.own(plane.low), high=axes.own(plane.high)),
        {name: (axes.own(x), y) for name, (x, y) in splits.items()},
        title=title,
        features=axes.names,
        classes=output.classes or (),
        target=" ".join(output.target),
    )
    return lambda: drawn().write(run_dir / runs.DECISION_BOUNDARY)


@dataclass(frozen=True)
class PlaneAxes:
    """The two axes of a plane: their names, and the numbers by which rows come to be in own units.

    Attributes:
        names: of the columns.
        scale: a value of the network times this, (2,),
        offset: and plus this is in the column's own units, (2,).
    """

    names: tuple[str, ...]
    scale: Array
    offset: Array

    def own(self, x: Array) -> Array:
        """Return points, (..., 2), in the columns' own units."""
        found: Array = np.asarray(x, np.float64) * self.scale + self.offset
        return found


def plane_axes(contract: Contract) -> PlaneAxes | None:
    """Return the axes of the plane of two features; None where rows are no points of one."""
    output = contract.output
    plain = len(contract.outputs) == 1 and not output.steps and not contract.inputs
    plain = plain and contract.dtype != "int64"  # between two ids there is nothing
    drawable = output.kind in ("classes", "one_hot") or (output.kind == "numbers" and len(output.target) == 1)
    if not (plain and drawable and contract.shape == (2,)):
        return None
    scale, offset, names = np.ones(2), np.zeros(2), [*(contract.features or ("x1", "x2"))]
    if contract.preprocessor is not None:
        encoders = [contract.preprocessor.encoder(name) for name in contract.preprocessor.names]
        if [each.width for each in encoders] != [1, 1]:
            return None
        names = [each.name for each in encoders]
        if any(isinstance(each, CategoryEncoder) for each in encoders):
            return None
        for place, each in enumerate(encoders):
            if isinstance(each, NumericEncoder) and each.quantiles is None and not (each.log or each.clip):
                scale[place], offset[place] = each.scale, each.offset
            else:
                names[place] += " (as the network takes it)"
    return PlaneAxes(tuple(names), scale, offset) if len(names) == 2 else None


def _shown_truth(output: Output, y: Array) -> Array:
    """Return the classes of rows, or their numbers in the target's own units, (rows,)."""
    if output.kind == "numbers":
        truth: Array = np.asarray(output.restore(np.asarray(y), truth=True), np.float64).reshape(-1)
        return truth
    return class_indices(y)


def layer_patterns(network: keras.Model, low: Array, high: Array) -> list[LayerPattern]:
    """Return what the first units of each hidden layer do over a plane; of many layers the first and last.

    Args:
        network: Of two features.
        low: The lower end of each axis, (2,).
        high: The upper end.
    """
    layers = hidden_outputs(network, grid_points(low, high, SIDE))
    if len(layers) > MOST_LAYERS:
        layers = [*layers[: MOST_LAYERS // 2], *layers[-(MOST_LAYERS // 2) :]]
    return [
        LayerPattern(
            layer.name,
            layer.outputs.shape[1],
            layer.outputs[:, :MOST_UNITS].T.reshape(-1, SIDE, SIDE),
        )
        for layer in layers
    ]
