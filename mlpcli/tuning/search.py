"""From a spec with hyperparameters to a finished search: begin or take up, try, promote."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpcli import runs
from mlpcli.checks.log_names import log_names
from mlpcli.checks.tuner_objective import check_refit, find_objective
from mlpcli.data.dataset import Dataset
from mlpcli.errors import MlpcliError, Problem, RunError, SpecError
from mlpcli.files import write_text
from mlpcli.model.plugins import copy_plugins
from mlpcli.model.transfer import find_start
from mlpcli.runs.folder import Run
from mlpcli.runs.results import SearchOutcome
from mlpcli.runs.search_folder import SEARCH, SEARCHED, Objective, Search
from mlpcli.runs.watcher import SearchWatcher, Watcher
from mlpcli.spec import tuner_arguments as tuners
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.resolve import dump, portable
from mlpcli.spec.schema import TunerSpec
from mlpcli.spec.tuner_arguments import OWN_KEYS
from mlpcli.training.disk_space import check_place, check_room
from mlpcli.training.prepare import build_checked, check_callbacks, complete
from mlpcli.training.run_record import begin_record, now
from mlpcli.tuning import promotion
from mlpcli.tuning.importance import importance
from mlpcli.tuning.oracle import NoTrial, Oracle
from mlpcli.tuning.trial_states import TooManyFailures, TrialStates
from mlpcli.tuning.trials import TrialRunner

LOCAL = "this process"


@dataclass(frozen=True)
class Hands:
    """Who runs the trials: this process, several on this machine, or whoever asks at an address."""

    workers: int = 1
    address: str | None = None


ALONE = Hands()


def begin_search(
    loaded: LoadedSpec,
    *,
    runs_dir: Path,
    watcher: SearchWatcher,
    trials: int | None = None,
    hands: Hands = ALONE,
    command: Sequence[str] = (),
) -> SearchOutcome:
    """Search the hyperparameters of a spec, in a new folder.

    trials: instead of the tuner's max_trials.

    Raises:
        SpecError, DataError: there is nothing to search, or the spec cannot be trained with its defaults.
        TooManyFailures: several trials in a row failed; the search can be taken up again.
        KeyboardInterrupt: passed on; the search can be taken up again.
    """
    check_place(runs_dir, loaded.spec.name)
    arguments = tuner_arguments(loaded.spec.tuner or TunerSpec(), loaded, trials)
    session = SearchSession.prepare(loaded, watcher, command, runs_dir, loaded.spec.name)
    tuner = session.tuner
    search = Search(
        folder=runs.create_run(runs_dir, loaded.spec.name),
        name=loaded.spec.name,
        algorithm=tuner.algorithm,
        arguments=arguments,
        objective=session.objective,
        seed=loaded.spec.seed if tuner.seed is None else tuner.seed,
        space=loaded.space.to_json(),
        spec=str(loaded.file.resolve()),
        data=session.dataset.fingerprint,
    )
    with runs.locked(search.folder):
        write_text(search.folder / runs.SPEC, loaded.raw)
        write_searched(search.folder, loaded)
        session.record["plugins"] = copy_plugins(loaded.catalog, search.folder)
        search.save()
        return session.run(search, hands)


def write_searched(folder: Path, loaded: LoadedSpec) -> None:
    """Write what is searched into the search's folder; the run that it starts from means one for ever."""
    document = {"name": loaded.spec.name} | loaded.source.data
    start, given = find_start(loaded).spec.start_from, document.get("start_from")
    if start is not None and isinstance(given, dict) and isinstance(given.get("run"), str):
        document["start_from"] = given | {"run": start.run}
    write_text(folder / SEARCHED, dump(portable(document, loaded.folder), flow=None))


def tuner_arguments(tuner: TunerSpec, loaded: LoadedSpec, trials: int | None = None) -> dict[str, Any]:
    """The arguments that Keras Tuner's class gets."""
    ours = ("objective", "seed", "max_retries_per_trial", "max_consecutive_failed_trials", *OWN_KEYS)
    names = [name for name in tuners.arguments(tuner.algorithm) if name not in ours]
    given = {name: value for name in names if (value := getattr(tuner, name)) is not None}
    if tuner.algorithm == "Hyperband":
        given.setdefault("max_epochs", loaded.spec.fit.epochs)
        if trials is not None:
            rule = "Hyperband decides on the number of its trials itself"
            hint = "set tuner.max_epochs, tuner.factor or tuner.hyperband_iterations"
            raise SpecError(Problem(rule, hint=hint))
    return given | ({"max_trials": trials} if trials is not None else {})


@dataclass
class SearchSession:
    """One process's time with a search, from the checks to the end or an interruption."""

    loaded: LoadedSpec
    tuner: TunerSpec
    objective: Objective
    dataset: Dataset
    record: dict[str, Any]
    watcher: SearchWatcher
    command: Sequence[str]

    @classmethod
    def prepare(
        cls,
        loaded: LoadedSpec,
        watcher: SearchWatcher,
        command: Sequence[str],
        place: Path,
        name: str = "",
        dataset: Dataset | None = None,
    ) -> SearchSession:
        """Load the data and build the model with every hyperparameter at its default; nothing is written.

        place, name: where there must be room, as `check_room` takes them.
        dataset: of the spec, where it has been loaded already.

        Raises:
            SpecError, DataError: there is nothing to search, or the spec cannot be trained.
            TrainingError: the disk has no room for a run.
        """
        if not loaded.space:
            rule = "there is nothing to search: no value of the spec is a hyperparameter"
            hint = "write one in place, such as units: {hp: int, min: 16, max: 256}"
            raise SpecError(Problem(rule, hint=hint))
        watcher.stage("reading the data")
        tuner = loaded.spec.tuner or TunerSpec()
        with located(loaded):
            runner = TrialRunner(loaded, Path(), Objective("loss", "min"))
            dataset = dataset or runner.dataset(loaded)
            completed = complete(loaded, dataset)
            watcher.stage("building the model")
            model = build_checked(completed, dataset)
            check_callbacks(completed)
            objective = find_objective(tuner, log_names(model, validation=dataset.validation is not None))
            check_refit(tuner, dataset)
        for note in completed.notes:
            watcher.note(note)
        check_room(place, model, name)
        record = begin_record(completed, dataset, model, command) | {"kind": "search"}
        return cls(loaded, tuner, objective, dataset, record, watcher, command)

    def run(self, search: Search, hands: Hands) -> SearchOutcome:
        """Try what is left to try, promote the best, and finish; the folder is held meanwhile."""
        if search.finished:
            return self._as_it_ended(search)
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
            try:
                self._try_all(states, runner, hands)
            finally:
                search.seconds = before + time.monotonic() - began
                search.save()
            run, metrics = self._promote(search, runner)
            search.seconds, search.finished = before + time.monotonic() - began, True
            search.save()
            found = importance(search, self.loaded.space)
            self._draw(search, found)
            return SearchOutcome(search, run, metrics, found, search.seconds)

    def _as_it_ended(self, search: Search) -> SearchOutcome:
        """What a finished search came to, from its files; nothing is trained or written."""
        self.watcher.note("the search is finished: nothing to do; --trials N tries more")
        run = runs.open_run(search.folder) if search.winner is not None else None
        metrics = run.record.metrics if run is not None else {}
        return SearchOutcome(search, run, metrics, importance(search, self.loaded.space), search.seconds)

    def _try_all(self, states: TrialStates, runner: TrialRunner, hands: Hands) -> None:
        """Run trials until there are no more: here, in processes of ours, or in those that come."""
        if hands.address is not None:
            from mlpcli.tuning.chief import Chief, serving, wait_for_workers

            chief = Chief(states, self.watcher, adopt=True)
            with serving(chief, hands.address) as address:
                self.watcher.note(f"waiting for workers at {address}")
                wait_for_workers(chief)
        elif hands.workers > 1:
            from mlpcli.tuning.workers import run_workers

            run_workers(states, workers=hands.workers, watcher=self.watcher)
        else:
            run_trials(states, runner, self.watcher)

    def _promote(self, search: Search, runner: TrialRunner) -> tuple[Run | None, dict[str, dict[str, float]]]:
        if not self.tuner.promote or not search.best_first():
            self._save_record(search, runs.COMPLETED)
            return None, {}
        promotion.repeat_best(search, self.tuner, runner, self.watcher.promotes, self._epoch_of_none)
        winner = promotion.choose_winner(search)
        search.winner = winner.number
        search.save()
        best = promotion.write_best(search, self.loaded, winner, refit=self.tuner.refit)
        self.watcher.promotes(winner, None)
        outcome = promotion.train_winner(
            search,
            self.loaded,
            best,
            runner,
            winner=winner,
            watcher=_FinalTraining(self.watcher),
            command=self.command,
        )
        return outcome.run, outcome.metrics

    def _epoch_of_none(self, epoch: int, epochs: int, logs: dict[str, float]) -> None:
        self.watcher.trial_epoch(0, epoch, epochs, logs)

    def _draw(self, search: Search, found: dict[str, float]) -> None:
        from mlpcli.tuning.plots import draw_search

        if search.best_first():
            draw_search(search, self.loaded.space, found)

    def _save_record(self, search: Search, status: str, error: str = "") -> None:
        record = self.record | {"status": status, "search": promotion.summary(search)}
        record |= {"error": error} if error else {}
        record |= {"ended": now()} if status != runs.RUNNING else {}
        runs.write_record(search.folder, record)

    @contextmanager
    def _recording(self, search: Search) -> Iterator[None]:
        """See to it that `run.json` says how a search ended, however it ends."""
        try:
            yield
        except KeyboardInterrupt:
            self._save_record(search, runs.INTERRUPTED, "interrupted")
            self.watcher.note(f"interrupted; go on with: {runs.resume_command(search.folder)}")
            raise
        except TooManyFailures as error:
            self._save_record(search, runs.FAILED, str(error))
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, MlpcliError) else f"{type(error).__name__}: {error}"
            self._save_record(search, runs.FAILED, reason)
            raise


def make_oracle(search: Search, loaded: LoadedSpec) -> Oracle:
    """The algorithm of a search, standing where the search stands.

    Raises:
        RunError: the trials that were recorded cannot be those of the algorithm.
    """
    oracle = Oracle(search.algorithm, search.arguments, loaded.space, search.objective, search.seed)
    try:
        oracle.replay(search)
    except MlpcliError:
        raise
    except Exception as error:  # Keras Tuner refuses in many ways
        rule = f"{search.folder / SEARCH} is damaged: its trials do not fit its space"
        hint = "put the original back, or start a new search with --fresh"
        raise RunError(Problem(f"{rule} ({type(error).__name__}: {error})", hint=hint)) from error
    return oracle


def run_trials(states: TrialStates, runner: TrialRunner, watcher: SearchWatcher) -> None:
    """Run trials in this process until the algorithm has no more."""
    while not isinstance(trial := states.next(LOCAL), NoTrial):
        number = trial.number
        watcher.trial_begins(trial)

        def show(epoch: int, epochs: int, logs: dict[str, float], number: int = number) -> None:
            watcher.trial_epoch(number, epoch, epochs, logs)

        result = runner.run(trial, show)
        try:
            states.finish(number, result)
        finally:
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
