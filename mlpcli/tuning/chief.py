"""The chief of a search whose trials run in other processes: hands them out, and waits for no one for ever.

Workers `claim` a trial, `beat` while it runs, and report that it is `done`. A trial is lent
for LEASE_SECONDS at a time; a worker that is not heard of for so long has lost it, and another begins it
again. A chief that was killed and comes back knows from `search.json` which trials are out, and lets their
workers go on.

Only who can read the search's folder can talk to the chief: requests are signed with a key that lies there
(`channel`), and what they hold is checked (`messages`).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli import runs, signals
from mlpcli.errors import Problem, TrainingError, UsageError
from mlpcli.files import replacing
from mlpcli.runs.search_folder import RUNNING, Trial
from mlpcli.tuning import channel
from mlpcli.tuning.messages import (
    Assignment,
    BadMessage,
    Beat,
    Claim,
    Done,
    GoOn,
    Message,
    Refusal,
    Stop,
    Taken,
    Wait,
    Work,
    read_request,
)
from mlpcli.tuning.oracle import Answer
from mlpcli.tuning.protocol import CHIEF, split_address, worker_name
from mlpcli.tuning.trial_states import Ledger
from mlpcli.tuning.trials import Result

if TYPE_CHECKING:
    from mlpcli.runs.watcher import SearchWatcher

LOOPBACK = "127.0.0.1"
LEASE_SECONDS = 20.0
IDLE_SECONDS = 600.0
"""How long a chief waits for any worker at all before it gives up."""
WAIT_SECONDS = 0.3
GOODBYE_SECONDS = 3.0
MOST_UNKNOWN = 64
"""Connections that have not shown yet that they know the key; one more, and the oldest of them is closed."""


@dataclass
class _Lease:
    """Who runs a trial, and until when that is believed."""

    worker: str
    until: float


class Chief:
    """Lends the ledger's trials to workers. Its methods may be called from any thread."""

    def __init__(self, ledger: Ledger, watcher: SearchWatcher, *, adopt: bool) -> None:
        """With `adopt`, trials that are out from before are left to their workers for one lease."""
        self.ledger, self.watcher = ledger, watcher
        self.failure: Exception | None = None
        self.workers: set[str] = set()  # that have not been told to stop
        self.heard = time.monotonic()
        self._lock = threading.RLock()
        self._leases: dict[int, _Lease] = {}
        self._over = False
        if adopt:
            until = time.monotonic() + LEASE_SECONDS
            self._leases = {trial.number: _Lease(trial.worker, until) for trial in ledger.waiting}
            ledger.waiting.clear()

    @property
    def over(self) -> bool:
        """Whether the search has come to its end, one way or the other."""
        return self._over or self.failure is not None

    def reply(self, verb: str, body: bytes) -> bytes:
        """The answer to a signed request, both as bytes."""
        try:
            request = read_request(verb, body)
        except BadMessage as error:
            return Refusal(refused=str(error)).encoded()
        return self.answer(request).encoded()

    def answer(self, request: Claim) -> Message:
        """The answer to a worker's request; a failure of the search itself is kept, and stops it."""
        with self._lock:
            self.heard = time.monotonic()
            try:
                if isinstance(request, Beat):
                    return self._beat(request)
                if isinstance(request, Done):
                    return self._done(request.worker, request.trial, request.result.result())
                return self._claim(request.worker)
            except (
                Exception
            ) as error:  # a full disk, too many failed trials: whoever waits for the end raises it
                self.failure = error
                return _to_the_end(request)

    def drop_process(self, process: int) -> None:
        """A worker on this machine is known to be gone: what it had is free at once."""
        worker = worker_name(process)
        with self._lock:
            self.workers.discard(worker)
            for number, lease in list(self._leases.items()):
                if lease.worker == worker:
                    self._take_back(number)

    def expire(self) -> None:
        """Take back what was lent to workers that have not been heard of."""
        with self._lock:
            for number, lease in list(self._leases.items()):
                if time.monotonic() > lease.until:
                    self.watcher.note(f"worker {lease.worker} is not heard of: trial {number} is begun again")
                    self.workers.discard(lease.worker)
                    self._take_back(number)

    def _claim(self, worker: str) -> Message:
        if self.over:
            self.workers.discard(worker)
            return Stop()
        self.workers.add(worker)
        mine = [number for number, lease in self._leases.items() if lease.worker == worker]
        for number in mine:  # it has forgotten: a new process under an old name
            self._take_back(number)
        trial = self.ledger.next(worker)
        for lease in self._leases.values():  # choosing may take a while, and nobody could be heard meanwhile
            lease.until = max(lease.until, time.monotonic() + LEASE_SECONDS / 2)
        if isinstance(trial, Trial):
            self._leases[trial.number] = _Lease(worker, time.monotonic() + LEASE_SECONDS)
            self.watcher.trial_begins(trial)
            return Work(trial=Assignment.of(trial))
        if trial is Answer.DONE and not self._leases:
            self._over = True
            self.workers.discard(worker)
            return Stop()
        return Wait(wait=WAIT_SECONDS)  # there may be a trial to begin again

    def _beat(self, beat: Beat) -> Message:
        lease = self._leases.get(beat.trial)
        if lease is None or lease.worker != beat.worker or self.failure is not None:
            return GoOn(go_on=False)
        self.workers.add(beat.worker)
        lease.until = time.monotonic() + LEASE_SECONDS
        if beat.epoch is not None and beat.epochs is not None:
            self.watcher.trial_epoch(beat.trial, beat.epoch, beat.epochs, dict(beat.logs))
        return GoOn(go_on=True)

    def _done(self, worker: str, number: int, result: Result) -> Message:
        lease = self._leases.get(number)
        if lease is None or lease.worker != worker:
            return Taken(taken=False)  # another has it by now
        del self._leases[number]
        trial = self.ledger.search.trial(number)
        try:
            self.ledger.finish(number, result)
        finally:
            if trial.status != RUNNING:
                self.watcher.trial_ends(trial)
        return Taken(taken=True)

    def _take_back(self, number: int) -> None:
        del self._leases[number]
        self.ledger.give_back(self.ledger.search.trial(number))


def _to_the_end(request: Claim) -> Message:
    """What a worker hears from a search that has failed: nothing new, and to stop when it asks for more."""
    return (
        GoOn(go_on=False)
        if isinstance(request, Beat)
        else Taken(taken=True)
        if isinstance(request, Done)
        else Stop()
    )


@contextlib.contextmanager
def serving(chief: Chief, address: str) -> Iterator[str]:
    """Answer workers at `address` (a port of 0 is any free one) while inside; yields the real address.

    Raises:
        UsageError: the address cannot be listened at.
    """
    host, port = split_address(address)
    key = secrets.token_hex(32)
    try:
        server = _Server(chief, host, port, key)
    except OSError as error:
        hint = "choose another --address"
        raise UsageError(Problem(f"cannot listen at {address} ({error.strerror})", hint=hint)) from None
    here = f"{host}:{server.server_address[1]}"
    folder = chief.ledger.search.folder
    contact = {"protocol": channel.PROTOCOL, "address": here, "key": key, "host": socket.gethostname()}
    _write_secret(
        folder / CHIEF, contact | {"secret": ""}
    )  # what a worker of protocol 1 would send in the clear
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="mlpcli-chief", daemon=True)
    thread.start()
    try:
        yield here
    finally:
        runs.remove_inside(folder / CHIEF, folder)
        server.shutdown()
        server.server_close()


def wait_for_workers(chief: Chief) -> None:
    """Wait until the search is over, and its workers have heard of it.

    Raises:
        TrainingError: no worker was heard of for IDLE_SECONDS.
        Exception: what stopped the search.
    """
    while not chief.over:
        signals.raise_if_interrupted()
        chief.expire()
        if time.monotonic() - chief.heard > IDLE_SECONDS:
            hint = "start one: mlpcli tune SPEC --role worker --address HOST:PORT"
            raise TrainingError(
                Problem(f"no worker has been heard of for {IDLE_SECONDS:.0f} seconds", hint=hint)
            )
        time.sleep(0.1)
    say_goodbye(chief)
    if chief.failure is not None:
        raise chief.failure


def say_goodbye(chief: Chief) -> None:
    """Give the workers a moment to hear that the search is over."""
    last = time.monotonic() + GOODBYE_SECONDS
    while chief.workers and time.monotonic() < last:
        time.sleep(0.05)


class _Server(socketserver.ThreadingTCPServer):
    """Listens for workers; a thread for each connection, which lives for one request."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, chief: Chief, host: str, port: int, key: str) -> None:
        self._chief, self._key = chief, key
        self._unknown: list[socket.socket] = []  # the oldest first
        self._guard = threading.Lock()
        self._noted = False
        super().__init__((host, port), socketserver.BaseRequestHandler)

    def process_request(self, request: object, client_address: object) -> None:
        """Make room for a new connection, at the cost of the one that has said nothing for longest."""
        assert isinstance(request, socket.socket)
        with self._guard:
            while len(self._unknown) >= MOST_UNKNOWN:
                with contextlib.suppress(OSError):
                    self._unknown.pop(0).shutdown(socket.SHUT_RDWR)
            self._unknown.append(request)
        super().process_request(request, client_address)

    def finish_request(self, request: object, client_address: object) -> None:
        """Answer one request; whoever is not a worker of this search gets no answer."""
        assert isinstance(request, socket.socket)

        def answer(verb: str, body: bytes) -> bytes:
            self._forget(request)
            return self._chief.reply(verb, body)

        try:
            channel.reply(request, self._key, answer)
        except channel.OtherProtocol:
            if not self._noted:  # once: what strangers do is no news
                self._noted = True
                rule = "somebody asks in another protocol: a worker of another version of mlpcli?"
                self._chief.watcher.note(f"{rule} Install the same version on every machine")
        except (OSError, channel.Stranger):
            pass  # a worker that went away in the middle of a request is found by its lease
        finally:
            self._forget(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: there is no room for another thread, and the worker will ask again."""

    def _forget(self, request: socket.socket) -> None:
        with self._guard, contextlib.suppress(ValueError):
            self._unknown.remove(request)


def _write_secret(target: Path, document: dict[str, object]) -> None:
    """Write a file that only this user can read."""
    with replacing(target) as path:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file)
