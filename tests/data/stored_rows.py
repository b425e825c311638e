"""Rows of a spec, loaded in memory or kept in files, for the tests that compare the two."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlpcli.data.dataset import Dataset
from mlpcli.data.load import divide_dataset, open_dataset
from mlpcli.data.stored.load_stored import StoreOptions, load_stored
from mlpcli.spec.load import LoadedSpec, load_text


def write_rows(path: Path, rows: int) -> None:
    """Write a table of four numbers and a label of two classes that they determine."""
    x = np.random.default_rng(2).normal(size=(rows, 4))
    labels = np.where(x.sum(axis=1) > 0, "yes", "no")
    lines = (
        ",".join([*(f"{value:.4f}" for value in row), label]) for row, label in zip(x, labels, strict=True)
    )
    path.write_text("\n".join(["a,b,c,d,label", *lines]) + "\n", encoding="utf-8")


def written_spec(
    folder: Path, content: str, dataset: str = "path: rows.csv, target: label", rest: str = ""
) -> LoadedSpec:
    """Write `rows.csv`, and load the spec with this `dataset` and what else it has."""
    (folder / "rows.csv").write_text(content, encoding="utf-8")
    return loaded_spec(folder, dataset, rest)


def loaded_spec(folder: Path, dataset: str, rest: str = "") -> LoadedSpec:
    """Load the spec with this `dataset`; by default its model is for two classes."""
    rest = rest or "layers: [Dense: {units: 2, activation: softmax}]\nloss: sparse_categorical_crossentropy\n"
    return load_text(f"name: t\ndataset: {{{dataset}}}\n{rest}", folder / "t.yaml")


def load_rows(
    loaded: LoadedSpec, *, memory: int | None = None, runs_dir: Path = Path(), fingerprint: str | None = None
) -> Dataset:
    """Load the data of a spec in memory, or where there is a bound in files."""
    from mlpcli.training.find_data import _request

    request, seed = _request(loaded)
    section, folder = loaded.spec.dataset, loaded.folder
    if memory is not None:
        options = StoreOptions(runs_dir, memory, fingerprint)
        return load_stored(section, request, seed=seed, folder=folder, options=options)
    opened = open_dataset(section, request, seed=seed, folder=folder)
    return divide_dataset(opened, section, request, seed=seed)
