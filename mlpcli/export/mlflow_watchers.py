"""Watchers that write what happens into MLflow, and pass it on to the watcher that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mlpcli.errors import MlpcliError
from mlpcli.export.mlflow_content import first_tags
from mlpcli.export.mlflow_log import (
    STATE,
    MlflowLog,
    check_installed,
    tracking_uri,
)
from mlpcli.extras import install, missing
from mlpcli.printable import without_password
from mlpcli.runs.folder import RECORD, Run, open_run
from mlpcli.runs.guard import FOLDS, SEEDS, WITHIN_SEARCH
from mlpcli.runs.lock import CHANGING_SECONDS, locked
from mlpcli.runs.results import Plan
from mlpcli.runs.search_folder import Search, Trial, promotion_folder
from mlpcli.runs.watcher import Monitored, SearchWatcher, Watcher

if TYPE_CHECKING:
    from mlpcli.spec.load import LoadedSpec

RETRAINED = f"{FOLDS}/retrained"


class _Logging:
    """What both watchers share: the log, which begins with the run's folder, and its one warning."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.log: MlflowLog | None = None
        self._note, self._warned = note, False
        self._unfinished: dict[str, Path] = {}  # runs that were begun, by their keys

    def start(self, folder: Path, kind: str) -> None:
        """Begin with the run or search in a folder."""
        label = f"{folder.absolute().parent.name}/{folder.absolute().name}"
        self.log = MlflowLog(folder, folder.absolute().parent.name, label)
        self.begin("", label, kind)

    def begin(self, key: str, title: str, kind: str) -> None:
        """Begin a run of MLflow; see `MlflowLog`."""
        if self.log is not None:
            label = f"{self.log.label}/{key}" if key else self.log.label
            self._unfinished[key] = self.log.folder / key
            self.log.begin(key, title, first_tags(label, kind))
            self._look()

    def epoch(self, key: str, epoch: int, logs: Mapping[str, float]) -> None:
        """Write an epoch."""
        if self.log is not None:
            self.log.epoch(key, epoch, logs)
            self._look()

    def finish(self, key: str) -> None:
        """Write how a run has ended."""
        if self.log is not None and (folder := self._unfinished.pop(key, None)) is not None:
            self.log.finish(key, folder)
            self._look()

    def close(self) -> None:
        """Write what is not written yet, the outer run last, and say where it is."""
        if self.log is None:
            return
        for key in sorted(self._unfinished, reverse=True):
            self.finish(key)
        self.log.close()
        self._look()

    def _look(self) -> None:
        """Warn once if the log has failed; else keep which runs of MLflow these are."""
        assert self.log is not None
        if not self.log.failure:
            self.log.save_state()
        elif not self._warned:
            self._warned = True
            self._note(
                f"MLflow at {without_password(self.log.uri)} has failed, and nothing more is written there "
                f"({self.log.failure}); the run is not affected: mlpcli log {self.log.label} writes it later"
            )


class LoggedTraining(Watcher):
    """Writes a training, also one with folds or seeds, into MLflow; passes everything on."""

    def __init__(self, shown: Watcher, warn: Callable[[str], None] | None = None) -> None:
        """Create the watcher.

        Args:
            shown: The watcher that shows what happens.
            warn: Receives the warning; None for `shown`.
        """
        self.shown = shown
        self.logging = _Logging(warn or shown.note)
        self._key = ""

    def stage(self, text: str) -> None:
        """Pass it on."""
        self.shown.stage(text)

    def plan(self, plan: Plan, run_dir: Path) -> None:
        """Begin the run of MLflow."""
        self.shown.plan(plan, run_dir)
        if self.logging.log is None:
            self.logging.start(run_dir, "run")

    def limited(self, seconds: float) -> None:
        """Pass it on."""
        self.shown.limited(seconds)

    def engine(self, name: str, reason: str) -> None:
        """Pass it on."""
        self.shown.engine(name, reason)

    def monitored(self, monitored: Monitored) -> None:
        """Pass it on."""
        self.shown.monitored(monitored)

    def step(self, epoch: int, epochs: int, done: int, total: int, logs: Mapping[str, float]) -> None:
        """Pass it on; MLflow has epochs."""
        self.shown.step(epoch, epochs, done, total, logs)

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Write the metrics of an epoch."""
        self.shown.epoch(epoch, epochs, logs, seconds)
        self.logging.epoch(self._key, epoch, logs)

    def note(self, text: str) -> None:
        """Pass it on."""
        self.shown.note(text)

    def member_begins(self, place: int, count: int, label: str) -> None:
        """Begin a nested run."""
        self.shown.member_begins(place, count, label)
        if self._key:
            self.logging.finish(self._key)
        kind = "fold" if label.startswith("fold") else "seed"
        self._key = f"{FOLDS if kind == 'fold' else SEEDS}/{place:02d}"
        if label == "all rows":
            self._key, kind = RETRAINED, "retrained"
        self.logging.begin(self._key, label, kind)

    def member_ends(self, member: Run, split: str) -> None:
        """End a nested run."""
        self.shown.member_ends(member, split)
        self.logging.finish(self._key)


class LoggedSearch(SearchWatcher):
    """Writes a search into MLflow, each trial as a nested run; passes everything on."""

    def __init__(self, shown: SearchWatcher) -> None:
        """Create the watcher.

        Args:
            shown: The watcher that shows what happens.
        """
        self.shown = shown
        self.logging = _Logging(shown.note)
        self._keys: dict[int, str] = {0: ""}

    def stage(self, text: str) -> None:
        """Pass it on."""
        self.shown.stage(text)

    def note(self, text: str) -> None:
        """Pass it on."""
        self.shown.note(text)

    def begin(self, search: Search, loaded: LoadedSpec, planned: int | None) -> None:
        """Begin the run of MLflow."""
        self.shown.begin(search, loaded, planned)
        self.logging.start(search.folder, "search")

    def trial_begins(self, trial: Trial) -> None:
        """Begin a nested run."""
        self.shown.trial_begins(trial)
        self._keys[trial.number] = trial.folder
        self.logging.begin(trial.folder, f"trial {trial.number}", "trial")

    def trial_epoch(self, number: int, epoch: int, epochs: int, logs: Mapping[str, float]) -> None:
        """Write the metrics of an epoch."""
        self.shown.trial_epoch(number, epoch, epochs, logs)
        if number in self._keys:
            self.logging.epoch(self._keys[number], epoch, logs)

    def trial_ends(self, trial: Trial) -> None:
        """End a nested run."""
        self.shown.trial_ends(trial)
        self.logging.finish(trial.folder)

    def promotes(self, trial: Trial, seed: int | None) -> None:
        """Begin a nested run for a trial that is trained again, or go on with the search's own."""
        self.shown.promotes(trial, seed)
        if self._keys[0]:
            self.logging.finish(self._keys[0])
        self._keys[0] = "" if seed is None else promotion_folder(trial.number, seed)
        if self._keys[0]:
            self.logging.begin(self._keys[0], f"trial {trial.number}, seed {seed}", "promoted")


Logged = TypeVar("Logged", LoggedTraining, LoggedSearch)


@contextmanager
def _logging(watcher: Logged) -> Iterator[Logged]:
    """Yield a watcher; write the end into MLflow, however it comes."""
    check_installed()
    try:
        yield watcher
    finally:
        watcher.logging.close()


def logged_training(
    shown: Watcher, wanted: bool, *, warn: Callable[[str], None] | None = None
) -> AbstractContextManager[Watcher]:
    """Return a context with a watcher that also writes into MLflow, where that is wanted, to the very end.

    Args:
        shown: The watcher that shows what happens.
        wanted: Whether it is.
        warn: Receives the warning if that fails; None for `shown`.

    Raises:
        UsageError: MLflow is not installed.
    """
    return _logging(LoggedTraining(shown, warn)) if wanted else nullcontext(shown)


def logged_search(shown: SearchWatcher, wanted: bool) -> AbstractContextManager[SearchWatcher]:
    """Return a context with a watcher of a search that also writes into MLflow; see `logged_training`.

    Raises:
        UsageError: MLflow is not installed.
    """
    return _logging(LoggedSearch(shown)) if wanted else nullcontext(shown)


def goes_on(folder: Path, note: Callable[[str], None]) -> bool:
    """Return whether a run is written into MLflow, so that what resumes it goes on with that.

    Args:
        folder: Of the run.
        note: Receives a line where it was written there, and MLflow is not installed here.
    """
    if not (folder / STATE).is_file():
        return False
    gone = missing("mlflow")
    if gone:
        how = install("mlflow")
        note(f"the run was written into MLflow, which is not installed here: nothing is; {how}")
    return not gone


def log_run(run: Run, note: Callable[[str], None]) -> str:
    """Write a run that is trained, and the runs inside it, into MLflow; return where it is, or nothing.

    The run is locked from the moment when it is read which runs of MLflow these are: a second command at the
    same time would begin others, and write each metric twice.

    Args:
        run: The run.
        note: Receives the warning if that fails.

    Raises:
        UsageError: MLflow is not installed.
        RunError: another process is writing or training this run, and does not end in some seconds.
        TrainingError: the run cannot be locked.
    """
    check_installed()
    logging = _Logging(note)
    with locked(run.folder, patience=CHANGING_SECONDS):
        logging.start(run.folder, run.record.kind)
        for path in sorted(run.folder.glob(f"*/*/{RECORD}")):
            if path.parts[-3] in WITHIN_SEARCH:
                key = path.parent.relative_to(run.folder).as_posix()
                logging.begin(key, *_named(path.parent))
                logging.finish(key)
        logging.close()
    assert logging.log is not None
    return "" if logging.log.failure else without_password(tracking_uri())


def _named(folder: Path) -> tuple[str, str]:
    """Return the title and the kind of a run inside another."""
    try:
        record = open_run(folder).record
    except MlpcliError:
        return folder.name, folder.parent.name
    number = record.fold if record.kind == "fold" else record.seed if record.kind == "seed" else record.trial
    seed = f", seed {record.seed}" if record.kind == "promoted" else ""
    kind = "trial" if record.kind == "promoted" else record.kind
    return (f"{kind} {number}{seed}" if number is not None else folder.name), record.kind
