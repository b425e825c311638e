"""What `fit` is given beside a model and its rows, also for several workers or devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from mlpcli.training.compiled import hooks
from mlpcli.training.compiled.row_arrays import Arrays
from mlpcli.training.compiled.xla_programs import Logs

Progress = Callable[[int, int, Logs], None]

CHUNK_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Loop:
    """What runs the loop over steps.

    Attributes:
        xla: XLA; otherwise TensorFlow's own kernels, as a graph.
        willing: XLA also runs what it runs slower than TensorFlow; otherwise `CannotCompile` says so.
    """

    xla: bool = True
    willing: bool = True


XLA, QUICK_XLA, GRAPH = Loop(), Loop(willing=False), Loop(xla=False)


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a model is trained.

    Attributes:
        epochs: The epoch to stop after, counted from 1.
        batch_size: Rows of a step: of all workers, or all devices, together.
        shuffle: Order the rows of each epoch by `epoch_order(seed, epoch, rows)`.
        seed: Of that order.
        validation: The rows to evaluate after each epoch.
        callbacks: Called as in `model.fit`.
        initial_epoch: Epochs that are already done.
        chunk_bytes: Larger data is fed in pieces, gathered by a thread, that together take no more; to
            several workers or devices batch by batch.
        on_progress: Called between chunks with the steps done, the steps of an epoch and the logs so far.
        loop: What runs the steps.
    """

    epochs: int
    batch_size: int
    shuffle: bool
    seed: int
    validation: Arrays | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    initial_epoch: int = 0
    chunk_bytes: int = CHUNK_BYTES
    on_progress: Progress | None = None
    loop: Loop = XLA

    @property
    def order_seed(self) -> int | None:
        """The seed of the orders of rows; None for the order of the data."""
        return self.seed if self.shuffle else None

    @property
    def each_test_batch(self) -> bool:
        """Whether a callback must be called at every validation batch."""
        return any(hooks.listens_to_tests(callback) for callback in self.callbacks)
