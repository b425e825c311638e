"""A training job: everything that a training is given, passed as one object."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.data.dataset import Dataset
from mlpcli.runs.record_models import EngineName
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.completed import CompletedSpec
from mlpcli.training.time_limit import Limit
from mlpcli.training.training_state import TrainingState

if TYPE_CHECKING:
    from mlpcli.keras_import import keras
    from mlpcli.training.replicas.cluster import Cluster
    from mlpcli.training.replicas.peers import Peers


class Clock:
    """Measures the seconds that each stage takes."""

    def __init__(self) -> None:
        self.started = self._last = time.monotonic()
        self.seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to a stage."""
        now = time.monotonic()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + now - self._last, 3)
        self._last = now

    def add(self, seconds: Mapping[str, float], known: Mapping[str, float] = {}) -> None:
        """Add the stages of a training that another clock has measured since this one's last lap.

        Args:
            seconds: Of each of its stages.
            known: Those of it that were added before.
        """
        for stage, value in seconds.items():
            self.seconds[stage] = round(self.seconds.get(stage, 0.0) + value - known.get(stage, 0.0), 3)
        self._last = time.monotonic()

    def parts(self) -> dict[str, float]:
        """Return the seconds of a training in five parts; what is in no other is the last."""
        found = {
            name: round(sum(self.seconds.get(stage, 0.0) for stage in stages), 3)
            for name, stages in PARTS.items()
        }
        return found | {"saving and measuring": round(max(0.0, self.total() - sum(found.values())), 3)}

    def total(self) -> float:
        """Return the seconds since the clock was created."""
        return round(time.monotonic() - self.started, 3)


PARTS = {
    "starting TensorFlow": ("import",),
    "data": ("data",),
    "building": ("build", "begin"),
    "training": ("fit",),
}
"""What a person calls the stages of a training."""


@dataclass(frozen=True)
class TrainOptions:
    """How much of a run a training writes, and where it starts.

    Attributes:
        saved_model: Export the SavedModel and verify it.
        figures: Draw the learning curves and the model.
        baseline: Compare the network with models that need none.
        splits: The splits that are measured at the end.
        predictions: Fit what `predict:` asks for.
        intervals: Find confidence intervals of their metrics.
        probe: Measure the network's layers on some training rows, for the doctor.
        advice: Show best-practice advice.
        record: Further entries of `run.json`.
        state: The state of a checkpoint to resume from.
        kept_specs: Those of the two spec files that the run folder already holds.
        engine: The engine of the run that is resumed or repeated; None to choose one.
        limit: When the training ends although epochs are left.
        cluster: The workers that train together; None for this process alone.
        peers: The connections to the other ones, once there are.
    """

    saved_model: bool = True
    figures: bool = True
    baseline: bool = True
    splits: tuple[str, ...] = ("train", "validation", "test", "held_out")
    predictions: bool = True
    intervals: bool = True
    probe: bool = True
    advice: bool = False
    record: Mapping[str, object] = field(default_factory=dict)
    state: TrainingState | None = None
    kept_specs: tuple[str, ...] = ()
    engine: EngineName | None = None
    limit: Limit | None = None
    cluster: Cluster | None = None
    peers: Peers | None = None


WHOLE_RUN = TrainOptions()
"""The options of a run with everything that a run has."""

NEW_RUN = replace(WHOLE_RUN, advice=True)
"""The options of a run of a spec that is trained for the first time."""

TRIAL = TrainOptions(
    saved_model=False,
    figures=False,
    baseline=False,
    splits=("train", "validation"),
    predictions=False,
    intervals=False,
    probe=False,
)
"""The options of a search's trial, which leaves out what only the final run needs."""

ESTIMATOR = replace(TRIAL, predictions=True)
"""The options of a run that only predicts, and is soon deleted."""


@dataclass(frozen=True)
class TrainingJob:
    """What a training is given.

    Attributes:
        completed: The spec, with its loss and metrics.
        dataset: The data of the spec.
        model: The compiled model, checked against the data.
        run_dir: The run folder, which exists.
        watcher: Receives the progress.
        clock: Has measured what was done before the training.
        command: The command line, for `run.json`.
        options: How much of a run is written.
    """

    completed: CompletedSpec
    dataset: Dataset
    model: keras.Model
    run_dir: Path
    watcher: Watcher = field(default_factory=Watcher)
    clock: Clock = field(default_factory=Clock)
    command: Sequence[str] = ()
    options: TrainOptions = WHOLE_RUN
