"""Checkpoints, weights and contracts that do not fit their run: refused, with file and field."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.errors import RunError
from mlpcli.files import sha256_of
from mlpcli.training.checkpoint_file import DIGEST_BYTES, MAGIC, read_checkpoint, write_checkpoint
from tests.conftest import Result
from tests.runs.conftest import with_fields


def _set_in(tree: Any, path: tuple[str | int, ...], value: Any) -> Any:
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = value
    return tree


def test_epochs_of_a_checkpoint_may_have_other_metrics_than_earlier_ones(copied: Path) -> None:
    from mlpcli.training.training_state import read_state

    state = read_checkpoint(copied / "checkpoints/state.ckpt")
    state["history"][0]["another"] = state["history"][0].pop("accuracy")  # --continue with --set metrics=...
    write_checkpoint(copied / "checkpoints/state.ckpt", state)
    assert read_state(copied / "checkpoints/state.ckpt").history == state["history"]


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("epoch",), "x", "epoch must be a valid integer, received 'x'"),
        (("epoch",), -1, "epoch must be greater than or equal to 0, received -1"),
        (("stopped",), 1, "stopped must be a valid boolean, received 1"),
        (("identity", "spec"), None, "spec must be a valid string, received null"),
        (("best", "values"), [1], "best.values[0] must be an instance of ndarray, received 1"),
        (("model",), [], "model must be a valid dictionary, received []"),
        (("history", 0), {}, "the history does not fit 5 epochs"),
        (("history", 4, "loss\x1b[31m"), 1.0, "the history has a name that cannot be shown"),
        (("history", 4, "loss"), 10**400, "the history has a number that is too large"),
        (("epoch",), 2**62, f"the history does not fit {2**62} epochs"),
        (("generators", "numpy"), 5, "generators.numpy must be a valid tuple, received 5"),
        (("callbacks",), [{"class": "EarlyStopping", "state": 5}], "callbacks[0].state must be a valid dict"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_well_formed_checkpoint_of_something_else_is_refused(
    path: tuple[str | int, ...], value: Any, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    state_file = copied / "checkpoints/state.ckpt"
    state = read_checkpoint(state_file)
    _set_in(state, path, value)
    write_checkpoint(state_file, state)
    result = mlpcli("train", "--continue", copied, "--epochs", 1, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert result.err.startswith(f"{state_file} is damaged: ")
    assert rule in result.err


def test_weights_that_are_no_numbers_are_in_no_checkpoint(
    copied: Path, mlpcli: Callable[..., Result]
) -> None:
    state_file = copied / "checkpoints/state.ckpt"
    state = read_checkpoint(state_file)
    name = next(name for name in state["model"] if name.endswith("kernel"))
    state["model"][name][:] = np.nan
    write_checkpoint(state_file, state)
    result = mlpcli("train", "--continue", copied, "--epochs", 1, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert f"the weight {name} has values that are not finite" in result.err


def test_a_checkpoint_does_not_say_where_a_callback_writes(tmp_path: Path) -> None:
    from mlpcli.keras_import import import_keras
    from mlpcli.training.callback_state import restore_callback

    keras = import_keras()
    saving = keras.callbacks.ModelCheckpoint(str(tmp_path / "mine.keras"))
    restore_callback(saving, {"attributes": {"filepath": "/elsewhere", "best": 0.5}})
    assert (saving.filepath, saving.best) == (str(tmp_path / "mine.keras"), 0.5)

    class Mine(keras.callbacks.CSVLogger):  # type: ignore[misc, name-defined]
        turns = 0

    logging = Mine(str(tmp_path / "log.csv"))
    restore_callback(logging, {"attributes": {"filename": "/elsewhere", "turns": 3}})
    assert (logging.filename, logging.turns) == (str(tmp_path / "log.csv"), 3)
    stopping = keras.callbacks.EarlyStopping()
    for name, value in (("wait", "x"), ("wait", None), ("best", "x"), ("best_weights", "x")):
        with pytest.raises(RunError, match=f"EarlyStopping is damaged: {name}, received"):
            restore_callback(stopping, {"attributes": {name: value}})


def _spoil_weights(run: Path) -> None:
    """Weights that are NaN in `model.keras`, and the checksum that goes with it."""
    import h5py

    path = run / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = run.parent / "weights.h5"
    weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        for name in _datasets(file):
            if file[name].ndim == 2:
                file[name][...] = np.nan
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, weights.read_bytes() if name == "model.weights.h5" else content)
    weights.unlink()
    with_fields(run / "run.json", sha256={"model.keras": sha256_of(path)})


def _datasets(file: Any) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return found


def test_weights_that_are_no_numbers_predict_no_class(
    copied: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    _spoil_weights(copied)
    np.save(tmp_path / "rows.npy", np.ones((2, 4), np.float32))
    for command in (["evaluate", copied], ["predict", copied, tmp_path / "rows.npy"]):
        result = mlpcli(*command)
        assert (result.status, result.out) == (2, "")
        assert result.err.startswith(f"{copied / 'model.keras'}: the weight ")
        assert " has values that are not finite" in result.err


@pytest.mark.parametrize("dtype", ["<M8[ns]", "<U4", "S4", "V4"])
def test_a_checkpoint_holds_numbers_alone(dtype: str, copied: Path, mlpcli: Callable[..., Result]) -> None:
    """The arrays of a well-formed file are said to be dates, texts or raw bytes of the same length."""
    state_file = copied / "checkpoints/state.ckpt"
    raw = state_file.read_bytes()[len(MAGIC) : -DIGEST_BYTES]
    length = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8 : 8 + length])
    for kind in head["arrays"]:
        kind["dtype"] = dtype if kind["dtype"] == "float32" else kind["dtype"]
    written = json.dumps(head).encode()
    body = MAGIC + len(written).to_bytes(8, "little") + written + raw[8 + length :]
    state_file.write_bytes(body + hashlib.sha256(body).digest())
    result = mlpcli("train", "--continue", copied, "--epochs", 1, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert str(state_file) in result.err


def test_weights_of_another_type_are_not_restored(copied: Path, mlpcli: Callable[..., Result]) -> None:
    state_file = copied / "checkpoints/state.ckpt"
    state = read_checkpoint(state_file)
    name = next(name for name, value in state["model"].items() if value.dtype == np.float32)
    state["model"][name] = state["model"][name].view(np.int32)
    write_checkpoint(state_file, state)
    result = mlpcli("train", "--continue", copied, "--epochs", 1, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert "variables of other names, shapes or types" in result.err


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("outputs", 0, "classes"), ["a", "b"], "it names 2 classes, the network has 3"),
        (("outputs", 0, "name"), "x", "its outputs are not those of the network"),
        (("outputs", 0, "kind"), "numbers", "outputs: classes do not fit the kind numbers"),
        (("outputs",), [], "data.contract.outputs "),
        (("shape",), [9], "does not"),
        (("shape",), [700_000_000], "model.keras holds"),
        (("shape",), [-1], "data.contract.shape[0] must be greater than or equal to 0, received -1"),
        (
            ("dtype",),
            "object",
            "data.contract.dtype must be 'float32', 'uint8' or 'int64', received 'object'",
        ),
        (("inputs",), [{"name": "a", "columns": [7], "shape": [1]}], "takes columns that rows do not have"),
    ],
    ids=str,
)
def test_a_contract_that_does_not_fit_predicts_nothing(
    path: tuple[str | int, ...], value: object, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    document = json.loads((copied / "run.json").read_text())
    _set_in(document["data"]["contract"], path, value)
    (copied / "run.json").write_text(json.dumps(document))
    result = mlpcli("evaluate", copied)
    assert result.status == 2
    assert rule in result.err
