"""The data and the model of each training of a run with folds or seeds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

from mlpcli.data.dataset import Dataset
from mlpcli.data.splitter import OpenedData
from mlpcli.errors import DataError, KeyPath, MlpcliError, Problem, SpecError
from mlpcli.keras_import import import_keras, use_threads
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.completed import CompletedSpec
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.repeats import RETRAIN, Repeat, repeats_of, spec_of_repeat
from mlpcli.training.find_data import FoundData, count_rows, divide_data, find_opened, moved_note
from mlpcli.training.job import Clock
from mlpcli.training.prepare import Prepared, build_checked, check_callbacks, complete, notes_on

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


@dataclass(frozen=True)
class PreparedMembers:
    """A spec with folds or seeds, its data, and how many rows each of its trainings has.

    Attributes:
        loaded: The spec, with its files where they were found.
        completed: The same with its loss and metrics.
        dataset: Its data as one run has it: all rows but those of the test split are training rows.
        opened: The rows of the data, before they are divided.
        repeats: The trainings.
        rows: The rows of each split, by training.
        clock: Has measured the preparation.
        moved: A line on data that was found elsewhere than where the spec says; else empty.
    """

    loaded: LoadedSpec
    completed: CompletedSpec
    dataset: Dataset
    opened: OpenedData
    repeats: tuple[Repeat, ...]
    rows: tuple[dict[str, int], ...]
    clock: Clock
    moved: tuple[str, ...] = ()

    @property
    def most_rows(self) -> dict[str, int]:
        """The most rows of any training, by split."""
        names = {name for rows in self.rows for name in rows}
        return {name: max(rows.get(name, 0) for rows in self.rows) for name in names}


def prepare_members(loaded: LoadedSpec, watcher: Watcher) -> PreparedMembers:
    """Read the data of a spec with folds or seeds, and divide its rows for each of its trainings.

    Args:
        loaded: The spec.
        watcher: Receives the stages.

    Raises:
        SpecError: A fold is impossible.
        DataError: The data cannot be read; or a fold holds a class that none of its training rows has.
    """
    clock = Clock()
    if unheard := use_threads(loaded.spec.fit.threads):
        watcher.note(unheard)
    watcher.stage("reading the data")
    found = find_whole(loaded)
    spec, dataset, opened = found.spec, found.dataset, found.opened
    moved = moved_note(loaded, spec)
    repeats = repeats_of(spec.spec)
    rows = rows_of_repeats(spec, opened)
    clock.lap("data")
    watcher.stage("starting TensorFlow")
    import_keras()
    from mlpcli.training.compiled.program_cache import open_cache

    open_cache()
    clock.lap("import")
    watcher.stage("building the model")
    with located(spec):
        completed = complete(spec, dataset)
        check_mean(completed, dataset)
        check_callbacks(spec)
    return PreparedMembers(spec, completed, dataset, opened, repeats, rows, clock, (moved,) if moved else ())


def find_whole(loaded: LoadedSpec) -> FoundData:
    """Return the data of all trainings of a spec with folds or seeds together, and the rows to divide."""
    with located(loaded):
        return find_opened(loaded, together=True)


def rows_of_repeats(loaded: LoadedSpec, opened: OpenedData) -> tuple[dict[str, int], ...]:
    """Return the number of rows of each split, by training.

    Args:
        loaded: A spec with folds or seeds.
        opened: Its rows.

    Raises:
        SpecError: A fold is impossible.
        DataError: A fold holds a class that none of its training rows has.
    """
    counted: dict[int | None, dict[str, int]] = {}
    repeats = repeats_of(loaded.spec)
    for repeat in repeats:
        if repeat.fold not in counted:
            with located_in_fold(loaded, repeat):
                counted[repeat.fold] = count_rows(opened, spec_of_repeat(loaded, repeat))
    return tuple(counted[repeat.fold] for repeat in repeats)


def check_mean(completed: CompletedSpec, dataset: Dataset) -> None:
    """Refuse folds and seeds whose models have no mean, where that is to be the run's model.

    Args:
        completed: The spec.
        dataset: The data of all of its trainings.

    Raises:
        SpecError: They have none.
    """
    from mlpcli.model.ensemble import why_no_mean

    fit = completed.spec.fit
    if fit.after_folds != RETRAIN and (why := why_no_mean(dataset.contract)) is not None:
        path: KeyPath = ("fit", "seeds" if fit.folds is None else "folds")
        hint = "" if fit.folds is None else "write after_folds: retrain"
        raise SpecError(Problem(f"cannot have a mean of models: {why}", path=path, hint=hint))


class MemberBuilder:
    """Builds each training of a run: its data, its model. A context."""

    def __init__(self, prepared: PreparedMembers) -> None:
        self.prepared = prepared
        self.model: keras.Model | None = None  # of the last training
        self._pool = ThreadPoolExecutor(1, "mlpcli-divide")
        self._coming: dict[int, Future[Dataset]] = {}

    def __enter__(self) -> MemberBuilder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def build(self, repeat: Repeat) -> Prepared:
        """Return a training with its data and its model.

        The model is that of the last training, which must be finished, where both are the same network: all
        of its values are new, and its compiled programs are used again.

        Raises:
            SpecError: Data and model do not fit together.
            DataError: A row cannot be used.
        """
        loaded, clock = spec_of_repeat(self.prepared.loaded, repeat), Clock()
        with located_in_fold(self.prepared.loaded, repeat):
            dataset = self._dataset(repeat)
            clock.lap("data")
            completed = complete(loaded, dataset)
            self._divide_ahead(repeat)
            model = build_checked(completed, dataset)
            self._check_predict(repeat, dataset, model)
        model = self.share(completed, model)
        clock.lap("build")
        return Prepared(completed, dataset, model, clock, notes_on(completed, dataset))

    def build_first(self, repeat: Repeat) -> Prepared:
        """Return the training that the run begins with; its time is part of the run's."""
        first = self.build(repeat)
        self.prepared.clock.add(first.clock.seconds)
        return first

    def _check_predict(self, repeat: Repeat, dataset: Dataset, model: keras.Model) -> None:
        """Check what is fitted after the trainings, with the first of them.

        Raises:
            SpecError: The spec asks for what cannot be fitted.
        """
        from mlpcli.checks.predict_rules import check_predict

        if repeat.place == 1:
            whole = dataset if repeat.fold is None else self.prepared.dataset
            check_predict(model, self.prepared.completed, whole)

    def share(self, completed: CompletedSpec, model: keras.Model) -> keras.Model:
        """Return the model of the last training with all values of another, if the two are the same network.

        Args:
            completed: The spec of the other.
            model: The other, which is returned itself where they are not.
        """
        from mlpcli.model.learned_constants import same_network

        self.model = same_network(self.model, model, plugins=bool(completed.catalog.plugins))
        return self.model

    def _dataset(self, repeat: Repeat) -> Dataset:
        coming = self._coming.pop(repeat.place, None)
        return self._divide(repeat) if coming is None else coming.result()

    def _divide(self, repeat: Repeat) -> Dataset:
        return divide_data(self.prepared.opened, spec_of_repeat(self.prepared.loaded, repeat))

    def _divide_ahead(self, repeat: Repeat) -> None:
        """Begin to divide the data of the next training: nothing else of it can be done at the same time."""
        for other in self.prepared.repeats[repeat.place : repeat.place + 1]:
            self._coming[other.place] = self._pool.submit(self._divide, other)


@contextmanager
def located_in_fold(loaded: LoadedSpec, repeat: Repeat) -> Iterator[None]:
    """Add place and fold to the problems of any error raised inside.

    Args:
        loaded: The spec with folds or seeds.
        repeat: The training that the error is about.
    """
    with located(loaded):
        try:
            yield
        except MlpcliError as error:
            of = loaded.spec.fit.folds
            if repeat.fold is not None and of is not None:
                of_data = isinstance(error, DataError)
                named = [_in_fold(each, f"fold {repeat.fold} of {of}", of_data) for each in error.problems]
                error.problems = tuple(named)
            raise


def _in_fold(problem: Problem, label: str, of_data: bool) -> Problem:
    if problem.path[:2] == ("dataset", "fold"):
        return replace(problem, path=("fit", "folds"))
    return replace(problem, rule=f"{label}: {problem.rule}") if of_data else problem
