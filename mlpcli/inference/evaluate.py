"""How good a run's model is on rows with known targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Contract, Split
from mlpcli.data.load import load_dataset, read_rows
from mlpcli.data.types import Array
from mlpcli.errors import Problem, UsageError
from mlpcli.keras_import import import_keras
from mlpcli.model.default_losses import data_request, gives_scores
from mlpcli.model.model import compile_model, output_loss
from mlpcli.model.outputs import final_outputs
from mlpcli.model.plugins import changed_plugins, run_plugins
from mlpcli.model.trained_model import load_network
from mlpcli.runs.folder import Run
from mlpcli.spec.load import load_spec, located
from mlpcli.spec.schema import PartSpec, Spec

keras = import_keras()  # before anything that imports TensorFlow in its own, noisy way
from mlpcli.checks.log_names import loss_first  # noqa: E402
from mlpcli.training import compiled  # noqa: E402

BATCH_ROWS = 4096


@dataclass(frozen=True)
class ClassScore:
    """Of one class: how many of its predictions were right, how many of its rows were found."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


@dataclass(frozen=True)
class OutputScores:
    """Of one output with classes or labels: the score of each, and how they are mixed up.

    name: of the output; empty where there is only one.
    confusion: (classes, classes), rows are the true classes, columns the predicted; None for labels, of
        which a row may have several.
    """

    name: str
    classes: tuple[ClassScore, ...]
    confusion: Array | None


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one run on one set of rows, and scores for each output that holds classes."""

    source: str
    rows: int
    metrics: dict[str, float]
    scores: tuple[OutputScores, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainedModel:
    """A run opened for use: its model, its spec, and what its rows look like."""

    run: Run
    model: Any
    spec: Spec
    contract: Contract
    warnings: tuple[str, ...] = ()


def load_trained(run: Run) -> TrainedModel:
    """The model of a run, built from the run's own spec and weights; see `loading`.

    Raises:
        RunError: the run has no model, or it is not what was saved.
    """
    run.require(runs.MODEL)
    loaded = load_spec(run.require(runs.RESOLVED))
    with runs.reading_record(run):
        contract = Contract.from_json(run.record["data"]["contract"])
    plugins = run_plugins(run, loaded.catalog)
    model = load_network(run, loaded.spec, contract, plugins)
    compile_model(model, loaded.spec, contract, plugins)
    return TrainedModel(run, model, loaded.spec, contract, changed_plugins(run))


def evaluate_run(run: Run, *, split: str = "test", data: Path | None = None) -> Evaluation:
    """Metrics of a run on one of its own splits, or on a file of rows with their targets.

    Raises:
        RunError: the run has no such split, or no model.
        DataError: the file does not fit the run's columns.
    """
    trained = load_trained(run)
    contract = trained.contract
    if data is not None:
        rows = read_rows(data, contract, target=True)
        weights: Any = rows.weights
        if weights is not None and contract.output.name:
            weights = dict.fromkeys((each.name for each in contract.outputs), weights)
        found = Split(rows.x, rows.y, np.arange(len(rows)), weights)
        warnings: tuple[str, ...] = ()
        source = str(data)
    else:
        found, warnings = _own_split(trained, split)
        source = split
    arrays = compiled.Arrays(found.x, found.y, found.weights)
    metrics = loss_first(compiled.evaluate(trained.model, arrays, batch_size=BATCH_ROWS))
    return Evaluation(source, len(found), metrics, _scores(trained, found), (*trained.warnings, *warnings))


def _scores(trained: TrainedModel, split: Split) -> tuple[OutputScores, ...]:
    """The scores of every output that holds classes or labels."""
    outputs = [each for each in trained.contract.outputs if each.kind != "numbers"]
    if not outputs:
        return ()
    predicted = predict_outputs(trained, split.x)
    found = []
    for each in outputs:
        names = each.classes or ()
        y, values = (split.y[each.name], predicted[each.name]) if each.name else (split.y, predicted)
        if each.kind == "labels":
            scores = class_scores(y.astype(np.int64), predicted_labels(values), names)
            found.append(OutputScores(each.name, scores, None))
            continue
        truth = class_indices(y)
        classes = predicted_classes(values, output_loss(trained.spec, each.name))
        scores = class_scores(truth, classes, names)
        found.append(OutputScores(each.name, scores, confusion(truth, classes, len(names))))
    return tuple(found)


def _own_split(trained: TrainedModel, split: str) -> tuple[Split, tuple[str, ...]]:
    loaded = load_spec(trained.run.require(runs.RESOLVED))
    with located(loaded):
        dataset = load_dataset(
            loaded.spec.dataset,
            data_request(loaded.spec, loaded.catalog),
            seed=loaded.spec.seed,
            folder=loaded.folder,
        )
    found = dataset.splits().get(split)
    if found is None:
        hint = f"it has {', '.join(dataset.splits())}; or give --data FILE"
        raise UsageError(Problem(f"run {trained.run.label} has no {split} split", hint=hint))
    with runs.reading_record(trained.run):
        changed = dataset.fingerprint != trained.run.record["data"]["fingerprint"]
    warning = f"the data of {dataset.source} has changed since run {trained.run.label} was trained"
    return found, (warning,) if changed else ()


def predict_outputs(trained: TrainedModel, x: Any) -> Any:
    """Predictions, (rows, outputs) float32, a dict of such where outputs have names.

    Probabilities where the target is a class, values in the target's own units where it is a number.
    """
    outputs = compiled.predict(trained.model, x, batch_size=BATCH_ROWS)
    found = final_outputs(trained.spec, trained.contract, outputs)
    return keras.tree.map_structure(
        lambda part: np.asarray(keras.ops.convert_to_numpy(part), np.float32), found
    )


def predicted_labels(outputs: Array) -> Array:
    """Which labels a row has, (rows, labels) int64 of 0 and 1: those of a probability of one half or more."""
    return np.asarray(outputs >= 0.5, dtype=np.int64)


def predicted_classes(outputs: Array, loss: PartSpec) -> Array:
    """Class indices, (rows,) int64: the most likely of several, or a single unit against its middle.

    The middle is one half for a probability; for the score of a hinge loss or of a perceptron it is 0.
    """
    if outputs.shape[-1] == 1:
        if loss.class_name.lower() == "perceptron":  # a step that gives 0 is on the first class's side
            return (outputs[:, 0] > 0).astype(np.int64)
        middle = 0.0 if gives_scores(loss) else 0.5
        return (outputs[:, 0] >= middle).astype(np.int64)
    return np.asarray(outputs.argmax(axis=-1), dtype=np.int64)


def class_indices(y: Array) -> Array:
    """Targets as (rows,) int64 indices, from indices or one-hot rows."""
    flat = np.argmax(y, axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(-1)
    return np.asarray(flat, dtype=np.int64)


def class_scores(truth: Array, predicted: Array, names: tuple[str, ...]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of each class or label, by scikit-learn.

    truth, predicted: (rows,) class indices, or (rows, labels) of 0 and 1.
    """
    from sklearn.metrics import precision_recall_fscore_support

    labels = list(range(len(names)))
    scores = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0.0)
    return tuple(
        ClassScore(name, float(p), float(r), float(f), int(n))
        for name, p, r, f, n in zip(names, *scores, strict=True)
    )


def confusion(truth: Array, predicted: Array, classes: int) -> Array:
    """Counts, (classes, classes) int64: true classes down, predicted classes across."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts
