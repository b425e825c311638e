"""Train a spec on fewer rows and more, to see whether more rows than there are would help."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli import signals
from mlpcli.data.dataset import Dataset, Output
from mlpcli.data.named_arrays import of_name
from mlpcli.data.nested_rows import TrainingRows
from mlpcli.data.splitter import OpenedData
from mlpcli.data.targets import CLASSED, class_indices
from mlpcli.data.types import Arrays
from mlpcli.errors import DataError, Problem, SpecError, TrainingError, UsageError, listing, nearest
from mlpcli.keras_import import import_keras
from mlpcli.printable import counted
from mlpcli.runs.more_data import Doubling, MoreData, MoreDataWatcher, RowsWanted, SizeScores, Step
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.completed import CompletedSpec
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.repeats import SEEDS, split_seed, trained_once
from mlpcli.spec.schema import ComponentSpec
from mlpcli.statistics.power_law import fit_power_law
from mlpcli.training.find_data import FoundData, divide_data, find_opened
from mlpcli.training.job import TRIAL, TrainingJob
from mlpcli.training.prepare import build_checked, check_callbacks, complete
from mlpcli.training.session import train_into

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

MOST_SIZES = 7
FEWEST_ROWS, ROWS_OF_CLASS = 16, 2
"""The sizes that are chosen are at least so many rows, and so many for each class."""

ONLY_SCORES = replace(TRIAL, splits=("validation",))
WITHOUT_FILES = ("TensorBoard", "ModelCheckpoint")
"""Callbacks that every run has by default, and that write what nobody reads here."""


def measure_more_data(loaded: LoadedSpec, wanted: RowsWanted, watcher: MoreDataWatcher) -> MoreData:
    """Train a spec on several numbers of its training rows, and extrapolate its score to twice as many.

    The trainings go from few rows to many, once for each seed, so that an interruption leaves a whole curve
    of the first seeds. Of one seed, the rows of a smaller size are among those of a larger one.

    Args:
        loaded: The spec.
        wanted: The sizes, how often each is trained, and the score.
        watcher: Receives the progress.

    Returns:
        The scores so far, where the trainings were interrupted after the first.

    Raises:
        UsageError: A size or the score does not fit the data.
        SpecError: Data and model do not fit together, or there are no validation rows.
        DataError: The data cannot be read.
        TrainingError: No training reached its end.
    """
    began = time.monotonic()
    watcher.stage("reading the data")
    loaded = _quiet(trained_once(loaded))
    with located(loaded):
        found = find_opened(loaded)
        opened = found.opened  # refuses rows in files once, and not in each training
        rows = _check_validation(found.dataset)
    sizes = _sizes(found.dataset, wanted)
    watcher.stage("starting TensorFlow")
    import_keras()
    from mlpcli.training.compiled.program_cache import open_cache

    open_cache()
    watcher.stage("building the model")
    with located(loaded):
        model = build_checked(complete(found.spec, found.dataset), found.dataset)
        check_callbacks(loaded)
    metric, more_is_better = _score(model, wanted.metric)
    trainings = _Trainings(found, opened, sizes, wanted.repeats, watcher)
    interrupted = trainings.run()
    return MoreData(
        name=loaded.spec.name,
        source=found.dataset.source,
        metric=metric,
        more_is_better=more_is_better,
        training_rows=len(found.dataset.train),
        validation_rows=rows,
        sizes=trainings.scores(),
        doubling=_doubling(trainings, metric),
        planned=len(sizes) * wanted.repeats,
        done=len(trainings.results),
        at_the_end=trainings.at_the_end,
        seconds=time.monotonic() - began,
        interrupted=interrupted,
        notes=tuple(trainings.notes),
    )


def _quiet(loaded: LoadedSpec) -> LoadedSpec:
    """Return the spec without the files that callbacks write by default."""
    named = {each.class_name for each in loaded.spec.callbacks}
    off = [ComponentSpec(class_name=name, off=True) for name in WITHOUT_FILES if name not in named]
    spec = loaded.spec.model_copy(update={"callbacks": [*loaded.spec.callbacks, *off]})
    return replace(loaded, spec=spec)


def _check_validation(dataset: Dataset) -> int:
    """Return the number of validation rows, on which all trainings are measured.

    Raises:
        SpecError: There are none.
    """
    if dataset.validation is None:
        rule = "more-data measures every training on the same validation rows, and there are none"
        raise SpecError(Problem(rule, path=("dataset", "validation"), hint="write validation: 0.2"))
    return len(dataset.validation)


def _sizes(dataset: Dataset, wanted: RowsWanted) -> tuple[int, ...]:
    """Return the numbers of training rows, rising.

    Raises:
        UsageError: There are not as many rows, or too few for the classes.
    """
    rows = len(dataset.train)
    classes = max(len(each.classes or ()) if each.is_scored else 0 for each in dataset.contract.outputs)
    if wanted.sizes is None:
        fewest = max(FEWEST_ROWS, ROWS_OF_CLASS * classes)
        halves = (round(rows / 2**power) for power in range(MOST_SIZES))
        return tuple(sorted({rows, *(size for size in halves if size >= fewest)}))
    found = [round(size * rows) if isinstance(size, float) else size for size in wanted.sizes]
    problems = []
    for given, size in zip(wanted.sizes, found, strict=True):
        if not max(1, classes) <= size <= rows:
            least = f"at least {classes}, one of each class" if size < classes else f"at most {rows:,}"
            rule = f"--sizes: the training split has {counted(rows, 'row')}; a size must be {least}"
            problems.append(Problem(rule, received=given))
    if problems:
        raise UsageError(*problems)
    return tuple(sorted(set(found)))


def _score(model: keras.Model, wanted: str) -> tuple[str, bool]:
    """Return the name of a validation metric without `val_`, and whether a larger value of it is better.

    Raises:
        UsageError: There is none of this name, or nobody knows which values are better.
    """
    from mlpcli.checks.log_names import directions

    known = directions(model, validation=False)
    name = wanted.removeprefix("val_")
    if name not in known:
        hint = nearest(name, known) or f"available: {listing(f'val_{each}' for each in known)}"
        raise UsageError(Problem("--metric: no metric has this name", received=wanted, hint=hint))
    if known[name] is None:
        rule = "--metric: nothing says whether this value is better small or large"
        raise UsageError(Problem(rule, received=wanted, hint="use val_loss"))
    return name, known[name] == "max"


@dataclass(frozen=True)
class _Result:
    """A training that reached its end: the size it was planned with, its rows, and what it reached."""

    size: int
    rows: int
    metrics: Mapping[str, float]
    seconds: float


@dataclass
class _Trainings:
    """The trainings of all sizes and seeds.

    Attributes:
        found: The spec, and its rows.
        opened: The rows, not divided.
        sizes: Rising.
        repeats: Seeds.
        watcher: Receives the progress.
        results: Of those that reached their end.
        at_the_end: Those whose last epoch, the spec's last, was the best.
        notes: Those that failed and why, and what is unusual in the rows of one.
        model: Of the last training.
    """

    found: FoundData
    opened: OpenedData
    sizes: tuple[int, ...]
    repeats: int
    watcher: MoreDataWatcher
    results: list[_Result] = field(default_factory=list)
    at_the_end: int = 0
    notes: list[str] = field(default_factory=list)
    model: keras.Model | None = None

    def run(self) -> bool:
        """Train; return whether that was interrupted after the first training.

        Raises:
            KeyboardInterrupt: It was, before.
            TrainingError: No training reached its end.
        """
        from mlpcli.training.compiled import keep_programs

        steps = self._steps()
        pace, splits = _Pace(steps), self.found.dataset.splits()
        try:
            with keep_programs({name: len(splits[name]) for name in ("train", "validation")}):
                for step in steps:
                    began = time.monotonic()
                    self._train(step, pace)
                    pace.seconds.append(time.monotonic() - began)
        except BaseException as error:
            if not self.results or not _is_interruption(error):
                raise
            return True
        if not self.results:
            raise TrainingError(Problem(f"no training reached its end: {self.notes[0]}"))
        return False

    def _steps(self) -> list[Step]:
        planned, seed = len(self.sizes) * self.repeats, self.found.spec.spec.seed
        pairs = ((repeat, size) for repeat in range(self.repeats) for size in self.sizes)
        return [
            Step(number, planned, size, (seed + repeat) % SEEDS)
            for number, (repeat, size) in enumerate(pairs, 1)
        ]

    def _train(self, step: Step, pace: _Pace) -> None:
        began = time.monotonic()
        self.watcher.trains(step, *pace.at(step, 0.0))
        loaded = self._spec(step.seed)
        try:
            with located(loaded), tempfile.TemporaryDirectory(prefix="mlpcli-more-data-") as folder:
                completed, dataset, model = self._prepare(loaded, step)
                watcher = _Epochs(step, pace, self.watcher)
                job = TrainingJob(completed, dataset, model, Path(folder), watcher, options=ONLY_SCORES)
                outcome = train_into(job)
        except (TrainingError, DataError, SpecError) as error:
            note = f"{counted(step.rows, 'row')}, seed {step.seed}: {error.problems[0].headline()}"
            self.notes.append(note)
            self.watcher.note(f"a training failed, {note}")
            return
        metrics = outcome.metrics["validation"]
        last = outcome.best_epoch == outcome.epochs == completed.spec.fit.epochs
        self.at_the_end += last
        self.results.append(_Result(step.rows, len(dataset.train), metrics, time.monotonic() - began))
        self.watcher.trained(step, metrics)

    def _spec(self, seed: int) -> LoadedSpec:
        """Return the spec with another seed of the training; the splits keep theirs."""
        loaded, spec = self.found.spec, self.found.spec.spec
        dataset = spec.dataset.model_copy(update={"split_seed": split_seed(spec)})
        return replace(loaded, spec=spec.model_copy(update={"seed": seed, "dataset": dataset}))

    def _prepare(self, loaded: LoadedSpec, step: Step) -> tuple[CompletedSpec, Dataset, keras.Model]:
        from mlpcli.model.learned_constants import same_network

        some = TrainingRows(step.rows, step.seed) if step.rows < len(self.found.dataset.train) else None
        dataset = divide_data(self.opened, loaded, some=some)
        for note in _notes_on(dataset, self.found.dataset, step):
            self.notes.append(note)
            self.watcher.note(note)
        completed = complete(loaded, dataset)
        fresh, plugins = build_checked(completed, dataset), bool(completed.catalog.plugins)
        self.model = same_network(self.model, fresh, plugins=plugins)
        return completed, dataset, self.model

    def scores(self) -> tuple[SizeScores, ...]:
        """Return the scores by size."""
        return tuple(self._of_size(size) for size in self.sizes if self._results(size))

    def _results(self, size: int) -> list[_Result]:
        return [each for each in self.results if each.size == size]

    def _of_size(self, size: int) -> SizeScores:
        own = self._results(size)
        rows = round(sum(each.rows for each in own) / len(own))
        return SizeScores(rows, tuple(each.metrics for each in own), sum(each.seconds for each in own))


FAR_FROM = 0.25
"""From this share on it is said that the rows of whole groups are more or fewer than were wanted."""


def _notes_on(dataset: Dataset, whole: Dataset, step: Step) -> Iterator[str]:
    """Yield what to know of the rows of a training: that they are others than wanted, or lack a class."""
    rows, title = len(dataset.train), f"{counted(step.rows, 'row')}, seed {step.seed}"
    if abs(rows - step.rows) > FAR_FROM * step.rows:
        yield f"{title}: it is {counted(rows, 'row')}, since groups stay whole and each class has a row"
    for output in whole.contract.outputs:
        known = _classes_in(whole.train.y, output)
        lacking = known - _classes_in(dataset.train.y, output)
        names = [repr(name) for place, name in enumerate(output.classes or ()) if place in lacking]
        if names:
            of = f" of {output.name}" if output.name else ""
            yield f"{title}: no row has the class{of} {listing(names)}, so the network never sees it"


def _classes_in(y: Arrays, output: Output) -> set[int]:
    """Return the classes of an output, or the labels, that some rows have."""
    own = of_name(y, output.name)
    if output.kind in CLASSED:
        return {*np.unique(class_indices(own)).tolist()}
    if output.kind == "labels":
        return {*np.flatnonzero((own > 0).reshape(-1, own.shape[-1]).any(axis=0)).tolist()}
    return set()


GROWTH = 0.7
"""With so large a power of the rows the time of a training is taken to grow, until it has been measured."""


@dataclass
class _Pace:
    """How long the trainings of each size took, and what that says of those to come.

    Attributes:
        steps: All trainings, in their order.
        seconds: Of those that have ended. The first one compiles the programs, and says nothing of others.
    """

    steps: list[Step]
    seconds: list[float] = field(default_factory=list)

    def at(self, step: Step, share: float) -> tuple[float, float | None]:
        """Return the share of all work that is done, and the seconds that are left; None if not known yet.

        Args:
            step: The training that is running.
            share: Of its epochs that are done.
        """
        if len(self.seconds) < 2:
            return (len(self.seconds) + share) / len(self.steps), None
        running = self._expected(step)
        left = sum(map(self._expected, self.steps[step.number :])) + (1 - share) * running
        done = sum(self.seconds) + share * running
        return done / (done + left), left

    def _expected(self, step: Step) -> float:
        """Return the seconds that a training should take: those of the last on as many rows."""
        known = dict(zip([each.rows for each in self.steps[1:]], self.seconds[1:], strict=False))
        if step.rows in known:
            return known[step.rows]
        largest = max(known)
        return float(known[largest] * max(1.0, step.rows / largest) ** GROWTH)


class _Epochs(Watcher):
    """Passes on how far a training is."""

    def __init__(self, training: Step, pace: _Pace, watcher: MoreDataWatcher) -> None:
        self.training, self.pace, self.watcher = training, pace, watcher

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Pass on an epoch that is done."""
        self.watcher.trains(self.training, *self.pace.at(self.training, epoch / epochs))


def _is_interruption(error: BaseException) -> bool:
    """Return whether a training ended because of a signal, which a library may turn into another error."""
    if isinstance(error, KeyboardInterrupt):
        return True
    try:
        signals.raise_if_interrupted()
    except KeyboardInterrupt:
        return True
    return False


def _doubling(trainings: _Trainings, metric: str) -> Doubling | None:
    """Return what the scores say of twice the rows; None where they are too few."""
    pairs = [(each.rows, score) for each in trainings.scores() for score in each.scores(metric)]
    rows, scores = np.array(pairs, np.float64).reshape(-1, 2).T
    law = fit_power_law(rows, scores)
    return None if law is None else Doubling(**vars(law))
