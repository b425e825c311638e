"""Keras Tuner's algorithms propose the same after a search was killed at any event and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli.errors import RunError
from mlpcli.runs.search_folder import COMPLETED, FAILED, Objective, Search, Trial, load_search
from mlpcli.runs.watcher import SearchWatcher
from mlpcli.spec.load import LoadedSpec, load_spec
from mlpcli.tuning.oracle import NoTrial, Oracle
from mlpcli.tuning.trial_states import MOST_STARTS, TooManyFailures, TrialStates
from mlpcli.tuning.trials import Result

OBJECTIVE = Objective("val_accuracy", "max")
SPACE = "units: {hp: int, min: 4, max: 16, step: 4, name: units}"

ALGORITHMS: dict[str, tuple[dict[str, Any], int]] = {  # arguments, and how many trials that makes
    "RandomSearch": ({"max_trials": 6}, 6),
    "GridSearch": ({"max_trials": 9}, 9),
    "Hyperband": ({"max_epochs": 4, "factor": 2}, 15),
    "BayesianOptimization": ({"max_trials": 5, "num_initial_points": 3}, 5),
}


def _score(trial: Trial) -> Result:
    """An invented score that depends on the values alone."""
    units, rate = trial.proposed["units"], trial.proposed.get("lr", 0.0)
    assert isinstance(units, int)
    assert isinstance(rate, float)
    score = -abs(units - 9) / 10 + rate + (trial.epochs or 0) / 100
    return Result(COMPLETED, score, 1, 2)


def _new(folder: Path, algorithm: str, loaded: LoadedSpec, seed: int = 42, **arguments: Any) -> Search:
    given = arguments or ALGORITHMS[algorithm][0]
    folder.mkdir(parents=True, exist_ok=True)
    return Search(folder, "x", algorithm, given, OBJECTIVE, seed, loaded.space.to_json(), "x.yaml")


def _states(search: Search, loaded: LoadedSpec, **settings: int) -> TrialStates:
    oracle = Oracle(search.algorithm, search.arguments, loaded.space, OBJECTIVE, search.seed)
    oracle.replay(search)
    return TrialStates(search, oracle, loaded, **({"retries": 0, "most_failures": 3} | settings))


class _Killed(Exception):
    pass


def _go(search: Search, loaded: LoadedSpec, *, kill_after: int | None = None) -> Search:
    """Run trials to the end, or until so many events are on the disk."""
    states = _states(search, loaded)
    search.save()
    while isinstance(trial := states.next("me"), Trial):
        if kill_after is not None and len(search.events) >= kill_after:
            raise _Killed
        states.finish(trial.number, _score(trial))
        if kill_after is not None and len(search.events) >= kill_after:
            raise _Killed
    return search


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_killed_at_any_event_goes_on_as_if_it_had_not_been(
    algorithm: str, loaded: LoadedSpec, tmp_path: Path
) -> None:
    whole = _go(_new(tmp_path / "whole", algorithm, loaded), loaded)
    assert len(whole.trials) == ALGORITHMS[algorithm][1]
    stride = {"BayesianOptimization": 5, "Hyperband": 5, "GridSearch": 3}.get(algorithm, 2)
    for kill_after in range(3, len(whole.events), stride):
        folder = tmp_path / str(kill_after)
        with pytest.raises(_Killed):
            _go(_new(folder, algorithm, loaded), loaded, kill_after=kill_after)
        resumed = _go(load_search(folder), loaded)
        wanted = [(t.proposed, t.score, t.epochs, t.source) for t in whole.trials]
        assert [(t.proposed, t.score, t.epochs, t.source) for t in resumed.trials] == wanted, kill_after
        assert sum(event == "end" for event, _ in resumed.events) == len(resumed.trials)


@pytest.mark.parametrize("algorithm", ["RandomSearch", "BayesianOptimization"])
def test_more_trials_leave_those_before_as_they_were(
    algorithm: str, loaded: LoadedSpec, tmp_path: Path
) -> None:
    more = {"num_initial_points": 3} if algorithm == "BayesianOptimization" else {}
    search = _go(_new(tmp_path, algorithm, loaded, max_trials=3, **more), loaded)
    before = [trial.proposed for trial in search.trials]
    search.arguments["max_trials"] = 4
    assert [trial.proposed for trial in _go(search, loaded).trials[:3]] == before
    assert len(search.trials) == 4
    straight = _go(_new(tmp_path / "straight", algorithm, loaded, max_trials=4, **more), loaded)
    assert search.trials[3].proposed == straight.trials[3].proposed


def test_another_seed_gives_other_trials_and_the_same_seed_the_same(
    loaded: LoadedSpec, tmp_path: Path
) -> None:
    def proposed(seed: int) -> list[dict[str, Any]]:
        search = _new(tmp_path / str(seed), "RandomSearch", loaded, seed)
        return [trial.proposed for trial in _go(search, loaded).trials]

    assert proposed(0) == proposed(0)
    assert proposed(0) != proposed(7)


def test_values_keep_to_their_ranges_and_types(loaded: LoadedSpec, tmp_path: Path) -> None:
    trials = _go(_new(tmp_path, "RandomSearch", loaded, max_trials=30), loaded).trials
    assert {trial.proposed["units"] for trial in trials} <= {4, 8, 12, 16}
    assert all(type(trial.proposed["units"]) is int for trial in trials)
    assert {trial.proposed["optimizer"] for trial in trials} == {"SGD", "Adam", "RMSprop"}
    rates = [trial.proposed["lr"] for trial in trials if "lr" in trial.proposed]
    assert all(isinstance(rate, float) and 1e-4 <= rate <= 1e-2 for rate in rates)
    assert all(("lr" in trial.values) == (trial.values["optimizer"] != "RMSprop") for trial in trials)


def test_a_grid_goes_through_every_combination_once(spec_file: Callable[[str], Path], tmp_path: Path) -> None:
    text = "dataset: {name: iris}\nlayers: [{Dense: {UNITS}}]\nloss: mse\n".replace("UNITS", SPACE)
    loaded = load_spec(spec_file(text + "fit: {batch_size: {hp: choice, values: [8, 16]}}\n"))
    search = _new(tmp_path, "GridSearch", loaded, max_trials=100)
    states = _states(search, loaded)
    while isinstance(trial := states.next(), Trial):
        states.finish(trial.number, Result(COMPLETED, 0.5, 1, 1))
    found = [(t.proposed["units"], t.proposed["fit.batch_size"]) for t in search.trials]
    assert sorted(found) == [(units, size) for units in (4, 8, 12, 16) for size in (8, 16)]


def test_hyperband_trains_the_better_ones_on(loaded: LoadedSpec, tmp_path: Path) -> None:
    trials = _go(_new(tmp_path, "Hyperband", loaded), loaded).trials
    further = [trial for trial in trials if trial.source is not None]
    assert further
    for trial in further:
        source = trials[(trial.source or 0) - 1]
        assert source.proposed == trial.proposed
        assert (trial.initial_epoch, trial.source_folder) == (source.epochs, source.folder)
        assert (trial.epochs or 0) > (source.epochs or 0)


def test_a_search_that_was_recorded_otherwise_is_not_taken_up(loaded: LoadedSpec, tmp_path: Path) -> None:
    search = _go(_new(tmp_path, "GridSearch", loaded), loaded)
    search.trials[2].proposed["units"] = 7
    with pytest.raises(RunError, match="does not propose trial 3 as it was recorded"):
        _states(search, loaded)


def test_failed_trials_in_a_row_stop_the_search_and_one_that_goes_well_begins_the_count_anew(
    loaded: LoadedSpec, tmp_path: Path
) -> None:
    search = _new(tmp_path, "RandomSearch", loaded, max_trials=20)
    states = _states(search, loaded)

    def end(result: Result) -> None:
        trial = states.next()
        assert isinstance(trial, Trial)
        states.finish(trial.number, result)

    bad, good = Result(FAILED, reason="out of memory"), Result(COMPLETED, 0.5, 1, 1)
    for result in (bad, bad, good, bad, bad):
        end(result)
    with pytest.raises(TooManyFailures, match="3 trials in a row failed"):
        end(bad)
    assert [trial.status for trial in load_search(tmp_path).trials].count(FAILED) == 5


def test_a_trial_that_kills_its_process_again_and_again_is_given_up(
    loaded: LoadedSpec, tmp_path: Path
) -> None:
    search = _new(tmp_path, "RandomSearch", loaded)
    _states(search, loaded).next("me")
    for _ in range(MOST_STARTS - 1):
        trial = _states(load_search(tmp_path), loaded).next("me")
        assert isinstance(trial, Trial)
        assert trial.number == 1
    search = load_search(tmp_path)
    assert search.trial(1).starts == MOST_STARTS
    following = _states(search, loaded).next("me")
    assert isinstance(following, Trial)
    assert following.number == 2
    assert search.trial(1).status == FAILED
    assert "never ended" in search.trial(1).reason


def test_a_trial_that_several_workers_die_of_is_given_up(loaded: LoadedSpec, tmp_path: Path) -> None:
    states = _states(_new(tmp_path, "RandomSearch", loaded), loaded)
    for worker in "abc":
        trial = states.next(worker)
        assert isinstance(trial, Trial)
        assert trial.number == 1
        states.give_back(trial)
    following = states.next("d")
    assert isinstance(following, Trial)
    assert (following.number, states.search.trial(1).status) == (2, FAILED)


def test_a_failed_trial_is_tried_again_where_that_is_asked_for(loaded: LoadedSpec, tmp_path: Path) -> None:
    search = _new(tmp_path, "RandomSearch", loaded, max_trials=1)
    states = _states(search, loaded, retries=1)
    for reason in ("first", "second"):
        trial = states.next()
        assert isinstance(trial, Trial)
        states.finish(trial.number, Result(FAILED, reason=reason))
    assert (search.trial(1).starts, search.trial(1).reason) == (2, "second")
    assert states.next() is NoTrial.DONE


def test_a_trial_that_is_tried_again_has_not_ended(loaded: LoadedSpec, tmp_path: Path) -> None:
    from mlpcli.tuning.search import run_trials

    class Runner:
        def run(self, trial: Trial, on_epoch: object) -> Result:
            return Result(FAILED, reason=f"start {trial.starts}")

    class Ends(SearchWatcher):
        shown: list[str] = []

        def trial_ends(self, trial: Trial) -> None:
            self.shown.append(trial.reason)

    search, watcher = _new(tmp_path, "RandomSearch", loaded, max_trials=1), Ends()
    run_trials(_states(search, loaded, retries=1), Runner(), watcher)  # type: ignore[arg-type]
    assert watcher.shown == ["start 2"]


def test_a_search_whose_output_nobody_reads_can_be_resumed(loaded: LoadedSpec, tmp_path: Path) -> None:
    from mlpcli.runs.folder import find_run
    from mlpcli.tuning.begin_search import begin_search
    from mlpcli.tuning.search import SearchOptions

    class Unread(SearchWatcher):
        def trial_begins(self, trial: Trial) -> None:
            raise SystemExit(1)  # as Rich does

    with pytest.raises(SystemExit):
        begin_search(loaded, runs_dir=tmp_path / "runs", watcher=Unread(), options=SearchOptions())
    assert find_run(loaded.spec.name, tmp_path / "runs", unfinished=True).status == "interrupted"
