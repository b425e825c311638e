"""`fit`: epochs of chunks, each one program, with Keras's callbacks called as in `model.fit`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from mlpcli.data.stored.stored_array import Places
from mlpcli.keras_internals import begins_at
from mlpcli.training.compiled import hooks
from mlpcli.training.compiled.fit_settings import FitSettings, Progress
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

CHUNK_SECONDS = 0.3


def fit(model: keras.Model, train: Arrays, settings: FitSettings) -> keras.callbacks.History:
    """Train as `model.fit` does, and return the history; an epoch is one program, run in chunks.

    Args:
        model: The compiled model.
        train: The training rows.
        settings: How it is trained.

    Raises:
        CannotCompile: This loop cannot run the model; no variable has changed its value.
    """
    evaluator = None
    try:
        with ThreadPoolExecutor(1, "mlpcli-compile") as thread:
            feed, compiling = _plan(model, train, settings, thread)
            if settings.validation is not None:
                evaluator = _evaluator(model, settings.validation, settings)
            compiling.result()
    except CannotCompile:
        forget_programs(model)
        raise
    epochs, callbacks = settings.epochs, list(settings.callbacks)
    events = keras.callbacks.CallbackList(
        callbacks, add_history=True, model=model, verbose=0, epochs=epochs, steps=feed.steps
    )
    model.stop_training = False
    events.on_train_begin()
    first = begins_at(model) or settings.initial_epoch
    run = _Run(model, feed, events, settings.on_progress, evaluator, seen=first * feed.steps)
    _train_epochs(run, range(first, epochs), settings.order_seed)
    return model.history


def _evaluator(model: keras.Model, rows: Arrays, settings: FitSettings) -> Evaluator:
    """Return what evaluates the validation rows after each epoch, traced."""
    found = Evaluator(
        model,
        rows,
        batch_size=settings.batch_size,
        each_batch=settings.each_test_batch,
        times=settings.epochs - settings.initial_epoch,
        xla=settings.loop.xla,
    )
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


def _plan(
    model: keras.Model, train: Arrays, settings: FitSettings, thread: ThreadPoolExecutor
) -> tuple[_Feed, Future[None]]:
    """Trace everything an epoch needs, and begin to compile the loop over full batches in a thread.

    The compiler needs no Python: meanwhile this thread traces the other programs.

    Returns:
        The programs, and what waits for the compiler and raises `CannotCompile` where it fails.

    Raises:
        CannotCompile: Tracing fails.
    """
    leaves, batch_size, chunk_bytes = train.leaves(), settings.batch_size, settings.chunk_bytes
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
        order_rows = resident[0].shape[0] if settings.shuffle else 0
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
    model: keras.Model, train: Arrays, settings: FitSettings, thread: ThreadPoolExecutor, *, rows: int
) -> tuple[EpochProgram, Future[None]]:
    sample = keras.tree.map_structure(lambda leaf: leaf[:rows], train.structure())
    leaves = [tf.zeros(leaf.shape, as_tensor(leaf[:1]).dtype) for leaf in keras.tree.flatten(sample)]
    return _plan_program(model, sample, leaves, settings, thread, 0)


def _plan_program(
    model: keras.Model,
    structure: Structure,
    leaves: list[tf.Tensor],
    settings: FitSettings,
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
            stop = start + hooks.chunk_steps(run.listeners, run.seen, left=steps - start, pace=run.pace)
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
    hooks.end_chunk(run.events, run.listeners, run.seen, range(first, last), logs)
    run.seen += last - first
    if run.on_progress is not None:
        run.on_progress(last, run.feed.steps, logs)
    return logs
