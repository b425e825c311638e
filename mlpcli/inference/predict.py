"""Predict new rows: read, compute and write them a chunk at a time."""

from __future__ import annotations

import contextlib
import csv
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.unknown_values import Policy, RowCounts
from mlpcli.data.new_rows import open_rows
from mlpcli.data.raw_columns import is_image
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.row_errors import RowError, all_reasons, by_row
from mlpcli.data.regroup import regroup
from mlpcli.data.stream import Chunk, ReadOptions
from mlpcli.data.types import Array, Arrays
from mlpcli.data.writers import PredictionWriter
from mlpcli.files import replacing
from mlpcli.free_names import beside
from mlpcli.inference.evaluate import BATCH_ROWS, check_outputs, id_check, predict_outputs, values_of
from mlpcli.inference.explain_chunks import ChunkExplainer, Forecast, take_outputs
from mlpcli.inference.explain_images import ImageExplainer
from mlpcli.model.build import output_loss
from mlpcli.model.prediction_columns import (
    flat_values,
    plain_outputs,
    prediction_columns,
    without_idle_digits,
)
from mlpcli.model.run_contract import at_level
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.runs.explanation import ExplainOptions
from mlpcli.runs.folder import Run
from mlpcli.runs.results import Summary

if TYPE_CHECKING:
    import pyarrow as pa

UNIT_ROWS = 8 * BATCH_ROWS
"""Rows that go through the model at once, a multiple of its batches: see `regroup`."""

AHEAD = 2
"""Chunks that are read ahead of the computation."""


@dataclass(frozen=True)
class PredictOptions:
    """How rows are predicted.

    Attributes:
        keep: columns to pass through.
        unknown: what an unseen category or a value out of range does to its row: `error`, `bucket` (let
            through) or `null` (no prediction); None uses the spec's policy.
        rejects: file for rows that cannot be read; without one such a row ends the prediction.
        level: of intervals and sets, instead of the run's; None for that.
        progress: called after each chunk with the number of rows so far and the seconds.
        forecast: called once the explanation of some rows has shown how long one takes: with the seconds for
            a row, and how many more rows follow; None where that is not known.
        explain: how predictions are explained; None for not at all.
        reading: how the file is read, where that differs from the run's own.
    """

    keep: tuple[str, ...] = ()
    unknown: Policy | None = None
    rejects: Path | None = None
    level: float | None = None
    progress: Callable[[int, float], None] = field(default=lambda rows, seconds: None)
    forecast: Callable[[float, int | None], None] = field(default=lambda seconds, rows: None)
    explain: ExplainOptions | None = None
    reading: Reading = AS_RECORDED


def predict_run(
    run: Run,
    data: Path | IO[bytes],
    writer: PredictionWriter,
    *,
    options: PredictOptions = PredictOptions(),
    trained: TrainedModel | None = None,
) -> Summary:
    """Predict every row of a file, or of a stream of CSV; memory holds only a few chunks.

    Args:
        run: the run whose model predicts.
        data: a file, a pattern of files, or a stream of CSV.
        writer: receives the predicted rows in order; the caller closes it.
        options: columns to keep, the policy for unknown values, the file of rejects, the progress.
        trained: the run's model, where it has been loaded already.

    Raises:
        RunError: The run has no model.
        DataError: The file does not fit the run's columns, or a row cannot be read.
        UsageError: A column to keep is not in the file, the run has no intervals of the level, or there is
            no such class or column to explain.
    """
    trained = _at_level(trained or load_trained(run), options.level)
    explainer = _explainer(trained, options.explain)
    began = time.monotonic()
    counts = RowCounts()
    reading = ReadOptions(
        trained.contract,
        options.keep,
        options.unknown,
        options.rejects is not None,
        counts,
        id_errors(trained),
        cells=explainer is not None,
        reading=options.reading,
    )
    names: tuple[str, ...] = ()
    file = data.name if isinstance(data, Path) else "-"
    with contextlib.ExitStack() as stack:
        write_rejects = stack.enter_context(rejects_file(options.rejects, file))
        chunks = stack.enter_context(open_rows(data, reading))
        unit = BATCH_ROWS if explainer or _sentences(trained) else UNIT_ROWS  # these take longer
        forecast = Forecast(options.forecast, unit)
        for chunk in stack.enter_context(_read_ahead(regroup(chunks, unit))):
            write_rejects(chunk.rejected)
            counts.rejected += len(by_row(chunk.rejected))
            for columns, outputs in _parts(trained, chunk, explainer, forecast):
                names = tuple(columns)
                writer.lines = () if explainer is None else explainer.lines
                writer.write(columns, outputs)
                counts.rows += len(outputs)
                options.progress(counts.rows, time.monotonic() - began)
            counts.empty += 0 if chunk.empty is None else int(chunk.empty.sum())
    summary = _summary(counts, names or _write_no_rows(trained, writer), time.monotonic() - began, trained)
    return summary if explainer is None else replace(summary, explained=explainer.facts())


def _explainer(
    trained: TrainedModel, options: ExplainOptions | None
) -> ChunkExplainer | ImageExplainer | None:
    """Return what explains the predictions of a run; None where they are not to be explained."""
    if options is None:
        return None
    return (ImageExplainer if is_image(trained.contract) else ChunkExplainer)(trained, options)


def _at_level(trained: TrainedModel, level: float | None) -> TrainedModel:
    """Return a model with intervals of a level; None for the run's own."""
    return trained if level is None else replace(trained, contract=at_level(trained.contract, level))


def id_errors(trained: TrainedModel) -> Callable[[Array], list[RowError]] | None:
    """Return a function that finds rows with ids that no layer has; None for a network without ids."""
    check = id_check(trained)
    return None if check is None else lambda x: check(trained.contract.take_inputs(x))


def _sentences(trained: TrainedModel) -> frozenset[str]:
    """Return the columns of texts of a model."""
    preprocessor = trained.contract.preprocessor
    return frozenset() if preprocessor is None else preprocessor.sentences


def _summary(counts: RowCounts, columns: tuple[str, ...], seconds: float, trained: TrainedModel) -> Summary:
    return Summary(
        rows=counts.rows,
        columns=columns,
        seconds=seconds,
        rejected=counts.rejected,
        empty=counts.empty,
        missing=+counts.missing,
        unseen=+counts.unseen,
        outside=+counts.outside,
        warnings=(*trained.warnings, *counts.notes),
        texts=_sentences(trained),
    )


@contextlib.contextmanager
def _read_ahead(chunks: Iterable[Chunk]) -> Iterator[Iterator[Chunk]]:
    """Read the chunks in a thread, ahead of the computation."""
    waiting: queue.Queue[Chunk | BaseException | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(item: Chunk | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(item, timeout=0.1)
                return

    def read() -> None:
        try:
            for chunk in chunks:
                put(chunk)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # raised again in the computing thread
            put(error)

    def received() -> Iterator[Chunk]:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=read, name="reader", daemon=True)
    thread.start()
    try:
        yield received()
    finally:
        stopped.set()
        thread.join()


@contextlib.contextmanager
def rejects_file(target: Path | None, file: str) -> Iterator[Callable[[list[RowError]], None]]:
    """Open the file of rejected rows; yield a function that adds rows as `file,row,column,reason`.

    A row with several cells that cannot be used has all their columns and reasons, joined by `; `.

    The cells of a text table's row follow, under the names of its columns in the first file with such a row.

    Args:
        target: the file to write; None ignores the rows.
        file: the name of the only data file, where a row error names none. Rows count from 1 in each file.
    """
    if target is None:
        yield lambda row_errors: None
        return
    with replacing(target) as path, path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        own = ["file", "row", "column", "reason"]
        names: list[str] = []

        def write(row_errors: list[RowError]) -> None:
            if row_errors and handle.tell() == 0:
                names.extend(row_errors[0].cells)
                writer.writerow([*own, *beside(dict.fromkeys(names), own)])
            for each in by_row(row_errors):
                cells = (each[0].cells.get(name, "") for name in names)
                columns = "; ".join(row_error.column for row_error in each)
                writer.writerow([each[0].file or file, each[0].row + 1, columns, all_reasons(each), *cells])

        yield write
        if handle.tell() == 0:
            writer.writerow(own)


def _write_no_rows(trained: TrainedModel, writer: PredictionWriter) -> tuple[str, ...]:
    """Write no rows: what would be predicted has its columns nevertheless. Return their names."""
    columns, outputs = predict_chunk(trained, zero_row(trained.contract))
    writer.write({name: column.slice(0, 0) for name, column in columns.items()}, outputs[:0])
    return tuple(columns)


def zero_row(contract: Contract) -> Chunk:
    """Return a row of zeros, whose prediction is left empty: it has the columns of any other."""
    return Chunk(np.zeros((1, *contract.shape), contract.dtype), {}, np.ones(1, bool))


def predict_chunk(trained: TrainedModel, chunk: Chunk) -> tuple[dict[str, pa.Array], Array]:
    """Predict some rows.

    Args:
        trained: the model.
        chunk: the rows.

    Returns:
        Columns by name: those that were kept, then the label or value, then a probability for each class,
        then the bounds of intervals or the sets.
        The plain outputs, (rows, outputs), or (rows, *steps, outputs) of a single output: float32, or float64
        where a target was scaled.
    """
    columns, outputs, _ = _predicted(trained, chunk)
    return beside(chunk.kept, columns) | columns, outputs


def _parts(
    trained: TrainedModel,
    chunk: Chunk,
    explainer: ChunkExplainer | ImageExplainer | None,
    forecast: Forecast,
) -> Iterator[tuple[dict[str, pa.Array], Array]]:
    """Yield what `predict_chunk` returns, at once; or explained, a few rows at a time.

    Args:
        trained: the model.
        chunk: the rows.
        explainer: explains the predictions.
        forecast: takes how long each part takes.
    """
    if explainer is None:
        yield predict_chunk(trained, chunk)
        return
    columns, outputs, found = _predicted(trained, chunk)
    first = 0
    while first < max(1, len(chunk)):
        began = time.monotonic()
        rows = slice(first, first + explainer.rows_at_once)
        part, taken = chunk.cut(rows.start, rows.stop), take_outputs(found, rows)
        own = {name: column[rows] for name, column in columns.items()}
        own |= explainer.columns(part, taken, tuple(columns))
        forecast.add(len(part), time.monotonic() - began, rows.start + len(part), len(chunk))
        yield beside(part.kept, own) | own, outputs[rows]
        first = rows.stop


def _predicted(trained: TrainedModel, chunk: Chunk) -> tuple[dict[str, pa.Array], Array, Arrays]:
    """Return the columns and the plain outputs of `predict_chunk`, and what the network gives."""
    found = predict_outputs(trained, trained.contract.take_inputs(chunk.x))
    columns: dict[str, Array | pa.Array] = {}
    plain: list[Array] = []
    for each in trained.contract.outputs:
        values = without_idle_digits(values_of(found, each), each)
        check_outputs(trained, each, values, chunk.empty)
        loss = output_loss(trained.spec, each.name)
        columns |= prediction_columns(each, values, loss)
        written = plain_outputs(each, values, loss)
        plain.append(flat_values(written))
    shaped = each.steps or each.kind == "sequences"
    outputs = written if len(plain) == 1 and shaped else np.concatenate(plain, axis=1)
    predicted = {name: _arrow(values, chunk.empty) for name, values in columns.items()}
    if chunk.empty is not None:
        empty = chunk.empty.reshape(-1, *(1,) * (outputs.ndim - 1))
        outputs = np.where(empty, outputs.dtype.type(np.nan), outputs)
    return predicted, outputs, found


def _arrow(values: Array | pa.Array, empty: Array | None) -> pa.Array:
    """Return a column as a PyArrow array, null where `empty` is true."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array if empty is None else pc.if_else(pa.array(empty), pa.scalar(None, array.type), array)
