"""The rows that `evaluate` takes: of a split, of a file, or all that the folds of a run held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Split
from mlpcli.data.images.image_reading import drops_broken
from mlpcli.data.load import left_out_note, read_rows
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.types import Arrays
from mlpcli.data.weights import weights_of_rows
from mlpcli.errors import Problem, RunError
from mlpcli.inference.own_data import OwnData, data_warnings, own_data, own_split
from mlpcli.inference.row_columns import RowColumns, columns_of_file, columns_of_split
from mlpcli.inference.training_rows import training_rows_note
from mlpcli.model.trained_model import TrainedModel
from mlpcli.runs.results import UnusualCells
from mlpcli.spec.repeats import Repeat
from mlpcli.training.repeated.out_of_fold import (
    at_temperature,
    measured_rows,
    metrics_of_rows,
    read_out_of_fold,
)
from mlpcli.training.row_metrics import MeasuredRows

HELD_OUT = "held_out"


@dataclass(frozen=True)
class Predicted:
    """What is known of rows before the run's model sees them: the predictions of its folds.

    Attributes:
        measured: the rows, and what networks give for them.
        outputs: as `predict_outputs` returns them.
        metrics: of them all.
    """

    measured: MeasuredRows
    outputs: Arrays
    metrics: dict[str, float]


@dataclass(frozen=True)
class EvaluatedRows:
    """Rows with their targets.

    Attributes:
        source: their name.
        split: the rows, as the model takes them.
        columns: reads their raw columns.
        warnings: what a person should know of them.
        left_out: how many more rows the file has, without a target.
        predicted: by models that were not trained on each; None where the run's model is to predict them.
        origin: names them; None where they are of two files, which both count from 1.
        cells: of a file, what is unusual in its cells; None of a split.
    """

    source: str
    split: Split
    columns: Callable[[], RowColumns]
    origin: Origin | None
    warnings: tuple[str, ...] = ()
    left_out: int = 0
    predicted: Predicted | None = None
    cells: UnusualCells | None = None


def rows_to_evaluate(
    trained: TrainedModel, split: str, data: Path | None, reading: Reading = AS_RECORDED
) -> EvaluatedRows:
    """Return the rows of a split, or of a file.

    Args:
        trained: the model of a run.
        split: which of its splits; `held_out` of a run with folds: the rows of all folds.
        data: the file; None for the split.
        reading: how the file is read, where that differs from the run's own.

    Raises:
        UsageError: The run has no such split.
        DataError: The file does not fit the run's columns.
        SpecError: The run's data is gone.
        RunError: The predictions of a fold are damaged, or of data that has changed.
    """
    if data is not None:
        return _of_file(trained, data, reading)
    own = own_data(trained)
    if split == HELD_OUT and has_folds(trained):
        return _held_out(trained, own)
    found, warnings = own_split(trained, own, split, whole=True)
    columns = _columns(trained, own, split, found)
    return EvaluatedRows(split, found, columns, _origin(own, split), warnings)


def _origin(own: OwnData, name: str) -> Origin | None:
    if own.dataset.validation is None and isinstance(own.spec.spec.dataset.validation, str):
        return None  # the training rows of a mean, and those of the file
    return own.dataset.origins.get(name) or Origin(own.dataset.source)


def has_folds(trained: TrainedModel) -> bool:
    """Return whether a run was trained with folds, each of which held out some of its rows."""
    members = trained.run.record.members
    return members is not None and members.folds > 1


def _columns(trained: TrainedModel, own: OwnData, name: str, split: Split) -> Callable[[], RowColumns]:
    return lambda: columns_of_split(own.spec, own.dataset, trained.contract, name, split)


def _of_file(trained: TrainedModel, path: Path, reading: Reading) -> EvaluatedRows:
    contract, drop = trained.contract, trained.spec.dataset.drops_missing_targets
    broken = drops_broken(trained.spec.dataset)
    rows = read_rows(path, contract, target=True, drop=drop, reading=reading, drop_broken=broken)
    places = np.arange(len(rows)) if rows.kept is None else rows.kept
    split = Split(rows.x, rows.y, places, weights_of_rows(rows.weights, contract.outputs))
    warnings = [left_out_note(rows.left_out, len(rows), str(path))] if rows.left_out else []
    if note := training_rows_note(trained, split, path):
        warnings.append(note)

    def columns() -> RowColumns:
        return columns_of_file(path, contract, raw=rows.raw, kept=rows.kept, reading=reading)

    origin = rows.origin or Origin(str(path))
    counts, preprocessor = rows.counts, contract.preprocessor
    texts = preprocessor.sentences if preprocessor is not None else frozenset[str]()
    cells = UnusualCells(+counts.missing, +counts.unseen, +counts.outside, texts)
    return EvaluatedRows(str(path), split, columns, origin, tuple(warnings), rows.left_out, cells=cells)


def _held_out(trained: TrainedModel, own: OwnData) -> EvaluatedRows:
    """Return the rows that the folds of a run held out, with what the models of other folds say of them.

    Raises:
        RunError: the data has changed, so that nobody knows which rows these are.
    """
    record = trained.run.record.members
    assert record is not None
    if own.changed:
        rule = f"{data_warnings(trained, own)[-1]}: which of its rows each fold held out is not known"
        raise RunError(Problem(rule, hint="restore the data, or evaluate other rows with --data FILE"))
    members = [runs.open_run(trained.run.folder / folder) for folder in record.folders]
    repeats = [Repeat(place, 0, member.record.fold) for place, member in enumerate(members, 1)]
    found = read_out_of_fold(list(zip(repeats, members, strict=True)), trained.spec)
    found = at_temperature(found, trained.spec, trained.contract)
    metrics, notes = metrics_of_rows(trained.model, found, members, trained.spec, own.dataset)
    measured = measured_rows(found, trained.spec, own.dataset)
    outputs = trained.contract.by_output(found.outputs)
    return EvaluatedRows(
        HELD_OUT,
        measured.split,
        _columns(trained, own, "train", measured.split),
        _origin(own, "train"),
        (*data_warnings(trained, own), *notes),
        predicted=Predicted(measured, outputs, metrics),
    )
