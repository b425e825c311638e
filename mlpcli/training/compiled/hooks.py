"""The batch hooks of callbacks: how many steps a chunk may run before one must be called."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

import keras

from mlpcli.keras_internals import batches_unsaved, is_default, profiled_batches

UNLIMITED = sys.maxsize
_TRAIN_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")


def listens(callback: keras.callbacks.Callback, hooks: Iterable[str] = _TRAIN_HOOKS) -> bool:
    """Return whether a callback overrides a batch hook.

    Args:
        callback: The callback.
        hooks: The names of the hooks.
    """
    return any(not is_default(getattr(callback, hook)) for hook in hooks)


def listens_to_tests(callback: keras.callbacks.Callback) -> bool:
    """Return whether a callback must be called at every validation batch."""
    if isinstance(callback, keras.callbacks.TensorBoard) and _keeps_hooks(callback, _TEST_HOOKS):
        return bool(callback.update_freq != "epoch")
    return listens(callback, _TEST_HOOKS) and not isinstance(callback, keras.callbacks.ProgbarLogger)


def steps_allowed(callback: keras.callbacks.Callback, seen: int) -> int:
    """Return the steps that may run before a callback must be called.

    An unknown callback with a batch hook is called at every step.

    Args:
        callback: The callback.
        seen: Training steps since the start of `fit`.
    """
    if not listens(callback):
        return UNLIMITED
    kinds = keras.callbacks
    if not _keeps_hooks(callback, _TRAIN_HOOKS):
        return 1
    if isinstance(callback, kinds.TensorBoard):
        return _tensorboard_allows(callback, seen)
    if isinstance(callback, kinds.ModelCheckpoint | kinds.BackupAndRestore):
        if callback.save_freq == "epoch":
            return UNLIMITED
        return max(1, int(callback.save_freq) - batches_unsaved(callback))
    # A loss that is NaN once stays NaN to the end of the epoch: TerminateOnNaN sees it a chunk later.
    return UNLIMITED if isinstance(callback, kinds.ProgbarLogger | kinds.TerminateOnNaN) else 1


def _tensorboard_allows(callback: keras.callbacks.TensorBoard, seen: int) -> int:
    """Return the steps to TensorBoard's next write, or to the start or end of its profile."""
    limit = UNLIMITED
    if callback.update_freq != "epoch":
        limit = callback.update_freq - seen % callback.update_freq
    # The profiler starts before batch `first` and ends after batch `last`, counted from 1.
    first, last = profiled_batches(callback)
    if last and seen < first - 1:
        limit = min(limit, first - 1 - seen)
    elif last and seen < last:
        limit = min(limit, 1)
    return limit


def _keeps_hooks(callback: keras.callbacks.Callback, hooks: Iterable[str]) -> bool:
    """Return whether the batch hooks are those of Keras's own class or of ours, not a plug-in's."""
    own = [getattr(getattr(callback, hook), "__func__", None) for hook in hooks]
    return all(each is not None and each.__module__.startswith(("keras.", "mlpcli.")) for each in own)


def chunk_steps(listeners: Sequence[keras.callbacks.Callback], seen: int, *, left: int, pace: int) -> int:
    """Return the steps of the next chunk.

    Args:
        listeners: The callbacks with batch hooks.
        seen: Training steps since the start of `fit`.
        left: Steps that are left of the epoch, or of the piece of data.
        pace: The steps that a chunk should have, by the clock.
    """
    allowed = min((steps_allowed(each, seen) for each in listeners), default=left)
    # A remainder under a quarter of a chunk is not worth a chunk of its own.
    paced = left if left <= pace * 1.25 else pace
    return max(1, min(left, allowed, paced))


def end_chunk(
    events: keras.callbacks.CallbackList,
    listeners: Sequence[keras.callbacks.Callback],
    seen: int,
    steps: range,
    logs: Mapping[str, object],
) -> None:
    """Call the batch hooks after a chunk, whose first batch has begun.

    Callbacks that count batches are called for each one; the logs are those of the last.

    Args:
        events: Calls them.
        listeners: The callbacks with batch hooks.
        seen: Training steps since the start of `fit`, before the chunk.
        steps: Of the chunk.
        logs: After it.
    """
    if not listeners:
        return
    counted = any(steps_allowed(each, seen) < UNLIMITED for each in listeners)
    for step in steps[:-1] if counted else ():
        events.on_train_batch_end(step, logs)
        events.on_train_batch_begin(step + 1)
    events.on_train_batch_end(steps[-1], logs)
