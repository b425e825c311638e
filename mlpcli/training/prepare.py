"""A spec with its data and its compiled model, checked against each other before anything is written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.data.dataset import Dataset
from mlpcli.data.stored.needed_memory import memory_advice
from mlpcli.keras_import import import_keras, use_threads
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.completed import CompletedSpec
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.search_space import show_label
from mlpcli.training.find_data import find_data, moved_note
from mlpcli.training.job import WHOLE_RUN, Clock, TrainingJob, TrainOptions
from mlpcli.training.rows_on_disk import rows_on_disk

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


@dataclass(frozen=True)
class Prepared:
    """A completed spec with its data and its compiled model, checked and ready to train.

    Attributes:
        completed: The spec, with its loss and metrics.
        dataset: Its data.
        model: Its compiled model.
        clock: Has measured the preparation.
        notes: Lines on how the data is read, on columns that are left out, and on losses and metrics that
            were chosen.
        moved: A line on data that was found elsewhere than where the spec says; else empty.
    """

    completed: CompletedSpec
    dataset: Dataset
    model: keras.Model
    clock: Clock
    notes: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    def job(
        self,
        run_dir: Path,
        watcher: Watcher,
        command: Sequence[str] = (),
        options: TrainOptions = WHOLE_RUN,
    ) -> TrainingJob:
        """Return the job that trains this in a run folder."""
        return TrainingJob(
            self.completed, self.dataset, self.model, run_dir, watcher, self.clock, command, options
        )


def prepare(loaded: LoadedSpec, watcher: Watcher | None = None) -> Prepared:
    """Load the data of a spec, build its model, and check them against each other; write nothing.

    Args:
        loaded: The spec.
        watcher: Receives the stages.

    Raises:
        SpecError: Data and model do not fit together, or Keras refuses a component.
        DataError: The data cannot be read.
    """
    watcher, clock = watcher or Watcher(), Clock()
    unheard = use_threads(loaded.spec.fit.threads)
    with located(loaded):
        watcher.stage("reading the data")
        large = None
        if loaded.spec.fit.memory is None:
            large = memory_advice(loaded.spec.dataset, loaded.folder)
        if large is not None:
            watcher.note(large)  # before the system ends a process that takes too much
        found, dataset = find_data(loaded)
        moved = moved_note(loaded, found)
        completed = complete(found, dataset)
        clock.lap("data")
        watcher.stage("starting TensorFlow")
        import_keras()
        _open_program_cache()
        clock.lap("import")
        watcher.stage("building the model")
        model = build_checked(completed, dataset)
        clock.lap("build")
        check_callbacks(loaded)
        device = _device_note(loaded)
        _check_devices(completed, model, dataset)
    stored = rows_on_disk(completed.spec, dataset)
    kept = tuple(stored.notes()) if stored is not None else ()
    notes = (*notes_on(completed, dataset), *kept, *(each for each in (unheard, device) if each))
    return Prepared(completed, dataset, model, clock, notes, (moved,) if moved else ())


def notes_on(completed: CompletedSpec, dataset: Dataset) -> tuple[str, ...]:
    """Return lines on how the data is read, on columns that are left out, and on what was chosen."""
    left = (f"column {name!r} is left out: {why}" for name, why in dataset.excluded.items())
    return (*dataset.notes, *left, *completed.notes)


def _device_note(loaded: LoadedSpec) -> str:
    """Return a line on devices that the spec asks for and that are not there; else nothing."""
    if loaded.spec.fit.distribute is None:
        return ""
    from mlpcli.training.replicas.mirrored import device_note

    return device_note(loaded.spec)


def _check_devices(completed: CompletedSpec, model: keras.Model, dataset: Dataset) -> None:
    """Check that several devices can train a model as one does.

    Raises:
        SpecError: They cannot.
    """
    if completed.spec.fit.distribute is None:
        return
    from mlpcli.training.compiled.row_arrays import Arrays
    from mlpcli.training.replicas.mirrored import divides
    from mlpcli.training.replicas.shard_errors import ONE_DEVICE, check_can_share

    if divides(completed.spec):
        split = dataset.train
        rows = Arrays(split.x, split.y, split.weights)
        check_can_share(model, rows, spec=completed.spec, who="devices", hint=ONE_DEVICE)


def _open_program_cache() -> None:
    from mlpcli.training.compiled.program_cache import open_cache

    open_cache()


def complete(loaded: LoadedSpec, dataset: Dataset) -> CompletedSpec:
    """Return the spec with a loss and metrics, chosen by the data where it has none.

    Args:
        loaded: The spec.
        dataset: Its data.

    Raises:
        SpecError: The run that it starts from does not exist.
    """
    from mlpcli.model.default_losses import complete_spec
    from mlpcli.model.transfer import find_start

    found = find_start(loaded)
    spec, notes = complete_spec(found.spec, dataset.contract)
    return CompletedSpec.of(found, spec, notes)


def build_checked(
    completed: CompletedSpec,
    dataset: Dataset,
    scope: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> keras.Model:
    """Return the compiled model of a spec, checked against its data.

    Args:
        completed: The spec, with its loss and metrics.
        dataset: Its data.
        scope: Of a strategy of `tf.distribute`, whose devices get the variables.

    Raises:
        SpecError: Keras refuses a component, or model and data do not fit together.
    """
    from mlpcli.checks.built_model import check_model
    from mlpcli.model.build import build_model
    from mlpcli.model.learned_constants import hold_in_variables, is_repeatable
    from mlpcli.model.plugins import import_plugins

    plugins = import_plugins(completed.catalog)
    model = build_model(completed.spec, dataset, plugins, scope=scope)
    with scope():
        if completed.spec.start_from is not None:
            from mlpcli.model.transfer import reuse_layers

            reuse_layers(model, completed.spec.start_from)
        check_model(model, completed, dataset, plugins)
        if is_repeatable(completed.spec):
            hold_in_variables(model)
    return model


def check_callbacks(loaded: LoadedSpec) -> None:
    """Create every callback once, so that a wrong argument is found before a run folder exists.

    Raises:
        SpecError: Keras refuses an argument, or a file would lie outside the run folder.
    """
    from mlpcli.model.plugins import import_plugins
    from mlpcli.training.callbacks import make_callbacks

    with tempfile.TemporaryDirectory() as unused:
        make_callbacks(loaded.spec, Path(unused), import_plugins(loaded.catalog))


def check_logs(prepared: Prepared) -> None:
    """Check what the spec's TensorBoard asks for; a run that exists already is not held to it.

    Raises:
        SpecError: This network, or this data, cannot give it.
    """
    from mlpcli.checks.board_rules import check_boards

    with located(prepared.completed):
        check_boards(prepared.model, prepared.completed.spec, prepared.dataset)


def default_notes(loaded: LoadedSpec) -> tuple[str, ...]:
    """Return a line on the hyperparameters that have their defaults, where the spec has any."""
    if not loaded.values:
        return ()
    shown = ", ".join(f"{name} {show_label(value)}" for name, value in loaded.values.items())
    return (f"hyperparameters at their defaults: {shown}; mlpcli tune searches them",)
