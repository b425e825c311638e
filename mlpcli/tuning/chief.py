"""The chief of a search: assigns trials to worker processes and never waits for one without a limit.

Workers `claim` a trial, send a `beat` (a heartbeat) while it runs, and report that it is `done`. A worker
leases a trial for LEASE_SECONDS at a time; without a heartbeat it loses the trial, which another worker
restarts. A chief that is started again after it was killed knows from `search.json` which trials are running,
and lets their workers continue.

Only a process that can read the search's folder can talk to the chief: requests are signed with a key that is
there (`channel`), and their content is checked (`messages`).
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
    Claim,
    Done,
    Heartbeat,
    HeartbeatAnswer,
    Message,
    Refusal,
    ResultAnswer,
    Stop,
    Wait,
    Work,
    read_request,
)
from mlpcli.tuning.oracle import NoTrial
from mlpcli.tuning.protocol import CHIEF, split_address, worker_name
from mlpcli.tuning.trial_states import TrialStates
from mlpcli.tuning.trials import Result

if TYPE_CHECKING:
    from mlpcli.runs.watcher import SearchWatcher

LOOPBACK = "127.0.0.1"
LEASE_SECONDS = 20.0
IDLE_SECONDS = 600.0
"""How long a chief waits for any request before it gives up."""
WAIT_SECONDS = 0.3
GOODBYE_SECONDS = 3.0
MOST_UNPROVED = 64
"""Limit of connections that have not yet proved that they know the key; one more closes the oldest."""


@dataclass
class _Lease:
    """The worker that runs a trial, and when it loses the trial without another heartbeat."""

    worker: str
    until: float


class Chief:
    """Leases the trials of a search to workers. Its methods may be called from any thread."""

    def __init__(self, states: TrialStates, watcher: SearchWatcher, *, adopt: bool) -> None:
        """Start with the states of a search.

        Args:
            states: the search's trials.
            watcher: receives trials, epochs and notes.
            adopt: trials that are running already keep their workers for one lease.
        """
        self.states, self.watcher = states, watcher
        self.failure: Exception | None = None
        self.workers: set[str] = set()  # those that do not yet know that the search is over
        self.last_request = time.monotonic()
        self._lock = threading.RLock()
        self._leases: dict[int, _Lease] = {}
        self._over = False
        if adopt:
            until = time.monotonic() + LEASE_SECONDS
            self._leases = {trial.number: _Lease(trial.worker, until) for trial in states.waiting}
            states.waiting.clear()

    @property
    def over(self) -> bool:
        """Whether the search has ended or failed."""
        return self._over or self.failure is not None

    def reply(self, verb: str, body: bytes) -> bytes:
        """Answer a signed request, both as bytes."""
        try:
            request = read_request(verb, body)
        except BadMessage as error:
            return Refusal(refused=str(error)).encoded()
        return self.answer(request).encoded()

    def answer(self, request: Claim) -> Message:
        """Answer a worker's request; a failure of the search itself is kept in `failure` and ends it."""
        with self._lock:
            self.last_request = time.monotonic()
            try:
                if isinstance(request, Heartbeat):
                    return self._beat(request)
                if isinstance(request, Done):
                    return self._done(request.worker, request.trial, request.result.result())
                return self._claim(request.worker)
            except Exception as error:  # a full disk, too many failed trials: raised by the main thread
                self.failure = error
                return _last_answer(request)

    def drop_process(self, process: int) -> None:
        """Free the trial of a worker on this machine whose process has ended."""
        worker = worker_name(process)
        with self._lock:
            self.workers.discard(worker)
            for number, lease in list(self._leases.items()):
                if lease.worker == worker:
                    self._take_back(number)

    def expire(self) -> None:
        """Free the trials of workers whose lease is over."""
        with self._lock:
            for number, lease in list(self._leases.items()):
                if time.monotonic() > lease.until:
                    self.watcher.note(f"lost contact with worker {lease.worker}: restarting trial {number}")
                    self.workers.discard(lease.worker)
                    self._take_back(number)

    def _claim(self, worker: str) -> Message:
        if self.over:
            self.workers.discard(worker)
            return Stop()
        self.workers.add(worker)
        mine = [number for number, lease in self._leases.items() if lease.worker == worker]
        for number in mine:  # a new process with an old name: it does not run this trial
            self._take_back(number)
        trial = self.states.next(worker)
        for lease in self._leases.values():  # no heartbeat was answered while the trial was chosen
            lease.until = max(lease.until, time.monotonic() + LEASE_SECONDS / 2)
        if isinstance(trial, Trial):
            self._leases[trial.number] = _Lease(worker, time.monotonic() + LEASE_SECONDS)
            self.watcher.trial_begins(trial)
            return Work(trial=Assignment.of(trial))
        if trial is NoTrial.DONE and not self._leases:
            self._over = True
            self.workers.discard(worker)
            return Stop()
        return Wait(wait=WAIT_SECONDS)  # a running trial may have to be restarted

    def _beat(self, beat: Heartbeat) -> Message:
        lease = self._leases.get(beat.trial)
        if lease is None or lease.worker != beat.worker or self.failure is not None:
            return HeartbeatAnswer(go_on=False)
        self.workers.add(beat.worker)
        lease.until = time.monotonic() + LEASE_SECONDS
        if beat.epoch is not None and beat.epochs is not None:
            self.watcher.trial_epoch(beat.trial, beat.epoch, beat.epochs, dict(beat.logs))
        return HeartbeatAnswer(go_on=True)

    def _done(self, worker: str, number: int, result: Result) -> Message:
        lease = self._leases.get(number)
        if lease is None or lease.worker != worker:
            return ResultAnswer(taken=False)  # another worker has the trial by now
        del self._leases[number]
        trial = self.states.search.trial(number)
        try:
            self.states.finish(number, result)
        finally:
            if trial.status != RUNNING:
                self.watcher.trial_ends(trial)
        return ResultAnswer(taken=True)

    def _take_back(self, number: int) -> None:
        del self._leases[number]
        self.states.give_back(self.states.search.trial(number))


def _last_answer(request: Claim) -> Message:
    """Return the answer of a search that has failed: end this trial, and stop at the next claim."""
    if isinstance(request, Heartbeat):
        return HeartbeatAnswer(go_on=False)
    return ResultAnswer(taken=True) if isinstance(request, Done) else Stop()


@contextlib.contextmanager
def serving(chief: Chief, address: str) -> Iterator[str]:
    """Answer workers in a thread while the context is open.

    Args:
        chief: answers the requests.
        address: `HOST:PORT` to listen at; port 0 is any free one.

    Yields:
        The address with the real port.

    Raises:
        UsageError: The address cannot be listened at.
    """
    host, port = split_address(address)
    key = secrets.token_hex(32)
    try:
        server = _Server(chief, host, port, key)
    except OSError as error:
        hint = "choose another --address"
        raise UsageError(Problem(f"cannot listen at {address} ({error.strerror})", hint=hint)) from None
    here = f"{host}:{server.server_address[1]}"
    folder = chief.states.search.folder
    contact = {"protocol": channel.PROTOCOL, "address": here, "key": key, "host": socket.gethostname()}
    contact["secret"] = ""  # what a worker of protocol 1 would send in the clear
    _write_secret(folder / CHIEF, contact)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="mlpcli-chief", daemon=True)
    thread.start()
    try:
        yield here
    finally:
        runs.remove_inside(folder / CHIEF, folder)
        server.shutdown()
        server.server_close()


def wait_for_workers(chief: Chief) -> None:
    """Wait until the search is over and its workers know it.

    Raises:
        TrainingError: No request came for IDLE_SECONDS.
        Exception: The failure that ended the search.
    """
    while not chief.over:
        signals.raise_if_interrupted()
        chief.expire()
        if time.monotonic() - chief.last_request > IDLE_SECONDS:
            hint = "start one: mlpcli tune SPEC --role worker --address HOST:PORT"
            raise TrainingError(
                Problem(f"no contact with any worker for {IDLE_SECONDS:.0f} seconds", hint=hint)
            )
        time.sleep(0.1)
    wait_for_goodbye(chief)
    if chief.failure is not None:
        raise chief.failure


def wait_for_goodbye(chief: Chief) -> None:
    """Wait up to GOODBYE_SECONDS until every worker has received that the search is over."""
    last = time.monotonic() + GOODBYE_SECONDS
    while chief.workers and time.monotonic() < last:
        time.sleep(0.05)


class _Server(socketserver.ThreadingTCPServer):
    """Listens for workers; each connection carries one request and has its own thread."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, chief: Chief, host: str, port: int, key: str) -> None:
        self._chief, self._key = chief, key
        self._unproved: list[socket.socket] = []  # connections without a valid request, the oldest first
        self._guard = threading.Lock()
        self._noted = False
        super().__init__((host, port), socketserver.BaseRequestHandler)

    def process_request(self, request: object, client_address: object) -> None:
        """Accept a connection; if there are too many without a valid request, close the oldest of them."""
        assert isinstance(request, socket.socket)
        with self._guard:
            while len(self._unproved) >= MOST_UNPROVED:
                with contextlib.suppress(OSError):
                    self._unproved.pop(0).shutdown(socket.SHUT_RDWR)
            self._unproved.append(request)
        super().process_request(request, client_address)

    def finish_request(self, request: object, client_address: object) -> None:
        """Answer one request; a peer that is not a worker of this search gets no answer."""
        assert isinstance(request, socket.socket)

        def answer(verb: str, body: bytes) -> bytes:
            self._forget(request)
            return self._chief.reply(verb, body)

        try:
            channel.reply(request, self._key, answer)
        except channel.ProtocolMismatch:
            if not self._noted:  # only once: anybody can send this
                self._noted = True
                rule = "a request came in another version of the protocol"
                self._chief.watcher.note(f"{rule}: install the same version of mlpcli on every machine")
        except (OSError, channel.UntrustedPeer):
            pass  # a worker that disappears during a request loses its lease
        finally:
            self._forget(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore that no thread could be started: the worker tries again."""

    def _forget(self, request: socket.socket) -> None:
        with self._guard, contextlib.suppress(ValueError):
            self._unproved.remove(request)


def _write_secret(target: Path, document: dict[str, object]) -> None:
    """Write a JSON file that only this user can read."""
    with replacing(target) as path:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file)
