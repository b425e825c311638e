"""One request and its answer between a worker and the chief of its search, over a connection of its own.

Both know a key, which lies in the search's folder and never travels. Each first proves to the other that
it has it:

    worker   mlpcli 2 hello NONCE
    chief    mlpcli 2 hello NONCE MAC
    worker   mlpcli 2 VERB LENGTH MAC      and LENGTH bytes
    chief    mlpcli 2 answer LENGTH MAC    and LENGTH bytes

A MAC is an HMAC-SHA256 over the kind of message, both nonces, the verb and the bytes. Both nonces are new for
each connection, so that nothing recorded counts a second time, in either direction. Who does not know the key
gets a nonce out of either side and nothing else. What is sent is not secret: trials, values and scores.

Every wait has an end that the other side cannot put off, and every length a limit.
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
"""Number of this protocol; 1 was JSON over HTTP with the secret in a header."""
MOST_BYTES = 1_000_000  # of a request, and of an answer
MOST_LINE = 512
CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 10.0
"""For a worker to send its whole request, and to take its answer."""
ANSWER_SECONDS = 60.0
"""For the whole of an exchange, seen from the worker: a chief may take a while to choose a trial."""
DRAIN_SECONDS = 1.0
NONCE_BYTES = 16
OLD_REQUESTS = (b"POST ", b"GET ", b"HEAD ", b"PUT ")
OLD_ANSWERS = (b"HTTP/", b"<!DOCTYPE")
UPGRADE = (
    "HTTP/1.0 426 This chief is of a newer version: install the same mlpcli here\r\nConnection: close\r\n\r\n"
)


class Stranger(Exception):
    """The other side does not know the key, or does not talk as we do."""


class OtherProtocol(Stranger):
    """The other side is, as it seems, another version of mlpcli."""


class Stream:
    """A connection whose use must be over by a moment in time, however slowly the other side sends."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection, self._last = connection, time.monotonic() + seconds
        self._read = b""

    def line(self) -> bytes:
        """The next line, without its end.

        Raises:
            OSError: it did not come in time, or the connection ended.
            Stranger: it is too long.
        """
        while b"\n" not in self._read[:MOST_LINE]:
            if len(self._read) >= MOST_LINE:
                raise Stranger("its line has no end")
            self._receive()
        line, _, self._read = self._read.partition(b"\n")
        return line.removesuffix(b"\r")

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            OSError: they did not come in time, or the connection ended.
        """
        while len(self._read) < count:
            self._receive()
        found, self._read = self._read[:count], self._read[count:]
        return found

    def send(self, content: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: it was not taken in time.
        """
        self._connection.settimeout(self._left())
        self._connection.sendall(content)

    def close_after_answer(self) -> None:
        """Let the other side read what was sent: a connection closed over unread bytes may lose it."""
        self.extend(DRAIN_SECONDS)
        self._connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while len(self._read) < MOST_BYTES:
                self._receive()

    def extend(self, seconds: float) -> None:
        """Give the rest so many seconds from now."""
        self._last = time.monotonic() + seconds

    def _receive(self) -> None:
        self._connection.settimeout(self._left())
        more = self._connection.recv(65536)
        if not more:
            raise ConnectionError("the connection was closed")
        self._read += more

    def _left(self) -> float:
        left = self._last - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def ask(address: tuple[str, int], key: str, verb: str, body: bytes) -> bytes:
    """Send a request to the chief and return the body of its answer.

    Raises:
        OSError: nobody listens there, or the connection ended or took too long.
        Stranger: what listens there is not a chief that knows the key.
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
    """Read one request from a connection and send what `answer(verb, body)` returns.

    Raises:
        OSError: the connection ended or took too long.
        Stranger: the other side does not know the key; `answer` was not called.
    """
    stream = Stream(connection, REQUEST_SECONDS)
    hello = stream.line()
    if hello.startswith(OLD_REQUESTS):
        stream.send(UPGRADE.encode())
        stream.close_after_answer()
        raise OtherProtocol("it asks in HTTP")
    (theirs,) = _words(hello, "hello", 1)
    _check_nonce(theirs)
    ours = secrets.token_hex(NONCE_BYTES)
    stream.send(_head("hello", ours, _mac(key, "chief", theirs, ours)))
    verb, length, mac = _words(stream.line(), "", 3)
    body = stream.exactly(_length(length))
    _check(mac, _mac(key, "request", theirs, ours, verb, body))
    said = answer(verb, body)
    stream.extend(REQUEST_SECONDS)
    stream.send(_head("answer", str(len(said)), _mac(key, "answer", theirs, ours, verb, said)) + said)


def _head(*words: str) -> bytes:
    return " ".join(("mlpcli", str(PROTOCOL), *words)).encode() + b"\n"


def _words(line: bytes, kind: str, count: int) -> list[str]:
    """The words of a line after its kind; with an empty kind all `count` that there are."""
    if line.startswith(OLD_ANSWERS):
        raise OtherProtocol("it answers in HTTP")
    words = line.decode("ascii", errors="replace").split(" ")
    if words[0] != "mlpcli" or len(words) < 3:
        raise Stranger("it does not talk as a search's chief and workers do")
    if words[1] != str(PROTOCOL):
        raise OtherProtocol("it talks another protocol")
    found = words[2:] if not kind else words[3:] if words[2] == kind else []
    if len(found) != count:
        raise Stranger("it does not keep to the protocol")
    return found


def _check_nonce(text: str) -> None:
    if len(text) != 2 * NONCE_BYTES or not set(text) <= set("0123456789abcdef"):
        raise Stranger("it does not keep to the protocol")


def _length(text: str) -> int:
    """The length of a body; refused before anything of it is read."""
    if not (text.isascii() and text.isdigit() and len(text) <= 8 and int(text) <= MOST_BYTES):
        raise Stranger(f"it sends more than {MOST_BYTES:,} bytes")
    return int(text)


def _mac(key: str, kind: str, worker: str, chief: str, verb: str = "", body: bytes = b"") -> str:
    """The keyed hash of a message; no text before the body holds a line's end, so none reads as another."""
    text = "\n".join((f"mlpcli {PROTOCOL}", kind, worker, chief, verb, ""))
    return hmac.new(key.encode(), text.encode() + body, hashlib.sha256).hexdigest()


def _check(given: str, wanted: str) -> None:
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Stranger("it does not know the key")
