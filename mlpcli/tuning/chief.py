"""The chief of a search whose trials run in other processes: hands them out, and waits for no one for ever.

Workers speak JSON over HTTP to it: `claim` a trial, `beat` while it runs, say it is `done`. A trial is lent
for LEASE_SECONDS at a time; a worker that is not heard of for so long has lost it, and another begins it
again. A chief that was killed and comes back knows from `search.json` which trials are out, and lets their
workers go on.

Only who can read the search's folder can talk to the chief: requests carry a secret that lies there.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpcli import signals
from mlpcli.errors import Problem, TrainingError, UsageError
from mlpcli.files import replacing
from mlpcli.runs.search_folder import RUNNING, Trial
from mlpcli.tuning.oracle import Answer
from mlpcli.tuning.trial_states import Ledger
from mlpcli.tuning.trials import Result

if TYPE_CHECKING:
    from mlpcli.tuning.search import SearchWatcher

CHIEF = "chief.json"  # in the search's folder while there is a chief: where it listens, and the secret
LOOPBACK = "127.0.0.1"
LEASE_SECONDS = 20.0
IDLE_SECONDS = 600.0
"""How long a chief waits for any worker at all before it gives up."""
WAIT_SECONDS = 0.3
GOODBYE_SECONDS = 3.0
MOST_BYTES = 1_000_000
REQUEST_SECONDS = 10.0


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

    def answer(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a worker's request; a failure of the search itself is kept, and stops it."""
        with self._lock:
            self.heard = time.monotonic()
            worker = str(request["worker"])
            try:
                if verb == "claim":
                    return self._claim(worker)
                number = int(request["trial"])
                if verb == "beat":
                    return self._beat(worker, number, request)
                return self._done(worker, number, Result(**request["result"]))
            except (OSError, TrainingError) as error:  # a full disk, too many failed trials
                self.failure = error
                return {"stop": True}

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

    def _claim(self, worker: str) -> dict[str, Any]:
        if self.over:
            self.workers.discard(worker)
            return {"stop": True}
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
            return {"trial": asdict(trial)}
        if trial is Answer.DONE and not self._leases:
            self._over = True
            self.workers.discard(worker)
            return {"stop": True}
        return {"wait": WAIT_SECONDS}  # there may be a trial to begin again

    def _beat(self, worker: str, number: int, request: dict[str, Any]) -> dict[str, Any]:
        lease = self._leases.get(number)
        if lease is None or lease.worker != worker or self.failure is not None:
            return {"go_on": False}
        self.workers.add(worker)
        lease.until = time.monotonic() + LEASE_SECONDS
        if (epoch := request.get("epoch")) is not None:
            self.watcher.trial_epoch(number, int(epoch), int(request["epochs"]), request["logs"])
        return {"go_on": True}

    def _done(self, worker: str, number: int, result: Result) -> dict[str, Any]:
        lease = self._leases.get(number)
        if lease is None or lease.worker != worker:
            return {}  # another has it by now
        del self._leases[number]
        trial = self.ledger.search.trial(number)
        try:
            self.ledger.finish(number, result)
        finally:
            if trial.status != RUNNING:
                self.watcher.trial_ends(trial)
        return {}

    def _take_back(self, number: int) -> None:
        del self._leases[number]
        self.ledger.give_back(self.ledger.search.trial(number))


def worker_name(process: int) -> str:
    """How a worker on this machine calls itself."""
    return f"{socket.gethostname()}-{process}"


@contextlib.contextmanager
def serving(chief: Chief, address: str) -> Iterator[str]:
    """Answer workers at `address` (a port of 0 is any free one) while inside; yields the real address.

    Raises:
        UsageError: the address cannot be listened at.
    """
    host, port = split_address(address)
    secret = secrets.token_hex(16)
    try:
        server = _server(chief, host, port, secret)
    except OSError as error:
        hint = "choose another --address"
        raise UsageError(Problem(f"cannot listen at {address} ({error.strerror})", hint=hint)) from None
    here = f"{host}:{server.server_address[1]}"
    folder = chief.ledger.search.folder
    _write_secret(folder / CHIEF, {"address": here, "secret": secret, "host": socket.gethostname()})
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="mlpcli-chief", daemon=True)
    thread.start()
    try:
        yield here
    finally:
        (folder / CHIEF).unlink(missing_ok=True)
        server.shutdown()
        server.server_close()


def split_address(address: str) -> tuple[str, int]:
    """`HOST:PORT` as its parts.

    Raises:
        UsageError: it is not one.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        hint = "write HOST:PORT, such as 127.0.0.1:4100"
        raise UsageError(Problem("--address is not an address", received=address, hint=hint))
    return host, int(port)


def wait_for_workers(chief: Chief) -> None:
    """Wait until the search is over, and its workers have heard of it.

    Raises:
        TrainingError: no worker was heard of for IDLE_SECONDS.
        Exception: what stopped the search.
    """
    while not chief.over:
        signals.raise_if_asked()
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


def _server(chief: Chief, host: str, port: int, secret: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            given = self.headers.get("Authorization") or ""
            if not hmac.compare_digest(given.encode(), f"Bearer {secret}".encode()):
                self.send_error(403)
                return
            if not 0 < length <= MOST_BYTES or self.path not in ("/claim", "/beat", "/done"):
                self.send_error(400)
                return
            try:
                document = chief.answer(self.path[1:], json.loads(self.rfile.read(length)))
            except (ValueError, KeyError, TypeError, AttributeError, IndexError):
                self.send_error(400)
                return
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: the watcher tells what matters."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Nothing: a worker that went away in the middle of a request is found by its lease."""

    return Server((host, port), Handler)


def _write_secret(target: Path, document: dict[str, str]) -> None:
    """Write a file that only this user can read."""
    with replacing(target) as path:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file)
