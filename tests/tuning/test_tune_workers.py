"""Several processes on one search: nothing is run twice, lost, or waited for in vain."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mlpcli.errors import TrainingError, UsageError
from mlpcli.runs.search_folder import COMPLETED, FAILED, load_search
from mlpcli.tuning import chief as chief_module
from mlpcli.tuning.channel import ask
from mlpcli.tuning.chief import Chief, wait_for_workers
from mlpcli.tuning.protocol import CHIEF, split_address
from mlpcli.tuning.trials import Result
from mlpcli.tuning.worker import read_contact
from tests.conftest import SMALL_SEARCH as SPEC
from tests.conftest import Result as Ended
from tests.tuning.test_tune import _search, fragile_spec

pytestmark = pytest.mark.slow

GOOD = asdict(Result(COMPLETED, 0.5, 1, 2))


class Client:
    """A worker as the chief sees it."""

    def __init__(self, folder: Path, name: str) -> None:
        contact = read_contact(folder)
        self.address, self.key, self.name = split_address(contact.address), contact.key, name

    def send(self, verb: str, **request: Any) -> dict[str, Any]:
        body = json.dumps(request | {"worker": self.name}).encode()
        document: dict[str, Any] = json.loads(ask(self.address, self.key, verb, body))
        return document

    def claim(self) -> dict[str, Any]:
        return self.send("claim")

    def done(self, number: int, **result: Any) -> None:
        assert "taken" in self.send("done", trial=number, result=GOOD | result)


def test_each_trial_goes_to_one_worker_and_the_search_ends_when_all_are_done(
    open_chief: Callable[..., Chief],
) -> None:
    chief = open_chief()
    folder = chief.states.search.folder
    workers = [Client(folder, "a"), Client(folder, "b")]
    numbers = []
    for turn in range(4):
        worker = workers[turn % 2]
        numbers.append(worker.claim()["trial"]["number"])
        worker.done(numbers[-1], score=turn / 10)
    assert numbers == [1, 2, 3, 4]
    assert [worker.claim() for worker in workers] == [{"stop": True}] * 2
    wait_for_workers(chief)
    assert [trial.score for trial in load_search(folder).trials] == [0.0, 0.1, 0.2, 0.3]


def test_an_idle_worker_waits_while_another_may_still_lose_its_trial(
    open_chief: Callable[..., Chief],
) -> None:
    chief = open_chief(1)
    first, second = (Client(chief.states.search.folder, name) for name in "ab")
    assert "trial" in first.claim()
    assert "wait" in second.claim()
    first.done(1)
    assert second.claim() == {"stop": True}


def test_a_worker_without_heartbeats_loses_its_trial_to_another(
    open_chief: Callable[..., Chief], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chief_module, "LEASE_SECONDS", 0.3)
    chief = open_chief(1)
    lost, other = (Client(chief.states.search.folder, name) for name in ("lost", "other"))
    first = lost.claim()["trial"]
    beats = []
    for _ in range(3):
        time.sleep(0.2)
        beats.append(lost.send("beat", trial=1, epoch=1, epochs=2, logs={}))
    chief.expire()
    assert beats == [{"go_on": True}] * 3  # a beat is a new lease
    time.sleep(0.4)
    chief.expire()
    again = other.claim()["trial"]
    assert (again["number"], again["starts"]) == (1, 2)
    assert again["copy_number"] != first["copy_number"]  # the lost one may still write in its own folder
    assert lost.send("beat", trial=1) == {"go_on": False}
    lost.done(1, score=0.9)  # too late
    assert chief.states.search.trial(1).score is None
    other.done(1, score=0.4)
    assert chief.states.search.trial(1).score == 0.4
    assert [event for event, _ in chief.states.search.events] == ["start", "end"]


def test_a_chief_that_was_killed_lets_its_workers_go_on(open_chief: Callable[..., Chief]) -> None:
    chief = open_chief(2)
    folder = chief.states.search.folder
    old = Client(folder, "a")
    assert old.claim()["trial"]["number"] == 1
    again = open_chief(search=load_search(folder))  # nothing of the first one's memory
    worker = Client(folder, "a")
    assert worker.send("beat", trial=1) == {"go_on": True}
    worker.done(1, score=0.7)
    assert worker.claim()["trial"]["number"] == 2
    assert again.states.search.trial(1).score == 0.7
    assert again.states.search.trial(1).starts == 1


def test_a_failing_trial_does_not_stop_the_others_and_too_many_stop_all(
    open_chief: Callable[..., Chief],
) -> None:
    chief = open_chief(9)
    worker = Client(chief.states.search.folder, "a")
    for _ in range(3):
        number = worker.claim()["trial"]["number"]
        worker.done(number, status=FAILED, score=None, reason="out of memory")
    assert worker.claim() == {"stop": True}
    with pytest.raises(TrainingError, match="3 trials in a row failed"):
        wait_for_workers(chief)


def test_a_chief_without_workers_gives_up(
    open_chief: Callable[..., Chief], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chief_module, "IDLE_SECONDS", 0.2)
    with pytest.raises(TrainingError, match="no contact with any worker for"):
        wait_for_workers(open_chief())


@pytest.mark.parametrize("address", ["4100", "host:", "host:99999", ":80"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="--address is not an address"):
        split_address(address)


def test_workers_of_one_command_finish_a_search_though_one_is_killed(
    searched: Path, mlpcli: Callable[..., Ended], tmp_path: Path
) -> None:
    spec = fragile_spec(tmp_path, 1)
    result = mlpcli("tune", spec, "--workers", 2, "--runs-dir", tmp_path / "runs")
    assert result.status == 0, result.err
    search = _search(tmp_path / "runs")
    assert [trial.status for trial in search.trials] == ["completed"] * 3
    assert sorted(search.events) == [(event, number) for event in ("end", "start") for number in (1, 2, 3)]
    (again,) = [trial for trial in search.trials if trial.starts > 1]  # that which the killed one had
    assert again.starts == 2
    killed = (tmp_path / "killed").read_text()
    assert killed not in {trial.worker.rpartition("-")[2] for trial in search.trials}
    alone = _search(searched)
    assert [trial.proposed for trial in search.trials] == [trial.proposed for trial in alone.trials]
    scores = [trial.score for trial in alone.trials]
    assert [trial.score for trial in search.trials] == pytest.approx(scores)


def test_sigterm_ends_a_chief_and_its_workers_with_one_line_on_how_to_resume(
    spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    runs_dir = tmp_path / "runs"
    spec = spec_file(SPEC.replace("epochs: 2", "epochs: 1000000"))
    command = [sys.executable, "-m", "mlpcli", "tune", str(spec), "--workers", "2"]
    command += ["--runs-dir", str(runs_dir)]
    chief = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while len(list(runs_dir.glob("*/*/trials/*/history.csv"))) < 2:  # both are in their epochs
            assert chief.poll() is None, chief.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        chief.send_signal(signal.SIGTERM)
        out, err = chief.communicate(timeout=30)
    finally:
        chief.kill()
        chief.wait()
    assert (chief.returncode, err) == (130, "interrupted\n")
    search = _search(runs_dir)
    resume = f"interrupted; resume with: mlpcli tune --resume {search.label} --runs-dir {runs_dir}"
    assert [line for line in out.splitlines() if "interrupted" in line] == [resume]
    assert [trial.status for trial in search.trials] == ["running"] * 2
    workers = {int(trial.worker.rpartition("-")[2]) for trial in search.trials}
    assert len(workers) == 2
    for process in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert not (search.folder / CHIEF).exists()
    assert json.loads((search.folder / "run.json").read_text())["status"] == "interrupted"


def test_a_chief_and_a_worker_that_share_an_address_and_a_folder(
    searched: Path, mlpcli: Callable[..., Ended], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = spec_file(SPEC.replace("max_trials: 3", "max_trials: 3, promote: 0"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    shared = ["--address", address, "--runs-dir", str(tmp_path / "runs")]
    command = [sys.executable, "-m", "mlpcli", "tune", str(spec), "--role", "worker", *shared]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:  # a worker waits for its chief
        result = mlpcli("tune", spec, "--role", "chief", *shared)
        output = worker.communicate(timeout=120)[0]
    finally:
        worker.kill()
        worker.wait()
    assert (result.status, worker.returncode) == (0, 0), (result.err, output)
    assert "the search has ended; this worker ran 3 trials" in output
    search = _search(tmp_path / "runs")
    scores = [trial.score for trial in _search(searched).trials]
    assert [trial.score for trial in search.trials] == pytest.approx(scores)
    assert not (search.folder / CHIEF).exists()


def test_a_worker_without_a_chief_gives_up(
    mlpcli: Callable[..., Ended],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlpcli.tuning import worker

    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.2)
    before = threading.active_count()  # other tests' threads among them
    address = ("--role", "worker", "--address", "127.0.0.1:9")
    result = mlpcli("tune", spec_file(SPEC), *address, "--runs-dir", tmp_path)
    assert result.status == 1
    assert "no search under" in result.err
    assert threading.active_count() <= before + 1
