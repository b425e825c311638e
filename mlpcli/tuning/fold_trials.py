"""Train a trial once for each of its folds, and score it by the rows that these hold out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlpcli import runs
from mlpcli.data.splitter import OpenedData
from mlpcli.errors import KeyPath, MlpcliError, Problem, SpecError, TrainingError
from mlpcli.files import write_text
from mlpcli.runs.folder import Run
from mlpcli.runs.search_folder import Objective
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.fit_section import FoldSpec
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.repeats import is_repeated
from mlpcli.spec.resolve import resolve_spec
from mlpcli.training.find_data import count_rows, divide_data, find_opened
from mlpcli.training.job import TrainingJob, TrainOptions
from mlpcli.training.prepare import build_checked, complete
from mlpcli.training.repeated.member_results import best_of_members, mean_history, mean_metrics
from mlpcli.training.run_callback import history_csv
from mlpcli.training.run_record import begin_record, now
from mlpcli.training.session import train_into
from mlpcli.training.training_state import read_state

HELD_OUT = "held_out"
SPLITS = ("train", "validation", HELD_OUT)


def in_fold(loaded: LoadedSpec, number: int, count: int) -> LoadedSpec:
    """Return the spec of a training that holds out one fold of some.

    Args:
        loaded: the spec of a trial.
        number: of the fold, from 1.
        count: how many folds there are.
    """
    section = loaded.spec.dataset.model_copy(update={"fold": FoldSpec(number=number, of=count)})
    spec = loaded.spec.model_copy(update={"dataset": section, "predict": None})
    return replace(loaded, spec=spec)


def check_folds(loaded: LoadedSpec) -> None:
    """Check that the rows can be cut in the folds that a search asks for.

    Raises:
        SpecError: They cannot, or the spec asks for other folds.
        DataError: A fold holds a class that none of its training rows has.
    """
    spec = loaded.spec
    if is_repeated(spec):
        path: KeyPath = ("fit", "seeds" if spec.fit.folds is None else "folds")
        rule = "is for mlpcli train, a search trains each trial once"
        hint = (
            "remove it; tuner: {folds: 3} scores a trial by folds, and train best.yaml --folds 5 the winner"
        )
        raise SpecError(Problem(rule, path=path, hint=hint))
    count = spec.tuner.folds if spec.tuner is not None else None
    if count is None:
        return
    path = ("tuner", "folds")
    if spec.dataset.fold is not None:
        raise SpecError(Problem("and dataset.fold are both given", path=path, hint="remove one of the two"))
    opened = find_opened(loaded).opened
    for number in range(1, count + 1):
        try:
            count_rows(opened, in_fold(loaded, number, count))
        except MlpcliError as error:
            error.problems = tuple(
                replace(each, path=path) if each.path[:2] == ("dataset", "fold") else each
                for each in error.problems
            )
            raise


@dataclass(frozen=True)
class FoldTrial:
    """A trial that is trained on several folds.

    Attributes:
        folder: of the trial, which exists.
        count: how many folds there are.
        opened: the rows of its data, before they are divided.
        options: how much of a run each fold writes, and the entries of the trial's record.
        source: the folder of the earlier trial whose trainings go on; None where they begin.
        on_epoch: called after each epoch, of all folds counted together.
    """

    folder: Path
    count: int
    opened: OpenedData
    options: TrainOptions
    source: Path | None
    on_epoch: Callable[[int, int, dict[str, float]], None]

    def train(self, loaded: LoadedSpec, last_touch: Callable[[LoadedSpec], LoadedSpec]) -> None:
        """Train every fold into `folds/01` ..., then write the trial's own record and history.

        Args:
            loaded: the spec of the trial.
            last_touch: gives the spec of each training the trial's epochs and seed, which do not change data.
        """
        members, record = [], dict[str, object]()
        for number in range(1, self.count + 1):
            folder = self._folder(self.folder, number)
            record = self._train_fold(in_fold(loaded, number, self.count), folder, number, last_touch)
            members.append(runs.open_run(folder))
        self._write(members, record)

    def _train_fold(
        self,
        loaded: LoadedSpec,
        folder: Path,
        number: int,
        last_touch: Callable[[LoadedSpec], LoadedSpec],
    ) -> dict[str, object]:
        """Train one fold; return what `run.json` of the trial takes from it."""
        with located(loaded):
            dataset = divide_data(self.opened, loaded)
            completed = complete(last_touch(loaded), dataset)
            model = build_checked(completed, dataset)
        runs.empty_folder(folder, self.folder.parent.parent)
        state = None
        if self.source is not None:
            state = read_state(self._folder(self.source, number) / runs.STATE)
        record = {"kind": "fold", "fold": number}
        options = replace(self.options, splits=SPLITS, record=record, state=state)
        watcher = _FoldWatcher(self.on_epoch, number - 1, self.count)
        train_into(TrainingJob(completed, dataset, model, folder, watcher, options=options))
        if number == 1:
            settled, features = dataset.settled, dataset.features
            whole = completed.spec.dataset.model_copy(update={"fold": None})
            spec = completed.spec.model_copy(update={"dataset": whole})
            text = resolve_spec(replace(completed, spec=spec), settled, features)
            write_text(self.folder / runs.SPEC, completed.raw)
            write_text(self.folder / runs.RESOLVED, text)
        return begin_record(completed, dataset, model, ())

    @staticmethod
    def _folder(trial: Path, number: int) -> Path:
        return trial / runs.FOLDS / f"{number:02d}"

    def _write(self, members: list[Run], record: dict[str, object]) -> None:
        """Write the trial's history, the mean of the folds', and its record."""
        history = mean_history(members)
        write_text(self.folder / runs.HISTORY, history_csv(history))
        first = members[0].record
        best, epoch = best_of_members(members)
        monitor = first.best.monitor if first.best is not None else "loss"
        direction = first.best.direction if first.best is not None else None
        engine = first.engine.model_dump(exclude_unset=True) if first.engine is not None else None
        runs.write_record(
            self.folder,
            {
                **{key: record[key] for key in ("name", "seed", "versions", "commit", "host", "model")},
                **dict(self.options.record),
                "status": runs.COMPLETED,
                "started": first.started,
                "ended": now(),
                "engine": engine,
                "epochs": len(history),
                "best": {"monitor": monitor, "value": best, "epoch": epoch, "direction": direction},
                "metrics": mean_metrics(members, SPLITS),
            },
        )


@dataclass(frozen=True)
class FoldScore:
    """What the folds of a trial have reached: the mean of the objective over them, and of every metric."""

    score: float
    best_epoch: int | None
    trained: int
    metrics: dict[str, float]


def score_folds(folder: Path, objective: Objective) -> FoldScore:
    """Return the score of a trial: the mean over its folds of the objective on the rows that each held out.

    Raises:
        TrainingError: the metric is not a number, or there is none of this name.
    """
    run = runs.open_run(folder)
    held_out = run.record.metrics.get(HELD_OUT, {})
    name = objective.name.removeprefix("val_")
    if name not in held_out:
        known = ", ".join(held_out)
        raise TrainingError(Problem(f"no metric is called {name}; available: {known}"))
    if not math.isfinite(held_out[name]):
        raise TrainingError(Problem(f"{name} of the held-out rows is not a number"))
    epoch = run.record.best.epoch if run.record.best is not None else None
    metrics = {f"{HELD_OUT}_{key}": value for key, value in held_out.items()}
    return FoldScore(held_out[name], epoch, run.record.epochs or 0, metrics)


class _FoldWatcher(Watcher):
    """Passes the epochs of one fold on, counted together with those of the folds before it."""

    def __init__(
        self, on_epoch: Callable[[int, int, dict[str, float]], None], before: int, count: int
    ) -> None:
        self.on_epoch, self.before, self.count = on_epoch, before, count

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Pass on an epoch that is done."""
        self.on_epoch(self.before * epochs + epoch, self.count * epochs, dict(logs))
