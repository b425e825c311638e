"""The state of a callback after some epochs: save it, and restore it.

A plug-in's callback may have two methods: `get_state()` returns a mapping of plain values (texts, numbers,
arrays, lists and mappings of them), and `set_state(state)` restores it, called after `on_train_begin`.
Without them, every attribute that is such a value is saved.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mlpcli.errors import Problem, RunError
from mlpcli.files import flush, open_ordinary, replacing
from mlpcli.keras_import import keras
from mlpcli.keras_internals import CALLBACK_LINKS, CALLBACK_STATE
from mlpcli.training.boards import TensorBoard
from mlpcli.training.checkpoint_file import is_plain
from mlpcli.training.training_state import CallbackState

Callback: TypeAlias = keras.callbacks.Callback
State: TypeAlias = dict[str, object]

PLACES = (
    *("filepath", "filename", "log_dir", "_log_write_dir", "_train_dir", "_val_dir"),
    *("backup_dir", "_weights_path", "_training_metadata_path", "root", "path"),
)
"""Attributes with the places that Keras's callbacks write or send to: only the spec decides these."""


def callback_state(callback: Callback) -> State:
    """Return the state of a callback, as a checkpoint can hold it."""
    if hasattr(callback, "get_state"):
        return {"own": callback.get_state()}
    if isinstance(callback, keras.callbacks.CSVLogger):
        return {"bytes": Path(callback.filename).stat().st_size}
    attributes = {name: getattr(callback, name) for name in _keras_names(callback)}
    if not _is_keras(callback):
        attributes |= _plain_attributes(callback)
    return {"attributes": attributes}


def prepare_callback(callback: Callback, state: State) -> None:
    """Prepare a callback before `on_train_begin`: cut a log after its last row that counts.

    Args:
        callback: The callback.
        state: Its state in the checkpoint.

    Raises:
        RunError: The checkpoint does not say how long the log was, or the log lacks rows that were written
            before.
    """
    if isinstance(callback, keras.callbacks.CSVLogger) and "bytes" in state:
        path, count = Path(callback.filename), state["bytes"]
        if type(count) is not int or count < 0:
            raise _damaged(callback, "bytes", count)
        try:
            with open_ordinary(path) as file:
                kept = file.read(min(count, os.fstat(file.fileno()).st_size))
        except OSError:
            kept = b""
        if len(kept) < count:
            rule = f"{path} does not hold the rows that were logged before the run was stopped"
            raise RunError(Problem(rule, hint="restore the file, or start a new run"))
        with replacing(path) as written:
            written.write_bytes(kept)
        callback.append = True


def restore_callback(callback: Callback, state: State) -> None:
    """Restore the state of a callback, after its own `on_train_begin` has reset it.

    Of Keras's callbacks only attributes that change from epoch to epoch are restored, and only from values
    of their type: a checkpoint from a stranger must not decide where a callback writes its files.

    Args:
        callback: The callback.
        state: Its state in the checkpoint.

    Raises:
        RunError: The checkpoint holds a value that the callback cannot have had.
    """
    if "own" in state and hasattr(callback, "set_state"):
        callback.set_state(state["own"])
    attributes = state.get("attributes", {})
    if not isinstance(attributes, dict):
        raise _damaged(callback, "attributes", attributes)
    names = _keras_names(callback)
    for name, value in attributes.items():
        if name in names:
            if not _fits(callback, name, value):
                raise _damaged(callback, name, value)
            setattr(callback, name, value)
        elif isinstance(name, str) and not _is_keras(callback) and name not in (*CALLBACK_LINKS, *PLACES):
            setattr(callback, name, value)


def _fits(callback: Callback, name: str, value: object) -> bool:
    """Return whether a value suits an attribute of Keras's, judged by the attribute's first value."""
    if name == "best_weights":
        if value is None:
            return True
        kinds = np.ndarray | np.generic  # the latter for a variable of one number
        if not isinstance(value, list) or not all(isinstance(item, kinds) for item in value):
            return False
        return [item.shape for item in value] == [tuple(weight.shape) for weight in callback.model.weights]
    fresh = getattr(callback, name, None)
    if isinstance(fresh, int):  # a count, or true and false
        return type(value) is type(fresh) or isinstance(value, np.integer)
    if isinstance(value, np.ndarray):
        return value.size == 1
    return value is None or isinstance(value, int | float | np.generic)


def _damaged(callback: Callback, name: str, value: object) -> RunError:
    rule = f"the checkpoint's state of {type(callback).__name__} is damaged: {name}"
    return RunError(Problem(rule, received=value, hint="start a new run"))


def cut_logs(callbacks: Sequence[Callback], epochs: int) -> None:
    """Remove from TensorBoard's files what an earlier session wrote of epochs that are trained again.

    Args:
        callbacks: The callbacks of the training, in their states after these epochs.
        epochs: How many are done.
    """
    for callback in callbacks:
        if isinstance(callback, TensorBoard):
            callback.cut(epochs)


def flush_logs(callbacks: Sequence[Callback]) -> None:
    """Push the logs to the disk, before a checkpoint that depends on them is written."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.CSVLogger):
            flush(Path(callback.filename))


def matched_states(
    callbacks: Sequence[Callback], saved: Sequence[CallbackState]
) -> list[tuple[Callback, State]]:
    """Return callbacks with their states, matched by class and by position among those of a class.

    Args:
        callbacks: The callbacks of the training.
        saved: The states in the checkpoint.
    """
    waiting: dict[str, list[State]] = {}
    for item in saved:
        waiting.setdefault(item.class_name, []).append(item.state)
    pairs = []
    for callback in callbacks:
        if states := waiting.get(type(callback).__name__):
            pairs.append((callback, states.pop(0)))
    return pairs


def _keras_names(callback: Callback) -> list[str]:
    """Return the attributes that Keras's classes change from epoch to epoch."""
    classes = [kind.__name__ for kind in type(callback).__mro__]
    return [name for kind in classes for name in CALLBACK_STATE.get(kind, ())]


def _is_keras(callback: Callback) -> bool:
    return type(callback).__module__.split(".")[0] in ("keras", "mlpcli")


def _plain_attributes(callback: Callback) -> State:
    """Return copies of the attributes of a plug-in's callback, without those of Keras's classes."""
    stock = {"monitor_op", "min_delta", *CALLBACK_LINKS} if _keras_names(callback) else set(CALLBACK_LINKS)
    return {
        name: copy.deepcopy(value)
        for name, value in vars(callback).items()
        if name not in stock and is_plain(value)
    }
