"""What a callback knows after some epochs, taken out of it and put back.

A callback of a plug-in may have the pair of methods `get_state()`, which returns a mapping of plain values
(texts, numbers, arrays, lists and mappings of them), and `set_state(state)`, which takes it back, called
after `on_train_begin`. Of one without them, every attribute that is such a value is kept.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.errors import Problem, RunError
from mlpcli.files import flush, open_ordinary, replacing
from mlpcli.keras_import import import_keras
from mlpcli.keras_internals import CALLBACK_LINKS, CALLBACK_STATE
from mlpcli.training.checkpoint_file import is_plain
from mlpcli.training.training_state import CallbackState

keras = import_keras()

PLACES = (
    *("filepath", "filename", "log_dir", "_log_write_dir", "_train_dir", "_val_dir"),
    *("backup_dir", "_weights_path", "_training_metadata_path", "root", "path"),
)
"""Attributes by which Keras's callbacks know where they write or send: the spec alone says that."""


def callback_state(callback: Any) -> dict[str, Any]:
    """What a callback must be given back, as a checkpoint can hold it."""
    if hasattr(callback, "get_state"):
        return {"own": callback.get_state()}
    if isinstance(callback, keras.callbacks.CSVLogger):
        return {"bytes": Path(callback.filename).stat().st_size}
    attributes = {name: getattr(callback, name) for name in _keras_names(callback)}
    if not _is_keras(callback):
        attributes |= _plain_attributes(callback)
    return {"attributes": attributes}


def prepare_callback(callback: Any, state: dict[str, Any]) -> None:
    """What must be so before `on_train_begin`: a log goes on behind its last row that counts.

    Raises:
        RunError: the checkpoint does not say how long the log was, or the log does not hold the rows that
            were written before.
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
            raise RunError(Problem(rule, hint="put the file back, or start a new run"))
        with replacing(path) as written:
            written.write_bytes(kept)
        callback.append = True


def restore_callback(callback: Any, state: dict[str, Any]) -> None:
    """Give a callback back what it knew, after its own `on_train_begin` has cleared it.

    Of Keras's callbacks only what changes as epochs go by is taken, and only from values of its kind: a
    checkpoint that a stranger wrote must not say where a callback writes its files.

    Raises:
        RunError: the checkpoint holds a value that the callback cannot have had.
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


def _fits(callback: Any, name: str, value: Any) -> bool:
    """Whether a value can be that of an attribute of Keras's, judged by what it is at the start."""
    if name == "best_weights":
        if value is None:
            return True
        kinds = np.ndarray | np.generic  # the latter of a variable of one number
        if not isinstance(value, list) or not all(isinstance(item, kinds) for item in value):
            return False
        return [item.shape for item in value] == [tuple(weight.shape) for weight in callback.model.weights]
    fresh = getattr(callback, name, None)
    if isinstance(fresh, int):  # a count, or true and false
        return type(value) is type(fresh) or isinstance(value, np.integer)
    if isinstance(value, np.ndarray):
        return value.size == 1
    return value is None or isinstance(value, int | float | np.generic)


def _damaged(callback: Any, name: str, value: object) -> RunError:
    rule = f"the checkpoint's state of {type(callback).__name__} is damaged: {name}"
    return RunError(Problem(rule, received=value, hint="start a new run"))


def settle_callbacks(callbacks: list[Any]) -> None:
    """Push to the disk what a checkpoint that is about to be written relies on."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.CSVLogger):
            flush(Path(callback.filename))


def matched_states(callbacks: list[Any], kept: list[CallbackState]) -> list[tuple[Any, dict[str, Any]]]:
    """Callbacks with their states, by class and by place among those of their class."""
    waiting: dict[str, list[dict[str, Any]]] = {}
    for item in kept:
        waiting.setdefault(item.class_name, []).append(item.state)
    pairs = []
    for callback in callbacks:
        if states := waiting.get(type(callback).__name__):
            pairs.append((callback, states.pop(0)))
    return pairs


def _keras_names(callback: Any) -> list[str]:
    classes = [kind.__name__ for kind in type(callback).__mro__]
    return [name for kind in classes for name in CALLBACK_STATE.get(kind, ())]


def _is_keras(callback: Any) -> bool:
    return type(callback).__module__.split(".")[0] in ("keras", "mlpcli")


def _plain_attributes(callback: Any) -> dict[str, Any]:
    """A copy of what a plug-in's callback holds itself, without what Keras's classes put there."""
    stock = {"monitor_op", "min_delta", *CALLBACK_LINKS} if _keras_names(callback) else set(CALLBACK_LINKS)
    return {
        name: copy.deepcopy(value)
        for name, value in vars(callback).items()
        if name not in stock and is_plain(value)
    }
