"""Measure a run's model on rows with known targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlpcli import runs
from mlpcli.checks.log_names import loss_first
from mlpcli.data.dataset import Dataset, Output, Split
from mlpcli.data.load import left_out_note, read_rows
from mlpcli.data.readers.row_errors import MAX_SHOWN, Origin, RowError, raise_row_errors
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.data.weights import weights_of_rows
from mlpcli.errors import Problem, RunError, UsageError
from mlpcli.inference.class_intervals import Ends, class_intervals
from mlpcli.inference.quantile_scores import quantile_scores
from mlpcli.keras_import import keras
from mlpcli.model.build import output_loss
from mlpcli.model.fit_outputs import known_rows
from mlpcli.model.id_layers import id_layers, row_errors
from mlpcli.model.measure_predictions import coverage_of
from mlpcli.model.outputs import evaluated_rows, final_outputs, predicted_classes, predicted_labels
from mlpcli.model.run_spec import own_spec
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import TRAIN_AGAIN
from mlpcli.runs.results import ClassScore, Coverage, Evaluation, OutputScores, QuantileScores
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.statistics.confusion import confusion
from mlpcli.training import compiled
from mlpcli.training.find_data import find_data, moved_note
from mlpcli.training.intervals import find_intervals
from mlpcli.training.row_metrics import measure_rows
from mlpcli.training.whole_data import find_mean_data

BATCH_ROWS = 4096


def evaluate_run(
    run: Run,
    *,
    split: str = "test",
    data: Path | None = None,
    figures: Path | None = None,
    intervals: bool = True,
) -> Evaluation:
    """Compute the metrics of a run on one of its own splits, or on a file of rows with their targets.

    Args:
        run: the run whose model is evaluated.
        split: train, validation, test or held_out; ignored where `data` is given.
        data: a file of rows with their targets.
        figures: the folder in which figures are drawn; None for none.
        intervals: Find confidence intervals of the metrics.

    Raises:
        UsageError: The run has no such split.
        RunError: The run has no model.
        DataError: The file does not fit the run's columns.
    """
    trained = load_trained(run)
    contract = trained.contract
    if data is not None:
        drop = trained.spec.dataset.drops_missing_targets
        rows = read_rows(data, contract, target=True, drop=drop)
        weights = weights_of_rows(rows.weights, contract.outputs)
        found = Split(rows.x, rows.y, np.arange(len(rows)), weights)
        warnings: tuple[str, ...] = ()
        if left_out := rows.left_out:
            warnings = (left_out_note(left_out, len(rows), str(data)),)
        source = str(data)
    else:
        found, warnings = own_split(trained, own_data(trained), split)
        left_out, source = 0, split
    _check_ids(trained, found, source)
    arrays = compiled.Arrays(found.x, found.y, found.weights)
    at_once = evaluated_rows(trained.spec, contract)
    metrics = loss_first(compiled.evaluate(trained.model, arrays, batch_size=at_once))
    bounds = None
    if intervals:
        measured = measure_rows(trained.model, found, batch_size=at_once)
        bounds = find_intervals(trained.model, measured, metrics, seed=trained.spec.seed)
    judged = any(each.is_scored or each.levels or each.intervals is not None for each in contract.outputs)
    predicted = predict_outputs(trained, found.x) if judged or figures is not None else {}
    scores, quantiles = _scores(trained, found, predicted, trained.spec.seed if intervals else None)
    warnings = (*trained.warnings, *warnings)
    drawn = () if figures is None else _draw(trained, found, predicted, figures, source)
    held = _coverage(trained, found, predicted)
    return Evaluation(source, len(found), metrics, scores, warnings, left_out, quantiles, drawn, held, bounds)


def _draw(
    trained: TrainedModel, split: Split, predicted: Arrays, folder: Path, source: str
) -> tuple[Path, ...]:
    from mlpcli.inference.evaluation_figures import draw_evaluation

    title = f"{trained.run.label} on {source}"
    return tuple(draw_evaluation(trained, split, predicted, folder, title=title))


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
    raise_row_errors(Origin(source), found[:MAX_SHOWN], len(found))


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


class OwnData(NamedTuple):
    """The data of a run.

    Attributes:
        spec: the run's own, with its files where they were found.
        dataset: as the run's model takes it.
        moved: a line on files that were not where the spec says; None where all were.
        changed: whether it is no longer the data that the run was trained on.
    """

    spec: LoadedSpec
    dataset: Dataset
    moved: str | None
    changed: bool


def own_data(trained: TrainedModel) -> OwnData:
    """Read the data that a run was trained on, split as it was then.

    Raises:
        SpecError: the data is gone.
        DataError: it cannot be read any more.
    """
    loaded = own_spec(trained.run)
    members = trained.run.record.members if trained.members else None
    with located(loaded):
        there, dataset = find_mean_data(trained, loaded) if trained.members else find_data(loaded)
    fingerprint = members.fingerprint if members else runs.data_facts(trained.run).fingerprint
    changed = fingerprint not in (None, dataset.fingerprint)
    return OwnData(there, dataset, moved_note(loaded, there), changed)


def own_split(trained: TrainedModel, own: OwnData, split: str) -> tuple[Split, tuple[str, ...]]:
    """Return one of a run's own splits, and warnings where its data has moved or changed.

    Args:
        trained: the run's model.
        own: its data, as `own_data` reads it.
        split: train, validation, test or held_out.

    Raises:
        UsageError: The run has no such split.
    """
    _, dataset, moved, changed = own
    found = dataset.splits().get(split)
    if found is None:
        hint = f"it has {', '.join(dataset.splits())}; or give --data FILE"
        raise UsageError(Problem(f"run {trained.run.label} has no {split} split", hint=hint))
    warning = f"the data of {dataset.source} has changed since run {trained.run.label} was trained"
    return found, (*([moved] if moved else []), *([warning] if changed else []))


def predict_outputs(trained: TrainedModel, x: Arrays) -> Arrays:
    """Predict rows.

    Args:
        trained: the model.
        x: (rows, *shape) inputs; by name where inputs have names.

    Returns:
        (rows, outputs), by name where outputs have names: probabilities where the target is a class, values
        in the target's own units where it is a number. Float32; float64 where the target was scaled.
    """
    outputs = compiled.predict(trained.model, x, batch_size=BATCH_ROWS)
    found = final_outputs(trained.spec, trained.contract, outputs)
    arrays: Arrays = keras.tree.map_structure(_plain, found)
    return arrays


def _plain(output: object) -> Array:
    """Return an output as a NumPy array: float64 unchanged, anything else as float32."""
    values = keras.ops.convert_to_numpy(output)
    return np.asarray(values, np.float64 if values.dtype == np.float64 else np.float32)


def values_of(outputs: Arrays, output: Output) -> Array:
    """Return the values of one output, (rows, ...)."""
    return outputs[output.name] if isinstance(outputs, dict) else outputs


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
        rule = f"{trained.run / runs.RECORD} is damaged: it names {count} classes, the network has {width}"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN))
    bad = np.isnan(values).any(axis=tuple(range(1, values.ndim)))
    if empty is not None:
        bad &= ~empty
    if bad.any():
        rule = f"the network of run {trained.run.label} predicts no number for {int(bad.sum()):,} rows"
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
