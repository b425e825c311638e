"""What a run has other than an uninterrupted one: every file, number and weight, times and places apart."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mlpcli.training.checkpoint_file import read_checkpoint


def differences(one: Path, alone: Path) -> list[str]:
    """What a run has other than the uninterrupted one, times and places apart."""
    found = [f"{path} is left" for path in one.rglob("*.part")]
    files, wanted = (dict(_files(folder)) for folder in (one, alone))
    found += [f"no {name}" for name in wanted.keys() - files.keys()]
    found += [f"{name} is more" for name in files.keys() - wanted.keys()]
    for name in sorted(wanted.keys() & files.keys()):
        if not _equal(name, files[name], wanted[name]):
            found.append(f"another {name}")
    return found + _record_differences(one, alone)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name.startswith("tensorboard"):
            name = str(Path(name).parent)  # the names of its files are times
        evaluated = (
            name.startswith("plots/") and name.count("/") > 1
        )  # drawn by `evaluate`, not by a training
        if path.is_file() and ".part" not in name and not evaluated:
            yield name, path


def _equal(name: str, one: Path, other: Path) -> bool:
    if name in ("run.json", "lock") or name.startswith(("tensorboard", "saved_model/")):
        return "variables.data" not in name or _holds(one, one.parent.parent.parent / "model.keras")
    if name.endswith("state.ckpt"):
        states = [read_checkpoint(path) for path in (one, other)]
        for state in states:  # TensorBoard counts chunks of steps, which go by the clock
            state["callbacks"] = [kept for kept in state["callbacks"] if kept["class"] != "TensorBoard"]
        try:
            np.testing.assert_equal(states[0], states[1])
        except AssertionError:
            return False
        return True
    if name.endswith((".keras", ".h5")):
        return _weights(one) == _weights(other)
    return one.read_bytes() == other.read_bytes()


def _holds(variables: Path, model: Path) -> bool:
    """Whether a SavedModel's variables are a model's; the file around them has names of the process in it."""
    raw = variables.read_bytes()
    return all(
        value in raw for name, value in _weights(model) if "optimizer" not in name and "seed" not in name
    )


def _weights(path: Path) -> list[tuple[str, bytes]]:
    """The numbers of a saved model, by name; the file around them has times in it."""
    import h5py

    raw = path.read_bytes()
    if path.suffix == ".keras":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            raw = archive.read("model.weights.h5")
    found: list[tuple[str, bytes]] = []
    with h5py.File(io.BytesIO(raw)) as file:
        file.visititems(
            lambda name, item: found.append((name, item[()].tobytes())) if hasattr(item, "shape") else None
        )
    return found


def _record_differences(one: Path, alone: Path) -> list[str]:
    ours, theirs = (json.loads((folder / "run.json").read_text()) for folder in (one, alone))
    found = [] if ours["status"] == "completed" else [f"run.json says {ours['status']}"]
    ours.pop("resumed", None)
    found += [f"run.json: {key}" for key in ours.keys() ^ theirs.keys()]
    for key in ("metrics", "best", "epochs", "data", "model", "seed"):
        if ours.get(key) != theirs.get(key):
            found.append(f"run.json has another {key}")
    digest = hashlib.sha256((one / "model.keras").read_bytes()).hexdigest()
    if ours["sha256"] != {"model.keras": digest}:
        found.append("run.json has the checksum of another model")
    return found
