"""Predict new rows: read, compute and write them a chunk at a time."""

from __future__ import annotations

import contextlib
import csv
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.features.unknown_values import Policy, RowCounts
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.sequences import decode
from mlpcli.data.stream import Chunk, ReadOptions, open_rows, regroup
from mlpcli.data.types import Array
from mlpcli.errors import Problem
from mlpcli.files import replacing
from mlpcli.inference.evaluate import BATCH_ROWS, check_outputs, predict_outputs, values_of
from mlpcli.inference.writers import PredictionWriter
from mlpcli.model.build import output_loss
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.id_layers import id_layers, row_errors
from mlpcli.model.outputs import predicted_classes, predicted_labels
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.runs.folder import Run
from mlpcli.runs.results import Summary
from mlpcli.spec.schema import ComponentSpec

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
        progress: called after each chunk with the number of rows so far and the seconds.
    """

    keep: tuple[str, ...] = ()
    unknown: Policy | None = None
    rejects: Path | None = None
    progress: Callable[[int, float], None] = field(default=lambda rows, seconds: None)


def predict_run(
    run: Run,
    data: Path | IO[bytes],
    writer: PredictionWriter,
    *,
    options: PredictOptions = PredictOptions(),
) -> Summary:
    """Predict every row of a file, or of a stream of CSV; memory holds only a few chunks.

    Args:
        run: the run whose model predicts.
        data: a file, a pattern of files, or a stream of CSV.
        writer: receives the predicted rows in order; the caller closes it.
        options: columns to keep, the policy for unknown values, the file of rejects, the progress.

    Raises:
        RunError: The run has no model.
        DataError: The file does not fit the run's columns, or a row cannot be read.
        UsageError: A column to keep is not in the file.
    """
    trained = load_trained(run)
    began = time.monotonic()
    counts = RowCounts()
    reading = ReadOptions(
        trained.contract,
        options.keep,
        options.unknown,
        options.rejects is not None,
        counts,
        _id_errors(trained),
    )
    names: tuple[str, ...] = ()
    with contextlib.ExitStack() as stack:
        file = data.name if isinstance(data, Path) else "-"
        write_rejects = stack.enter_context(_rejects_file(options.rejects, file))
        chunks = stack.enter_context(open_rows(data, reading))
        for chunk in stack.enter_context(_read_ahead(regroup(chunks, UNIT_ROWS))):
            write_rejects(chunk.rejected)
            counts.rejected += len(chunk.rejected)
            columns, outputs = predict_chunk(trained, chunk)
            names = tuple(columns)
            writer.write(columns, outputs)
            counts.rows += len(chunk)
            counts.empty += 0 if chunk.empty is None else int(chunk.empty.sum())
            options.progress(counts.rows, time.monotonic() - began)
    return _summary(counts, names, time.monotonic() - began, (*trained.warnings, *counts.notes))


def _id_errors(trained: TrainedModel) -> Callable[[Array], list[RowError]] | None:
    """Return a function that finds rows with ids that no layer has; None for a network without ids."""
    layers = id_layers(trained.model, trained.spec)
    contract = trained.contract
    return (lambda x: row_errors(layers, contract.take_inputs(x), contract)) if layers else None


def _summary(
    counts: RowCounts, columns: tuple[str, ...], seconds: float, warnings: tuple[str, ...]
) -> Summary:
    return Summary(
        rows=counts.rows,
        columns=columns,
        seconds=seconds,
        rejected=counts.rejected,
        empty=counts.empty,
        missing=+counts.missing,
        unseen=+counts.unseen,
        outside=+counts.outside,
        warnings=warnings,
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
def _rejects_file(target: Path | None, file: str) -> Iterator[Callable[[list[RowError]], None]]:
    """Open the file of rejected rows; yield a function that adds rows as `file,row,column,reason`.

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
                writer.writerow([*own, *(f"{name}_input" if name in own else name for name in names)])
            for row_error in row_errors:
                column = row_error.location.removeprefix("column ").strip("'")
                reason = Problem(row_error.rule, received=row_error.received, hint=row_error.hint).headline()
                cells = (row_error.cells.get(name, "") for name in names)
                writer.writerow([row_error.file or file, row_error.row + 1, column, reason, *cells])

        yield write
        if handle.tell() == 0:
            writer.writerow(own)


def predict_chunk(trained: TrainedModel, chunk: Chunk) -> tuple[dict[str, pa.Array], Array]:
    """Predict some rows.

    Returns:
        Columns by name: those that were kept, then the label or value, then a probability for each class.
        The plain outputs, (rows, outputs), or (rows, *steps, outputs) of a single output: float32, or float64
        where a target was scaled.
    """
    found = predict_outputs(trained, trained.contract.take_inputs(chunk.x))
    columns: dict[str, Array | pa.Array] = {}
    plain: list[Array] = []
    for each in trained.contract.outputs:
        values = _without_idle_digits(values_of(found, each), each)
        plain.append(_flat(values))
        check_outputs(trained, each, values, chunk.empty)
        columns |= _columns(each, values, output_loss(trained.spec, each.name))
    shaped = each.steps or each.kind == "sequences"
    outputs = values if len(plain) == 1 and shaped else np.concatenate(plain, axis=1)
    predicted = {name: _arrow(values, chunk.empty) for name, values in columns.items()}
    if chunk.empty is not None:
        empty = chunk.empty.reshape(-1, *(1,) * (outputs.ndim - 1))
        outputs = np.where(empty, outputs.dtype.type(np.nan), outputs)
    kept = {(f"{name}_input" if name in columns else name): value for name, value in chunk.kept.items()}
    return kept | predicted, outputs


RESOLUTION = 1e-9
"""Of a scaled target's standard deviation or range: more than the network's float32 resolves."""


def _without_idle_digits(values: Array, output: Output) -> Array:
    """Return values of a scaled target without the digits that float64 has and the network does not.

    So 2.0631423 is written, and not 2.063142299652099; 1700000123.047 keeps all of its digits.
    """
    if values.dtype != np.float64 or output.scale is None:
        return values
    columns = values.reshape(-1, values.shape[-1]).copy()
    for place, scale in enumerate(np.broadcast_to(output.scale, columns.shape[1]).tolist()):
        step = np.full(len(columns), abs(scale))
        if output.log is not None:  # the steps of a logarithm grow with the value
            step *= 1 + np.abs(columns[:, place] - output.log[place])
        if output.quantiles is not None:
            step *= output.quantiles[place].width
        with np.errstate(invalid="ignore"):  # a row without a prediction is NaN
            powers = np.floor(np.log10(RESOLUTION * step))
        for power in np.unique(powers[np.abs(powers) < 200]):  # else the power of ten would overflow
            rows = powers == power
            columns[rows, place] = np.round(columns[rows, place], -int(power))
    return columns.reshape(values.shape)


def _arrow(values: Array | pa.Array, empty: Array | None) -> pa.Array:
    """Return a column as a PyArrow array, null where `empty` is true."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array if empty is None else pc.if_else(pa.array(empty), pa.scalar(None, array.type), array)


def _flat(values: Array) -> Array:
    """Return values as (rows, values per row)."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _names(names: Sequence[str], index: Array) -> pa.Array:
    """Return each row's name, given its index, (rows,) int."""
    import pyarrow as pa

    indices = pa.array(index.astype(np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names))).cast("string")


def _columns(output: Output, values: Array, loss: ComponentSpec) -> dict[str, Array | pa.Array]:
    """Return the columns of one output: `predicted_price`, `probability_rose`.

    The columns of a named output, one of several, include its name; those of a step its place:
    `predicted_price_0` for the first, `probability_rose_0`.
    """
    if output.steps:
        found: dict[str, Array | pa.Array] = {}
        for step in np.ndindex(*output.steps):
            of_step = _columns(replace(output, steps=()), values[:, *step], loss)
            found |= {"_".join((name, *map(str, step))): column for name, column in of_step.items()}
        return found
    if output.kind in ("groups", "sequences"):
        return _plain_columns(output, values)
    if output.kind == "labels":
        return _label_columns(output, values)
    return _class_columns(output, values, loss) if output.classes else _value_columns(output, values)


def _class_columns(output: Output, values: Array, loss: ComponentSpec) -> dict[str, Array | pa.Array]:
    assert output.classes is not None
    label = f"predicted_{output.name or output.target[0]}"
    columns: dict[str, Array | pa.Array] = {label: _names(output.classes, predicted_classes(values, loss))}
    stem = f"{output.name}_" if output.name else ""
    if gives_scores(loss) and values.shape[1] == 1:
        return columns | {f"{stem}score": values[:, 0]}
    if values.shape[1] == 1:  # one unit gives the second class's probability
        values = np.concatenate([1.0 - values, values], axis=1)
    return columns | {f"{stem}probability_{name}": values[:, i] for i, name in enumerate(output.classes)}


def _label_columns(output: Output, values: Array) -> dict[str, Array | pa.Array]:
    """Return the labels joined in one cell for a separated target, else a column of 0 or 1 for each label."""
    assert output.classes is not None
    stem = f"{output.name}_" if output.name else ""
    chosen = predicted_labels(values)
    probability = {f"{stem}probability_{name}": values[:, i] for i, name in enumerate(output.classes)}
    if output.separator is None:
        found = {f"{stem}predicted_{name}": chosen[:, i] for i, name in enumerate(output.classes)}
        return found | probability
    names = np.asarray(output.classes, dtype=object)
    sets, index = np.unique(chosen, axis=0, return_inverse=True)
    joined = [output.separator.join(names[row == 1]) for row in sets]
    return {f"predicted_{output.name or output.target[0]}": _names(joined, index.reshape(-1))} | probability


def _plain_columns(output: Output, values: Array) -> dict[str, Array | pa.Array]:
    """Return the numbers of an embedding; or the labels of a sequence, then the numbers of each step."""
    stem = f"{output.name}_" if output.name else ""
    if output.kind == "groups":
        return {f"{stem}embedding_{index}": values[:, index] for index in range(values.shape[1])}
    import pyarrow as pa

    found: dict[str, Array | pa.Array] = {f"{stem}predicted_labels": pa.array(decode(values), pa.string())}
    return found | {
        f"{stem}logit_{unit}_{step}": values[:, step, unit] for step, unit in np.ndindex(*values.shape[1:])
    }


def _value_columns(output: Output, values: Array) -> dict[str, Array | pa.Array]:
    names, values = output.target, _flat(values)
    if output.name:
        names = (output.name,) if len(names) == 1 else tuple(f"{output.name}_{name}" for name in names)
    if values.shape[1] != len(names):
        names = tuple(f"output_{index}" for index in range(values.shape[1]))
    return {f"predicted_{name}": values[:, index] for index, name in enumerate(names)}
