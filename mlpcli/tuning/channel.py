"""One request and its answer between a worker and the chief of its search; each request opens a connection.

Both know a key, which is in the search's folder and is never sent. Each first proves to the other that it
has the key:

    worker   mlpcli 2 hello NONCE
    chief    mlpcli 2 hello NONCE MAC
    worker   mlpcli 2 VERB LENGTH MAC      and LENGTH bytes
    chief    mlpcli 2 answer LENGTH MAC    and LENGTH bytes

A MAC is an HMAC-SHA256 over the kind of message, both nonces, the verb and the bytes. Both nonces are new for
each connection, so a recorded message is never accepted again, in either direction. A peer that does not know
the key receives a nonce from either side and nothing else. The content is not secret: trials, values, scores.

Every wait has a deadline that the other side cannot extend, and every length has a limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import socket
import time
from collections.abc import Callable

PROTOCOL = 2
"""Version of this protocol; 1 was JSON over HTTP with the secret in a header."""
MOST_BYTES = 1_000_000  # of a request, and of an answer
MOST_LINE = 512
CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 10.0
"""Limit for a worker to send its whole request, and again to read its answer."""
ANSWER_SECONDS = 60.0
"""Limit for the whole exchange on the worker's side: a chief may need a while to choose a trial."""
DRAIN_SECONDS = 1.0
NONCE_BYTES = 16
OLD_REQUESTS = (b"POST ", b"GET ", b"HEAD ", b"PUT ")
OLD_ANSWERS = (b"HTTP/", b"<!DOCTYPE")
UPGRADE = (
    "HTTP/1.0 426 This chief is of a newer version: install the same mlpcli here\r\nConnection: close\r\n\r\n"
)


class UntrustedPeer(Exception):
    """The other side does not know the key, or does not follow the protocol."""


class ProtocolMismatch(UntrustedPeer):
    """The other side appears to be another version of mlpcli."""


class Stream:
    """A connection with a deadline, which holds however slowly the other side sends."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection, self._deadline = connection, time.monotonic() + seconds
        self._buffer = b""

    def line(self) -> bytes:
        """Return the next line, without its line break.

        Raises:
            OSError: The line did not arrive in time, or the connection ended.
            UntrustedPeer: The line is too long.
        """
        while b"\n" not in self._buffer[:MOST_LINE]:
            if len(self._buffer) >= MOST_LINE:
                raise UntrustedPeer("it sends a line that is too long")
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def exactly(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises:
            OSError: They did not arrive in time, or the connection ended.
        """
        while len(self._buffer) < count:
            self._receive()
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def send(self, content: bytes) -> None:
        """Send all bytes.

        Raises:
            OSError: The other side did not accept them in time.
        """
        self._connection.settimeout(self._left())
        self._connection.sendall(content)

    def close_after_answer(self) -> None:
        """Let the other side read the answer: closing with unread bytes can discard what was sent."""
        self.extend(DRAIN_SECONDS)
        self._connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while len(self._buffer) < MOST_BYTES:
                self._receive()

    def extend(self, seconds: float) -> None:
        """Set the deadline to so many seconds from now."""
        self._deadline = time.monotonic() + seconds

    def _receive(self) -> None:
        self._connection.settimeout(self._left())
        more = self._connection.recv(65536)
        if not more:
            raise ConnectionError("the connection was closed")
        self._buffer += more

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def ask(address: tuple[str, int], key: str, verb: str, body: bytes) -> bytes:
    """Send a request to the chief and return the body of its answer.

    Args:
        address: host and port of the chief.
        key: the key of the search.
        verb: the kind of request.
        body: the request.

    Raises:
        OSError: Nothing listens there, or the connection ended or took too long.
        UntrustedPeer: What listens there is not a chief that knows the key.
    """
    assert len(body) <= MOST_BYTES
    with socket.create_connection(address, timeout=CONNECT_SECONDS) as connection:
        stream = Stream(connection, ANSWER_SECONDS)
        ours = secrets.token_hex(NONCE_BYTES)
        stream.send(_head("hello", ours))
        theirs, mac = _words(stream.line(), "hello", 2)
        _check_nonce(theirs)
        _check(mac, _mac(key, "chief", ours, theirs))
        stream.send(
            _head(verb, str(len(body)), _mac(key, "request", ours, theirs, verb, body)) + body,
        )
        length, mac = _words(stream.line(), "answer", 2)
        answer = stream.exactly(_length(length))
        _check(mac, _mac(key, "answer", ours, theirs, verb, answer))
        return answer


def reply(connection: socket.socket, key: str, answer: Callable[[str, bytes], bytes]) -> None:
    """Read one request from a connection and send the answer.

    Args:
        connection: a new connection of a worker.
        key: the key of the search.
        answer: returns the answer to a verb and a body.

    Raises:
        OSError: The connection ended or took too long.
        UntrustedPeer: The other side does not know the key; `answer` was not called.
    """
    stream = Stream(connection, REQUEST_SECONDS)
    hello = stream.line()
    if hello.startswith(OLD_REQUESTS):
        stream.send(UPGRADE.encode())
        stream.close_after_answer()
        raise ProtocolMismatch("it sends HTTP")
    (theirs,) = _words(hello, "hello", 1)
    _check_nonce(theirs)
    ours = secrets.token_hex(NONCE_BYTES)
    stream.send(_head("hello", ours, _mac(key, "chief", theirs, ours)))
    verb, length, mac = _words(stream.line(), "", 3)
    body = stream.exactly(_length(length))
    _check(mac, _mac(key, "request", theirs, ours, verb, body))
    sent = answer(verb, body)
    stream.extend(REQUEST_SECONDS)
    stream.send(_head("answer", str(len(sent)), _mac(key, "answer", theirs, ours, verb, sent)) + sent)


def _head(*words: str) -> bytes:
    return " ".join(("mlpcli", str(PROTOCOL), *words)).encode() + b"\n"


def _words(line: bytes, kind: str, count: int) -> list[str]:
    """Return the `count` words of a line that follow its kind, or, if the kind is empty, all."""
    if line.startswith(OLD_ANSWERS):
        raise ProtocolMismatch("it answers in HTTP")
    words = line.decode("ascii", errors="replace").split(" ")
    if words[0] != "mlpcli" or len(words) < 3:
        raise UntrustedPeer("it does not follow the protocol of chief and workers")
    if words[1] != str(PROTOCOL):
        raise ProtocolMismatch("it has another version of the protocol")
    found = words[2:] if not kind else words[3:] if words[2] == kind else []
    if len(found) != count:
        raise UntrustedPeer("it does not follow the protocol")
    return found


def _check_nonce(text: str) -> None:
    if len(text) != 2 * NONCE_BYTES or not set(text) <= set("0123456789abcdef"):
        raise UntrustedPeer("it does not follow the protocol")


def _length(text: str) -> int:
    """Return the length of a body, checked before the body is read."""
    if not (text.isascii() and text.isdigit() and len(text) <= 8 and int(text) <= MOST_BYTES):
        raise UntrustedPeer(f"it sends more than {MOST_BYTES:,} bytes")
    return int(text)


def _mac(key: str, kind: str, worker: str, chief: str, verb: str = "", body: bytes = b"") -> str:
    """Return the keyed hash of a message; the texts before the body have no line breaks, so it is unique."""
    text = "\n".join((f"mlpcli {PROTOCOL}", kind, worker, chief, verb, ""))
    return hmac.new(key.encode(), text.encode() + body, hashlib.sha256).hexdigest()


def _check(given: str, wanted: str) -> None:
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise UntrustedPeer("it does not know the key")
