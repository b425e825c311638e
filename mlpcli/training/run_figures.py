"""The figures of a run: drawn in the side process where there is one, written into the folder from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.data.dataset import Dataset
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.files import write_bytes, write_text
from mlpcli.plots.decision_boundary import draw_decision_boundary, predict_plane
from mlpcli.plots.diagram_layout import read_graph, summary_text
from mlpcli.plots.learning_curves import draw_learning_curves
from mlpcli.plots.model_diagram import draw_model
from mlpcli.plots.reliability_curves import draw_reliability
from mlpcli.statistics.calibration import Reliability
from mlpcli.training.side_process import begin

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

Write = Callable[[], None]
"""Waits for a figure and writes it."""


def begin_curves(
    history: list[dict[str, float]], run_dir: Path, *, title: str, best_epoch: int | None
) -> Write:
    """Begin to draw the learning curves of the epochs so far; return what writes them.

    Args:
        history: A row for each epoch; without any, nothing is drawn.
        run_dir: The run's folder.
        title: Of the figure.
        best_epoch: Marked with a line, where there is one.
    """
    if not history:
        return lambda: None
    drawn = begin(draw_learning_curves, history, title=title, best_epoch=best_epoch)
    return lambda: write_bytes(run_dir / runs.LEARNING_CURVES, drawn())


def begin_diagram(model: keras.Model, run_dir: Path, *, title: str) -> Write:
    """Begin to draw a model; return what writes its summary and its diagram.

    Args:
        model: The network.
        run_dir: The run's folder.
        title: Of the figure.
    """
    drawn = begin(draw_model, read_graph(model), title=title)

    def write() -> None:
        write_text(run_dir / runs.SUMMARY, summary_text(model))
        write_bytes(run_dir / runs.MODEL_PICTURE, drawn())

    return write


def begin_reliability(
    curves: Mapping[tuple[str, str], tuple[Reliability, Reliability]], run_dir: Path, *, title: str
) -> Write:
    """Begin to draw the reliability of probabilities before and after their calibration.

    Args:
        curves: By output and rows; without any, nothing is drawn.
        run_dir: The run's folder.
        title: Of the figure.
    """
    if not curves:
        return lambda: None
    panels = {
        f"{output}, {name}" if output else name: (before.curve, after.curve)
        for (output, name), (before, after) in curves.items()
    }
    drawn = begin(draw_reliability, panels, title=title)
    return lambda: write_bytes(run_dir / runs.RELIABILITY, drawn())


def begin_boundary(
    dataset: Dataset, predict: Callable[[Array], Array], run_dir: Path, *, title: str
) -> Write:
    """Begin to draw the decision boundary, where that can be drawn; return what writes it.

    Args:
        dataset: The data.
        predict: Maps rows, (rows, ...), to the outputs that `predict` returns.
        run_dir: The run's folder.
        title: Of the figure.
    """
    contract = dataset.contract
    classes = contract.output.classes
    one = len(contract.outputs) == 1 and contract.output.is_scored and contract.output.kind != "labels"
    if classes is None or not one or contract.output.steps or contract.inputs or contract.shape != (2,):
        return lambda: None
    splits = {name: (split.x, class_indices(split.y)) for name, split in dataset.splits().items()}
    drawn = begin(
        draw_decision_boundary,
        predict_plane(predict, splits, next(iter(contract.output.thresholds), None)),
        splits,
        title=title,
        features=contract.features or ("x1", "x2"),
        classes=classes,
    )
    return lambda: write_bytes(run_dir / runs.DECISION_BOUNDARY, drawn())
