"""Whoever listens in a chief's place, or asks in a worker's, gets nothing and holds nobody up."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.runs.search_folder import Trial
from mlpcli.tuning import channel, worker
from mlpcli.tuning import chief as chief_module
from mlpcli.tuning.channel import UntrustedPeer, ask, reply
from mlpcli.tuning.chief import Chief
from mlpcli.tuning.messages import (
    Assignment,
    BadMessage,
    Claim,
    Done,
    Heartbeat,
    TrialResult,
    Wait,
    Work,
    read_answer,
)
from mlpcli.tuning.protocol import CHIEF, split_address
from mlpcli.tuning.worker import read_contact
from tests.conftest import Result as Ended
from tests.tuning.test_tune import _search
from tests.tuning.test_tune_workers import GOOD, Client, loaded, open_chief  # noqa: F401 (fixtures)

KEY = "0" * 64
ANSWERS_OLD = [
    {"trial": {"number": 1, "proposed": {}, "values": {}, "folder": "/FOLDER"}},
    {"trial": {"number": 1, "proposed": {}, "values": {}, "folder": "../../../precious"}},
    {"wait": 1e9},
    [],
    {"trial": 5},
    {"stop": True},
]


class _Listener:
    """Listens at a port and lets a function do as it likes with each connection; keeps what was received."""

    def __init__(self, behave: Callable[[socket.socket], object]) -> None:
        self.behave = behave
        self.received = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, UntrustedPeer):
            self.behave(connection)

    def hear(self, connection: socket.socket) -> bytes:
        received = connection.recv(65536)
        self.received += received
        return received

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., _Listener]]:
    opened = []

    def start(behave: Callable[[_Listener, socket.socket], object]) -> _Listener:
        listener = _Listener(lambda connection: behave(listener, connection))
        opened.append(listener)
        return listener

    yield start
    for listener in opened:
        listener.close()


@pytest.fixture
def unfinished(searched: Path, tmp_path: Path) -> Path:
    """The folder of a search whose chief might be anywhere."""
    shutil.copytree(searched, tmp_path / "runs")
    folder = _search(tmp_path / "runs").folder
    document = json.loads((folder / "search.json").read_text())
    (folder / "search.json").write_text(json.dumps(document | {"finished": False, "winner": None}))
    return folder


def _contact(folder: Path, address: str, **changes: object) -> None:
    document = {"protocol": 2, "address": address, "key": KEY, "host": "here"} | changes
    (folder / CHIEF).write_text(json.dumps(document))


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


def _drip(_: _Listener, connection: socket.socket) -> None:
    for letter in b"mlpcli 2 hello " * 1000:
        connection.sendall(bytes([letter]))
        time.sleep(0.05)


def _says(text: bytes) -> Callable[[_Listener, socket.socket], None]:
    def behave(listener: _Listener, connection: socket.socket) -> None:
        listener.hear(connection)
        connection.sendall(text)
        listener.hear(connection)

    return behave


IMPOSTORS: dict[str, tuple[Callable[[_Listener, socket.socket], object], str]] = {
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
    kind: str, listen: Callable[..., _Listener], unfinished: Path, mlpcli: Callable[..., Ended]
) -> None:
    precious = unfinished.parents[2] / "precious"
    precious.mkdir()
    (precious / "file").touch()
    behave, words = IMPOSTORS[kind]
    listener = listen(behave)
    _contact(unfinished, listener.address)
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
    answer: object, listen: Callable[..., _Listener], unfinished: Path, mlpcli: Callable[..., Ended]
) -> None:
    body = json.dumps(answer).encode()
    listener = listen(lambda listener, connection: reply(connection, KEY, lambda verb, request: body))
    _contact(unfinished, listener.address)
    result = _work(mlpcli, unfinished, listener.address)
    assert result.status == 1
    assert re.search(r"is not the chief of .*; install the same version of mlpcli", result.err)


@pytest.mark.usefixtures("impatient")
def test_a_trial_with_values_that_the_space_does_not_hold_is_refused(
    listen: Callable[..., _Listener], unfinished: Path, mlpcli: Callable[..., Ended]
) -> None:
    trial = Assignment.of(Trial(1, {"units": 10**6}, {}))
    body = Work(trial=trial).encoded()
    listener = listen(lambda listener, connection: reply(connection, KEY, lambda verb, request: body))
    _contact(unfinished, listener.address)
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


def _relay(chief: Chief, record: list[tuple[bytes, bytes]]) -> Callable[[_Listener, socket.socket], None]:
    """Pass one exchange on to the chief, and keep what both sides said, turn by turn."""

    def behave(_: _Listener, connection: socket.socket) -> None:
        address = split_address(read_contact(chief.states.search.folder).address)
        with socket.create_connection(address) as there:
            for _turn in range(2):
                asked = connection.recv(65536)
                there.sendall(asked)
                said = there.recv(65536)
                record.append((asked, said))
                connection.sendall(said)

    return behave


def test_a_recorded_exchange_counts_once_for_either_side(
    open_chief: Callable[..., Chief],  # noqa: F811
    listen: Callable[..., _Listener],
) -> None:
    chief = open_chief()
    contact = read_contact(chief.states.search.folder)
    record: list[tuple[bytes, bytes]] = []
    relay = listen(_relay(chief, record))
    claim = Claim(worker="a").encoded()
    assert b"trial" in ask(split_address(relay.address), contact.key, "claim", claim)
    with socket.create_connection(split_address(contact.address)) as again:  # the worker's words once more
        for asked, _ in record:
            again.sendall(asked)
            said = again.recv(65536)
        assert said == b""
    assert len(chief.states.search.trials) == 1

    def repeat(_: _Listener, connection: socket.socket) -> None:  # the chief's words once more
        for _asked, said in record:
            connection.recv(65536)
            connection.sendall(said)

    with pytest.raises(UntrustedPeer, match="does not know the key"):
        ask(split_address(listen(repeat).address), contact.key, "claim", claim)


def test_an_answer_that_was_altered_on_its_way_is_refused(
    open_chief: Callable[..., Chief],  # noqa: F811
    listen: Callable[..., _Listener],
) -> None:
    chief = open_chief()
    contact = read_contact(chief.states.search.folder)

    def alter(_: _Listener, connection: socket.socket) -> None:
        with socket.create_connection(split_address(contact.address)) as there:
            there.sendall(connection.recv(65536))
            connection.sendall(there.recv(65536))
            there.sendall(connection.recv(65536))
            connection.sendall(there.recv(65536).replace(b'"number":1', b'"number":2'))

    with pytest.raises(UntrustedPeer, match="does not know the key"):
        ask(split_address(listen(alter).address), contact.key, "claim", Claim(worker="a").encoded())


def test_a_worker_with_the_wrong_key_is_not_answered(open_chief: Callable[..., Chief]) -> None:  # noqa: F811
    chief = open_chief()
    folder = chief.states.search.folder
    assert (folder / CHIEF).stat().st_mode & 0o077 == 0
    address = split_address(read_contact(folder).address)
    before = chief.last_request
    with pytest.raises(UntrustedPeer, match="does not know the key"):
        ask(address, KEY, "claim", Claim(worker="a").encoded())
    with socket.create_connection(address) as connection:  # one that does not look at the chief's proof
        connection.sendall(b"mlpcli 2 hello " + b"0" * 32 + b"\n")
        connection.recv(65536)
        body = Claim(worker="a").encoded()
        connection.sendall(b"mlpcli 2 claim %d %s\n" % (len(body), b"0" * 64) + body)
        assert connection.recv(65536) == b""
    assert chief.states.search.trials == []
    assert chief.last_request == before  # untrusted peers do not keep a chief waiting


@pytest.mark.parametrize(
    "head", [b"mlpcli 2 claim 9999999 %s\n" % (b"0" * 64), b"m" * 100_000, b"\n", b"mlpcli 2 claim -1 0\n"]
)
def test_a_chief_reads_no_more_than_a_request_may_hold(
    head: bytes,
    open_chief: Callable[..., Chief],  # noqa: F811
) -> None:
    chief = open_chief()
    with socket.create_connection(
        split_address(read_contact(chief.states.search.folder).address)
    ) as connection:
        connection.settimeout(5)
        connection.sendall(b"mlpcli 2 hello " + b"0" * 32 + b"\n")
        connection.recv(65536)
        with contextlib.suppress(ConnectionError):
            connection.sendall(head)
            assert connection.recv(65536) == b""
    assert Client(chief.states.search.folder, "a").claim()["trial"]["number"] == 1


def test_clients_that_dawdle_are_dropped_and_hold_up_no_worker(
    open_chief: Callable[..., Chief],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel, "REQUEST_SECONDS", 1.0)
    chief = open_chief()
    folder = chief.states.search.folder
    address = split_address(read_contact(folder).address)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(address)) for _ in range(100)]
        began = time.monotonic()
        assert Client(folder, "a").claim()["trial"]["number"] == 1
        assert time.monotonic() - began < 1
        assert threading.active_count() < chief_module.MOST_UNPROVED + 30
        last = idle[-1]
        last.settimeout(5)
        with contextlib.suppress(ConnectionError):  # each byte in time, the request never
            while time.monotonic() - began < 4:
                last.sendall(b"m")
                time.sleep(0.2)
        assert time.monotonic() - began < 3


def test_a_worker_of_the_old_protocol_hears_why(
    open_chief: Callable[..., Chief],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    chief = open_chief()
    document = json.loads((chief.states.search.folder / CHIEF).read_text())
    connection = http.client.HTTPConnection(document["address"], timeout=10)
    headers = {"Authorization": f"Bearer {document['secret']}"}  # as it was done
    for _ in range(2):
        connection.request("POST", "/claim", json.dumps({"worker": "old"}), headers)
        answer = connection.getresponse()
        assert (answer.status, answer.reason) == (
            426,
            "This chief is of a newer version: install the same mlpcli here",
        )
        connection.close()
    assert document["key"] not in str(headers)
    said, last = "", time.monotonic() + 10
    while "another version" not in said and time.monotonic() < last:
        said += capsys.readouterr().err
        time.sleep(0.05)
    time.sleep(0.2)
    assert (said + capsys.readouterr().err).count("another version of the protocol") == 1  # once


@pytest.mark.usefixtures("impatient")
def test_a_worker_whose_chief_was_killed_stops_in_its_trial(
    listen: Callable[..., _Listener], unfinished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.report.tune import WorkerReport

    monkeypatch.setattr(worker, "BEAT_SECONDS", 0.1)
    listener = listen(lambda *_: None)
    listener.close()
    _contact(unfinished, listener.address)
    chief = worker._ChiefConnection(listener.address, unfinished, WorkerReport(stderr=True))
    heartbeat = worker._Heartbeat(chief, 1)
    heartbeat.start()
    heartbeat.join(timeout=10)
    assert heartbeat.lost


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["/etc", "..", "1e9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
REQUESTS: dict[str, dict[str, Any]] = {
    "claim": {"worker": "a"},
    "beat": {"worker": "a", "trial": 1, "epoch": 1, "epochs": 2, "logs": {"loss": 0.5}},
    "done": {"worker": "a", "trial": 1, "result": GOOD},
}
TRIAL = {"number": 2, "starts": 2, "copy_number": 2, "proposed": {"units": 8}, "values": {"units": 8}}
TRIAL |= {"epochs": 2, "initial_epoch": 0, "source": 1, "source_copy": 1}
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("claim", {"trial": TRIAL}),
    ("claim", {"wait": 0.3}),
    ("claim", {"stop": True}),
    ("beat", {"go_on": True}),
    ("done", {"taken": True}),
]


def _mutated(document: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """The document with a field at any depth replaced, taken away or added."""
    key = data.draw(st.sampled_from([*document, "folder"]))
    if isinstance(document.get(key), dict) and data.draw(st.booleans()):
        return document | {key: _mutated(document[key], data)}
    if data.draw(st.integers(0, 3)) == 0:
        return {name: value for name, value in document.items() if name != key}
    return document | {key: data.draw(ANYTHING)}


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_a_request_holds_a_chief_answers_and_lives(data: st.DataObject, served: Chief) -> None:
    verb = data.draw(st.sampled_from([*REQUESTS, "delete"]))
    document = _mutated(REQUESTS.get(verb, {}), data)
    body = data.draw(st.sampled_from([json.dumps(document).encode()] * 4 + [b"[" * 100_000, b"\xff", b""]))
    answer = json.loads(served.reply(verb, body))
    assert len(answer) == 1
    assert answer.keys() <= {"refused", "go_on", "taken", "trial", "wait", "stop"}
    assert served.failure is None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Chief:
    """A chief with more trials than the requests of a property test can end."""
    from mlpcli.report.tune import WorkerReport
    from mlpcli.spec.load import load_spec
    from tests.spec.test_search_spec import SEARCHED
    from tests.tuning.test_oracle import _new, _states

    folder = tmp_path_factory.mktemp("served")
    (folder / "spec.yaml").write_text(SEARCHED)
    spec = load_spec(folder / "spec.yaml")
    search = _new(folder / "search", "RandomSearch", spec, max_trials=10_000)
    return Chief(_states(search, spec, most_failures=10**6), WorkerReport(stderr=True), adopt=True)


@settings(max_examples=300)
@given(data=st.data())
def test_whatever_an_answer_holds_a_worker_goes_where_it_belongs_or_refuses(data: st.DataObject) -> None:
    verb, document = data.draw(st.sampled_from(ANSWERS))
    body = json.dumps(_mutated(document, data)).encode()
    try:
        answer = read_answer(verb, body)
    except BadMessage as error:
        said = str(error)
        assert 0 < len(said) <= 2_000
        return
    if isinstance(answer, Wait):
        assert 0 <= answer.wait <= 5
    if isinstance(answer, Work):
        trial = answer.trial.trial("a")
        assert re.fullmatch(r"trials/\d{4,10}(-\d{1,10})?", trial.folder)
        assert re.fullmatch(r"(trials/\d{4,10}(-\d{1,10})?)?", trial.source_folder)


@pytest.mark.parametrize(
    "request_",
    [
        Claim(worker="a"),
        Heartbeat(worker="a", trial=1, epoch=1, epochs=2, logs={"loss": float("nan")}),
        Done(worker="a", trial=1, result=TrialResult(**GOOD)),
    ],
)
def test_what_we_send_is_what_we_read(request_: Claim) -> None:
    again = type(request_).model_validate_json(request_.encoded())
    assert again.encoded() == request_.encoded()


def test_a_trial_goes_over_the_wire_as_it_is() -> None:
    trials = [
        Trial(1, {"a": 1, "b": 1.0, "c": True, "d": None, "e": "x", "f": 0.1 + 0.2}, {"a": 1}, worker="w"),
        Trial(3, {}, {}, 5, 2, 1, "trials/0001-2", starts=4, folder="trials/0003-4", worker="w"),
        Trial(12345, {}, {}, starts=2, worker="w"),
    ]
    for trial in trials:
        answer = read_answer("claim", Work(trial=Assignment.of(trial)).encoded())
        assert isinstance(answer, Work)
        again = answer.trial.trial("w")
        assert again == trial
        assert [type(value) for value in again.proposed.values()] == [
            type(v) for v in trial.proposed.values()
        ]
