"""Runs as tests need them: trained without what nobody reads, or as if they had been killed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.runs.folder import Run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from mlpcli.training.job import TrainOptions

BARE = TrainOptions(saved_model=False, figures=False, baseline=False, intervals=False, probe=False)
"""A run with its network, its metrics of every split and what `predict:` asks for, and nothing else."""

SERVED = replace(BARE, saved_model=True)
"""A bare run with its SavedModel, which takes as long as all else."""


class Notes(Watcher):
    """Keeps what a training tells its user."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class KilledInEpoch2(Watcher):
    """Copies the run folder as the second epoch ends, before its state is written: a run killed then."""

    def __init__(self, copy: Path) -> None:
        self.copy, self.folder = copy, Path()

    def plan(self, plan: object, run_dir: Path) -> None:
        self.folder = run_dir

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        if epoch == 2:
            shutil.copytree(self.folder, self.copy)


def train_bare(
    spec: Path,
    runs_dir: Path,
    watcher: Watcher | None = None,
    *,
    settings: Sequence[str] = (),
    options: TrainOptions = BARE,
) -> Run:
    """Train a spec with these `--set` as `mlpcli train` does, but for what the options leave out."""
    from mlpcli.training.session import train

    loaded = replace(load_spec(spec, settings=settings), runs_dir=runs_dir)
    return train(loaded, runs_dir=runs_dir, watcher=watcher or Watcher(), options=options).run
