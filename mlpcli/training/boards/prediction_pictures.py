"""What a network predicts while it trains: confusion matrices, mistakes, predicted against true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from tensorboard.compat.proto import summary_pb2

from mlpcli.checks.board_rules import is_pictured
from mlpcli.data.dataset import Dataset, Output, Split
from mlpcli.data.levels import median_of
from mlpcli.data.named_arrays import of_name, rows_of
from mlpcli.data.raw_columns import images_of
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.model.build import output_loss
from mlpcli.model.outputs import final_outputs, predicted_classes, predicted_labels
from mlpcli.plots.confusion_matrix import draw_confusion_matrix
from mlpcli.plots.residuals import draw_residuals
from mlpcli.plots.worst_images import MOST_IMAGES, draw_worst_images
from mlpcli.printable import one_line
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.statistics.confusion import confusion
from mlpcli.training import compiled
from mlpcli.training.boards.event_files import code_block, picture
from mlpcli.training.boards.gradient_batch import spread_rows

MOST_ROWS = 10_000
"""Rows that are predicted each time; of more, as many, evenly spread."""

MOST_MISTAKES = 20
"""Lines in the table of the worst mistakes."""

Summaries = Iterator[summary_pb2.Summary]


def shown_split(dataset: Dataset) -> tuple[str, Split]:
    """Return the rows whose predictions are shown, and their name: the validation, else the training rows."""
    if dataset.validation is not None and len(dataset.validation):
        return "validation", dataset.validation
    return "train", dataset.train


def prediction_summaries(model: keras.Model, spec: Spec, dataset: Dataset, title: str) -> Summaries:
    """Yield the pictures and tables of what a network predicts, of each output that has any.

    Args:
        model: the network, as it is now.
        spec: completed.
        dataset: its data.
        title: of the pictures; the split's name follows.
    """
    name, split = shown_split(dataset)
    chosen = spread_rows(len(split), MOST_ROWS)
    x, y = rows_of(split.x, chosen), rows_of(split.y, chosen)
    outputs = final_outputs(spec, dataset.contract, compiled.predict(model, x))
    for output in filter(is_pictured, dataset.contract.outputs):
        values, truth = of_name(outputs, output.name), of_name(y, output.name)
        values = np.asarray(median_of(values, output.levels) if output.levels else values)
        what = _Predictions(output, truth, values, split.rows[chosen], f"{title}, {name} rows")
        if output.kind == "numbers":
            yield from _of_numbers(what)
        elif output.kind == "labels":
            yield _of_labels(what)
        else:
            yield from _of_classes(what, output_loss(spec, output.name), x)


class _Predictions:
    """The predictions of one output, and what they should be.

    Attributes:
        output: its target.
        truth: (rows, ...) as the data has it.
        values: (rows, ...) predictions, as `predict` writes them.
        rows: (rows,) positions in the source.
        title: of the pictures.
    """

    def __init__(self, output: Output, truth: Array, values: Array, rows: Array, title: str) -> None:
        self.output, self.truth, self.values, self.rows, self.title = output, truth, values, rows, title

    def tag(self, what: str, target: str = "") -> str:
        """Return the name of a picture: the output and the target where there are several."""
        return "/".join(["predictions", *(each for each in (self.output.name, target) if each), what])


def _of_numbers(found: _Predictions) -> Summaries:
    """Yield predicted against true for each target, and the rows that are most wrong."""
    names = found.output.target
    truth = found.output.restore(np.asarray(found.truth), truth=True)
    truth = np.asarray(truth, np.float64).reshape(len(found.rows), -1)
    values = np.asarray(found.values, np.float64).reshape(len(found.rows), -1)
    for place, name in enumerate(names):
        own, guess = truth[:, place], values[:, place]
        known = np.isfinite(own) & np.isfinite(guess)
        if not known.any():
            continue
        several = name if len(names) > 1 else ""
        drawn = draw_residuals(own[known], guess[known], target=name, title=found.title)
        yield picture(found.tag("predicted_against_true", several), drawn.png)
        error = np.where(known, np.abs(guess - own), -1.0)
        worst = [at for at in np.argsort(-error, kind="stable")[:MOST_MISTAKES] if known[at]]
        lines = [(f"{found.rows[at] + 1}", f"{own[at]:.6g}", f"{guess[at]:.6g}") for at in worst]
        yield code_block(found.tag("mistakes", several), _table(("row", "true", "predicted"), lines))


def _of_labels(found: _Predictions) -> summary_pb2.Summary:
    """Return for each label how often it is there, is predicted, and both."""
    true, taken = found.truth == 1, predicted_labels(found.values, found.output) == 1
    lines = [
        (name, *(f"{int(each[:, place].sum()):,}" for each in (true, taken, true & taken)))
        for place, name in enumerate(found.output.classes or ())
    ]
    heading = ("label", "rows that have it", "predicted", "rightly")
    return code_block(found.tag("labels"), _table(heading, lines))


def _of_classes(found: _Predictions, loss: ComponentSpec, x: object) -> Summaries:
    """Yield the confusion matrix, and the surest mistakes: a table, and images where x is."""
    names = found.output.classes or ()
    true, taken = class_indices(found.truth), predicted_classes(found.values, loss, found.output)
    counts = confusion(true, taken, len(names))
    matrix = draw_confusion_matrix(counts, names, title=found.title)
    yield picture(found.tag("confusion_matrix"), matrix.png)
    sure = _sureness(found.values, taken)
    worst = np.flatnonzero(true != taken)
    worst = worst[np.argsort(-sure[worst], kind="stable")]
    mistakes = [(names[true[at]], names[taken[at]], f"{sure[at]:.2f}") for at in worst[:MOST_IMAGES]]
    lines = [
        (f"{found.rows[at] + 1}", *words)
        for at, words in zip(worst[:MOST_MISTAKES], mistakes[:MOST_MISTAKES], strict=True)
    ]
    heading = ("row", "true", "predicted", "how sure")
    yield code_block(found.tag("mistakes"), _table(heading, lines) if lines else "no row is wrong")
    if lines and (images := images_of(x, worst[:MOST_IMAGES])) is not None:
        captions = [(one, f"{other} ({how})") for one, other, how in mistakes]
        drawn = draw_worst_images(images, captions, title=found.title)
        yield picture(found.tag("worst_images"), drawn.png)


def _sureness(values: Array, taken: Array) -> Array:
    """Return how sure the network is of the class that it predicts, (rows,)."""
    found = np.asarray(values, np.float64)
    if found.shape[-1] > 1:
        return np.asarray(found[np.arange(len(found)), taken])
    return np.where(taken == 1, found[:, 0], 1 - found[:, 0])


def _table(heading: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    """Return rows of cells as text, in columns."""
    cells = [tuple(one_line(each) for each in line) for line in (heading, *lines)]
    wide = [max(len(line[column]) for line in cells) for column in range(len(heading))]
    rows = ("  ".join(f"{each:<{size}}" for each, size in zip(line, wide, strict=True)) for line in cells)
    return "\n".join(row.rstrip() for row in rows)
