"""A spec with its data and its compiled model, checked against each other before anything is written."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlpcli.data.dataset import Dataset
from mlpcli.keras_import import import_keras
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.search_space import show_label
from mlpcli.training.find_data import find_data, moved_note


def default_notes(loaded: LoadedSpec) -> tuple[str, ...]:
    """A line on the hyperparameters that have their defaults, where the spec has any."""
    if not loaded.values:
        return ()
    shown = ", ".join(f"{name} {show_label(value)}" for name, value in loaded.values.items())
    return (f"hyperparameters at their defaults: {shown}; mlpcli tune searches them",)


@dataclass(frozen=True)
class Prepared:
    """A spec with its losses and metrics filled in, its data, its compiled model, and what to tell of it."""

    loaded: LoadedSpec
    dataset: Dataset
    model: Any
    notes: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()  # a line on data that does not lie where the spec says


def prepare(
    loaded: LoadedSpec, clock: Clock | None = None, stage: Callable[[str], None] = lambda text: None
) -> Prepared:
    """The data and the compiled model of a spec, checked against each other; nothing is written.

    Raises:
        SpecError, DataError: they do not go together. Places are not filled in: see `located`.
    """
    clock = clock or Clock()
    stage("reading the data")
    found, dataset = find_data(loaded)
    moved = moved_note(loaded, found)
    completed, notes = complete(found, dataset)
    clock.lap("data")
    stage("starting TensorFlow")
    import_keras()
    clock.lap("import")
    stage("building the model")
    model = build_checked(completed, dataset)
    clock.lap("build")
    left = [f"column {name!r} is left out: {why}" for name, why in dataset.excluded.items()]
    return Prepared(completed, dataset, model, (*left, *notes), (moved,) if moved else ())


def complete(loaded: LoadedSpec, dataset: Dataset) -> tuple[LoadedSpec, list[str]]:
    """The spec with a loss and metrics, chosen by the data where it has none, and a line on each choice."""
    from mlpcli.model.default_losses import complete_spec
    from mlpcli.model.transfer import find_start

    loaded = find_start(loaded)
    spec, notes = complete_spec(loaded.spec, dataset.contract)
    return replace(loaded, spec=spec), notes


def build_checked(loaded: LoadedSpec, dataset: Dataset) -> Any:
    """The compiled model of a spec, held against its data.

    Raises:
        SpecError: Keras refuses a part, or model and data do not go together.
    """
    from mlpcli.checks.model import check_model
    from mlpcli.model.model import build_model
    from mlpcli.model.plugins import import_plugins

    completed, _ = complete(loaded, dataset)
    plugins = import_plugins(loaded.catalog)
    model = build_model(completed.spec, dataset, plugins)
    if completed.spec.start_from is not None:
        from mlpcli.model.transfer import reuse_layers

        reuse_layers(model, completed.spec.start_from)
    check_model(model, completed, dataset, plugins)
    return model


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.began = self._last = time.monotonic()
        self.seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Count the time since the last lap to a stage."""
        now = time.monotonic()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + now - self._last, 3)
        self._last = now

    def total(self) -> float:
        """Seconds since the clock was made."""
        return round(time.monotonic() - self.began, 3)


def check_callbacks(loaded: LoadedSpec) -> None:
    """Make every callback once for its complaints, before a run folder exists."""
    from mlpcli.model.plugins import import_plugins
    from mlpcli.training.callbacks import make_callbacks

    with tempfile.TemporaryDirectory() as nowhere:
        make_callbacks(loaded.spec, Path(nowhere), import_plugins(loaded.catalog))
