"""What a callback knows after some epochs, taken out of it and put back.

A callback of a plug-in may have the pair of methods `get_state()`, which returns a mapping of plain values
(texts, numbers, arrays, lists and mappings of them), and `set_state(state)`, which takes it back, called
after `on_train_begin`. Of one without them, every attribute that is such a value is kept.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from mlpcli.errors import Problem, RunError
from mlpcli.files import flush, replacing
from mlpcli.keras_import import import_keras
from mlpcli.keras_internals import CALLBACK_LINKS, CALLBACK_STATE
from mlpcli.training.checkpoint_file import is_plain

keras = import_keras()


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
        RunError: the log does not hold the rows that were written before.
    """
    if "bytes" in state:
        path = Path(callback.filename)
        kept = path.read_bytes()[: state["bytes"]] if path.is_file() else b""
        if len(kept) < state["bytes"]:
            rule = f"{path} does not hold the rows that were logged before the run was stopped"
            raise RunError(Problem(rule, hint="put the file back, or start a new run"))
        with replacing(path) as written:
            written.write_bytes(kept)
        callback.append = True


def restore_callback(callback: Any, state: dict[str, Any]) -> None:
    """Give a callback back what it knew, after its own `on_train_begin` has cleared it."""
    if "own" in state:
        callback.set_state(state["own"])
    for name, value in state.get("attributes", {}).items():
        setattr(callback, name, value)


def settle_callbacks(callbacks: list[Any]) -> None:
    """Push to the disk what a checkpoint that is about to be written relies on."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.CSVLogger):
            flush(Path(callback.filename))


def matched_states(callbacks: list[Any], kept: list[dict[str, Any]]) -> list[tuple[Any, dict[str, Any]]]:
    """Callbacks with their states, by class and by place among those of their class."""
    waiting: dict[str, list[dict[str, Any]]] = {}
    for item in kept:
        waiting.setdefault(item["class"], []).append(item["state"])
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
