"""`fit_shared`: the epochs of a worker, in step with the others; Keras's callbacks are called on each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import begins_at
from mlpcli.training.compiled import hooks
from mlpcli.training.compiled.forward import Evaluator
from mlpcli.training.compiled.loop import XLA, Loop
from mlpcli.training.compiled.row_arrays import (
    Arrays,
    Structure,
    aligned_empty,
    as_tensor,
    epoch_order,
    row_bytes,
    take_rows,
)
from mlpcli.training.compiled.xla_programs import Logs
from mlpcli.training.replicas.peers import Peers
from mlpcli.training.replicas.shards import shard, shard_batches, shard_order
from mlpcli.training.replicas.shared_programs import SharedPrograms
from mlpcli.training.replicas.shared_state import share_state, shared_logs

RESIDENT_BYTES = 256 * 2**20
CHUNK_SECONDS = 0.3


def fit_shared(
    model: keras.Model,
    train: Arrays,
    *,
    peers: Peers,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    seed: int,
    validation: Arrays | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    initial_epoch: int = 0,
    on_progress: Callable[[int, int, Logs], None] | None = None,
    loop: Loop = XLA,
) -> keras.callbacks.History:
    """Train as `compiled.fit` does, each worker on its share of every batch; return the history.

    Args:
        model: The compiled model, the same on all workers.
        train: The training rows, all of them.
        peers: The other workers.
        epochs: The epoch to stop after, counted from 1.
        batch_size: Rows of a global batch.
        shuffle: Order the rows of each epoch by `epoch_order(seed, epoch, rows)`.
        seed: Of that order.
        validation: The rows to evaluate after each epoch, all of them.
        callbacks: Called as in `model.fit`, on every worker, with the logs over all rows.
        initial_epoch: Epochs that are already done.
        on_progress: Called between chunks with the steps done, the steps of an epoch and the logs so far.
        loop: What runs the steps.

    Raises:
        CannotCompile: The model cannot be trained so; no variable has changed its value.
        Left: A worker has left.
    """
    feed = _feed(model, train, peers, batch_size, seed, loop)
    evaluator = None
    if validation is not None:
        evaluator = _SharedEvaluator(model, validation, peers, callbacks, batch_size)
    events = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=model, verbose=0, epochs=epochs, steps=feed.steps
    )
    model.stop_training = False
    events.on_train_begin()
    share_state(model, peers)
    initial_epoch = begins_at(model) or initial_epoch
    run = _Run(model, peers, feed, events, on_progress, evaluator, seen=initial_epoch * feed.steps)
    logs: Logs = {}
    for epoch in range(initial_epoch, epochs):
        order = epoch_order(seed, epoch, train.rows) if shuffle else np.arange(train.rows)
        logs = _train_epoch(run, epoch, order)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.optimizers.Optimizer) and epochs > 0:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    events.on_train_end(logs)
    return model.history


@dataclass(frozen=True)
class _Feed:
    """The rows of a worker, and the programs that train on them."""

    data: Arrays
    batch_size: int  # of the global batch
    own_rows: int  # of this worker in a full batch
    full_steps: int
    steps: int
    resident: list[tf.Tensor] | None  # all rows; None where they take too much memory
    programs: SharedPrograms


@dataclass
class _Run:
    """A training, and how fast its last steps were."""

    model: keras.Model
    peers: Peers
    feed: _Feed
    events: keras.callbacks.CallbackList
    on_progress: Callable[[int, int, Logs], None] | None
    evaluator: Evaluator | None
    seen: int = 0  # training steps since the first epoch
    pace: int = 4  # steps of the next chunk, by the clock of worker 0
    listeners: list[keras.callbacks.Callback] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listeners = [each for each in self.events.callbacks if hooks.listens(each)]
        self.sums = aligned_empty((self.feed.programs.size,), np.dtype(np.float32))


class _SharedEvaluator(Evaluator):
    """Evaluates this worker's share of the validation batches; the logs are those over all rows."""

    def __init__(
        self,
        model: keras.Model,
        rows: Arrays,
        peers: Peers,
        callbacks: Sequence[keras.callbacks.Callback],
        batch_size: int,
    ) -> None:
        own = shard_batches(rows.rows, batch_size, peers.index, peers.count)
        each_batch = any(hooks.listens_to_tests(callback) for callback in callbacks)
        super().__init__(model, _rows(rows, own), batch_size=batch_size, each_batch=each_batch)
        self.peers = peers
        self.trace()

    def _run_batches(self, events: keras.callbacks.CallbackList) -> Logs:
        super()._run_batches(events)
        return shared_logs(self.model, self.peers)


def _rows(arrays: Arrays, span: slice) -> Arrays:
    def cut(structure: Structure | None) -> Structure | None:
        taken: Structure | None = keras.tree.map_structure(
            lambda leaf: None if leaf is None else leaf[span], structure
        )
        return taken

    return Arrays(cut(arrays.x), cut(arrays.y), cut(arrays.sample_weight))


def _feed(model: keras.Model, train: Arrays, peers: Peers, batch_size: int, seed: int, loop: Loop) -> _Feed:
    """Trace and compile the programs."""
    rows, leaves = train.rows, train.leaves()
    own = shard(batch_size, peers.index, peers.count)
    own_rows = own.stop - own.start
    resident, sample = None, [leaf[:own_rows] for leaf in leaves]
    if row_bytes(leaves) * rows <= RESIDENT_BYTES:
        resident, sample = [as_tensor(leaf) for leaf in leaves], leaves
    structure = keras.tree.pack_sequence_as(train.structure(), sample)
    share = own_rows / batch_size
    programs = SharedPrograms(model, structure, rows=own_rows, share=share, seed=seed, loop=loop)
    if rows >= batch_size:
        programs.try_step(resident or [as_tensor(leaf) for leaf in sample])
    full_steps = rows // batch_size
    steps = full_steps + bool(rows % batch_size)
    return _Feed(train, batch_size, own_rows, full_steps, steps, resident, programs)


def _train_epoch(run: _Run, epoch: int, order: np.ndarray) -> Logs:
    """Run one epoch and its validation between the calls that callbacks expect; return the logs."""
    run.model.reset_metrics()
    run.events.on_epoch_begin(epoch)
    logs: Logs = {}
    for first, last in _chunks(run):
        logs = _run_chunk(run, order, first, last)
    share_state(run.model, run.peers)
    if run.evaluator is not None:
        results = run.evaluator.run(run.events)
        logs |= {f"val_{name}": value for name, value in results.items()}
    run.events.on_epoch_end(epoch, logs)
    run.model.stop_training = bool(run.peers.number_from_first(int(bool(run.model.stop_training))))
    return logs


def _chunks(run: _Run) -> Iterator[tuple[int, int]]:
    """Yield the first step of each chunk of an epoch, and the one after its last, as worker 0 decides."""
    first = 0
    while first < run.feed.steps:
        left = run.feed.steps - first
        allowed = min((hooks.steps_allowed(each, run.seen) for each in run.listeners), default=left)
        paced = left if left <= run.pace * 1.25 else run.pace
        stop = 0 if run.model.stop_training else max(1, min(left, allowed, paced))
        if not (steps := run.peers.number_from_first(stop)):
            run.model.stop_training = True
            return
        yield first, first + steps
        first += steps


def _run_chunk(run: _Run, order: np.ndarray, first: int, last: int) -> Logs:
    """Run the steps first <= step < last, and call the callbacks around them; return the logs so far."""
    if run.listeners:
        run.events.on_train_batch_begin(first)
    begun = time.perf_counter()
    full, short = shard_order(order, run.feed.batch_size, run.peers.index, run.peers.count)
    for step in range(first, min(last, run.feed.full_steps)):
        _step(run, full[step * run.feed.own_rows : (step + 1) * run.feed.own_rows])
    if last > run.feed.full_steps:
        _short_step(run, short, len(order) % run.feed.batch_size)
    rate = (last - first) / max(time.perf_counter() - begun, 1e-6)
    run.pace = max(1, min(int(rate * CHUNK_SECONDS), 8 * run.pace))
    logs = shared_logs(run.model, run.peers)
    _call_listeners(run, first, last, logs)
    run.seen += last - first
    if run.on_progress is not None:
        run.on_progress(last, run.feed.steps, logs)
    return logs


def _call_listeners(run: _Run, first: int, last: int, logs: Logs) -> None:
    if not run.listeners:
        return
    counted = any(hooks.steps_allowed(each, run.seen) < hooks.UNLIMITED for each in run.listeners)
    for step in range(first, last - 1) if counted else ():
        run.events.on_train_batch_end(step, logs)
        run.events.on_train_batch_begin(step + 1)
    run.events.on_train_batch_end(last - 1, logs)


def _step(run: _Run, rows: np.ndarray) -> None:
    """Train on this worker's rows of a full batch."""
    feed = run.feed
    if feed.resident is not None:
        leaves, places = feed.resident, rows.astype(np.int32)
    else:
        leaves = [as_tensor(take_rows(leaf, rows)) for leaf in feed.data.leaves()]
        places = np.arange(len(rows), dtype=np.int32)
    _update(run, feed.programs.gradients(leaves, tf.constant(places)))


def _short_step(run: _Run, rows: np.ndarray, whole: int) -> None:
    """Train on this worker's rows of the short last batch, of which it may have none."""
    programs = run.feed.programs
    if not len(rows):
        _update(run, np.zeros(programs.size, np.float32))
        return
    leaves = [tf.constant(take_rows(leaf, rows)) for leaf in run.feed.data.leaves()]
    _update(run, programs.of_batch(leaves, tf.constant(len(rows) / whole, tf.float32)))


def _update(run: _Run, gradients: tf.Tensor | np.ndarray) -> None:
    own = np.asarray(gradients)
    run.feed.programs.update(as_tensor(run.peers.sum_over_workers(own, run.sums)))
