"""Trainings and searches that end when their time is up, and go on to what they would have been."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.runs.folder import find_run, open_run
from mlpcli.runs.search_folder import COMPLETED, RUNNING, Trial, load_search
from mlpcli.runs.watcher import SearchWatcher, Watcher
from mlpcli.spec.load import load_spec
from mlpcli.training.time_limit import EpochLimit, TimeLimit, time_limit
from mlpcli.tuning.trials import Result
from tests.conftest import TINY
from tests.conftest import Result as Done
from tests.spec.test_search_spec import SEARCHED
from tests.tuning.test_oracle import _new, _score, _states

Command = Callable[..., Done]


def test_the_time_that_is_left_is_shared_by_the_trainings_that_are_left() -> None:
    now = [100.0]
    limit = TimeLimit(1.0, 160.0, lambda: now[0])
    assert limit.share(3).deadline == 120
    now[0] = 110.0  # the first was quick
    assert limit.share(2).deadline == 135
    now[0] = 170.0
    late = limit.share(1)
    assert late.cuts()
    assert late.is_over(1)
    assert time_limit(None, 5.0) is None
    assert time_limit(0.5, 5.0) == TimeLimit(0.5, 35.0)
    assert [EpochLimit(3).is_over(epochs) for epochs in (2, 3)] == [False, True]


@pytest.mark.slow
def test_a_training_whose_time_is_up_is_complete_and_goes_on(
    mlpcli: Command, tiny_run: Path, tmp_path: Path
) -> None:
    from mlpcli.training.checkpoint_file import read_checkpoint

    (tmp_path / "tiny.yaml").write_text(TINY)
    where = ("--runs-dir", tmp_path / "runs")
    begun = mlpcli("train", tmp_path / "tiny.yaml", "--max-minutes", "1e-6", *where)
    assert begun.status == 0, begun.err
    run = find_run("tiny", tmp_path / "runs")
    shown = " ".join(begun.out.split())
    assert "the time of 1e-06 minutes is up; epochs are left, train them with:" in shown
    assert f"mlpcli train --resume {run.label}" in shown
    assert (run.record.epochs, run.record.ended_by, run.status) == (1, "time", "completed")
    assert run.record.time is not None
    first = run.record.time.used_seconds
    assert (run / "saved_model" / "saved_model.pb").is_file()
    again = mlpcli("reproduce", "tiny", "--runs-dir", tmp_path / "runs", "--json")
    assert again.status == 0, again.out + again.err

    ended = mlpcli("train", "--resume", run.label, "--max-minutes", "60", *where, "--json")
    assert ended.status == 0, ended.err
    assert "ended_by" not in json.loads(ended.out)
    run = open_run(run.folder)
    assert (run.record.epochs, run.record.ended_by) == (5, None)
    assert run.record.time is not None
    assert run.record.time.used_seconds > first
    (whole,) = (open_run(folder) for folder in (tiny_run / "tiny").iterdir())
    assert run.record.metrics == whole.record.metrics
    one, other = (read_checkpoint(each / "checkpoints" / "state.ckpt") for each in (run, whole))
    for part in ("model", "optimizer", "history", "best"):
        np.testing.assert_equal(one[part], other[part])
    assert "finished" in mlpcli("train", "--resume", run.label, *where).out


@dataclass
class Cut:
    """A limit that is over within an epoch: when it was asked some times."""

    left: int

    def is_over(self, epochs: int) -> bool:
        return False

    def cuts(self) -> bool:
        self.left -= 1
        return self.left < 0


LOGGED = "callbacks=[CSVLogger: {filename: logs/each.csv}, TensorBoard: false]"


@pytest.mark.slow
def test_an_epoch_that_is_cut_counts_as_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpcli.training.checkpoint_file import read_checkpoint
    from mlpcli.training.compiled import loop
    from mlpcli.training.job import TRIAL
    from mlpcli.training.prepare import prepare
    from mlpcli.training.resume import resume_run
    from mlpcli.training.session import train_into

    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)  # a chunk has one step
    (tmp_path / "tiny.yaml").write_text(TINY)
    averaged = "optimizer={Adam: {learning_rate: 0.02, use_ema: true, ema_momentum: 0.8}}"
    loaded = load_spec(tmp_path / "tiny.yaml", settings=["fit.epochs=2", averaged, LOGGED])

    def run_with(limit: Cut | EpochLimit | None, name: str) -> Path:
        folder = tmp_path / "tiny" / name
        folder.mkdir(parents=True)
        outcome = train_into(prepare(loaded).job(folder, Watcher(), options=replace(TRIAL, limit=limit)))
        assert outcome.run.record.ended_by == (None if limit is None else "time")
        return folder

    cut, short, whole = run_with(Cut(3), "cut"), run_with(EpochLimit(1), "short"), run_with(None, "whole")
    assert (cut / "history.csv").read_text() == (short / "history.csv").read_text()
    assert open_run(cut).record.metrics == open_run(short).record.metrics
    resume_run(open_run(cut), watcher=Watcher(), options=TRIAL)
    assert (cut / "logs" / "each.csv").read_text() == (whole / "logs" / "each.csv").read_text()
    states = [read_checkpoint(folder / "checkpoints" / "state.ckpt") for folder in (cut, whole)]
    for part in ("model", "optimizer", "history"):
        np.testing.assert_equal(states[0][part], states[1][part])


class Runner:
    """Stands for what trains trials: two epochs each, which take a minute."""

    def __init__(self, now: list[float]) -> None:
        self.now = now
        self.trained: list[int] = []

    def run(self, trial: Trial, on_epoch: Callable[[int, int, dict[str, float]], None]) -> Result:
        for epoch in (1, 2):
            self.now[0] += 60
            on_epoch(epoch, 2, {})
        self.trained.append(trial.number)
        return _score(trial)


def test_a_search_whose_last_trial_takes_the_last_of_its_time_is_finished(
    spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    from mlpcli.tuning.search import run_trials

    loaded, now = load_spec(spec_file(SEARCHED)), [0.0]
    states = _states(_new(tmp_path, "RandomSearch", loaded, max_trials=2), loaded)
    states.limit, runner = TimeLimit(4.0, 240.0, lambda: now[0]), Runner(now)
    run_trials(states, runner, SearchWatcher())  # type: ignore[arg-type]
    assert (runner.trained, states.is_late(), states.timed_out) == ([1, 2], True, False)


@pytest.mark.parametrize("minutes", [0.5, 3.0, 4.0])
def test_a_search_whose_time_is_up_goes_on_to_the_same_trials(
    minutes: float, spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    from mlpcli.tuning.search import run_trials

    loaded = load_spec(spec_file(SEARCHED))

    def go(folder: str, minutes: float | None) -> list[int]:
        path, now = tmp_path / folder, [0.0]
        known = (path / "search.json").is_file()
        search = load_search(path) if known else _new(path, "RandomSearch", loaded)
        search.save()
        states, runner = _states(search, loaded), Runner(now)
        if minutes is not None:
            states.limit = TimeLimit(minutes, 60 * minutes, lambda: now[0])
        run_trials(states, runner, SearchWatcher())  # type: ignore[arg-type]
        assert states.timed_out is (minutes is not None)
        return runner.trained

    assert go("whole", None) == [1, 2, 3, 4, 5, 6]
    first = go("timed", minutes)
    assert first == {0.5: [1], 3.0: [1], 4.0: [1, 2]}[minutes]
    states = [trial.status for trial in load_search(tmp_path / "timed").trials]
    assert states == [COMPLETED] * len(first) + [RUNNING] * (minutes == 3.0)
    assert go("timed", None) == [1, 2, 3, 4, 5, 6][len(first) :]
    timed, whole = (load_search(tmp_path / folder).trials for folder in ("timed", "whole"))
    assert [(t.proposed, t.score, t.starts) for t in timed] == [
        (t.proposed, t.score, t.starts) for t in whole
    ]


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("fit.max_minutes", "0", "must be a positive number of minutes, received 0"),
        ("fit.max_minutes", ".inf", "must be a positive number of minutes"),
        ("fit.max_minutes", "true", "must be a positive number of minutes"),
        ("fit.threads", "0", "must be a number of threads, 1 to 1024, received 0"),
        ("fit.threads", "1.5", "must be a number of threads"),
        ("tuner.max_minutes", "-1", "must be a positive number of minutes, received -1"),
    ],
)
def test_a_limit_that_is_none_is_refused(
    key: str, value: str, rule: str, spec_file: Callable[[str], Path]
) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(spec_file(TINY), settings=[f"{key}={value}"])
    (problem,) = caught.value.problems
    assert rule in problem.headline()
    assert f"--set {key}={value}" in problem.headline()


@pytest.mark.parametrize("command", ["train", "tune"])
def test_an_option_that_is_no_time_is_refused(command: str, mlpcli: Command) -> None:
    done = mlpcli(command, "x.yaml", "--max-minutes", "-3")
    assert (done.status, "--max-minutes must be a positive number of minutes" in done.err) == (2, True)
