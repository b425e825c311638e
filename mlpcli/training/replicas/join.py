"""Connect the workers of a training: each to each, or an error that says who did not come."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping

from mlpcli.errors import Problem, TrainingError, UsageError
from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.replicas.peers import Peers
from mlpcli.training.replicas.wire import LEAVE, Left, exchange

PROTOCOL = "mlpcli-replica-1"
JOIN_SECONDS = 300.0
"""How long a worker waits for the others, once it is ready itself."""
TIMEOUT = "MLPCLI_REPLICAS_TIMEOUT"
"""Environment variable with another number of seconds."""
HELLO_SECONDS = 10.0
MOST_LINE = 300
LOCAL = ("localhost", "127.0.0.1", "::1")


class _Stranger(Exception):
    """What answers or calls is no worker of this training."""


def listen(cluster: Cluster) -> socket.socket:
    """Return this worker's listening socket.

    Raises:
        TrainingError: the port is in use.
    """
    if cluster.listener is not None:
        return socket.socket(fileno=cluster.listener)
    host, port = cluster.addresses[cluster.index]
    try:
        if host in LOCAL:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, port), family=family, backlog=cluster.count)
        # The name may be that of a service, or of an address that this machine does not know as its own.
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        return socket.create_server(("", port), family=family, backlog=cluster.count, dualstack_ipv6=both)
    except OSError as error:
        rule = f"{cluster.name(cluster.index)} cannot listen at port {port} ({error.strerror})"
        raise TrainingError(Problem(rule, hint="end what uses the port, or choose another one")) from None


def join(cluster: Cluster, listener: socket.socket, on_wait: Callable[[str], None]) -> Peers:
    """Return the connections to all other workers, once all are there.

    Args:
        cluster: who they are.
        listener: this worker's listening socket, which is closed.
        on_wait: receives whom this worker waits for.

    Raises:
        TrainingError: a worker does not come in time.
        Left: a worker has come, and left before all were there.
        UsageError: `MLPCLI_REPLICAS_TIMEOUT` holds no number.
    """
    seconds = join_seconds(os.environ)
    meeting = _Meeting(cluster, listener, time.monotonic() + seconds, seconds, on_wait)
    try:
        for peer in range(cluster.index):
            meeting.connect(peer)
        while len(meeting.found) < cluster.count - 1:
            meeting.accept()
    except BaseException:
        for connection in meeting.found.values():
            connection.close()
        raise
    finally:
        listener.close()
    for connection in meeting.found.values():
        _prepare(connection)
    return Peers(cluster, dict(sorted(meeting.found.items())))


def join_seconds(environ: Mapping[str, str]) -> float:
    """Return how long a worker waits for the others.

    Args:
        environ: the environment variables.

    Raises:
        UsageError: the variable holds no such number.
    """
    text = environ.get(TIMEOUT, "").strip() or str(JOIN_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:  # not a number, too
        raise UsageError(Problem(f"{TIMEOUT} must be a number of seconds above 0", received=text))
    return seconds


def _prepare(connection: socket.socket) -> None:
    """Send small messages at once, never block, and notice within some 20 seconds that a machine is gone."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: for bytes that nobody acknowledges
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)
    connection.setblocking(False)


class _Meeting:
    """The connections so far."""

    def __init__(
        self,
        cluster: Cluster,
        listener: socket.socket,
        deadline: float,
        seconds: float,
        on_wait: Callable[[str], None],
    ) -> None:
        self.cluster, self.listener, self.deadline, self.seconds = cluster, listener, deadline, seconds
        self.on_wait = on_wait
        self.found: dict[int, socket.socket] = {}

    def connect(self, peer: int) -> None:
        """Connect to a worker before this one, again and again until it listens."""
        self.on_wait(f"waiting for {self.cluster.name(peer)}")
        why = ""
        while peer not in self.found:
            self._check([peer], why)
            try:
                connection = socket.create_connection(self.cluster.addresses[peer], timeout=HELLO_SECONDS)
            except OSError as error:
                why = error.strerror or str(error)
                time.sleep(0.1)
                continue
            with _closing_unless_kept(connection, self.found, peer):
                try:
                    # It accepts as soon as it is ready itself, which may take as long as ours.
                    connection.settimeout(max(0.1, min(HELLO_SECONDS, self.deadline - time.monotonic())))
                    self._call(connection, peer)
                    self.found[peer] = connection
                except (OSError, ValueError, _Stranger) as error:
                    why = str(error)

    def accept(self) -> None:
        """Accept a connection of a worker after this one."""
        here = (self.cluster.index, *self.found)
        missing = [peer for peer in range(self.cluster.count) if peer not in here]
        self.on_wait(f"waiting for {self.cluster.name(missing[0])}")
        self._check(missing)
        self.listener.settimeout(0.2)
        try:
            connection, _ = self.listener.accept()
        except TimeoutError:
            return
        peer = -1
        try:
            connection.settimeout(HELLO_SECONDS)
            peer = self._answer(connection)
            self.found[peer] = connection
        except (OSError, ValueError, _Stranger):
            connection.close()  # a stranger's, or that of a worker that has tried again meanwhile

    def _call(self, connection: socket.socket, peer: int) -> None:
        """Introduce this worker to another one, and check that it is that one."""
        own, cluster = secrets.token_hex(16), self.cluster
        connection.sendall(f"{PROTOCOL} {cluster.index} {cluster.count} {own}\n".encode())
        protocol, index, count, theirs, mac = _line(connection).split(" ")
        if (protocol, int(index), int(count)) != (PROTOCOL, peer, cluster.count):
            raise _Stranger(f"what answers there is not worker {peer} of {cluster.count}")
        if not hmac.compare_digest(mac, self._mac("answer", own, theirs)):
            raise _Stranger("it has another MLPCLI_REPLICAS_KEY")
        connection.sendall(f"{self._mac('call', own, theirs)}\n".encode())

    def _answer(self, connection: socket.socket) -> int:
        """Check who calls; return its index."""
        protocol, index, count, theirs = _line(connection).split(" ")
        cluster, own = self.cluster, secrets.token_hex(16)
        known = protocol == PROTOCOL and int(count) == cluster.count
        if not known or not cluster.index < int(index) < cluster.count or int(index) in self.found:
            raise _Stranger
        mac = self._mac("answer", theirs, own)
        connection.sendall(f"{PROTOCOL} {cluster.index} {cluster.count} {own} {mac}\n".encode())
        if not hmac.compare_digest(_line(connection), self._mac("call", theirs, own)):
            raise _Stranger
        return int(index)

    def _mac(self, kind: str, caller: str, answerer: str) -> str:
        text = f"{PROTOCOL} {kind} {caller} {answerer}"
        return hmac.new(self.cluster.key.encode(), text.encode(), hashlib.sha256).hexdigest()

    def _check(self, missing: list[int], why: str = "") -> None:
        """End the wait where it has taken too long, or is in vain.

        Raises:
            TrainingError: it has.
            Left: a worker that was there has left.
        """
        self.cluster.check()
        for peer, connection in self.found.items():
            _check_there(peer, connection)
        if time.monotonic() < self.deadline:
            return
        names = ", ".join(map(self.cluster.name, missing))
        verb = "has" if len(missing) == 1 else "have"
        rule = f"{names} {verb} not come within {self.seconds:.0f} seconds" + (f" ({why})" if why else "")
        hint = f"look at its output there; {TIMEOUT}=N waits for N seconds"
        raise TrainingError(Problem(rule, hint=hint))


def _check_there(peer: int, connection: socket.socket) -> None:
    """Check that a worker is still there; what it has sent since, if anything, stays to be received.

    Raises:
        Left: it has left, and says why where it does.
    """
    connection.setblocking(False)
    try:
        first = connection.recv(len(LEAVE), socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return
    except OSError:
        raise Left(peer) from None
    if first in (b"", LEAVE):
        exchange({peer: connection}, {}, {peer: memoryview(b"")}, lambda: None)


@contextlib.contextmanager
def _closing_unless_kept(
    connection: socket.socket, found: dict[int, socket.socket], peer: int
) -> Iterator[None]:
    try:
        yield
    finally:
        if found.get(peer) is not connection:
            connection.close()


def _line(connection: socket.socket) -> str:
    """Return the next line, read byte by byte: what follows it is not ours.

    Raises:
        _Stranger: it is too long, or takes too long.
        ValueError: it is not ASCII.
    """
    line, deadline = bytearray(), time.monotonic() + HELLO_SECONDS
    while not line.endswith(b"\n"):
        if time.monotonic() > deadline:
            raise _Stranger("it answers too slowly")
        more = connection.recv(1)
        if not more or len(line) > MOST_LINE:
            raise _Stranger("it does not follow the protocol of workers")
        line += more
    return line[:-1].decode("ascii")
