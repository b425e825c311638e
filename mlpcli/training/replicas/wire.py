"""Bytes between workers: messages with a head, sent and received to and from several peers at a time.

    mlpd  LENGTH  and LENGTH bytes     values, or a text
    mlpx  LENGTH  and LENGTH bytes     the last message: why the worker leaves, as JSON

No message has anything in it that is executed.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

HEAD = struct.Struct("!4sQ")
DATA, LEAVE = b"mlpd", b"mlpx"
TICK_SECONDS = 0.5
"""How long a wait may last before `check` is called."""
STALL_SECONDS = 600.0
"""How long another worker may send nothing that this one waits for: one that is stopped, but not ended."""
LINGER_SECONDS = 2.0
MOST_WORDS = 100_000
"""Bytes of the last message."""


class Left(Exception):
    """A worker has left, or was lost, while another one waited for it.

    Attributes:
        index: of the worker.
        reason: what it said; empty where it said nothing.
        done: it ended in order, without an error.
    """

    def __init__(self, index: int, reason: str = "", *, done: bool = False) -> None:
        super().__init__(index, reason, done)
        self.index, self.reason, self.done = index, reason, done


@dataclass
class _Arriving:
    """A message that is being received."""

    index: int
    content: memoryview
    head: bytearray = field(default_factory=bytearray)
    got: int = 0
    last_words: bytearray | None = None

    def receive(self, connection: socket.socket) -> bool:
        """Receive what there is; return whether the message is complete.

        Raises:
            Left: The peer has left, or has sent something else.
        """
        try:
            while True:
                if len(self.head) < HEAD.size:
                    self._extend(connection, self.head, HEAD.size)
                    if len(self.head) == HEAD.size:
                        self._read_head()
                elif self.last_words is not None:
                    self._read_last_words(connection)
                elif self.got < len(self.content):
                    count = connection.recv_into(self.content[self.got :])
                    if not count:
                        raise Left(self.index)
                    self.got += count
                else:
                    return True
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise Left(self.index, "" if isinstance(error, ConnectionError) else str(error)) from error

    def _extend(self, connection: socket.socket, buffer: bytearray, size: int) -> None:
        more = connection.recv(size - len(buffer))
        if not more:
            raise Left(self.index)
        buffer += more

    def _read_head(self) -> None:
        kind, length = HEAD.unpack(self.head)
        if kind == LEAVE and length <= MOST_WORDS:
            self.last_words = bytearray()
            self.size = length
        elif kind != DATA or length != len(self.content):
            raise Left(self.index, "it is not at the same step")

    def _read_last_words(self, connection: socket.socket) -> None:
        assert self.last_words is not None
        if len(self.last_words) < self.size:
            self._extend(connection, self.last_words, self.size)
        if len(self.last_words) == self.size:
            try:
                words = json.loads(self.last_words)
                reason, done = str(words["reason"]), bool(words["done"])
            except (ValueError, KeyError, TypeError, RecursionError):
                raise Left(self.index, "it is not at the same step") from None
            raise Left(self.index, reason, done=done)


@dataclass
class _Departing:
    """A message that is being sent."""

    left: memoryview

    def send(self, connection: socket.socket) -> bool:
        """Send what is possible; return whether nothing is left.

        A peer that is gone shows where one reads.
        """
        try:
            while self.left:
                self.left = self.left[connection.send(self.left) :]
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            pass
        return True


def exchange(
    connections: Mapping[int, socket.socket],
    outgoing: Mapping[int, memoryview],
    incoming: Mapping[int, memoryview],
    check: Callable[[], None],
) -> None:
    """Send a message to some peers and receive one from some, all at the same time.

    Args:
        connections: to each peer; they do not block.
        outgoing: bytes for each peer.
        incoming: what each peer's bytes are written to; their length is known.
        check: called about every half a second; raises to end the wait.

    Raises:
        Left: A peer has left, or sends nothing.
    """
    sends = {
        peer: [_Departing(memoryview(HEAD.pack(DATA, len(content)))), _Departing(content)]
        for peer, content in outgoing.items()
    }
    receives = {peer: _Arriving(peer, content) for peer, content in incoming.items()}
    deadline, ticks = time.monotonic() + STALL_SECONDS, 0
    while True:
        for peer in list(sends):
            while sends[peer] and sends[peer][0].send(connections[peer]):
                del sends[peer][0]
            if not sends[peer]:
                del sends[peer]
        for peer in [each for each, message in receives.items() if message.receive(connections[each])]:
            del receives[peer]
        if not sends and not receives:
            return
        if not _wait(connections, sends, receives):
            check()
            ticks += 1
            if time.monotonic() > deadline and ticks * TICK_SECONDS > STALL_SECONDS / 2:
                peer = next(iter(receives), next(iter(sends), 0))
                raise Left(peer, f"it has sent nothing for {STALL_SECONDS:.0f} seconds")


def _wait(
    connections: Mapping[int, socket.socket], sends: Mapping[int, object], receives: Mapping[int, object]
) -> bool:
    """Wait until something can be sent or received, for at most a tick; return whether it can."""
    reading = [connections[peer] for peer in receives]
    writing = [connections[peer] for peer in sends]
    return any(select.select(reading, writing, [], TICK_SECONDS))


def say_goodbye(connections: Mapping[int, socket.socket], reason: str, *, done: bool) -> None:
    """Tell all peers why this worker leaves, and close the connections; peers that are gone do not matter.

    Args:
        connections: to each peer.
        reason: one line.
        done: it ends in order.
    """
    words = json.dumps({"reason": reason[: MOST_WORDS // 8], "done": done}).encode()
    deadline = time.monotonic() + LINGER_SECONDS
    for connection in connections.values():
        try:
            connection.settimeout(0.5)
            connection.sendall(HEAD.pack(LEAVE, len(words)) + words)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            continue
    for connection in connections.values():
        _drain(connection, deadline)


def _drain(connection: socket.socket, deadline: float) -> None:
    """Read until the other side closes: closing with unread bytes would discard what was sent."""
    try:
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65536):
                break
    except OSError:
        pass
    finally:
        connection.close()
