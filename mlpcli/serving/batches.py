"""Requests that come together go through the model together, in one thread.

While the model works on some rows, those of further requests wait; it then takes all of them at once. A
request never waits for another to come. A wrong row is the error of its own request.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from mlpcli.data.regroup import join_chunks
from mlpcli.data.stream import Chunk

MOST_ROWS = 4096
"""Rows that go through the model at once; a larger request goes by itself."""


class QueueFull(Exception):
    """So many rows are waiting that a further request is refused."""


@dataclass(frozen=True)
class Answer:
    """What became of the rows of a request.

    Attributes:
        chunk: its rows as the model takes them; with rejected rows it was not predicted.
        columns: what `predict` writes, a list of plain values by column.
        tensors: what the SavedModel's signature returns, nested lists by name; empty where nobody asked.
    """

    chunk: Chunk
    columns: dict[str, list[object]] = field(default_factory=dict)
    tensors: dict[str, list[object]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Job:
    rows: Sequence[object]
    tensors: bool
    future: Future[Answer]


class Batcher:
    """Answers requests in a thread of its own, several at once."""

    def __init__(
        self,
        encode: Callable[[Sequence[object]], Chunk],
        predict: Callable[[Chunk, bool], Answer],
        *,
        most_waiting: int,
    ) -> None:
        """Start the thread.

        Args:
            encode: returns rows as the model takes them, and an error for each that it cannot use.
            predict: returns the answer to rows of one or several requests, with tensors or without.
            most_waiting: rows that may wait; a request that comes on top of them is refused.
        """
        self.encode, self.predict, self.most_waiting = encode, predict, most_waiting
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def submit(self, rows: Sequence[object], *, tensors: bool = False) -> Future[Answer]:
        """Return the future answer to a request.

        Args:
            rows: of the request.
            tensors: also return what the SavedModel's signature returns.

        Raises:
            QueueFull: too many rows are waiting.
        """
        with self._lock:
            if self._closed or (self._waiting and self._waiting + len(rows) > self.most_waiting):
                raise QueueFull
            self._waiting += len(rows)
        future: Future[Answer] = Future()
        self._jobs.put(_Job(rows, tensors, future))
        return future

    def close(self) -> None:
        """Answer what is waiting, then end the thread."""
        with self._lock:
            self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        last: _Job | None = None
        while (first := last or self._jobs.get()) is not None:
            jobs, last, ended = self._together(first)
            # Nobody waits any more for one that was cancelled; the others cannot be from now on.
            self._answer([job for job in jobs if job.future.set_running_or_notify_cancel()])
            with self._lock:
                self._waiting -= sum(len(job.rows) for job in jobs)
            if ended:
                return

    def _together(self, first: _Job) -> tuple[list[_Job], _Job | None, bool]:
        """Return the requests that go together, the next one if it does not fit, and whether that was all."""
        jobs, rows = [first], len(first.rows)
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, None, False
            if job is None:
                return jobs, None, True
            if rows + len(job.rows) > MOST_ROWS:
                return jobs, job, False
            jobs.append(job)
            rows += len(job.rows)

    def _answer(self, jobs: Sequence[_Job]) -> None:
        """Answer some requests; one that fails does not fail the others."""
        try:
            chunks = self._encoded(jobs)
            ready = [(job, chunk) for job, chunk in zip(jobs, chunks, strict=True) if is_usable(chunk)]
            answers = self._predicted(ready)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:  # find whose rows cannot be encoded or predicted
                self._answer([job])
            return
        for job, chunk in zip(jobs, chunks, strict=True):
            if not is_usable(chunk):
                job.future.set_result(Answer(chunk))
        for (job, _), answer in zip(ready, answers, strict=True):
            job.future.set_result(answer)

    def _encoded(self, jobs: Sequence[_Job]) -> list[Chunk]:
        """Return the rows of each request as the model takes them, encoded together."""
        whole = self.encode([row for job in jobs for row in job.rows])
        rejected = {each.row for each in whole.rejected}
        chunks, first, start = [], 0, 0
        for job in jobs:
            last = first + len(job.rows)
            stop = start + len(job.rows) - sum(row in rejected for row in range(first, last))
            own = [replace(each, row=each.row - first) for each in whole.rejected if first <= each.row < last]
            chunks.append(replace(whole.cut(start, stop), rejected=own))
            first, start = last, stop
        return chunks

    def _predicted(self, ready: Sequence[tuple[_Job, Chunk]]) -> list[Answer]:
        """Return the answers to several requests from one call of the model."""
        if not ready:
            return []
        whole = self.predict(join_chunks([chunk for _, chunk in ready]), any(job.tensors for job, _ in ready))
        answers, start = [], 0
        for _, chunk in ready:
            stop = start + len(chunk)
            columns = {name: values[start:stop] for name, values in whole.columns.items()}
            named = {name: values[start:stop] for name, values in whole.tensors.items()}
            answers.append(Answer(chunk, columns, named))
            start = stop
        return answers


def is_usable(chunk: Chunk) -> bool:
    """Return whether all rows of a request can be predicted, and there are some."""
    return not chunk.rejected and len(chunk) > 0
