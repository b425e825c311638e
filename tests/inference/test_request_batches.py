"""Requests that wait are predicted together, and each is answered or refused by itself."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mlpcli.data.stream import Chunk
from mlpcli.serving.batches import Answer, Batcher, QueueFull


def test_a_prediction_too_large_for_float32_is_null() -> None:
    import asyncio

    from mlpcli.serving.app import Limits, Pages, build_app

    def predict(chunk: Chunk, tensors: bool) -> Answer:
        return Answer(chunk, {"price": [1.5, math.inf, -math.inf]})

    batcher = Batcher(_chunk, predict, most_waiting=9)
    app = build_app(batcher, Pages("m", "m/1", (), {}, {}), Limits(100, 9, 9.0))
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"[[1],[2],[3]]"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    batcher.close()
    assert (sent[0]["status"], [row["price"] for row in json.loads(sent[1]["body"])["predictions"]]) == (
        200,
        [1.5, None, None],
    )


def _chunk(rows: Sequence[object]) -> Chunk:
    return Chunk(np.array(rows, float), {})


def _answer(chunk: Chunk, tensors: bool) -> Answer:
    if (chunk.x < 0).any():
        raise ValueError("negative")
    return Answer(chunk, {"double": (chunk.x * 2).tolist()})


def test_requests_that_wait_go_together_and_fail_alone() -> None:
    sizes: list[int] = []
    begun, first = threading.Event(), threading.Event()

    def predict(chunk: Chunk, tensors: bool) -> Answer:
        sizes.append(len(chunk))
        begun.set()
        assert first.wait(10)
        return _answer(chunk, tensors)

    batcher = Batcher(_chunk, predict, most_waiting=100)
    futures = [batcher.submit([0])]
    assert begun.wait(10)
    futures += [batcher.submit([number, number]) for number in range(1, 5)] + [batcher.submit([-1])]
    first.set()
    assert [future.result(10).columns["double"] for future in futures[:5]] == [
        [0],
        *([2 * number] * 2 for number in range(1, 5)),
    ]
    with pytest.raises(ValueError, match="negative"):
        futures[5].result(10)
    assert max(sizes) == 9  # of four requests and the wrong one, before each went by itself
    batcher.close()


def test_a_request_that_nobody_waits_for_ends_no_other() -> None:
    begun, go = threading.Event(), threading.Event()

    def predict(chunk: Chunk, tensors: bool) -> Answer:
        begun.set()
        assert go.wait(10)
        return _answer(chunk, tensors)

    batcher = Batcher(_chunk, predict, most_waiting=100)
    first = batcher.submit([1])
    assert begun.wait(10)
    cancelled, last = batcher.submit([2]), batcher.submit([3])
    assert cancelled.cancel()
    go.set()
    assert [first.result(10).columns["double"], last.result(10).columns["double"]] == [[2], [6]]
    batcher.close()


def test_a_full_queue_refuses_and_a_closed_one_answers_what_waits() -> None:
    go = threading.Event()

    def predict(chunk: Chunk, tensors: bool) -> Answer:
        assert go.wait(10)
        return _answer(chunk, tensors)

    batcher = Batcher(_chunk, predict, most_waiting=3)
    waiting = [batcher.submit([1]), batcher.submit([2, 3])]
    with pytest.raises(QueueFull):
        batcher.submit([4])
    closing = threading.Thread(target=batcher.close)
    closing.start()
    go.set()
    closing.join(10)
    assert [future.result(0).columns["double"] for future in waiting] == [[2], [4, 6]]
    with pytest.raises(QueueFull):
        batcher.submit([5])
