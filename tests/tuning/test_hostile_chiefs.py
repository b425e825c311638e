"""Whoever listens in a chief's place gets nothing from a worker, and does not hold it up."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli.runs.search_folder import Trial
from mlpcli.tuning import channel, worker
from mlpcli.tuning.channel import reply
from mlpcli.tuning.messages import (
    Assignment,
    Work,
)
from mlpcli.tuning.protocol import CHIEF
from tests.conftest import Result as Ended
from tests.tuning.listeners import (
    KEY,
    Listener,
    write_contact,
)
from tests.tuning.test_tune import _search

ANSWERS_OLD = [
    {"trial": {"number": 1, "proposed": {}, "values": {}, "folder": "/FOLDER"}},
    {"trial": {"number": 1, "proposed": {}, "values": {}, "folder": "../../../precious"}},
    {"wait": 1e9},
    [],
    {"trial": 5},
    {"stop": True},
]


@pytest.fixture
def unfinished(searched: Path, tmp_path: Path) -> Path:
    """The folder of a search whose chief might be anywhere."""
    shutil.copytree(searched, tmp_path / "runs")
    folder = _search(tmp_path / "runs").folder
    document = json.loads((folder / "search.json").read_text())
    (folder / "search.json").write_text(json.dumps(document | {"finished": False, "winner": None}))
    return folder


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a minute last a second."""
    monkeypatch.setattr(worker, "UNTRUSTED_SECONDS", 0.2)
    monkeypatch.setattr(worker, "LOST_SECONDS", 0.6)
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(channel, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(channel, "REQUEST_SECONDS", 0.5)


def _work(mlpcli: Callable[..., Ended], folder: Path, address: str) -> Ended:
    runs_dir = folder.parent.parent
    role = ("--role", "worker", "--address", address)
    return mlpcli("tune", "--resume", folder, *role, "--runs-dir", runs_dir)


def _http(document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _drip(_: Listener, connection: socket.socket) -> None:
    for letter in b"mlpcli 2 hello " * 1000:
        connection.sendall(bytes([letter]))
        time.sleep(0.05)


def _says(text: bytes) -> Callable[[Listener, socket.socket], None]:
    def behave(listener: Listener, connection: socket.socket) -> None:
        listener.hear(connection)
        connection.sendall(text)
        listener.hear(connection)

    return behave


IMPOSTORS: dict[str, tuple[Callable[[Listener, socket.socket], object], str]] = {
    "HTTP with an old answer": (_says(_http(ANSWERS_OLD[1])), "it answers in HTTP"),
    "endless 100 Continue": (_says(b"HTTP/1.1 100 Continue\r\n\r\n" * 9999), "it answers in HTTP"),
    "garbage": (_says(bytes(range(256)) * 9), "does not follow the protocol of chief"),
    "no end of line": (_says(b"m" * 100_000), "it sends a line that is too long"),
    "a false proof": (_says(f"mlpcli 2 hello {'0' * 32} {'0' * 64}\n".encode()), "does not know the key"),
    "another version": (_says(b"mlpcli 3 hello x y\n"), "it has another version of the protocol"),
    "half a hello": (_says(b"mlpcli 2 hello\n"), "does not follow the protocol"),
    "silence": (lambda listener, connection: time.sleep(5), "has not answered for"),
    "a byte now and then": (_drip, "has not answered for"),
    "hanging up": (lambda listener, connection: None, "has not answered for"),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", IMPOSTORS)
def test_a_worker_obeys_no_impostor_and_says_what_it_found(
    kind: str, listen: Callable[..., Listener], unfinished: Path, mlpcli: Callable[..., Ended]
) -> None:
    precious = unfinished.parents[2] / "precious"
    precious.mkdir()
    (precious / "file").touch()
    behave, words = IMPOSTORS[kind]
    listener = listen(behave)
    write_contact(unfinished, listener.address)
    began = time.monotonic()
    result = _work(mlpcli, unfinished, listener.address)
    assert time.monotonic() - began < 8
    assert result.status == 1
    assert words in result.err.splitlines()[-1]
    assert "Traceback" not in result.err
    assert (precious / "file").exists()
    assert KEY.encode() not in listener.received
    assert b"worker" not in listener.received  # nothing of the request itself


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answer", [*ANSWERS_OLD[:5], {"trial": {}}, {"stop": False}, None, "x", 1e400])
def test_a_chief_that_knows_the_key_and_is_broken_stops_its_worker(
    answer: object, listen: Callable[..., Listener], unfinished: Path, mlpcli: Callable[..., Ended]
) -> None:
    body = json.dumps(answer).encode()
    listener = listen(lambda listener, connection: reply(connection, KEY, lambda verb, request: body))
    write_contact(unfinished, listener.address)
    result = _work(mlpcli, unfinished, listener.address)
    assert result.status == 1
    assert re.search(r"is not the chief of .*; install the same version of mlpcli", result.err)


@pytest.mark.usefixtures("impatient")
def test_a_trial_with_values_that_the_space_does_not_hold_is_refused(
    listen: Callable[..., Listener], unfinished: Path, mlpcli: Callable[..., Ended]
) -> None:
    trial = Assignment.of(Trial(1, {"units": 10**6}, {}))
    body = Work(trial=trial).encoded()
    listener = listen(lambda listener, connection: reply(connection, KEY, lambda verb, request: body))
    write_contact(unfinished, listener.address)
    result = _work(mlpcli, unfinished, listener.address)
    assert result.status == 1
    assert "a value that the search's space does not hold: units, received 1000000" in result.err


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"address": "ADDRESS", "secret": "abc", "host": "here"}, "was written by another version of mlpcli"),
        ({"protocol": 3, "address": "ADDRESS"}, "was written by another version of mlpcli"),
        ({"protocol": 2, "address": "ADDRESS", "key": "short"}, "has a chief at"),
        ({"protocol": 2, "address": 5, "key": KEY}, "has a chief at"),
        ([], "has a chief at"),
    ],
)
def test_a_contact_that_is_old_or_damaged_is_reported(
    document: Any, words: str, unfinished: Path, mlpcli: Callable[..., Ended]
) -> None:
    address = "127.0.0.1:9"
    text = json.dumps(document).replace("ADDRESS", address)
    (unfinished / CHIEF).write_text(text)
    result = _work(mlpcli, unfinished, address)
    assert result.status == 1
    assert words in result.err


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_contact_that_is_no_file_holds_nobody_up(
    make: Callable[[Path], object], unfinished: Path, mlpcli: Callable[..., Ended]
) -> None:
    make(unfinished / CHIEF)
    assert "has a chief at" in _work(mlpcli, unfinished, "127.0.0.1:9").err


@pytest.mark.usefixtures("impatient")
def test_a_worker_whose_chief_was_killed_stops_in_its_trial(
    listen: Callable[..., Listener], unfinished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.report.tune import WorkerReport

    monkeypatch.setattr(worker, "BEAT_SECONDS", 0.1)
    listener = listen(lambda *_: None)
    listener.close()
    write_contact(unfinished, listener.address)
    chief = worker._ChiefConnection(listener.address, unfinished, WorkerReport(stderr=True))
    heartbeat = worker._Heartbeat(chief, 1)
    heartbeat.start()
    heartbeat.join(timeout=10)
    assert heartbeat.lost
