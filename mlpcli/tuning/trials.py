"""Run one trial: put its values into the spec and train it in a run folder."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from mlpcli import runs
from mlpcli.data.dataset import Dataset
from mlpcli.data.splitter import OpenedData
from mlpcli.errors import MlpcliError
from mlpcli.model.components import plain_reason
from mlpcli.model.default_losses import data_request
from mlpcli.model.schedule_steps import for_epochs
from mlpcli.runs import record_models
from mlpcli.runs.record_models import EngineName
from mlpcli.runs.search_folder import COMPLETED, FAILED, Objective, Trial
from mlpcli.runs.watcher import Watcher
from mlpcli.signals import raise_if_interruption
from mlpcli.spec.load import LoadedSpec, located, with_values
from mlpcli.spec.search_space import Values
from mlpcli.training.engine import recorded_engine
from mlpcli.training.find_data import find_opened, load_data
from mlpcli.training.job import TRIAL, TrainingJob, TrainOptions
from mlpcli.training.prepare import build_checked, complete
from mlpcli.training.run_record import now
from mlpcli.training.session import train_into
from mlpcli.training.training_state import read_state
from mlpcli.tuning.fold_trials import FoldTrial, score_folds
from mlpcli.tuning.hparams import write_hparams

OnEpoch = Callable[[int, int, dict[str, float]], None]
"""Called after each epoch of a trial: epoch (from 1), epochs, logs."""


@dataclass(frozen=True)
class Result:
    """The result of a trial.

    Attributes:
        status: completed or failed.
        score: the objective in the best epoch; None if it failed.
        best_epoch: from 1; None if it failed.
        trained: how many epochs were trained.
        seconds: how long it took.
        metrics: the logs of the best epoch.
        reason: why it failed.
    """

    status: Literal["completed", "failed"]
    score: float | None = None
    best_epoch: int | None = None
    trained: int = 0
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str = ""


class TrialRunner:
    """Runs trials of one search, one after the other; the data is loaded once and shared."""

    def __init__(self, loaded: LoadedSpec, search_dir: Path, objective: Objective) -> None:
        self.loaded, self.search_dir, self.objective = loaded, search_dir, objective
        self._datasets: dict[str, Dataset] = {}  # at most one, by what it depends on
        self._opened: dict[str, OpenedData] = {}  # likewise, where trials have folds

    def run(self, trial: Trial, on_epoch: OnEpoch = lambda epoch, epochs, logs: None) -> Result:
        """Train a trial; an error becomes its result.

        Args:
            trial: the trial.
            on_epoch: called after each epoch.

        Raises:
            KeyboardInterrupt: The search was interrupted.
        """
        folder = self.search_dir / trial.folder
        runs.empty_folder(folder, self.search_dir)
        record = {"kind": "trial", "trial": trial.number, "hyperparameters": trial.values}
        engine = self.engine_of(trial.source_folder) if trial.source is not None else None
        source = self.search_dir / trial.source_folder if trial.source is not None else None
        options = replace(TRIAL, record=record, engine=engine)
        return self.train(folder, trial.proposed, options, on_epoch, epochs=trial.epochs, source=source)

    def train(
        self,
        folder: Path,
        values: Values,
        options: TrainOptions,
        on_epoch: OnEpoch,
        *,
        epochs: int | None = None,
        seed: int | None = None,
        source: Path | None = None,
    ) -> Result:
        """Train the spec with some values, on each of its folds if it has some; an error becomes the result.

        Args:
            folder: an existing run folder.
            values: the values of hyperparameters; the others have their defaults.
            options: how much of a run is written.
            on_epoch: called after each epoch.
            epochs: how far to train; None for the spec's epochs.
            seed: of the training; the splits keep the spec's seed.
            source: the folder of an earlier trial whose training goes on.
        """
        began = time.monotonic()
        gc.collect()  # frees the last model before the next is built
        try:
            loaded = with_values(self.loaded, values)

            def last_touch(spec: LoadedSpec) -> LoadedSpec:
                return _with(spec, epochs=epochs, seed=seed)

            write_hparams(folder, loaded.values)
            if self.folds:
                opened = self._rows(loaded)
                FoldTrial(folder, self.folds, opened, options, source, on_epoch).train(loaded, last_touch)
                result = self._judge_folds(folder, time.monotonic() - began)
            else:
                dataset = self.dataset(loaded)
                completed = complete(last_touch(loaded), dataset)
                with located(completed):
                    model = build_checked(completed, dataset)
                state = read_state(source / runs.STATE) if source is not None else None
                options = replace(options, state=state)
                watcher = _EpochWatcher(on_epoch)
                train_into(TrainingJob(completed, dataset, model, folder, watcher, options=options))
                result = self._judge(folder, time.monotonic() - began)
        except Exception as error:  # the search continues with the next trial
            raise_if_interruption(error)
            reason = _reason(error)
            if not (folder / runs.RECORD).exists():
                document = {"status": runs.FAILED, "name": self.loaded.spec.name, "error": reason}
                runs.write_record(folder, {**document, **options.record, "started": now(), "ended": now()})
            return Result(FAILED, seconds=time.monotonic() - began, reason=reason)
        record = runs.open_run(folder).record.to_json()
        score = {"name": self.objective.name, "score": result.score, "epoch": result.best_epoch}
        runs.write_record(folder, record | {"objective": score})
        return result

    def adopt(self, loaded: LoadedSpec, dataset: Dataset) -> None:
        """Keep the data of a spec, loaded already, for the trials."""
        self._datasets[_data_key(loaded)] = dataset

    def dataset(self, loaded: LoadedSpec) -> Dataset:
        """Return the data of a spec, loaded again only if it differs from the last."""
        key = _data_key(loaded)
        if key not in self._datasets:
            self._datasets.clear()  # never two in memory
            with located(loaded):
                self._datasets[key] = load_data(loaded)
        return self._datasets[key]

    @property
    def folds(self) -> int:
        """On how many folds each trial is trained; 0 for a single training."""
        tuner = self.loaded.spec.tuner
        return (tuner.folds if tuner is not None else None) or 0

    def _rows(self, loaded: LoadedSpec) -> OpenedData:
        """Return the rows of the data of a spec, read again only if they differ from the last."""
        key = _data_key(loaded)
        if key not in self._opened:
            self._opened.clear()
            with located(loaded):
                self._opened[key] = find_opened(loaded).opened
        return self._opened[key]

    def _judge_folds(self, folder: Path, seconds: float) -> Result:
        """Return the result of a trial that was trained on folds."""
        found = score_folds(folder, self.objective)
        return Result(
            COMPLETED, found.score, found.best_epoch, found.trained, round(seconds, 3), found.metrics
        )

    def engine_of(self, folder: str) -> EngineName | None:
        """Return the engine that trained an earlier trial; None where it was not recorded."""
        path = self.search_dir / folder
        return recorded_engine(runs.open_run(path)) if (path / runs.RECORD).is_file() else None

    def _judge(self, folder: Path, seconds: float) -> Result:
        """Return the result of a completed training: its best epoch by the objective."""
        name = self.objective.name
        history = record_models.read_history(folder / runs.HISTORY)
        measured = [row for row in history if math.isfinite(row.get(name, math.nan))]
        if not measured and any(name in row for row in history):
            return Result(FAILED, seconds=seconds, reason=f"{name} is not a number in any epoch")
        if not measured:
            known = ", ".join(key for key in (history[0] if history else {}) if key != "epoch")
            return Result(FAILED, seconds=seconds, reason=f"no metric is called {name}; available: {known}")
        sign = -1 if self.objective.direction == "max" else 1
        best = min(measured, key=lambda row: sign * row[name])
        metrics = {key: value for key, value in best.items() if key not in ("epoch", "learning_rate")}
        epoch = int(best["epoch"])
        return Result(COMPLETED, best[name], epoch, len(history), round(seconds, 3), metrics)


def _data_key(loaded: LoadedSpec) -> str:
    """Return a text that is equal for specs with the same data: the arguments of `load_dataset`."""
    spec = loaded.spec
    given = sorted(spec.dataset.model_fields_set)  # a split that is not given differs from null
    return repr((spec.dataset, given, data_request(spec, loaded.catalog), spec.seed))


def _with(loaded: LoadedSpec, *, epochs: int | None = None, seed: int | None = None) -> LoadedSpec:
    """Return the spec with fewer epochs of the whole training, or with another seed."""
    spec = loaded.spec
    if epochs is not None:
        whole = (spec.tuner.max_epochs if spec.tuner else None) or spec.fit.epochs
        spec = for_epochs(spec, epochs, whole, loaded.catalog)
    if seed is not None:
        spec = spec.model_copy(update={"seed": seed})
    return replace(loaded, spec=spec)


def _reason(error: Exception) -> str:
    """Return in one line why a trial failed."""
    if isinstance(error, MlpcliError):
        first = error.problems[0].headline()
        rest = len(error.problems) - 1
        return f"{first} (and {rest} more)" if rest else first
    if isinstance(error, MemoryError) or "ResourceExhausted" in type(error).__name__:
        return f"out of memory: {plain_reason(error)}"
    return f"{type(error).__name__}: {plain_reason(error)}"


class _EpochWatcher(Watcher):
    """Passes the epochs of a training on; everything else that matters is in the trial's record."""

    def __init__(self, on_epoch: OnEpoch) -> None:
        self.on_epoch = on_epoch

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Pass on an epoch that is done."""
        self.on_epoch(epoch, epochs, dict(logs))
