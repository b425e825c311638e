"""How good a run's model is on rows with known targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Array, Contract
from mlpcli.data.load import load_dataset, read_rows
from mlpcli.engine.checks import gives_scores, wants_classes
from mlpcli.engine.export import to_probabilities
from mlpcli.engine.models import compile_model
from mlpcli.engine.plugins import changed_plugins, run_plugins
from mlpcli.errors import Problem, RunError, UsageError
from mlpcli.runs import Run
from mlpcli.spec.load import load_spec, located
from mlpcli.spec.schema import PartSpec, Spec
from mlpcli.start import import_keras

keras = import_keras()  # before anything that imports TensorFlow in its own, noisy way
from mlpcli.engine import compiled  # noqa: E402
from mlpcli.engine.callbacks import loss_first  # noqa: E402

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
class Evaluation:
    """Metrics of one run on one set of rows; `classes` and `confusion` are None for a target of numbers.

    confusion: (classes, classes), rows are the true classes, columns the predicted.
    """

    source: str
    rows: int
    metrics: dict[str, float]
    classes: tuple[ClassScore, ...] | None = None
    confusion: Array | None = None
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
    """The model of a run, with Keras's safe mode on.

    Raises:
        RunError: the run has no model, or it cannot be read.
    """
    loaded = load_spec(run.require(runs.RESOLVED))
    path = run.require(runs.MODEL)
    contract = Contract.from_json(run.record["data"]["contract"])
    plugins = run_plugins(run, loaded.catalog)  # before the model, which names their parts
    try:
        model = keras.models.load_model(path, safe_mode=True, compile=False)
    except Exception as error:  # a damaged file fails in many ways
        rule = f"{path} cannot be loaded ({type(error).__name__})"
        raise RunError(
            Problem(rule, hint="train again; the file is damaged or from another version")
        ) from error
    # compiled anew: Keras saves some losses without all their arguments (Huber's delta)
    compile_model(model, loaded.spec, plugins)
    return TrainedModel(run, model, loaded.spec, contract, changed_plugins(run))


def evaluate_run(run: Run, *, split: str = "test", data: Path | None = None) -> Evaluation:
    """Metrics of a run on one of its own splits, or on a file of rows with their targets.

    Raises:
        RunError: the run has no such split, or no model.
        DataError: the file does not fit the run's columns.
    """
    trained = load_trained(run)
    warnings: tuple[str, ...] = ()
    if data is not None:
        rows = read_rows(data, trained.contract, target=True)
        x, y, source = rows.x, rows.y, str(data)
    else:
        x, y, warnings = _own_split(trained, split)
        source = split
    warnings = (*trained.warnings, *warnings)
    assert y is not None
    metrics = loss_first(compiled.evaluate(trained.model, compiled.Arrays(x, y), batch_size=BATCH_ROWS))
    names = trained.contract.classes
    if names is None:
        return Evaluation(source, len(x), metrics, warnings=warnings)
    truth = class_indices(y)
    predicted = predicted_classes(probabilities(trained, x), trained.spec.loss)
    return Evaluation(
        source,
        len(x),
        metrics,
        class_scores(truth, predicted, names),
        confusion(truth, predicted, len(names)),
        warnings,
    )


def _own_split(trained: TrainedModel, split: str) -> tuple[Array, Array, tuple[str, ...]]:
    loaded = load_spec(trained.run.require(runs.RESOLVED))
    with located(loaded):
        classes = wants_classes(loaded.spec.loss, loaded.catalog)
        dataset = load_dataset(
            loaded.spec.dataset, seed=loaded.spec.seed, classes=classes, folder=loaded.folder
        )
    found = dataset.splits().get(split)
    if found is None:
        hint = f"it has {', '.join(dataset.splits())}; or give --data FILE"
        raise UsageError(Problem(f"run {trained.run.label} has no {split} split", hint=hint))
    changed = dataset.fingerprint != trained.run.record["data"]["fingerprint"]
    warning = f"the data of {dataset.source} has changed since run {trained.run.label} was trained"
    return found.x, found.y, (warning,) if changed else ()


def probabilities(trained: TrainedModel, x: Array) -> Array:
    """The model's predictions: (rows, outputs) float32, probabilities where the target is a class."""
    outputs = compiled.predict(trained.model, x, batch_size=BATCH_ROWS)
    found: Array = keras.ops.convert_to_numpy(to_probabilities(trained.spec.loss, outputs))
    return found.astype(np.float32)


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
    """Precision, recall and F1 of each class, by scikit-learn."""
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
