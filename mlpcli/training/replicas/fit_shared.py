"""`fit_shared`: the training of a worker, in step with the others."""

from __future__ import annotations

import numpy as np

from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.keras_import import keras, tf
from mlpcli.training.compiled.fit_settings import FitSettings
from mlpcli.training.compiled.forward import Evaluator
from mlpcli.training.compiled.row_arrays import (
    Arrays,
    Structure,
    aligned_empty,
    as_tensor,
    row_bytes,
    take_rows,
)
from mlpcli.training.compiled.xla_programs import Logs
from mlpcli.training.replicas.gradients import Packed
from mlpcli.training.replicas.peers import Peers
from mlpcli.training.replicas.shards import shard, shard_batches
from mlpcli.training.replicas.shared_programs import SharedPrograms
from mlpcli.training.replicas.shared_state import share_state, shared_logs
from mlpcli.training.replicas.step_loop import run_epochs


def fit_shared(
    model: keras.Model, train: Arrays, settings: FitSettings, *, peers: Peers
) -> keras.callbacks.History:
    """Train as `compiled.fit` does, each worker on its share of every batch; return the history.

    Args:
        model: The compiled model, the same on all workers.
        train: The training rows, all of them.
        settings: How it is trained, the same on all workers; callbacks get the logs over all rows.
        peers: The other workers.

    Raises:
        CannotCompile: The model cannot be trained so; no variable has changed its value.
        Left: A worker has left.
    """
    worker = _Worker(model, train, peers, settings)
    evaluator = None
    if settings.validation is not None:
        evaluator = _SharedEvaluator(model, settings.validation, peers, settings)
    return run_epochs(model, worker, settings, rows=train.rows, evaluator=evaluator)


class _Worker:
    """Trains on this worker's rows of each batch; the other workers on theirs."""

    def __init__(self, model: keras.Model, train: Arrays, peers: Peers, settings: FitSettings) -> None:
        """Trace and compile the programs."""
        batch_size = self.batch_size = settings.batch_size
        self.model, self.data, self.peers = model, train, peers
        leaves, own = train.leaves(), shard(batch_size, peers.index, peers.count)
        rows = own.stop - own.start
        self.resident, sample = None, [take_rows(leaf, slice(0, rows)) for leaf in leaves]
        if row_bytes(leaves) * train.rows <= settings.chunk_bytes:
            self.resident, sample = [as_tensor(leaf) for leaf in leaves], leaves
        structure = keras.tree.pack_sequence_as(train.structure(), sample)
        self.programs = SharedPrograms(
            model, structure, rows=rows, batch_size=batch_size, seed=settings.seed, loop=settings.loop
        )
        if train.rows >= batch_size:
            self.programs.try_step(self.resident or [as_tensor(leaf) for leaf in sample])
        self.sums = aligned_empty((self.programs.layout.size,), np.dtype(np.float32))

    def begin_training(self) -> None:
        """Take the variables of worker 0."""
        share_state(self.model, self.peers)

    def begin_epoch(self) -> None:
        """Begin an epoch; the metrics are those of the model."""

    def train(self, rows: np.ndarray) -> None:
        """Train on this worker's rows of a batch, of which it may have none if the batch is short."""
        own = rows[shard(len(rows), self.peers.index, self.peers.count)]
        if len(rows) < self.batch_size:
            gradients = self._of_short_batch(own, len(rows))
        elif self.resident is not None:
            gradients = self.programs.gradients(self.resident, tf.constant(own, tf.int32))
        else:
            leaves = [as_tensor(take_rows(leaf, own)) for leaf in self.data.leaves()]
            gradients = self.programs.gradients(leaves, tf.range(len(own), dtype=tf.int32))
        self.programs.update(self._of_all(gradients), short=len(rows) < self.batch_size)

    def _of_all(self, own: Packed) -> Packed:
        """Return the gradients of the whole batch: sums, and the slices of all workers."""
        sums = self.peers.sum_over_workers(np.asarray(own.vector), self.sums)
        tables = len(own.indices)
        if not tables:
            return Packed(as_tensor(sums), [], [])
        slices = [np.asarray(each) for each in (*own.indices, *own.values)]
        found = [tf.constant(each) for each in self.peers.joined(slices)]
        return Packed(as_tensor(sums), found[:tables], found[tables:])

    def _of_short_batch(self, own: np.ndarray, rows: int) -> Packed:
        if not len(own):
            return self.programs.nothing()
        leaves = [tf.constant(take_rows(leaf, own)) for leaf in self.data.leaves()]
        return self.programs.of_batch(leaves, tf.constant(len(own) / rows, tf.float32))

    def end_epoch(self) -> None:
        """Agree on the variables."""
        share_state(self.model, self.peers)

    def logs(self) -> Logs:
        """Return the loss and metrics over the rows of all workers."""
        return shared_logs(self.model, self.peers)

    def decided(self, number: int) -> int:
        """Return the number that worker 0 passes."""
        return self.peers.number_from_first(number)


class _SharedEvaluator(Evaluator):
    """Evaluates this worker's share of the validation batches; the logs are those over all rows."""

    def __init__(self, model: keras.Model, rows: Arrays, peers: Peers, settings: FitSettings) -> None:
        size, each_batch = settings.batch_size, settings.each_test_batch
        own = shard_batches(rows.rows, size, peers.index, peers.count)
        super().__init__(model, _rows(rows, own), batch_size=size, each_batch=each_batch)
        self.peers = peers
        self.trace()

    def _run_batches(self, events: keras.callbacks.CallbackList) -> Logs:
        super()._run_batches(events)
        return shared_logs(self.model, self.peers)


def _section(leaf: np.ndarray | StoredArray, span: slice) -> np.ndarray | StoredArray:
    return leaf.section(span.start, span.stop) if isinstance(leaf, StoredArray) else leaf[span]


def _rows(arrays: Arrays, span: slice) -> Arrays:
    def cut(structure: Structure | None) -> Structure | None:
        taken: Structure | None = keras.tree.map_structure(
            lambda leaf: None if leaf is None else _section(leaf, span), structure
        )
        return taken

    return Arrays(cut(arrays.x), cut(arrays.y), cut(arrays.sample_weight))
