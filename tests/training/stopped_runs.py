"""Trainings that are stopped or copied while they run, and what says that two runs are the same."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlpcli.runs.watcher import Watcher
from mlpcli.training.checkpoint_file import read_checkpoint


class Quiet(Watcher):
    """A watcher that says nothing, and copies the run folder as each epoch ends, before it is written."""

    def __init__(self, copies: Path | None = None) -> None:
        self.copies, self.folder, self.notes = copies, Path(), [""]

    def plan(self, plan: object, run_dir: Path) -> None:
        self.folder = run_dir

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        if self.copies is not None and epoch > 1:
            shutil.copytree(self.folder, self.copies / "all" / f"2026-01-01_00-00-{epoch - 1:02d}")

    def note(self, text: str) -> None:
        self.notes.append(text)


class Stopping(Quiet):
    """A watcher at which a signal arrives as an epoch ends."""

    def __init__(self, at: int, error: BaseException) -> None:
        super().__init__()
        self.at, self.error = at, error

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        if epoch == self.at:
            raise self.error


def assert_same_files(one: Path, other: Path) -> None:
    for name in ("history.csv", "metrics.json", "log.csv"):
        assert (one / name).read_text() == (other / name).read_text(), name
    first, second = (read_checkpoint(folder / "checkpoints" / "state.ckpt") for folder in (one, other))
    np.testing.assert_equal(first, second)  # model, optimizer, callbacks, generators, best: bit for bit
    assert scalars_of(one) == scalars_of(other)
    for name in ("model.keras", "checkpoints/best.keras", "checkpoints/last.keras", "mine.keras"):
        np.testing.assert_equal(_saved_arrays(one / name), _saved_arrays(other / name), err_msg=name)


def _saved_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a Keras file but the optimizer's, by place; to load models takes thirty times as long."""
    import h5py

    found: dict[str, np.ndarray] = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            found[name] = item[()]

    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(keep)
    assert found
    return found


def scalars_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar in TensorBoard's files, also those that it would hide, with its step."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    found: dict[str, list[tuple[int, float]]] = {}
    for split in ("train", "validation"):
        for file in sorted((folder / "tensorboard" / split).glob("*")):
            for event in EventFileLoader(str(file)).Load():
                for value in event.summary.value:
                    number = float(make_ndarray(value.tensor))
                    found.setdefault(f"{split} {value.tag}", []).append((event.step, number))
    return found


def weights_of(path: Path) -> list[np.ndarray]:
    from mlpcli.keras_import import import_keras

    weights: list[np.ndarray] = import_keras().models.load_model(path).get_weights()
    return weights
