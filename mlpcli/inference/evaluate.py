"""Measure a run's model on rows with known targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlpcli import runs
from mlpcli.checks.log_names import loss_first
from mlpcli.data.dataset import Output, Split
from mlpcli.data.named_arrays import of_name
from mlpcli.data.readers.broken_rules import raise_row_errors
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import Problem, RunError
from mlpcli.inference.class_intervals import Ends, class_intervals
from mlpcli.inference.evaluate_groups import AllRows, evaluate_groups
from mlpcli.inference.named_groups import find_groups
from mlpcli.inference.quantile_scores import quantile_scores
from mlpcli.inference.rows_to_evaluate import EvaluatedRows, rows_to_evaluate
from mlpcli.inference.wanted_groups import wanted_groups
from mlpcli.inference.written_rows import write_rows
from mlpcli.keras_import import keras
from mlpcli.model.build import output_loss
from mlpcli.model.fit_outputs import known_rows
from mlpcli.model.id_layers import id_layers, row_errors
from mlpcli.model.measure_predictions import coverage_of
from mlpcli.model.outputs import evaluated_rows, final_outputs, predicted_classes, predicted_labels
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.printable import counted
from mlpcli.runs.folder import Run
from mlpcli.runs.group_results import ColumnGroups
from mlpcli.runs.record_models import TRAIN_AGAIN
from mlpcli.runs.results import ClassScore, Coverage, Evaluation, OutputScores, QuantileScores
from mlpcli.statistics.confusion import confusion
from mlpcli.training import compiled
from mlpcli.training.intervals import find_intervals, no_intervals
from mlpcli.training.row_metrics import measure_rows, why_not_measured
from mlpcli.training.undefined_metrics import undefined_metrics, undefined_notes, without_undefined

BATCH_ROWS = 4096


@dataclass(frozen=True)
class EvaluateOptions:
    """What is computed.

    Attributes:
        figures: the folder in which figures are drawn; None for none.
        intervals: Find confidence intervals of the metrics.
        by: Columns by whose values rows are grouped, targets, or `predicted_<target>`.
        reading: how a file is read, where that differs from the run's own.
        rows: the file into which the rows are written with their predictions; None for none.
    """

    figures: Path | None = None
    intervals: bool = True
    by: tuple[str, ...] = ()
    reading: Reading = AS_RECORDED
    rows: Path | None = None


def evaluate_run(
    run: Run, *, split: str = "test", data: Path | None = None, options: EvaluateOptions = EvaluateOptions()
) -> Evaluation:
    """Compute the metrics of a run on one of its own splits, or on a file of rows with their targets.

    Args:
        run: the run whose model is evaluated.
        split: train, validation, test or held_out; ignored where `data` is given.
        data: a file of rows with their targets.
        options: what is computed.

    Raises:
        UsageError: The run has no such split, or the rows no such column.
        RunError: The run has no model.
        DataError: The file does not fit the run's columns.
    """
    trained = load_trained(run)
    rows = rows_to_evaluate(trained, split, data, options.reading)
    return _evaluate(trained, rows, options)


def _evaluate(trained: TrainedModel, rows: EvaluatedRows, options: EvaluateOptions) -> Evaluation:
    contract, found, known = trained.contract, rows.split, rows.predicted
    columns = rows.columns() if options.by else None
    wanted = [] if columns is None else wanted_groups(contract, columns.names, options.by)
    _check_ids(trained, found, rows.source)
    at_once = evaluated_rows(trained.spec, contract)
    if known is not None:
        metrics = loss_first(known.metrics)
    else:
        arrays = compiled.Arrays(found.x, found.y, found.weights)
        metrics = loss_first(compiled.evaluate(trained.model, arrays, batch_size=at_once))
    measured = None if known is None else known.measured
    why = why_not_measured(trained.model, found, trained.spec.fit.memory_bytes)
    if measured is None and (options.intervals or options.by) and not why:
        measured = measure_rows(trained.model, found, batch_size=at_once)
    bounds = no_intervals(len(found), metrics, why) if why else None
    undefined = {} if measured is None else undefined_metrics(trained.model, measured)
    if options.intervals and measured is not None:
        found_intervals = find_intervals(trained.model, measured, metrics, seed=trained.spec.seed)
        bounds = without_undefined(found_intervals, undefined)
    predicted = _predict_and_write(trained, rows, options)
    scores, quantiles = _scores(trained, found, predicted, trained.spec.seed if options.intervals else None)
    groups: tuple[ColumnGroups, ...] = ()
    if columns is not None and measured is not None and metrics:
        named = find_groups(trained, found, predicted, columns, wanted)
        whole = AllRows(trained.model, measured, metrics, trained.spec.seed, options.intervals)
        groups = evaluate_groups(whole, named)
    return Evaluation(
        rows.source,
        len(found),
        metrics,
        scores,
        (*trained.warnings, *rows.warnings, *undefined_notes(undefined)),
        rows.left_out,
        quantiles,
        _draw(trained, rows, predicted, groups, metrics, options.figures),
        _coverage(trained, found, predicted) if known is None else (),
        bounds,
        groups,
        rows.cells,
    )


def _predict_and_write(trained: TrainedModel, rows: EvaluatedRows, options: EvaluateOptions) -> Arrays:
    """Return what is predicted, where something needs it; write the rows with it, where that is wanted."""
    known = rows.predicted
    needed = options.figures is not None or options.rows is not None or bool(options.by)
    outputs = trained.contract.outputs
    judged = any(each.is_scored or each.levels or each.intervals is not None for each in outputs)
    predicted: Arrays = {} if known is None else known.outputs
    if known is None and (judged or needed):
        predicted = predict_outputs(trained, rows.split.x)
    if options.rows is not None:
        write_rows(trained, rows, predicted, options.rows)
    return predicted


def _draw(
    trained: TrainedModel,
    rows: EvaluatedRows,
    predicted: Arrays,
    groups: tuple[ColumnGroups, ...],
    metrics: dict[str, float],
    folder: Path | None,
) -> tuple[Path, ...]:
    if folder is None:
        return ()
    from mlpcli.inference.evaluation_figures import draw_evaluation
    from mlpcli.inference.group_figures import draw_groups

    title = f"{trained.run.label} on {rows.source}"
    drawn = draw_evaluation(
        trained, rows.split, predicted, folder, title=title, origin=rows.origin, columns=rows.columns
    )
    return (*drawn, *draw_groups(groups, metrics, folder, title=title))


def _coverage(trained: TrainedModel, split: Split, predicted: Arrays) -> tuple[Coverage, ...]:
    """Return what the intervals and sets of the predictions hold."""
    contract = trained.contract
    if not len(split) or all(each.intervals is None for each in contract.outputs):
        return ()
    rows = known_rows(contract, split.y, predicted, split.weights)
    return coverage_of(trained.spec, contract, rows)


def id_check(trained: TrainedModel) -> Callable[[Arrays], list[RowError]] | None:
    """Return what finds rows with a number that is no id of a layer; None for a network without ids.

    Args:
        trained: the model; of the mean of others, each member has its layers.
    """
    layers = [id_layers(each.model, each.spec) for each in trained.members or (trained,)]
    if not any(layers):
        return None

    def check(x: Arrays) -> list[RowError]:
        found: dict[int, RowError] = {}
        for own, (member, rows) in zip(layers, trained.rows_of_members(x), strict=True):
            for each in row_errors(own, rows, member.contract):
                found.setdefault(each.row, each)
        return [found[row] for row in sorted(found)]

    return check


def _check_ids(trained: TrainedModel, split: Split, source: str) -> None:
    """Check that every id is one of the network's.

    Raises:
        DataError: some are not; with their rows.
    """
    check = id_check(trained)
    errors = check(split.x) if check is not None else []
    found = [replace(each, row=int(split.rows[each.row])) for each in errors]
    raise_row_errors(Origin(source), found)


def _scores(
    trained: TrainedModel, split: Split, predicted: Arrays, seed: int | None
) -> tuple[tuple[OutputScores, ...], tuple[QuantileScores, ...]]:
    """Return the scores of every output of classes or labels, and of every target of quantiles.

    Args:
        trained: the model.
        split: the rows.
        predicted: what `predict_outputs` returns for them.
        seed: of the intervals of scores; None for none.
    """
    outputs = [each for each in trained.contract.outputs if each.is_scored or each.levels]
    found: list[OutputScores] = []
    quantiles: list[QuantileScores] = []
    for each in outputs:
        y, values = values_of(split.y, each), values_of(predicted, each)
        check_outputs(trained, each, values)
        if each.levels:
            quantiles += quantile_scores(each, y, values)
            continue
        if each.kind == "labels":
            truth, classes = y.astype(np.int64), predicted_labels(values, each)
        else:
            truth = class_indices(y)
            classes = predicted_classes(values, output_loss(trained.spec, each.name), each)
        found.append(_output_scores(each, truth, classes, seed))
    return tuple(found), tuple(quantiles)


def _output_scores(output: Output, truth: Array, predicted: Array, seed: int | None) -> OutputScores:
    """Return the scores of an output; the steps of a row count as rows, but are drawn together."""
    names, labels = output.classes or (), output.kind == "labels"
    ends: list[Ends] = [{} for _ in names]
    if seed is not None:
        predicted = predicted.reshape(truth.shape)
        ends = class_intervals(truth, predicted, len(names), seed=seed, labels=labels)
    shape = (-1, len(names)) if labels else (-1,)
    flat, flat_predicted = truth.reshape(shape), predicted.reshape(shape)
    scores = class_scores(flat, flat_predicted, names)
    scores = tuple(replace(each, intervals=own) for each, own in zip(scores, ends, strict=True))
    table = None if labels else confusion(flat, flat_predicted, len(names))
    return OutputScores(output.name, scores, table)


def predict_outputs(trained: TrainedModel, x: Arrays, batches: compiled.FixedBatches | None = None) -> Arrays:
    """Predict rows.

    Args:
        trained: the model.
        x: (rows, *shape) inputs; by name where inputs have names.
        batches: of the same model, for very many rows; None for `compiled.predict`.

    Returns:
        (rows, outputs), by name where outputs have names: probabilities where the target is a class, values
        in the target's own units where it is a number. Float32; float64 where the target was scaled.
    """
    if batches is None:
        outputs = compiled.predict(trained.model, x, batch_size=BATCH_ROWS)
    else:
        outputs = batches.predict(x)
    found = final_outputs(trained.spec, trained.contract, outputs)
    arrays: Arrays = keras.tree.map_structure(_plain, found)
    return arrays


def _plain(output: object) -> Array:
    """Return an output as a NumPy array: float64 unchanged, anything else as float32."""
    values = keras.ops.convert_to_numpy(output)
    return np.asarray(values, np.float64 if values.dtype == np.float64 else np.float32)


def values_of(outputs: Arrays, output: Output) -> Array:
    """Return the values of one output, (rows, ...)."""
    return of_name(outputs, output.name)


def check_outputs(trained: TrainedModel, output: Output, values: Array, empty: Array | None = None) -> None:
    """Refuse outputs that are no numbers, which as a class would look like the first, or of other classes.

    Args:
        trained: the model that predicted.
        output: what the run's contract says of the output.
        values: What the network gives for one output, (rows, ...).
        empty: (rows,) bool, rows whose outputs do not count; None for none.

    Raises:
        RunError: An output is NaN.
    """
    count, width = len(output.classes or ()), values.shape[-1]
    if output.is_scored and width != count and (width, count) not in ((1, 1), (1, 2)):
        rule = f"{trained.run / runs.RECORD} is damaged: it names {count:,} classes, the network has {width}"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN))
    bad = np.isnan(values).any(axis=tuple(range(1, values.ndim)))
    if empty is not None:
        bad &= ~empty
    if bad.any():
        rule = (
            f"the network of run {trained.run.label} predicts no number for {counted(int(bad.sum()), 'row')}"
        )
        hint = "their values, or the weights of the network, are too large for it"
        raise RunError(Problem(rule, hint=hint))


def class_scores(truth: Array, predicted: Array, names: tuple[str, ...]) -> tuple[ClassScore, ...]:
    """Compute precision, recall and F1 of each class or label, as scikit-learn's functions do.

    scikit-learn itself takes a second to import.

    Args:
        truth: (rows,) class indices, or (rows, labels) of 0 and 1.
        predicted: the same of the predictions.
        names: the name of each class or label.
    """
    labels = np.arange(len(names))
    real, found = (each == 1 if each.ndim == 2 else each[:, None] == labels for each in (truth, predicted))
    both, real_rows, found_rows = (real & found).sum(axis=0), real.sum(axis=0), found.sum(axis=0)
    scores = (
        _share(both, found_rows),
        _share(both, real_rows),
        _share(2.0 * both, real_rows + found_rows),
        real_rows,
    )
    return tuple(
        ClassScore(name, float(p), float(r), float(f), int(n))
        for name, p, r, f, n in zip(names, *scores, strict=True)
    )


def _share(part: Array, whole: Array) -> Array:
    """Return part / whole, and 0 where the whole is 0."""
    share: Array = np.where(whole == 0, 0.0, part / np.where(whole == 0, 1, whole))
    return share
