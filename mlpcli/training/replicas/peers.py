"""The other workers of a training: sums of values over all of them, and what worker 0 decides for all.

Sums are added in the order of the workers, by whoever adds them, so that all workers have the same bits, and
a training that is resumed has those of one that was never interrupted.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence

import numpy as np

from mlpcli.data.types import Array
from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.replicas.shards import shard
from mlpcli.training.replicas.wire import Left, exchange, say_goodbye

DIRECT_BYTES = 2**16
"""Up to here each worker sends its values to each other one: a single exchange."""
LENGTH = struct.Struct("!Q")
MOST_TEXT = 64 << 20
"""Bytes of a text."""
MOST_SLICES = 8 << 30
"""Bytes of one array of a worker's slices."""


class Peers:
    """The connections of a worker to all others. Every worker calls the same methods in the same order.

    Attributes:
        index: this worker, from 0.
        count: how many workers there are.
        cluster: who they are.
        sent: bytes sent so far.
        hint: what to do where another worker is gone.
    """

    hint = ""

    def __init__(self, cluster: Cluster, connections: dict[int, socket.socket]) -> None:
        self.cluster, self.connections = cluster, connections
        self.index, self.count = cluster.index, cluster.count
        self.others = [peer for peer in range(self.count) if peer != self.index]
        self.check: Callable[[], None] = cluster.check
        self.sent = 0
        self._buffers: dict[tuple[int, int, str], Array] = {}

    def sum_over_workers(self, values: Array, out: Array | None = None) -> Array:
        """Return the sums of the values of all workers, the same bits everywhere.

        Args:
            values: (n,), as many on each worker.
            out: (n,), for the sums; None for new memory.

        Raises:
            Left: a worker has left.
        """
        out = np.empty_like(values) if out is None else out
        if not len(values):
            return out
        if self.count == 2 or values.nbytes * (self.count - 1) <= DIRECT_BYTES:
            self._sum(values, dict.fromkeys(self.others, values), out)
            return out
        parts = [shard(len(values), worker, self.count) for worker in range(self.count)]
        own = parts[self.index]
        self._sum(values[own], {peer: values[parts[peer]] for peer in self.others}, out[own])
        self._exchange(dict.fromkeys(self.others, out[own]), {peer: out[parts[peer]] for peer in self.others})
        return out

    def _sum(self, own: Array, outgoing: dict[int, Array], out: Array) -> None:
        """Send values to others, and add those that they send to our own."""
        incoming = {peer: self._buffer(peer, own) for peer in self.others}
        self._exchange(outgoing, incoming)
        addends = [own if worker == self.index else incoming[worker] for worker in range(self.count)]
        np.add(addends[0], addends[1], out=out)
        for addend in addends[2:]:
            out += addend

    def _buffer(self, peer: int, like: Array) -> Array:
        key = (peer, len(like), like.dtype.str)
        if key not in self._buffers:
            self._buffers[key] = np.empty_like(like)
        return self._buffers[key]

    def from_first(self, content: bytes = b"", *, size: int) -> bytes:
        """Return bytes that worker 0 has; the others pass none.

        Args:
            content: the bytes.
            size: how many they are, which all workers know.

        Raises:
            Left: a worker has left, or worker 0 has another number of bytes.
        """
        if self.index:
            first = memoryview(bytearray(size))
            self._swap({}, {0: first})
            return bytes(first)
        self._swap(dict.fromkeys(self.others, memoryview(content)), {})
        return content

    def number_from_first(self, number: int = 0) -> int:
        """Return a whole number that worker 0 has; see `from_first`."""
        content = self.from_first(number.to_bytes(8, "big", signed=True), size=8)
        return int.from_bytes(content, "big", signed=True)

    def texts(self, text: str) -> list[str]:
        """Return the texts of all workers, in their order.

        Raises:
            Left: a worker has left, or sends a text that is too long.
        """
        own = text.encode()
        sizes = {peer: bytearray(LENGTH.size) for peer in self.others}
        self._swap(
            dict.fromkeys(self.others, memoryview(LENGTH.pack(len(own)))),
            {peer: memoryview(size) for peer, size in sizes.items()},
        )
        found = {peer: bytearray(_text_size(peer, size)) for peer, size in sizes.items()}
        self._swap(
            dict.fromkeys(self.others, memoryview(own)),
            {peer: memoryview(content) for peer, content in found.items()},
        )
        found[self.index] = bytearray(own)
        return [found[worker].decode() for worker in range(self.count)]

    def joined(self, arrays: Sequence[Array]) -> list[Array]:
        """Return arrays of all workers, each put behind those of the workers before.

        Args:
            arrays: (n, ...) each, where n may differ among workers; all have as many arrays, of the same
                dtypes, and rows of the same shape.

        Raises:
            Left: a worker has left, or sends too much.
        """
        own = np.array([len(array) for array in arrays], np.int64)
        lengths = {peer: np.empty_like(own) for peer in self.others}
        self._exchange(dict.fromkeys(self.others, own), lengths)
        row_sizes = np.array([array[:0].itemsize * int(np.prod(array.shape[1:])) for array in arrays])
        buffers = {peer: bytearray(_slices_size(peer, count, row_sizes)) for peer, count in lengths.items()}
        content = memoryview(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
        self._swap(
            dict.fromkeys(self.others, content),
            {peer: memoryview(buffer) for peer, buffer in buffers.items()},
        )
        parts = {peer: _cut(buffer, lengths[peer], arrays) for peer, buffer in buffers.items()}
        parts[self.index] = list(arrays)
        return [
            np.concatenate([parts[worker][place] for worker in range(self.count)])
            for place in range(len(arrays))
        ]

    def leave(self, reason: str = "", *, done: bool = False) -> None:
        """Tell the others that this worker leaves, and close the connections.

        Args:
            reason: why, in one line.
            done: in order.
        """
        say_goodbye(self.connections, reason, done=done)
        self.connections = {}

    def _exchange(self, outgoing: dict[int, Array], incoming: dict[int, Array]) -> None:
        """Send and receive arrays, each contiguous."""
        self._swap(
            {peer: values.data.cast("B") for peer, values in outgoing.items()},
            {peer: values.data.cast("B") for peer, values in incoming.items()},
        )

    def _swap(self, outgoing: dict[int, memoryview], incoming: dict[int, memoryview]) -> None:
        self.sent += sum(len(content) for content in outgoing.values())
        exchange(self.connections, outgoing, incoming, self.check)


def _slices_size(peer: int, lengths: Array, row_sizes: Array) -> int:
    """Return the bytes of arrays of some lengths."""
    if lengths.min(initial=0) < 0 or lengths.max(initial=0) > MOST_SLICES // max(1, row_sizes.max(initial=1)):
        raise Left(peer, "it sends too many gradients")
    return int(lengths @ row_sizes)


def _cut(buffer: bytearray, lengths: Array, like: Sequence[Array]) -> list[Array]:
    """Return the arrays in a worker's bytes."""
    found, start = [], 0
    for length, array in zip(lengths.tolist(), like, strict=True):
        shape = (length, *array.shape[1:])
        found.append(np.frombuffer(buffer, array.dtype, int(np.prod(shape)), start).reshape(shape))
        start += found[-1].nbytes
    return found


def _text_size(peer: int, packed: bytearray) -> int:
    size: int = LENGTH.unpack(packed)[0]
    if size > MOST_TEXT:
        raise Left(peer, "it sends a text that is too long")
    return size
