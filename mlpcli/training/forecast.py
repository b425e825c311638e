"""The plan of a training, for `check`: plan, memory, files, and seconds per epoch."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.checks.advice import advise, class_counts
from mlpcli.checks.columns_alone import column_skills
from mlpcli.checks.log_names import directions
from mlpcli.checks.tuner_objective import check_promotion, find_objective
from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.leakage import equal_row_notes
from mlpcli.data.stored.needed_memory import memory_advice
from mlpcli.data.stored.sampled_rows import is_stored
from mlpcli.data.types import Arrays
from mlpcli.errors import KeyPath
from mlpcli.model.memory import optimizer_arrays, unfilled_weights
from mlpcli.runs.leaking_columns import leak_line, outstanding_columns
from mlpcli.runs.results import Forecast, Memory, Plan
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.completed import CompletedSpec
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.repeats import is_repeated, label_of, repeats_of, spec_of_repeat
from mlpcli.spec.resolve import resolve_spec
from mlpcli.spec.schema import Spec, TunerSpec
from mlpcli.training.find_data import FoundData
from mlpcli.training.plan import describe
from mlpcli.training.prepare import Prepared, check_logs, default_notes, prepare

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

TIMED_EPOCHS = 4
TIMED_STEPS = 500
"""Of a measurement: its epochs, the first of which compiles, and the largest number of steps of each."""


def forecast(loaded: LoadedSpec, *, timed: bool = False) -> Forecast:
    """Check everything that `train` would check, and return what it would do; write nothing.

    Args:
        loaded: The spec.
        timed: Measure a few epochs, on at most `TIMED_STEPS` steps of the training rows.

    Raises:
        SpecError: Data and model do not fit together.
        DataError: The data cannot be read.
    """
    found = _found(loaded)
    folds = _rows_of_folds(loaded, found)
    with contextlib.nullcontext() if timed else unfilled_weights():
        prepared = prepare(spec_of_repeat(loaded, repeats_of(loaded.spec)[0]) if folds else loaded)
    check_logs(prepared)
    if loaded.spec.tuner is not None:
        with located(loaded):
            _check_search(loaded.spec.tuner, prepared)
    completed, dataset, model = prepared.completed, prepared.dataset, prepared.model
    given = _as_given(completed, loaded)
    if found is not None:
        _check_together(given, prepared, found.dataset)
    spec = completed.spec
    plan = describe(completed, dataset, model)
    return Forecast(
        plan,
        spec.fit.epochs,
        layer_paths(plan, spec),
        {name: class_counts(dataset.contract, split.y) for name, split in dataset.splits().items()},
        _memory(model, spec, dataset),
        run_files(spec, folds=bool(folds)),
        tuple(advise(spec, dataset, model)),
        resolve_spec(given, dataset.settled, dataset.features),
        (*_large(loaded), *prepared.notes, *_of_table(spec, dataset), *default_notes(loaded)),
        seconds_per_epoch(spec, dataset, model) if timed else None,
        trainings=folds,
    )


def _large(loaded: LoadedSpec) -> Iterator[str]:
    """Yield a line on rows that may not fit into memory."""
    if loaded.spec.fit.memory is None and (note := memory_advice(loaded.spec.dataset, loaded.folder)):
        yield note


def _found(loaded: LoadedSpec) -> FoundData | None:
    """Return the data of all trainings of a spec with folds or seeds together; None for other specs."""
    if not is_repeated(loaded.spec):
        return None
    from mlpcli.training.repeated.member_builder import find_whole

    return find_whole(loaded)


def _rows_of_folds(loaded: LoadedSpec, found: FoundData | None) -> tuple[tuple[str, dict[str, int]], ...]:
    """Return the rows of each training of a spec with folds or seeds, by label; nothing for other specs."""
    if found is None:
        return ()
    from mlpcli.training.repeated.member_builder import rows_of_repeats

    labels = [label_of(repeat, loaded.spec) for repeat in repeats_of(loaded.spec)]
    return tuple(zip(labels, rows_of_repeats(found.spec, found.opened), strict=True))


def _check_together(completed: CompletedSpec, first: Prepared, whole: Dataset) -> None:
    """Check what concerns all trainings of a spec together: their mean, and what is fitted after them.

    Args:
        completed: The spec with folds or seeds.
        first: The first of its trainings.
        whole: The data of all of them.

    Raises:
        SpecError: Their models have no mean, or the spec asks for what cannot be fitted.
    """
    from mlpcli.checks.predict_rules import check_predict
    from mlpcli.training.repeated.member_builder import check_mean

    with located(completed):
        check_mean(completed, whole)
        check_predict(first.model, completed, first.dataset if completed.spec.fit.folds is None else whole)


def _as_given(completed: CompletedSpec, loaded: LoadedSpec) -> CompletedSpec:
    """Return the completed spec of one training of several as that of all of them."""
    spec = loaded.spec
    given = {"seed": spec.seed, "dataset": spec.dataset, "fit": spec.fit, "predict": spec.predict}
    return replace(completed, spec=completed.spec.model_copy(update=given))


def _of_table(spec: Spec, dataset: Dataset) -> Iterator[str]:
    """Yield a line on rows that splits share and a column that leaks; a built-in dataset is used as it is."""
    if spec.dataset.path is None:
        return
    yield from equal_row_notes(dataset)
    skills = () if is_stored(dataset.train) else tuple(column_skills(dataset, spec.seed))
    classes = {each.name for each in dataset.contract.outputs if each.kind in ("classes", "one_hot")}
    for first, second, standing in outstanding_columns(skills, rows=len(dataset.train), classes=classes):
        yield f"{leak_line(first, second, standing)}. Is it known when predicting? If not, leave it out"


def _check_search(tuner: TunerSpec, prepared: Prepared) -> None:
    """Check what `tune` would check before its first trial."""
    dataset = prepared.dataset
    find_objective(tuner, directions(prepared.model, validation=dataset.validation is not None))
    check_promotion(tuner, dataset, prepared.completed.spec.predict)


def layer_paths(plan: Plan, spec: Spec) -> tuple[KeyPath, ...]:
    """Return the path in the spec of each layer of the plan."""
    if spec.model is not None:
        return tuple(("model",) for _ in plan.layers)
    places = {node.name: node.index for node in spec.graph.nodes}
    return tuple(("layers", places[layer.name]) for layer in plan.layers)


def _memory(model: keras.Model, spec: Spec, dataset: Dataset) -> Memory:
    """Return the memory that a training takes."""
    from mlpcli.keras_import import keras

    splits = dataset.splits().values()
    data = sum(_bytes(split.x) + _bytes(split.y) for split in splits)
    variables = list(model.weights)
    kept = 0 if model.optimizer.built else optimizer_arrays(model.optimizer)
    variables += model.optimizer.variables if model.optimizer.built else model.trainable_variables * kept
    state = sum(math.prod(variable.shape) * 4 for variable in variables)
    outputs = [tensor for layer in model.layers for tensor in keras.tree.flatten(layer.output)]
    sizes = [math.prod(size or 1 for size in tensor.shape[1:]) for tensor in outputs]
    return Memory(data, state, sum(sizes) * 4 * min(spec.fit.batch_size, len(dataset.train)))


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in (arrays.values() if isinstance(arrays, dict) else [arrays]))


def run_files(spec: Spec, *, folds: bool = False) -> tuple[str, ...]:
    """Return the files of a finished run of the spec; folders end with a slash.

    Args:
        spec: The spec.
        folds: It is trained several times.
    """
    files = [runs.SPEC, runs.RESOLVED, runs.RECORD, runs.HISTORY, runs.METRICS, runs.SUMMARY, runs.MODEL]
    files += [runs.OUT_OF_FOLD] if spec.dataset.fold is not None and folds else []
    off = {each.class_name for each in spec.callbacks if each.off}
    folders = [
        runs.SAVED_MODEL,
        *([runs.FOLDS if spec.dataset.fold else runs.SEEDS] if folds else [runs.CHECKPOINTS]),
    ]
    folders += [runs.TENSORBOARD] if "TensorBoard" not in off and not folds else []
    folders += [runs.PLOTS]
    folders += [runs.PLUGINS] if spec.plugins else []
    return (*files, *(f"{folder}/" for folder in folders), runs.LOCK)


def seconds_per_epoch(spec: Spec, dataset: Dataset, model: keras.Model) -> float:
    """Measure the seconds of an epoch on the spec's engine; the model is trained by it and of no further use.

    Args:
        spec: The spec.
        dataset: Its data.
        model: Its model.
    """
    from mlpcli.keras_import import keras
    from mlpcli.training.fit import fit_model

    rows = min(len(dataset.train), TIMED_STEPS * spec.fit.batch_size)
    share = rows / len(dataset.train)
    some = replace(
        dataset,
        train=_first(dataset.train, rows),
        validation=_first(dataset.validation, math.ceil(share * len(dataset.validation)))
        if dataset.validation
        else None,
    )
    clock = _EpochClock()
    callback = keras.callbacks.LambdaCallback(on_epoch_begin=clock.begin, on_epoch_end=clock.end)
    short = spec.model_copy(update={"fit": spec.fit.model_copy(update={"epochs": TIMED_EPOCHS})})
    fit_model(model, short, some, [callback], Watcher())
    return min(clock.seconds[1:]) / share


def _first(split: Split, rows: int) -> Split:
    from mlpcli.keras_import import keras

    cut = (split.x, split.y) if split.weights is None else (split.x, split.y, split.weights)
    x, y, *weights = keras.tree.map_structure(lambda array: array[:rows], cut)
    return Split(x, y, split.rows[:rows], *weights)


class _EpochClock:
    """Measures the seconds of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._start = 0.0

    def begin(self, epoch: int, logs: object = None) -> None:
        self._start = time.perf_counter()

    def end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
