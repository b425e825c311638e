"""One session of a search, new or resumed: run the trials, promote the best, finish."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlpcli import runs
from mlpcli.checks.board_rules import check_boards
from mlpcli.checks.log_names import directions
from mlpcli.checks.tuner_objective import check_promotion, find_objective
from mlpcli.data.dataset import Dataset
from mlpcli.errors import MlpcliError, Problem, RunError
from mlpcli.runs.folder import Run
from mlpcli.runs.results import SearchOutcome
from mlpcli.runs.search_folder import COMPLETED, RUNNING, SEARCH, Objective, Search
from mlpcli.runs.watcher import SearchWatcher, Watcher
from mlpcli.signals import interruptions_restored
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.schema import TunerSpec
from mlpcli.spec.search_space import check_searched
from mlpcli.training.disk_space import check_room
from mlpcli.training.prepare import build_checked, check_callbacks, complete
from mlpcli.training.run_record import begin_record, begun, now
from mlpcli.training.time_limit import SearchTimeIsUp, time_limit
from mlpcli.tuning import promotion
from mlpcli.tuning.fold_trials import check_folds
from mlpcli.tuning.importance import importance
from mlpcli.tuning.keep_ensemble import Keeping, keep_ensemble
from mlpcli.tuning.oracle import NoTrial, Oracle
from mlpcli.tuning.trial_states import TooManyFailures, TrialStates
from mlpcli.tuning.trials import TrialRunner

LOCAL = "this process"
"""The worker of trials that run without worker processes."""


@dataclass(frozen=True)
class SearchOptions:
    """How a search is run.

    Attributes:
        trials: total number of trials, instead of the tuner's max_trials.
        workers: processes on this machine that run trials at the same time.
        address: `HOST:PORT` where a chief listens for workers that others start; None to run the trials here.
        ensemble: of how many of the best trials the mean is kept, instead of the tuner's `ensemble`.
        max_minutes: after how many no trials are started, instead of the tuner's `max_minutes`.
        extend_space: a resumed search accepts wider ranges and new hyperparameters.
        trusted: the plug-ins of a resumed search may run, wherever they come from.
        command: the command line, for `run.json`.
    """

    trials: int | None = None
    workers: int = 1
    address: str | None = None
    ensemble: int | None = None
    max_minutes: float | None = None
    extend_space: bool = False
    trusted: bool = False
    command: Sequence[str] = ()


@dataclass
class SearchSession:
    """One process's work on a search, from the checks to the end or an interruption.

    Attributes:
        loaded: the spec.
        tuner: its `tuner` section.
        objective: the metric to optimize.
        dataset: the data of the spec.
        record: the entries of `run.json` that do not change.
        watcher: receives the progress.
        options: how the search is run.
    """

    loaded: LoadedSpec
    tuner: TunerSpec
    objective: Objective
    dataset: Dataset
    record: dict[str, object]
    watcher: SearchWatcher
    options: SearchOptions

    @classmethod
    def prepare(
        cls,
        loaded: LoadedSpec,
        watcher: SearchWatcher,
        options: SearchOptions,
        place: Path,
        name: str = "",
        dataset: Dataset | None = None,
    ) -> SearchSession:
        """Load the data and build the model with every hyperparameter at its default; write nothing.

        Args:
            loaded: the spec.
            watcher: receives the progress.
            options: how the search is run.
            place: the runs folder, or the search's, which needs space on the disk.
            name: the experiment, if `place` is the runs folder.
            dataset: the data of the spec, if it has been loaded already.

        Raises:
            SpecError: There is nothing to search, or the spec cannot be trained.
            DataError: The data cannot be read.
            TrainingError: The disk has too little space for a run.
        """
        check_searched(loaded.space, loaded.text.data)
        watcher.stage("reading the data")
        tuner = loaded.spec.tuner or TunerSpec()
        if options.max_minutes is not None:
            tuner = tuner.model_copy(update={"max_minutes": options.max_minutes})
        if options.ensemble is not None:
            tuner = tuner.model_copy(update={"ensemble": options.ensemble})
        with located(loaded):
            check_folds(loaded)
            runner = TrialRunner(loaded, Path(), Objective("loss", "min"))
            dataset = dataset or runner.dataset(loaded)
            completed = complete(loaded, dataset)
            watcher.stage("building the model with the default of every hyperparameter")
            model = build_checked(completed, dataset)
            check_callbacks(completed)
            if name:  # a search that exists already is not held to it
                check_boards(model, completed.spec, dataset)
            objective = find_objective(tuner, directions(model, validation=dataset.validation is not None))
            check_promotion(tuner, dataset, loaded.spec.predict)
        for note in completed.notes:
            watcher.note(note)
        check_room(place, model, name)
        record = begin_record(completed, dataset, model, options.command) | {"kind": "search"}
        return cls(loaded, tuner, objective, dataset, record, watcher, options)

    def run(self, search: Search) -> SearchOutcome:
        """Run the remaining trials, promote the best, and finish; the caller holds the folder's lock."""
        if search.finished:
            return self._finished(search)
        began, before = time.monotonic(), search.seconds
        runner = TrialRunner(self.loaded, search.folder, search.objective)
        runner.adopt(self.loaded, self.dataset)
        with self._recording(search):
            self._save_record(search, runs.RUNNING)
            oracle = make_oracle(search, self.loaded)
            self.watcher.begin(search, self.loaded, oracle.planned())
            states = TrialStates(
                search,
                oracle,
                self.loaded,
                retries=self.tuner.max_retries_per_trial,
                most_failures=self.tuner.max_consecutive_failed_trials,
            )
            states.limit = time_limit(self.tuner.max_minutes, began)
            try:
                self._run_trials(states, runner)
            finally:
                search.seconds = before + time.monotonic() - began
                search.save()
            parts = {"trials": time.monotonic() - began}
            if states.timed_out:
                self._note_late(search)
            else:
                self._note_exhausted(search, oracle.planned())
            run, metrics = self._promote(search, runner)
            parts["training the best again"] = time.monotonic() - began - parts["trials"]
            search.seconds, search.finished = before + time.monotonic() - began, not states.timed_out
            search.save()
            if states.timed_out:
                self._record_late(search)
            importances = importance(search, self.loaded.space)
            self._draw(search, importances)
            return SearchOutcome(search, run, metrics, importances, search.seconds, parts)

    def _note_late(self, search: Search) -> None:
        """Note that the time is up, and how to go on."""
        done = sum(trial.status == COMPLETED for trial in search.trials)
        self.watcher.note(
            f"the time of {self.tuner.max_minutes:g} minutes is up: the best of {done:,} trials is kept; "
            f"go on with: {runs.resume_command(search.folder)}"
        )

    def _record_late(self, search: Search) -> None:
        """Record that the search is complete since its time was up."""
        record = runs.open_run(search.folder).record.to_json()
        used = {"max_minutes": self.tuner.max_minutes, "used_seconds": round(search.seconds, 3)}
        runs.write_record(search.folder, record | {"ended_by": "time", "time": used})

    def _note_exhausted(self, search: Search, planned: int | None) -> None:
        """Note that there were fewer combinations of values than trials."""
        done = len(search.trials)
        if planned is not None and done < planned and search.algorithm != "Hyperband":
            self.watcher.note(
                f"the search space is exhausted: after {done} of {planned:,} trials there is no further "
                "combination of values"
            )

    def _finished(self, search: Search) -> SearchOutcome:
        """Return the outcome of a finished search from its files; draw its figures if one is missing."""
        from mlpcli.tuning.figures import all_drawn

        self.watcher.note("the search is finished: nothing to do; --trials N runs more")
        run = runs.open_run(search.folder) if search.winner is not None else None
        metrics = run.record.metrics if run is not None else {}
        importances = importance(search, self.loaded.space)
        if not all_drawn(search, importances):
            self._draw(search, importances)
        return SearchOutcome(search, run, metrics, importances, search.seconds)

    def _run_trials(self, states: TrialStates, runner: TrialRunner) -> None:
        """Run trials until there are no more: in this process, in local workers, or in those that connect."""
        if self.options.address is not None:
            from mlpcli.tuning.chief import Chief, serving, wait_for_workers

            chief = Chief(states, self.watcher, adopt=True)
            with serving(chief, self.options.address) as address:
                self.watcher.note(f"waiting for workers at {address}")
                wait_for_workers(chief)
        elif self.options.workers > 1:
            from mlpcli.tuning.local_workers import run_workers

            run_workers(states, workers=self.options.workers, watcher=self.watcher)
        else:
            run_trials(states, runner, self.watcher)

    def _promote(self, search: Search, runner: TrialRunner) -> tuple[Run | None, dict[str, dict[str, float]]]:
        """Train the best trials again and the winner into the search's folder; return its run and metrics."""
        count = max(self.tuner.promote, search.ensemble)
        if not count or not search.best_first():
            self._save_record(search, runs.COMPLETED)
            return None, {}
        tuner = self.tuner.model_copy(update={"promote": count})
        promotion.repeat_best(search, tuner, runner, self.watcher.promotes, self._promotion_epoch)
        winner = promotion.choose_winner(search)
        search.winner = winner.number
        search.save()
        best = promotion.write_best(search, self.loaded, winner, refit=self.tuner.refit)
        search.members = []
        final = _FinalTraining(self.watcher)
        if search.ensemble:
            keeping = Keeping(
                search, self.loaded, best, winner, runner, final, self.options.command, begun(self.record)
            )
            kept = keep_ensemble(keeping)
            if kept is not None:
                return kept
        self.watcher.promotes(winner, None)
        outcome = promotion.train_winner(
            search,
            self.loaded,
            best,
            runner,
            winner=winner,
            watcher=final,
            command=self.options.command,
            begun=begun(self.record),
        )
        return outcome.run, outcome.metrics

    def _promotion_epoch(self, epoch: int, epochs: int, logs: dict[str, float]) -> None:
        self.watcher.trial_epoch(0, epoch, epochs, logs)

    def _draw(self, search: Search, importances: dict[str, float]) -> None:
        from mlpcli.tuning.figures import draw_search

        if search.best_first():
            draw_search(search, self.loaded.space, importances)

    def _save_record(self, search: Search, status: str, error: str = "") -> None:
        record = self.record | {"status": status, "search": promotion.summary(search)}
        record |= {"error": error} if error else {}
        record |= {"ended": now()} if status != runs.RUNNING else {}
        runs.write_record(search.folder, record)

    @contextmanager
    def _recording(self, search: Search) -> Iterator[None]:
        """Record in `run.json` how a search ends."""
        try:
            with interruptions_restored():
                yield
        except (KeyboardInterrupt, SystemExit):  # Rich leaves by the latter when nobody reads
            self._save_record(search, runs.INTERRUPTED, "interrupted")
            with contextlib.suppress(OSError):  # the terminal may be gone
                self.watcher.note(f"interrupted; resume with: {runs.resume_command(search.folder)}")
            raise
        except TooManyFailures as error:
            self._save_record(search, runs.FAILED, str(error))
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, MlpcliError) else f"{type(error).__name__}: {error}"
            self._save_record(search, runs.FAILED, reason)
            raise


def make_oracle(search: Search, loaded: LoadedSpec) -> Oracle:
    """Build the oracle of a search, in the state that belongs to its trials.

    Raises:
        RunError: The recorded trials cannot be those of the algorithm.
    """
    oracle = Oracle(search.algorithm, search.arguments, loaded.space, search.objective, search.seed)
    try:
        oracle.replay(search)
    except MlpcliError:
        raise
    except Exception as error:  # Keras Tuner raises many kinds
        rule = f"{search.folder / SEARCH} is damaged: its trials do not fit its space"
        hint = "restore the original, or start a new search with --fresh"
        raise RunError(Problem(f"{rule} ({type(error).__name__}: {error})", hint=hint)) from error
    return oracle


def run_trials(states: TrialStates, runner: TrialRunner, watcher: SearchWatcher) -> None:
    """Run trials in this process until the oracle proposes no more."""
    while not isinstance(trial := states.next(LOCAL), NoTrial):
        number = trial.number
        watcher.trial_begins(trial)

        def show(epoch: int, epochs: int, logs: dict[str, float], number: int = number) -> None:
            watcher.trial_epoch(number, epoch, epochs, logs)
            if epoch < epochs and states.is_late():
                raise SearchTimeIsUp

        try:
            result = runner.run(trial, show)
        except SearchTimeIsUp:
            states.cut(trial)
            return
        try:
            states.finish(number, result)
        finally:
            if trial.status != RUNNING:  # a failed one may be started again
                watcher.trial_ends(trial)


class _FinalTraining(Watcher):
    """Reports the winner's last training to the watcher of the search."""

    def __init__(self, watcher: SearchWatcher) -> None:
        self.watcher = watcher

    def stage(self, text: str) -> None:
        """Pass on what is being done after the last epoch."""
        self.watcher.stage(text)

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Pass on an epoch that is done."""
        self.watcher.trial_epoch(0, epoch, epochs, dict(logs))

    def note(self, text: str) -> None:
        """Pass on one line that the user should know."""
        self.watcher.note(text)
