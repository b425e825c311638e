"""Several processes on one search: nothing is run twice, lost, or waited for in vain."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mlpcli.engine.tuning import chief as chief_module
from mlpcli.engine.tuning.chief import CHIEF, Chief, serving, wait_for_workers
from mlpcli.engine.tuning.trials import Result
from mlpcli.errors import TrainingError, UsageError
from mlpcli.report_search import WorkerReport
from mlpcli.searches import COMPLETED, FAILED, Search, load_search
from mlpcli.spec.load import LoadedSpec, load_spec
from tests.conftest import Result as Ended
from tests.test_oracle import _ledger, _new
from tests.test_search_spec import SEARCHED
from tests.test_tune import SPEC, _scores, _search

GOOD = asdict(Result(COMPLETED, 0.5, 1, 2))


@pytest.fixture
def loaded(spec_file: Callable[[str], Path]) -> LoadedSpec:
    return load_spec(spec_file(SEARCHED))


class _Client:
    """A worker as the chief sees it."""

    def __init__(self, folder: Path, name: str) -> None:
        document = json.loads((folder / CHIEF).read_text(encoding="utf-8"))
        self.address, self.secret, self.name = document["address"], document["secret"], name

    def send(self, verb: str, secret: str | None = None, **request: Any) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(self.address, timeout=10)
        headers = {"Authorization": f"Bearer {secret or self.secret}"}
        connection.request("POST", f"/{verb}", json.dumps(request | {"worker": self.name}), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if answer.status == 200 else {}

    def claim(self) -> dict[str, Any]:
        return self.send("claim")[1]

    def done(self, number: int, **result: Any) -> None:
        assert self.send("done", trial=number, result=GOOD | result)[0] == 200


@pytest.fixture
def open_chief(loaded: LoadedSpec, tmp_path: Path) -> Iterator[Callable[..., Chief]]:
    """A chief that is being served; a second call is the chief started again."""
    contexts: list[Any] = []

    def start(trials: int = 4, *, search: Search | None = None, adopt: bool = True) -> Chief:
        search = search or _new(tmp_path / "search", "RandomSearch", loaded, max_trials=trials)
        search.save()
        chief = Chief(_ledger(search, loaded), WorkerReport(stderr=True), adopt=adopt)
        context = serving(chief, "127.0.0.1:0")
        context.__enter__()
        contexts.append(context)
        return chief

    yield start
    for context in contexts:
        context.__exit__(None, None, None)


def test_each_trial_goes_to_one_worker_and_the_search_ends_when_all_are_done(
    open_chief: Callable[..., Chief],
) -> None:
    chief = open_chief()
    folder = chief.ledger.search.folder
    workers = [_Client(folder, "a"), _Client(folder, "b")]
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
    first, second = (_Client(chief.ledger.search.folder, name) for name in "ab")
    assert "trial" in first.claim()
    assert "wait" in second.claim()
    first.done(1)
    assert second.claim() == {"stop": True}


def test_a_worker_that_is_not_heard_of_loses_its_trial_to_another(
    open_chief: Callable[..., Chief], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chief_module, "LEASE_SECONDS", 0.3)
    chief = open_chief(1)
    lost, other = (_Client(chief.ledger.search.folder, name) for name in ("lost", "other"))
    first = lost.claim()["trial"]
    beats = [
        lost.send("beat", trial=1, epoch=1, epochs=2, logs={})[1] for _ in range(3) if not time.sleep(0.2)
    ]
    chief.expire()
    assert beats == [{"go_on": True}] * 3  # a beat is a new lease
    time.sleep(0.4)
    chief.expire()
    again = other.claim()["trial"]
    assert (again["number"], again["starts"]) == (1, 2)
    assert again["folder"] != first["folder"]  # the lost one may still write in its own
    assert lost.send("beat", trial=1)[1] == {"go_on": False}
    lost.done(1, score=0.9)  # too late
    assert chief.ledger.search.trial(1).score is None
    other.done(1, score=0.4)
    assert chief.ledger.search.trial(1).score == 0.4
    assert [event for event, _ in chief.ledger.search.events] == ["start", "end"]


def test_a_chief_that_was_killed_lets_its_workers_go_on(open_chief: Callable[..., Chief]) -> None:
    chief = open_chief(2)
    folder = chief.ledger.search.folder
    old = _Client(folder, "a")
    assert old.claim()["trial"]["number"] == 1
    again = open_chief(search=load_search(folder))  # nothing of the first one's memory
    worker = _Client(folder, "a")
    assert worker.send("beat", trial=1)[1] == {"go_on": True}
    worker.done(1, score=0.7)
    assert worker.claim()["trial"]["number"] == 2
    assert again.ledger.search.trial(1).score == 0.7
    assert again.ledger.search.trial(1).starts == 1


def test_a_failing_trial_does_not_stop_the_others_and_too_many_stop_all(
    open_chief: Callable[..., Chief],
) -> None:
    chief = open_chief(9)
    worker = _Client(chief.ledger.search.folder, "a")
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
    with pytest.raises(TrainingError, match="no worker has been heard of for"):
        wait_for_workers(open_chief())


def test_strangers_are_not_answered(open_chief: Callable[..., Chief]) -> None:
    chief = open_chief()
    folder = chief.ledger.search.folder
    client = _Client(folder, "a")
    assert (folder / CHIEF).stat().st_mode & 0o077 == 0
    assert client.send("claim", secret="guess")[0] == 403
    assert client.send("delete")[0] == 400
    assert client.send("done", trial=1, result={"no": "result"})[0] == 400
    assert chief.ledger.search.trials == []


@pytest.mark.parametrize("address", ["4100", "host:", "host:99999", ":80"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="--address is not an address"):
        chief_module.split_address(address)


def _wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, f"waited in vain for {what}"
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def test_workers_of_one_command_finish_a_search_though_one_is_killed(
    mlpcli: Callable[..., Ended], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = spec_file(SPEC.replace("max_trials: 3", "max_trials: 4, promote: 0"))
    command = [
        sys.executable,
        "-m",
        "mlpcli",
        "tune",
        str(spec),
        "--workers",
        "2",
        "--runs-dir",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("trial"):
                break
        os.kill(_children(process.pid)[-1], signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    search = _search(tmp_path)
    assert [trial.status for trial in search.trials] == ["completed"] * 4
    assert sorted(number for event, number in search.events if event == "end") == [1, 2, 3, 4]
    assert len({trial.worker for trial in search.trials}) > 1
    assert mlpcli("tune", spec, "--fresh", "--runs-dir", tmp_path / "alone").status == 0
    alone = _search(tmp_path / "alone")
    assert [values for values, _ in _scores(search)] == [values for values, _ in _scores(alone)]
    assert [score for _, score in _scores(search)] == pytest.approx([score for _, score in _scores(alone)])


def test_a_chief_and_workers_that_share_an_address_and_a_folder(
    spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = spec_file(SPEC.replace("max_trials: 3", "max_trials: 4, promote: 0"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    shared = ["--address", address, "--runs-dir", str(tmp_path / "runs")]

    def start(role: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mlpcli", "tune", str(spec), "--role", role, *shared]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    processes = [start("worker"), start("chief")]  # a worker waits for its chief
    try:
        outputs = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "the search is over; 4 trials were run here" in outputs[0]
    search = _search(tmp_path / "runs")
    assert [trial.status for trial in search.trials] == ["completed"] * 4
    assert not (search.folder / CHIEF).exists()


def test_a_worker_without_a_chief_gives_up(
    mlpcli: Callable[..., Ended],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlpcli.engine.tuning import worker

    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.2)
    address = ("--role", "worker", "--address", "127.0.0.1:9")
    result = mlpcli("tune", spec_file(SPEC), *address, "--runs-dir", tmp_path)
    assert result.status == 1
    assert "no search under" in result.err
    assert threading.active_count() < 20
