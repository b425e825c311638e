"""Workers divide a batch and add their numbers up; whoever is gone is named; nobody waits for ever."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import numpy as np
import pytest

from mlpcli.errors import TrainingError
from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.replicas.join import join
from mlpcli.training.replicas.peers import LENGTH, Peers
from mlpcli.training.replicas.shards import shard, shard_batches
from mlpcli.training.replicas.wire import DATA, HEAD, LEAVE, Left
from tests.training.worker_threads import together


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_shares_of_a_batch_are_its_rows_once_each_and_alike(count: int) -> None:
    for rows in (*range(20), 1024):
        shares = [shard(rows, index, count) for index in range(count)]
        sizes = [share.stop - share.start for share in shares]
        assert [row for share in shares for row in range(rows)[share]] == list(range(rows))
        assert max(sizes) - min(sizes) <= 1
        assert sizes[0] == max(sizes)  # worker 0 has rows wherever one has
        batches = [shard_batches(rows, 4, index, count) for index in range(count)]
        assert [row for share in batches for row in range(rows)[share]] == list(range(rows))
        assert all(share.start % 4 == 0 or share.start == rows for share in batches)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("values", [1, 5, 40_001])
def test_all_workers_have_the_same_sums_to_the_last_bit(count: int, values: int) -> None:
    given = [np.random.default_rng(index).normal(size=values).astype("float32") for index in range(count)]
    expected = given[0].copy()
    for each in given[1:]:
        expected += each

    def work(peers: Peers) -> object:
        sums = peers.sum_over_workers(given[peers.index])
        number = peers.number_from_first(-5 if peers.index == 0 else 3)
        return sums.tobytes(), number, peers.texts(f"from {peers.index}")

    texts = [f"from {index}" for index in range(count)]
    assert together(count, work) == [(expected.tobytes(), -5, texts)] * count


def test_a_worker_that_leaves_says_why_and_one_that_is_lost_is_named() -> None:
    def says(peers: Peers) -> object:
        if peers.index == 1:
            peers.leave("out of memory")
            return None
        return peers.sum_over_workers(np.ones(3))

    def breaks(peers: Peers) -> object:
        if peers.index == 1:
            for connection in peers.connections.values():
                connection.close()
            peers.connections = {}
            return None
        return peers.sum_over_workers(np.ones(3))

    def out_of_step(peers: Peers) -> object:
        return peers.sum_over_workers(np.ones(3 + peers.index))

    left = [together(2, work)[0] for work in (says, breaks, out_of_step)]
    assert [(each.index, each.reason) for each in left if isinstance(each, Left)] == [
        (1, "out of memory"),
        (1, ""),
        (1, "it is not at the same step"),
    ]


def test_a_worker_that_never_comes_is_named_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPCLI_REPLICAS_TIMEOUT", "0.3")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        cluster = Cluster(0, (("127.0.0.1", port), ("127.0.0.1", 1)))
        waits: list[str] = []
        # What calls without knowing how is no worker.
        stranger = socket.create_connection(("127.0.0.1", port))
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with stranger, pytest.raises(TrainingError, match=r"worker 1 \(127.0.0.1:1\) has not come within 0"):
            join(cluster, listener, waits.append)
    assert waits[0] == "waiting for worker 1 (127.0.0.1:1)"


def test_strangers_neither_end_a_worker_nor_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPCLI_REPLICAS_TIMEOUT", "0.3")
    monkeypatch.setattr("mlpcli.training.replicas.join.HELLO_SECONDS", 0.2)
    sent = []

    def drips(stranger: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(299):
                stranger.sendall(b"x")
                sent.append(1)
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        cluster = Cluster(0, (("127.0.0.1", port), ("127.0.0.1", 1)))
        with (
            socket.create_connection(("127.0.0.1", port)) as knows_how,
            socket.create_connection(("127.0.0.1", port)) as slow,
        ):
            knows_how.sendall(b"mlpcli-replica-1 1 2 0123\n\xff\xfe\n")
            thread = threading.Thread(target=drips, args=(slow,))
            thread.start()
            with pytest.raises(TrainingError, match=r"worker 1 .* has not come"):
                join(cluster, listener, lambda text: None)
            thread.join()
    assert len(sent) < 299


def test_what_a_worker_may_send_is_bounded() -> None:
    def too_long(peers: Peers) -> object:
        if peers.index == 1:
            peers.connections[0].sendall(HEAD.pack(DATA, 8) + LENGTH.pack(2**60))
            return None
        return peers.texts("")

    def no_words(peers: Peers) -> object:
        if peers.index == 1:
            peers.connections[0].sendall(HEAD.pack(LEAVE, 2) + b"[]")
            return None
        return peers.texts("")

    def other_size(peers: Peers) -> object:
        return peers.from_first(b"ab" if not peers.index else b"", size=2 + peers.index)

    left = [together(2, work)[place] for work, place in ((too_long, 0), (no_words, 0), (other_size, 1))]
    reasons = ["it sends a text that is too long", *["it is not at the same step"] * 2]
    assert [each.reason for each in left if isinstance(each, Left)] == reasons


def test_correlations_are_merged_over_workers() -> None:
    from mlpcli.model.correlations import RowCorrelation, merged_states

    rows = np.random.default_rng(0).normal(size=(2, 50, 1)).astype("float32") + 1000
    metrics = [RowCorrelation("concordance", 1) for _ in range(3)]
    for metric, span in zip(metrics, (slice(0, 50), slice(0, 13), slice(13, 50)), strict=True):
        metric.update_state(rows[0][span], rows[1][span])
    states = [
        [np.array(each, np.float64) for each in (metric.count, metric.means, metric.squares)]
        for metric in metrics[1:]
    ]
    for merged, whole in zip(
        merged_states(states), (metrics[0].count, metrics[0].means, metrics[0].squares), strict=True
    ):
        np.testing.assert_allclose(merged, np.array(whole), rtol=1e-4)
