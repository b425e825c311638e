"""mlpcli as a contestant of bench_tables.py: `init`, `train` and `predict`, each in a process of its own."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench_tables_data import Clock, Floats, Fold, number

ROOT = Path(__file__).resolve().parent.parent

TIMED = ("data", "building", "training")
"""The parts of a training that count, named as in `train --json`: from reading the file to the last epoch,
XLA's compilation included. Starting TensorFlow, exporting and measuring are left out."""


@dataclass(frozen=True)
class Ours:
    """The spec that `mlpcli init` writes, trained as it is.

    Attributes:
        effort: What `init --effort` is given; empty for its default.
        overrides: PATH=VALUE each, for `train --set`: to see what a part of the spec is worth.
    """

    effort: str = ""
    overrides: tuple[str, ...] = ()

    def run(self, fold: Fold, clock: Clock, threads: int) -> Floats:
        """Train and predict, as other contestants do."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            fold.write(folder)
            effort = ("--effort", self.effort) if self.effort else ()
            made = ("--target", fold.target, "--task", fold.task, *effort, "-o", "spec.yaml")
            run_mlpcli(folder, threads, "init", "train.csv", "--split", "random", *made)
            # The test rows are held here: those that `init` would set aside are trained on, as by the others.
            settings = [word for each in ("dataset.test=null", *self.overrides) for word in ("--set", each)]
            trained = run_mlpcli(folder, threads, "train", "spec.yaml", *settings)
            run_mlpcli(folder, threads, "predict", trained["folder"], "test.csv", "-o", "predictions.csv")
            clock.seconds = sum(trained["parts"][part] for part in TIMED)
            details: dict[str, object] = {
                key: trained[key] for key in ("epochs", "parts", "best") if key in trained
            }
            details["spec"] = (folder / "spec.yaml").read_text(encoding="utf-8")
            clock.details |= details
            return read_predictions(folder / "predictions.csv", fold)


def is_installed() -> bool:
    """Return whether this Python can run mlpcli."""
    return importlib.util.find_spec("tensorflow") is not None


def run_mlpcli(folder: Path, threads: int, *arguments: str) -> dict[str, Any]:
    """Run a command in a folder, on so many cores, with nothing compiled before; return its JSON document."""
    settings = {"PYTHONPATH": str(ROOT), "MLPCLI_CACHE": "off", "TF_CPP_MIN_LOG_LEVEL": "3"}
    cores = sorted(os.sched_getaffinity(0))
    limit = ["taskset", "-c", ",".join(map(str, cores[:threads]))] if threads < len(cores) else []
    done = subprocess.run(
        [*limit, sys.executable, "-m", "mlpcli", *arguments, "--json"],
        cwd=folder,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"mlpcli {arguments[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def read_predictions(path: Path, fold: Fold) -> Floats:
    """Return what `mlpcli predict` wrote: numbers, or probabilities of the fold's classes."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file))
    if len(lines) != len(fold.test):
        raise RuntimeError(f"{len(lines)} predictions of {len(fold.test)} rows")
    values = {name: [line[place] for line in lines] for place, name in enumerate(header)}
    if fold.regression:
        return np.array(values[f"predicted_{fold.target}"], np.float64)
    probabilities = np.zeros((len(lines), len(fold.classes)))
    for name, cells in values.items():
        if name.startswith("probability_"):
            probabilities[:, _place(name.removeprefix("probability_"), fold)] = np.array(cells, np.float64)
    return probabilities


def _place(label: str, fold: Fold) -> int:
    """Return the place of a class as mlpcli writes it: `True` for `TRUE`, `1` for `1.0`."""
    for same in (
        lambda name: name == label,
        lambda name: name.casefold() == label.casefold(),
        lambda name: number(name) == number(label),
    ):
        places = [place for place, name in enumerate(fold.classes) if same(name)]
        if len(places) == 1:
            return places[0]
    raise RuntimeError(f"mlpcli predicts a class {label!r}; the classes are {', '.join(fold.classes)}")
