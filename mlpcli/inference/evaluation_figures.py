"""The figures of an evaluation: where a model is wrong, and how well it ranks rows."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Output, Split
from mlpcli.data.levels import median_of
from mlpcli.data.named_arrays import of_name
from mlpcli.data.raw_columns import images_of
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.row_names import name_rows, source_files
from mlpcli.data.shown_columns import shown_columns
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.files import write_text
from mlpcli.free_names import file_part, free_file, free_name
from mlpcli.inference.written_cells import (
    columns_not_shown,
    date_columns,
    unused_columns,
    written_cells,
)
from mlpcli.model.build import output_loss
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.outputs import predicted_classes
from mlpcli.plots.class_curves import draw_class_curves
from mlpcli.plots.confusion_matrix import draw_confusion_matrix
from mlpcli.plots.drawing import Drawing
from mlpcli.plots.residuals import draw_residuals
from mlpcli.plots.residuals_by_column import draw_residuals_by_column
from mlpcli.plots.worst_images import MOST_IMAGES, draw_worst_images
from mlpcli.statistics.confusion import confusion
from mlpcli.statistics.ranking import ranking_curves
from mlpcli.training.side_process import begin

if TYPE_CHECKING:
    from mlpcli.inference.row_columns import RowColumns
    from mlpcli.model.trained_model import TrainedModel

MOST_CURVED = 50
"""Classes whose curves are computed; of more, the most frequent."""

MOST_WORST = 100
"""Rows in the table of the worst mistakes."""

Draw = Callable[[], Drawing]


@dataclass(frozen=True)
class _Rows:
    """The rows of a table of mistakes.

    Attributes:
        positions: of the rows in their source.
        origin: names them.
        columns: what the encoded rows show of their columns.
        written: returns the cells of some rows that they do not show, by column.
        order: of the columns that the model reads.
        dates: returns the columns of dates, (rows,) datetime64.
    """

    positions: Array
    origin: Origin | None
    columns: Mapping[str, Array]
    written: Callable[[list[int]], Mapping[str, list[str]]]
    order: Sequence[str]
    dates: Callable[[], Mapping[str, Array]] = dict

    def cells(self, places: list[int]) -> dict[str, list[str]]:
        """Return the cells of some rows by column: ids that the model does not read, its own, others."""
        shown = {name: list(map(_cell, values[places])) for name, values in self.columns.items()}
        found = {**shown, **self.written(places)}
        beside = [name for name in found if name not in self.order and name not in shown]
        ids = [name for name in beside if "" not in found[name] and len({*found[name]}) == len(places)]
        return {name: found[name] for name in dict.fromkeys((*ids, *self.order, *found)) if name in found}


def draw_evaluation(
    trained: TrainedModel,
    split: Split,
    predicted: Arrays,
    folder: Path,
    *,
    title: str,
    origin: Origin | None = None,
    columns: Callable[[], RowColumns] | None = None,
) -> list[Path]:
    """Draw what was evaluated into a folder, and write the rows that are most wrong beside it.

    Of classes: `confusion_matrix.png`, `class_curves.png` (ROC, precision and recall, gain, lift); of numbers
    `residuals.png`, and of tables `residuals_by_column.png`; of both `worst_rows.csv`, and of images
    `worst_images.png`. Where there are several outputs or targets, their name follows. Of quantiles it is the
    median; sequences and embeddings have none.

    Args:
        trained: the model.
        split: the rows, with their targets.
        predicted: what `predict_outputs` returns for them.
        folder: which is created.
        title: of the figures.
        origin: names the rows; None to count them from 1.
        columns: reads their raw columns; None where they have none.

    Returns:
        The files.
    """
    contract = trained.contract
    apart = columns_not_shown(contract) if columns is not None and origin is not None else []

    def written(places: list[int]) -> dict[str, list[str]]:
        if columns is None or origin is None:
            return {}
        own = columns()
        return written_cells(own, [*apart, *unused_columns(contract, own)], places)

    @cache
    def dates() -> Mapping[str, Array]:
        return date_columns(columns(), trained) if columns is not None and origin is not None else {}

    rows = _Rows(split.rows, origin, shown_columns(contract, split.x), written, contract.features, dates)
    drawn: list[tuple[str, Draw]] = []
    tables: list[tuple[str, str]] = []
    taken: set[str] = set()
    for stem, what in _of_outputs(trained, split, predicted, rows, title):
        if isinstance(what, str):
            tables.append((free_file(stem, ".csv", taken), what))
        else:
            drawn.append((free_file(stem, ".png", taken), what))
    files = []
    for name, draw in drawn:
        draw().write(folder / name)
        files.append(folder / name)
    for name, text in tables:
        write_text(folder / name, text)
        files.append(folder / name)
    return files


def _of_outputs(
    trained: TrainedModel, split: Split, predicted: Arrays, rows: _Rows, title: str
) -> Iterator[tuple[str, Draw | str]]:
    """Yield the figures and tables of each output that has some, with the stem of their files' names."""
    for output in trained.contract.outputs:
        if output.steps or not len(split) or output.kind in ("groups", "sequences"):
            continue
        y, values = of_name(split.y, output.name), of_name(predicted, output.name)
        values = median_of(values, output.levels) if output.levels else values
        if output.kind == "numbers":
            yield from _of_numbers(output, y, values, rows, title)
        else:
            yield from _of_classes(trained, output, y, values, split.x, rows, title)


def _rounded(table: Array, truth: Array) -> list[list[float]]:
    """Return numbers to a millionth of the target's spread: a scaled target was kept as float32."""
    spread = float(np.ptp(truth)) or abs(float(truth[0])) or 1.0
    decimals = 6 - math.floor(math.log10(spread))
    rounded: list[list[float]] = np.round(table, decimals).tolist()
    return rounded


def _stem(name: str, part: str) -> str:
    """Return the stem of a file's name, with the name of an output or a target where there are several."""
    return "-".join(filter(None, (name, file_part(part))))


def _of_numbers(
    output: Output, y: Array, values: Array, rows: _Rows, title: str
) -> Iterator[tuple[str, Draw | str]]:
    """Yield the figures of an output of numbers, for each of its targets, and the most wrong rows."""
    names = output.number_names
    truth = output.restore(np.asarray(y), truth=True).reshape(len(y), -1).astype(np.float64)
    found = np.asarray(values, np.float64).reshape(len(y), -1)
    for place, name in enumerate(names):
        several = name if len(names) > 1 or output.name else ""
        own, guess = truth[:, place], found[:, place]
        known = np.isfinite(own) & np.isfinite(guess)
        if not known.any():
            continue
        yield (
            _stem("residuals", several),
            begin(draw_residuals, own[known], guess[known], target=name, title=title),
        )
        if drawn := {**rows.columns, **rows.dates()}:
            yield (
                _stem("residuals_by_column", several),
                begin(
                    draw_residuals_by_column,
                    {each: cells[known] for each, cells in drawn.items()},
                    guess[known] - own[known],
                    title=title,
                ),
            )
        error = np.where(known, np.abs(guess - own), -1.0)
        worst = np.argsort(-error, kind="stable")[:MOST_WORST]
        table = _rounded(np.stack([own, guess, guess - own], axis=1), own[known])
        places = [int(at) for at in worst if known[at]]
        lines: list[list[object]] = [[*table[at]] for at in places]
        heading = [name, f"predicted_{name}", "error"]
        yield _stem("worst_rows", several), _csv(heading, lines, rows, places)


def _of_classes(
    trained: TrainedModel,
    output: Output,
    y: Array,
    values: Array,
    x: Arrays,
    rows: _Rows,
    title: str,
) -> Iterator[tuple[str, Draw | str]]:
    """Yield the figures of an output of classes or labels, and the rows that are most wrong."""
    names = output.classes or ()
    loss = output_loss(trained.spec, output.name)
    truth = y == 1 if output.kind == "labels" else class_indices(y)[:, None] == np.arange(len(names))
    sure = _by_class(values, scores=gives_scores(loss))
    shown = list(np.argsort(-truth.sum(axis=0), kind="stable")[:MOST_CURVED])
    if len(names) == 2 and output.kind != "labels":
        shown = [1]
    curves = {names[place]: ranking_curves(truth[:, place], sure[:, place]) for place in sorted(shown)}
    usual = 0.0 if gives_scores(loss) else 0.5
    threshold = [*output.thresholds, usual][0] if len(curves) == 1 else None
    yield (
        _stem("class_curves", output.name),
        begin(draw_class_curves, curves, title=title, threshold=threshold),
    )
    if output.kind == "labels":
        return
    taken = predicted_classes(values, loss, output)
    true = class_indices(y)
    counts = confusion(true, taken, len(names))
    yield (
        _stem("confusion_matrix", output.name),
        begin(draw_confusion_matrix, counts, names, title=title),
    )
    surest = sure[np.arange(len(true)), taken]
    worst = np.flatnonzero(true != taken)
    worst = worst[np.argsort(-surest[worst], kind="stable")][:MOST_WORST]
    target = " ".join(output.target)
    lines: list[list[object]] = [[names[true[at]], names[taken[at]], float(surest[at])] for at in worst]
    heading = [target, f"predicted_{target}", "score" if gives_scores(loss) else "probability"]
    yield _stem("worst_rows", output.name), _csv(heading, lines, rows, worst.tolist())
    if len(worst) and (images := images_of(x, worst[:MOST_IMAGES])) is not None:
        captions = [(names[true[at]], f"{names[taken[at]]} ({surest[at]:.2f})") for at in worst[:MOST_IMAGES]]
        yield (
            _stem("worst_images", output.name),
            begin(draw_worst_images, images, captions, title=title),
        )


def _by_class(values: Array, *, scores: bool) -> Array:
    """Return how sure the model is of each class, (rows, classes); of one unit, of the second class."""
    found = np.asarray(values, np.float64)
    if found.shape[1] > 1:
        return found
    return np.concatenate([-found if scores else 1 - found, found], axis=1)


def _csv(heading: list[str], lines: list[list[object]], rows: _Rows, places: list[int]) -> str:
    """Return a table of rows: their numbers, what was predicted, and then the rows themselves."""
    numbered, numbers = _numbers(rows, places)
    heading = [*numbered, *heading]
    found = rows.cells(places)
    names: list[str] = []
    for name in found:
        taken = [*heading, *names, *found]
        names.append(name if name not in heading else free_name(f"column_{name}", taken))
    cells = [*found.values()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heading, *names])
    for place, (number, line) in enumerate(zip(numbers, lines, strict=True)):
        writer.writerow([*number, *line, *(each[place] for each in cells)])
    return text.getvalue()


def _numbers(rows: _Rows, places: list[int]) -> tuple[list[str], list[list[object]]]:
    """Return the number of each row as messages count it, and of several files which one holds it."""
    own = rows.positions[places].tolist()
    if rows.origin is None:
        return ["row"], [[position + 1] for position in own]
    names = name_rows(rows.origin, own)
    if len(source_files(rows.origin)) == 1:
        return ["row"], [[each.row] for each in names]
    return ["row", "file"], [[each.row, each.file] for each in names]


def _cell(value: object) -> str:
    """Return a value of a column: a number with the digits that float32 keeps, nothing for a missing one."""
    if not isinstance(value, float):
        return str(value)
    return "" if math.isnan(value) else f"{value:.6g}"
