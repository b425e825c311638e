"""Whoever asks in a worker's place, or listens on the way, gets nothing from a chief and holds nobody up."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable

import pytest

from mlpcli.tuning import channel
from mlpcli.tuning import chief as chief_module
from mlpcli.tuning.channel import UntrustedPeer, ask
from mlpcli.tuning.chief import Chief
from mlpcli.tuning.messages import (
    Claim,
)
from mlpcli.tuning.protocol import CHIEF, split_address
from mlpcli.tuning.worker import read_contact
from tests.tuning.listeners import (
    KEY,
    Listener,
)
from tests.tuning.test_tune_workers import Client


def _relay(chief: Chief, record: list[tuple[bytes, bytes]]) -> Callable[[Listener, socket.socket], None]:
    """Pass one exchange on to the chief, and keep what both sides said, turn by turn."""

    def behave(_: Listener, connection: socket.socket) -> None:
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
    open_chief: Callable[..., Chief],
    listen: Callable[..., Listener],
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

    def repeat(_: Listener, connection: socket.socket) -> None:  # the chief's words once more
        for _asked, said in record:
            connection.recv(65536)
            connection.sendall(said)

    with pytest.raises(UntrustedPeer, match="does not know the key"):
        ask(split_address(listen(repeat).address), contact.key, "claim", claim)


def test_an_answer_that_was_altered_on_its_way_is_refused(
    open_chief: Callable[..., Chief],
    listen: Callable[..., Listener],
) -> None:
    chief = open_chief()
    contact = read_contact(chief.states.search.folder)

    def alter(_: Listener, connection: socket.socket) -> None:
        with socket.create_connection(split_address(contact.address)) as there:
            there.sendall(connection.recv(65536))
            connection.sendall(there.recv(65536))
            there.sendall(connection.recv(65536))
            connection.sendall(there.recv(65536).replace(b'"number":1', b'"number":2'))

    with pytest.raises(UntrustedPeer, match="does not know the key"):
        ask(split_address(listen(alter).address), contact.key, "claim", Claim(worker="a").encoded())


def test_a_worker_with_the_wrong_key_is_not_answered(open_chief: Callable[..., Chief]) -> None:
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
    open_chief: Callable[..., Chief],
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
    open_chief: Callable[..., Chief],
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
    open_chief: Callable[..., Chief],
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
