"""`fit`: epochs of chunks, each one program, with Keras's callbacks called as in `model.fit`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from mlpcli.data.stored.stored_array import Places
from mlpcli.keras_internals import begins_at
from mlpcli.training.compiled import hooks
from mlpcli.training.compiled.forward import Evaluator, plain_logs
from mlpcli.training.compiled.graph_loop import slow_operation, try_step
from mlpcli.training.compiled.kept_programs import forget_programs, kept_or_traced, padded
from mlpcli.training.compiled.row_arrays import (
    Arrays,
    Structure,
    as_tensor,
    epoch_order,
    row_bytes,
    take_rows,
)
from mlpcli.training.compiled.xla_programs import (
    CannotCompile,
    EpochProgram,
    Logs,
    StepProgram,
    check_can_compile,
    compile_epoch,
    trace_epoch,
    trace_step,
)

Progress = Callable[[int, int, Logs], None]

CHUNK_BYTES = 256 * 2**20
CHUNK_SECONDS = 0.3


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


def fit(
    model: keras.Model,
    train: Arrays,
    *,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    seed: int,
    validation: Arrays | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    initial_epoch: int = 0,
    chunk_bytes: int = CHUNK_BYTES,
    on_progress: Progress | None = None,
    loop: Loop = XLA,
) -> keras.callbacks.History:
    """Train as `model.fit` does, and return the history; an epoch is one program, run in chunks.

    Args:
        model: The compiled model.
        train: The training rows.
        epochs: The epoch to stop after, counted from 1.
        batch_size: Rows of a step.
        shuffle: Order the rows of each epoch by `epoch_order(seed, epoch, rows)`.
        seed: Of that order.
        validation: The rows to evaluate after each epoch.
        callbacks: Called as in `model.fit`.
        initial_epoch: Epochs that are already done.
        chunk_bytes: Larger data is fed in pieces, gathered by a thread, that together take no more.
        on_progress: Called between chunks with the steps done, the steps of an epoch and the logs so far.
        loop: What runs the program.

    Raises:
        CannotCompile: This loop cannot run the model; no variable has changed its value.
    """
    settings = _Settings(loop, batch_size, shuffle, seed)
    evaluator = None
    try:
        with ThreadPoolExecutor(1, "mlpcli-compile") as thread:
            feed, compiling = _plan(model, train, settings, thread, chunk_bytes=chunk_bytes)
            if validation is not None:
                times = epochs - initial_epoch
                evaluator = _evaluator(model, validation, callbacks, batch_size, times, xla=loop.xla)
            compiling.result()
    except CannotCompile:
        forget_programs(model)
        raise
    events = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=model, verbose=0, epochs=epochs, steps=feed.steps
    )
    model.stop_training = False
    events.on_train_begin()
    initial_epoch = begins_at(model) or initial_epoch
    run = _Run(model, feed, events, on_progress, evaluator, seen=initial_epoch * feed.steps)
    _train_epochs(run, range(initial_epoch, epochs), seed if shuffle else None)
    return model.history


def _evaluator(
    model: keras.Model,
    rows: Arrays,
    callbacks: Sequence[keras.callbacks.Callback],
    batch_size: int,
    times: int,
    *,
    xla: bool,
) -> Evaluator:
    """Return what evaluates the validation rows after each epoch, traced."""
    each_batch = any(hooks.listens_to_tests(callback) for callback in callbacks)
    found = Evaluator(model, rows, batch_size=batch_size, each_batch=each_batch, times=times, xla=xla)
    found.trace()
    return found


def _train_epochs(run: _Run, epochs: range, seed: int | None) -> None:
    """Run epochs until a callback stops them.

    Args:
        run: The training.
        epochs: Their numbers, from 0.
        seed: Of the orders of rows; None for the order of the data.
    """
    model = run.model
    logs: Logs = {}
    order = None
    for epoch in epochs:
        del order  # before there is another, since it may be large
        order = epoch_order(seed, epoch, run.feed.data.rows) if seed is not None else None
        logs = _train_epoch(run, epoch, order)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.optimizers.Optimizer) and epochs.stop > 0:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    run.events.on_train_end(logs)


def _train_epoch(run: _Run, epoch: int, order: np.ndarray | None) -> Logs:
    """Run one epoch and its validation between the calls that callbacks expect; return the logs."""
    run.model.reset_metrics()
    run.events.on_epoch_begin(epoch)
    logs = _run_epoch(run, order)
    if run.evaluator is not None:
        results = run.evaluator.run(run.events)
        logs |= {f"val_{name}": value for name, value in results.items()}
    run.events.on_epoch_end(epoch, logs)
    return logs


@dataclass(frozen=True)
class _Feed:
    """The training rows, and the programs that train on them."""

    data: Arrays
    batch_size: int
    steps: int  # of an epoch, the short one included
    full_steps: int
    piece_steps: int  # steps a piece of the data holds; all of them where the data is resident
    resident: list[tf.Tensor] | None
    full: EpochProgram | None
    short: StepProgram | None


@dataclass
class _Run:
    """What the chunks of a training share, and how fast the last ones were."""

    model: keras.Model
    feed: _Feed
    events: keras.callbacks.CallbackList
    on_progress: Progress | None
    evaluator: Evaluator | None = None  # of the validation rows
    seen: int = 0  # training steps since the first epoch
    pace: int = 4  # steps of the next chunk, by the clock
    listeners: list[keras.callbacks.Callback] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listeners = [each for each in self.events.callbacks if hooks.listens(each)]


@dataclass(frozen=True)
class _Settings:
    """What the programs of a training depend on, beside model and rows."""

    loop: Loop
    batch_size: int
    shuffle: bool
    seed: int


def _plan(
    model: keras.Model, train: Arrays, settings: _Settings, thread: ThreadPoolExecutor, *, chunk_bytes: int
) -> tuple[_Feed, Future[None]]:
    """Trace everything an epoch needs, and begin to compile the loop over full batches in a thread.

    The compiler needs no Python: meanwhile this thread traces the other programs.

    Returns:
        The programs, and what waits for the compiler and raises `CannotCompile` where it fails.

    Raises:
        CannotCompile: Tracing fails.
    """
    leaves, batch_size, shuffle = train.leaves(), settings.batch_size, settings.shuffle
    check_can_compile(model, leaves, xla=settings.loop.xla)
    rows = train.rows
    if not rows or batch_size < 1:
        raise ValueError(f"rows and batch_size must be positive, received {rows} and {batch_size}")
    full_steps = rows // batch_size
    piece_steps, resident, full = full_steps, None, None
    compiling: Future[None] = Future()
    if full_steps and row_bytes(leaves) * rows > chunk_bytes:
        # One piece is in use while the next is gathered, and the allocator may keep a third.
        piece_steps = max(1, min(full_steps, chunk_bytes // 3 // (row_bytes(leaves) * batch_size)))
        full, compiling = _plan_pieces(model, train, settings, thread, rows=piece_steps * batch_size)
    elif full_steps:
        structure = padded(train.structure(), "train")
        resident = [as_tensor(leaf) for leaf in keras.tree.flatten(structure)]
        order_rows = resident[0].shape[0] if shuffle else 0
        full, compiling = _plan_program(model, structure, resident, settings, thread, order_rows)
    else:
        compiling.set_result(None)
    short = None
    if rows % batch_size:
        structure = train.structure()
        any_rows = keras.tree.map_structure(lambda leaf: leaf[:0], structure)
        short, _ = kept_or_traced(
            model, any_rows, "short", settings.seed, lambda: trace_step(model, structure)
        )
    steps = full_steps + bool(rows % batch_size)
    return _Feed(train, batch_size, steps, full_steps, piece_steps, resident, full, short), compiling


def _plan_pieces(
    model: keras.Model, train: Arrays, settings: _Settings, thread: ThreadPoolExecutor, *, rows: int
) -> tuple[EpochProgram, Future[None]]:
    sample = keras.tree.map_structure(lambda leaf: leaf[:rows], train.structure())
    leaves = [tf.zeros(leaf.shape, as_tensor(leaf[:1]).dtype) for leaf in keras.tree.flatten(sample)]
    return _plan_program(model, sample, leaves, settings, thread, 0)


def _plan_program(
    model: keras.Model,
    structure: Structure,
    leaves: list[tf.Tensor],
    settings: _Settings,
    thread: ThreadPoolExecutor,
    order_rows: int,
) -> tuple[EpochProgram, Future[None]]:
    """Trace the loop over full batches, and begin to compile it or try a step of it.

    Raises:
        CannotCompile: That fails; or XLA would be slow, and is not `willing`.
    """
    loop, order = settings.loop, tf.range(order_rows)
    done: Future[None] = Future()
    done.set_result(None)
    program, new = kept_or_traced(
        model,
        structure,
        ("epoch", order_rows, settings.batch_size, loop),
        settings.seed,
        lambda: trace_epoch(model, structure, order_rows, batch_size=settings.batch_size, xla=loop.xla),
    )
    if not new:
        return program, done
    if not loop.willing and (slow := slow_operation(program)) is not None:
        raise CannotCompile(f"XLA is slow at {slow}")
    if loop.xla:
        return program, thread.submit(compile_epoch, program, leaves, order)
    try_step(model, program, leaves, order)
    return program, done


def _run_epoch(run: _Run, order: np.ndarray | None) -> Logs:
    """Run one epoch, or up to the batch at which a callback stopped it; return its logs.

    Args:
        run: The training.
        order: (rows,) int, or None for the order of the data.
    """
    feed, logs = run.feed, {}
    for leaves, places, first, steps in _pieces(feed, order):
        start = 0
        while start < steps:
            stop = start + _chunk_steps(run, steps - start)
            chunk = partial(_run_chunk, run, leaves, places, start, stop)
            logs = _report(run, first + start, first + stop, chunk)
            start = stop
            if run.model.stop_training:
                return logs
    if feed.short is not None:
        last = slice(feed.full_steps * feed.batch_size, None)
        rows = last if order is None else order[last]
        batch = [tf.constant(take_rows(leaf, rows)) for leaf in feed.data.leaves()]
        logs = _report(run, feed.full_steps, feed.steps, partial(feed.short, batch))
    return logs


def _pieces(feed: _Feed, order: np.ndarray | None) -> Iterator[tuple[list[tf.Tensor], tf.Tensor, int, int]]:
    """Yield the data of an epoch: tensors, order of rows in them, first step, number of steps."""
    if not feed.full_steps:
        return
    if feed.resident is not None:
        places = np.zeros(0 if order is None else feed.resident[0].shape[0], "int32")
        if order is not None:
            places[: len(order)] = order
        yield feed.resident, tf.constant(places), 0, feed.full_steps
        return
    starts = range(0, feed.full_steps, feed.piece_steps)
    with ThreadPoolExecutor(1, "mlpcli-gather") as thread:
        coming = thread.submit(_gather_piece, feed, order, 0)
        for first in starts:
            leaves = [as_tensor(leaf) for leaf in coming.result()]
            if first + feed.piece_steps < feed.full_steps:
                coming = thread.submit(_gather_piece, feed, order, first + feed.piece_steps)
            steps = min(feed.piece_steps, feed.full_steps - first)
            yield leaves, tf.zeros([0], tf.int32), first, steps


def _gather_piece(feed: _Feed, order: np.ndarray | None, first: int) -> list[np.ndarray]:
    last = min(first + feed.piece_steps, feed.full_steps)
    span = slice(first * feed.batch_size, last * feed.batch_size)
    rows = span if order is None else Places(order[span])
    capacity = feed.piece_steps * feed.batch_size
    return [take_rows(leaf, rows, capacity) for leaf in feed.data.leaves()]


def _chunk_steps(run: _Run, left: int) -> int:
    """Return the steps of the next chunk, when `left` steps are left."""
    allowed = min((hooks.steps_allowed(each, run.seen) for each in run.listeners), default=left)
    # A remainder under a quarter of a chunk is not worth a chunk of its own.
    paced = left if left <= run.pace * 1.25 else run.pace
    return max(1, min(left, allowed, paced))


def _run_chunk(run: _Run, leaves: list[tf.Tensor], places: tf.Tensor, start: int, stop: int) -> Logs:
    """Run the steps start <= step < stop of these rows, and set the pace by how long it took."""
    assert run.feed.full is not None
    start_time = time.perf_counter()
    # Converting the logs to numbers waits for the program where a device runs it asynchronously.
    logs = plain_logs(run.feed.full(leaves, places, tf.constant(start), tf.constant(stop)))
    rate = (stop - start) / max(time.perf_counter() - start_time, 1e-6)
    run.pace = max(1, min(int(rate * CHUNK_SECONDS), 8 * run.pace))
    return logs


def _report(run: _Run, first: int, last: int, chunk: Callable[[], Logs]) -> Logs:
    """Run the chunk of steps first <= step < last, and call its callbacks around it."""
    if run.listeners:
        run.events.on_train_batch_begin(first)
    logs = plain_logs(chunk())
    if run.listeners:
        counted = any(hooks.steps_allowed(each, run.seen) < hooks.UNLIMITED for each in run.listeners)
        # Callbacks that count batches are called for each one; the logs are those of the last.
        for step in range(first, last - 1) if counted else ():
            run.events.on_train_batch_end(step, logs)
            run.events.on_train_batch_begin(step + 1)
        run.events.on_train_batch_end(last - 1, logs)
    run.seen += last - first
    if run.on_progress is not None:
        run.on_progress(last, run.feed.steps, logs)
    return logs
