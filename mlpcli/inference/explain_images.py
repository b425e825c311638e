"""Images that a model got most wrong, and predicted images, with what their pixels add."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Split
from mlpcli.data.images.find_images import is_image_name
from mlpcli.data.levels import median_of
from mlpcli.data.named_arrays import rows_of
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.row_names import name_rows, source_files
from mlpcli.data.stream import Chunk
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.free_names import free_name
from mlpcli.inference.attribution_columns import left_empty
from mlpcli.inference.evaluate import BATCH_ROWS, predict_outputs, values_of
from mlpcli.inference.explain_chunks import take_outputs
from mlpcli.inference.own_data import own_data, own_split
from mlpcli.inference.saliency import Saliency, SaliencyExplainer
from mlpcli.model.build import output_loss
from mlpcli.model.outputs import predicted_classes
from mlpcli.model.run_contract import run_contract
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.plots.saliency_maps import draw_saliency
from mlpcli.runs.explanation import ExplainedImage, ExplainedImages, ExplainedRows, ExplainOptions
from mlpcli.runs.folder import Run

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 12
"""Images of `explain`."""

MOST_PICTURES = 100
"""Rows of `predict --explain` that are drawn."""

DRAWN_AT_ONCE = 4
"""Images after which their lines are shown."""

MOST_SEARCHED = 10_000
"""Rows among which the most wrong ones are found."""


def explain_images(
    run: Run, *, split: str = "test", progress: Callable[[int, int], None] = lambda done, of: None
) -> ExplainedImages:
    """Return the most wrong images of a split, then the first others, with what each pixel adds.

    Args:
        run: a run of images.
        split: on which of its splits.
        progress: called with how many of how many images are explained.

    Raises:
        UsageError: there is no such split.
    """
    trained = load_trained(run)
    own = own_data(trained)
    found, warnings = own_split(trained, own, split)
    some = Split(found.x[:MOST_SEARCHED], rows_of(found.y, slice(MOST_SEARCHED)), found.rows[:MOST_SEARCHED])
    outputs = predict_outputs(trained, some.x)
    truth, predicted, wrongness = _judged(trained, some.y, outputs)
    order = np.argsort(-wrongness, kind="stable")[:SHOWN]
    explainer = SaliencyExplainer(trained, ExplainOptions(), own.dataset.train.x)
    files = _file_names(own.dataset.origins.get(split), some.rows[order].tolist())
    images: list[ExplainedImage] = []
    maps = []
    for number, place in enumerate(order):
        one = explainer.explain(some.x[place : place + 1], take_outputs(outputs, np.array([place])))
        row, value, base = int(some.rows[place]) + 1, float(one.values[0]), float(one.base[0])
        residual = float(one.residual[0])
        images.append(
            ExplainedImage(
                row, truth[place], predicted[place] or one.names[0], value, base, residual, files[number]
            )
        )
        maps.append(one.maps[0])
        progress(number + 1, len(order))
    return ExplainedImages(
        source=split,
        name=explainer.name,
        background=len(explainer.background),
        shown=tuple(images),
        images=np.asarray(some.x[order]),
        maps=np.stack(maps),
        wrong=int((wrongness[order] > 0).sum()),
        warnings=(*trained.warnings, *warnings),
    )


def _file_names(origin: Origin | None, rows: list[int]) -> list[str]:
    """Return the files of images, each of which is in one of its own; else empty texts."""
    if origin is None or len(source_files(origin)) == 1:
        return [""] * len(rows)
    names = name_rows(origin, rows)
    return [each.file if each.row == 1 and is_image_name(each.file) else "" for each in names]


def _judged(trained: TrainedModel, y: Arrays, outputs: Arrays) -> tuple[list[str], list[str], Array]:
    """Return the truth and the prediction of each row as texts, and how wrong it is: 0 for right."""
    output = trained.contract.outputs[0]
    target, values = values_of(y, output), values_of(outputs, output)
    rows = len(values)
    if output.steps or output.kind not in ("numbers", "classes", "one_hot"):
        return [""] * rows, [""] * rows, np.zeros(rows)
    if output.kind == "numbers":
        values = median_of(values, output.levels) if output.levels else values
        own = output.restore(np.asarray(target), truth=True).reshape(rows, -1)[:, 0].astype(np.float64)
        guess = np.asarray(values, np.float64).reshape(rows, -1)[:, 0]
        return [f"{each:.4g}" for each in own], [f"{each:.4g}" for each in guess], np.abs(own - guess)
    names = output.classes or ()
    true, taken = (
        class_indices(target),
        predicted_classes(values, output_loss(trained.spec, output.name), output),
    )
    sure = values.max(axis=1) if values.shape[1] > 1 else np.abs(values[:, 0] - 0.5) + 0.5
    wrongness = np.where(true == taken, 0.0, sure)
    return [names[each] for each in true], [names[each] for each in taken], wrongness


def _short(each: ExplainedImage) -> str:
    return each.file.rpartition("/")[2] or f"row {each.row}"


def draw_images(run: Run, found: ExplainedImages, folder: Path) -> Path:
    """Draw images with their maps into a folder; return the file.

    Args:
        run: the run.
        found: the images.
        folder: of the figure.
    """
    scored = run_contract(run).outputs[0].is_scored
    captions = [
        (
            f"{_short(each)}: {each.truth}" if each.truth else _short(each),
            f"{each.predicted} {each.value:.2f}" if scored else f"predicted {each.value:.4g}",
        )
        for each in found.shown
    ]
    title = f"{run.label} on {found.source}"
    classes = found.shown[0].truth and scored
    explained = "the probability of the predicted class" if classes else f"the predicted {found.name}"
    target = folder / "saliency.png"
    draw_saliency(found.images, found.maps, captions, title=title, explained=explained).write(target)
    return target


class ImageExplainer:
    """Explains predicted images, chunk after chunk: draws each into a folder, up to `MOST_PICTURES`."""

    def __init__(self, trained: TrainedModel, options: ExplainOptions) -> None:
        """Read the rows to compare with; see `SaliencyExplainer`."""
        self.explainer = SaliencyExplainer(trained, options)
        self.title, self.folder = trained.run.label, options.pictures
        self.rows = self.drawn = 0
        self.residual = self.strongest = 0.0
        self.names: tuple[str, ...] = ()
        self.lines: tuple[str, ...] = ()

    @property
    def rows_at_once(self) -> int:
        """How many images are worth a call of `columns`: few while they are drawn."""
        return DRAWN_AT_ONCE if self.drawn < MOST_PICTURES else BATCH_ROWS

    def columns(self, chunk: Chunk, outputs: Arrays, names: tuple[str, ...]) -> dict[str, pa.Array]:
        """Draw the images of a chunk; return the columns that say what was explained, and where it is drawn.

        Args:
            chunk: the rows.
            outputs: what `predict_outputs` returns for them.
            names: the columns that are written already.
        """
        known = np.ones(len(chunk), bool) if chunk.empty is None else ~chunk.empty
        places = np.flatnonzero(known)[: MOST_PICTURES - self.drawn]
        left = np.ones(len(chunk), bool)
        left[places] = False
        found = [self._explain(chunk, outputs, place) for place in places]
        self.rows += len(chunk)
        columns = _columns(found, self.explainer.explained.units != ("",))
        filled = left_empty(columns, left)
        filled["explanation"] = _with_undrawn(filled["explanation"], known & left)
        free = {free_name(name, names): each for name, each in filled.items()}
        self.names, self.lines = tuple(free), (free_name("explanation", names),)
        return free

    def _explain(self, chunk: Chunk, outputs: Arrays, place: int) -> tuple[Saliency, str, str]:
        """Draw one image; return what was found, its file and its line."""
        found = self.explainer.explain(chunk.x[place : place + 1], take_outputs(outputs, np.array([place])))
        row = self.rows + int(place) + 1
        file = self.folder / f"row_{row}.png"
        what = f"{self.explainer.name} {found.names[0]}".strip()
        value, base, residual = (float(each[0]) for each in (found.values, found.base, found.residual))
        added = value - base
        line = f"{what} {value:.4g} = {base:.4g} {'-' if added < 0 else '+'} {abs(added):.4g} ({file})"
        captions = [(f"row {row}", f"{what} {value:.3g}")]
        drawing = draw_saliency(
            chunk.x[place : place + 1], found.maps, captions, title=self.title, explained=what
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        drawing.write(file, beside=False)
        self.residual = max(self.residual, abs(residual))
        self.drawn += 1
        self.strongest += (abs(added) - self.strongest) / self.drawn
        return found, str(file), line

    def facts(self) -> ExplainedRows:
        """Return how the images were explained, and how exact that is."""
        return ExplainedRows(
            method="expected gradients",
            background=len(self.explainer.background),
            groups=self.drawn,
            residual=self.residual,
            error=0.0,
            strongest=self.strongest,
            columns=self.names,
            pictures=self.folder,
        )


def _with_undrawn(texts: pa.Array, undrawn: Array) -> pa.Array:
    """Return explanations in which the rows that are not drawn say so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    why = f"not drawn: the first {MOST_PICTURES} images are"
    return pc.if_else(pa.array(undrawn), pa.scalar(why, pa.string()), texts)


def _columns(found: list[tuple[Saliency, str, str]], named: bool) -> dict[str, Array | pa.Array]:
    import pyarrow as pa

    columns: dict[str, Array | pa.Array] = {}
    if named:
        columns["explained_class"] = pa.array([each.names[0] for each, _, _ in found], pa.string())
    columns["base_value"] = np.array([each.base[0] for each, _, _ in found], np.float64)
    columns["contribution_residual"] = np.array([each.residual[0] for each, _, _ in found], np.float32)
    columns["picture"] = pa.array([file for _, file, _ in found], pa.string())
    columns["explanation"] = pa.array([line for _, _, line in found], pa.string())
    return columns
