"""Predictions of every row by a model that was not trained on it: `out_of_fold.csv`, and its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Contract, Dataset, Output, Split
from mlpcli.data.named_arrays import of_name, places_of, rows_of
from mlpcli.data.row_names import name_rows, source_files
from mlpcli.data.scaling import scale_target
from mlpcli.data.splitter import OpenedData
from mlpcli.data.types import Array
from mlpcli.data.writers import text_writer
from mlpcli.data.written_targets import written_targets
from mlpcli.files import write_with
from mlpcli.keras_import import keras
from mlpcli.keras_internals import compiled_parts
from mlpcli.model.build import output_loss
from mlpcli.model.fit_outputs import outputs_at_temperature
from mlpcli.model.outputs import evaluated_rows
from mlpcli.model.prediction_columns import prediction_columns, without_idle_digits
from mlpcli.model.row_addends import NotOfRows
from mlpcli.runs.folder import Run
from mlpcli.spec.repeats import Repeat
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.training import compiled
from mlpcli.training.compiled.forward import plain_logs
from mlpcli.training.held_out import read_held_out
from mlpcli.training.repeated.member_results import mean_over_rows
from mlpcli.training.row_metrics import MeasuredRows, row_losses

if TYPE_CHECKING:
    import pyarrow as pa

SMALLEST = 1e-37
"""Probabilities below this count as this where their logarithm is taken."""


@dataclass(frozen=True)
class OutOfFold:
    """Rows that were held out, each once, in the order of the data.

    Attributes:
        rows: (rows,) int positions in the source.
        folds: (rows,) int, the fold that held out each.
        outputs: What `predict` gives for them, (rows, ...) by output: probabilities, or values in the
            target's own units; the mean over the seeds of a fold.
    """

    rows: Array
    folds: Array
    outputs: dict[str, Array]


def read_out_of_fold(members: Sequence[tuple[Repeat, Run]], spec: Spec) -> OutOfFold:
    """Return the predictions of the rows that some trainings held out.

    Args:
        members: The trainings of all folds, each with its run, which is finished.
        spec: The spec, with its losses.

    Raises:
        RunError: The file of a training is missing or damaged.
    """
    by_fold: dict[int, list[tuple[Array, dict[str, Array]]]] = {}
    for repeat, run in members:
        assert repeat.fold is not None
        by_fold.setdefault(repeat.fold, []).append(read_held_out(run, spec))
    rows = np.concatenate([found[0][0] for found in by_fold.values()])
    folds = np.concatenate([np.full(len(found[0][0]), fold) for fold, found in by_fold.items()])
    names = next(iter(by_fold.values()))[0][1]
    means = {
        name: np.concatenate(
            [np.mean([outputs[name] for _, outputs in found], axis=0) for found in by_fold.values()]
        )
        for name in names
    }
    order = np.argsort(rows, kind="stable")
    return OutOfFold(rows[order], folds[order], {name: values[order] for name, values in means.items()})


def at_temperature(found: OutOfFold, spec: Spec, contract: Contract) -> OutOfFold:
    """Return predictions as a run with a fitted contract makes them of the same outputs of the networks."""
    return replace(found, outputs=outputs_at_temperature(spec, contract, found.outputs))


def with_fitted(dataset: Dataset, fitted: Contract) -> Dataset:
    """Return the data with what was fitted for the outputs of a contract."""
    known = {each.name: each.fitted for each in fitted.outputs}
    contract = dataset.contract
    outputs = tuple(replace(each, fitted=known.get(each.name)) for each in contract.outputs)
    return replace(dataset, contract=replace(contract, outputs=outputs))


def write_out_of_fold(
    path: Path, found: OutOfFold, spec: Spec, contract: Contract, opened: OpenedData
) -> None:
    """Write `out_of_fold.csv`: row, fold, the target as it is written, and the columns of `predict`.

    Rows are numbered as in messages, from 1; where the data are several files, a column names the file.

    Args:
        path: The file.
        found: The predictions.
        spec: The spec, with its losses.
        contract: Of the run, with what was fitted: the thresholds and bounds of its predictions.
        opened: The rows that it was divided from.
    """
    import pyarrow as pa

    names = name_rows(opened.source.main.origin, found.rows.tolist())
    columns: dict[str, pa.Array] = {"row": pa.array([each.row for each in names], pa.int64())}
    if len(source_files(opened.source.main.origin)) > 1:
        columns["file"] = pa.array([each.file for each in names])
    columns["fold"] = pa.array(found.folds.astype(np.int64))
    own = dict(columns)
    predicted = _predicted(found, spec, contract)
    for name, values in written_targets(opened.source, contract, found.rows).items():
        columns[f"{name}_input" if name in own or name in predicted else name] = values
    columns |= predicted

    def write(target: Path) -> None:
        with target.open("wb") as file:
            text_writer(file, "csv").write(columns, found.rows)

    write_with(path, write)


def _predicted(found: OutOfFold, spec: Spec, contract: Contract) -> dict[str, pa.Array]:
    import pyarrow as pa

    columns: dict[str, pa.Array] = {}
    for output in contract.outputs:
        values = without_idle_digits(found.outputs[output.name], output)
        for name, column in prediction_columns(output, values, output_loss(spec, output.name)).items():
            columns[name] = column if isinstance(column, pa.Array) else pa.array(column)
    return columns


def metrics_of_rows(
    model: keras.Model, found: OutOfFold, members: Sequence[Run], spec: Spec, dataset: Dataset
) -> tuple[dict[str, float], list[str]]:
    """Return the loss and the metrics over all out-of-fold rows by name, and notes on those left out.

    Metrics are those of the predictions. With one seed a loss is the mean over the rows of what their models
    have reached, each with its own scale of the target; with several, and with a temperature, it is that of
    the predictions too, in the run's scale and without what regularisation adds.

    Args:
        model: Compiled with the spec's metrics for the run's data; its weights do not matter.
        found: The predictions, at the temperatures of the data's contract.
        members: The trainings.
        spec: The spec, with its losses.
        dataset: The run's data, which has all these rows as training rows.
    """
    reached = mean_over_rows(members, "held_out")
    measured = measured_rows(found, spec, dataset)
    values = _metrics(model, measured, dataset.contract)
    several = len(members) > len(np.unique(found.folds))
    fitted = [each.fitted for each in dataset.contract.outputs]
    if not several and all(each is None or each.temperature == 1.0 for each in fitted):
        return reached | {name: value for name, value in values.items() if name in reached}, []
    why = "it is not computed from predictions"
    try:
        if any(each.kind == "sequences" for each in dataset.contract.outputs):
            raise NotOfRows("the predictions are labels, not what the loss is computed from")
        values |= _losses(model, measured)
    except NotOfRows as error:
        why = str(error)
    what = "of the mean over seeds" if several else "with the temperature"
    notes = [f"{name} {what} is left out: {why}" for name in reached if name not in values]
    return {name: values[name] for name in reached if name in values}, notes


def measured_rows(found: OutOfFold, spec: Spec, dataset: Dataset) -> MeasuredRows:
    """Return the rows with their targets and the predictions, as a network gives them.

    Args:
        found: The predictions.
        spec: The spec, with its losses.
        dataset: The run's data, which has all these rows as training rows.
    """
    train, contract = dataset.train, dataset.contract
    places = places_of(found.rows, train.rows)
    x, y, weights = (rows_of(each, places) for each in (train.x, train.y, train.weights))
    given = contract.by_output(
        {
            each.name: _as_network(found.outputs[each.name], output_loss(spec, each.name), each)
            for each in contract.outputs
        }
    )
    nothing = (None,) * len(contract.outputs)
    outputs = compiled.Outputs(given, nothing, nothing)
    return MeasuredRows(Split(x, y, found.rows, weights), outputs, evaluated_rows(spec, contract))


def _metrics(model: keras.Model, measured: MeasuredRows, contract: Contract) -> dict[str, float]:
    """Return the metrics of predictions by name, flat, and build the model's losses for them."""
    losses, metrics, _ = compiled_parts(model)
    truth = contract.by_output({each.name: of_name(measured.split.y, each.name) for each in contract.outputs})
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, (truth, measured.outputs.values))
    if losses is not None and not losses.built:
        losses.build(*tensors)
    if metrics is None:
        return {}
    model.reset_metrics()
    if not metrics.built:
        metrics.build(*tensors)
    metrics.reset_state()
    metrics.update_state(*tensors)
    return {name: value for name, value in plain_logs(metrics.result()).items() if np.ndim(value) == 0}


def _losses(model: keras.Model, measured: MeasuredRows) -> dict[str, float]:
    """Return the loss of predictions, and of several outputs that of each.

    Raises:
        NotOfRows: It is no mean over rows.
    """
    every = np.arange(len(measured.split))
    found: dict[str, float] = {}
    for each in row_losses(model, measured):
        values = each.values(each.addends(every).sum(axis=0))
        found |= {name: float(value) for name, value in zip(each.names, values, strict=True)}
    return found


def _as_network(values: Array, loss: ComponentSpec, output: Output) -> Array:
    """Return predictions of an output as a network gives them: scaled, or as logits, float32."""
    if output.scale is not None:
        return scale_target(values, output)
    if loss.arguments.get("from_logits", False) and output.kind != "sequences":
        logs = np.log(np.maximum(values.astype(np.float64), SMALLEST))
        if "Binary" in loss.class_name:
            logs -= np.log(np.maximum(1 - values.astype(np.float64), SMALLEST))
        return logs.astype(np.float32)
    return values.astype(np.float32)
