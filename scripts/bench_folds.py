"""Time `mlpcli train --folds 5` against one run and against five separate ones, and compare their figures.

    python scripts/bench_folds.py tables.tsv [--tables a,b] [--times 3] [--effort small]

For each table, and for the housing network of a well-known textbook chapter: whole processes in turn, `train
SPEC` and `train SPEC --folds 5`, `--times` over, after a first round that fills the caches; and once each of
the five folds by `train SPEC --set dataset.fold=...`. `one` and `folds` are the medians of their seconds,
`ratio` the second over the first, `apart` the seconds of the five together; `differ` the largest difference
between the figures of a fold and those of its separate run, in any metric of any split, as a share of it.

The list is that of bench_tables.py. What is trained is a small network with early stopping, or what
`mlpcli init --effort` of the name in --effort writes. A table takes two to three minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import yaml

from scripts.bench_tables_data import read_list
from scripts.check_statistics_runs import Settings, spec_for, table_of

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = ROOT / "configs" / "chapter" / "housing.yaml"

Figures = dict[str, dict[str, float]]
"""Metrics by split and name."""


@dataclass
class Contest:
    """A spec, and what is measured of it.

    Attributes:
        name: of the spec.
        spec: its file.
        folder: for its runs.
        folds: how many.
        seconds: of whole processes, by what they do.
        differ: the largest difference between the figures of a fold and of its separate run.
        where: the metric in which it is.
    """

    name: str
    spec: Path
    folder: Path
    folds: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    differ: float = 0.0
    where: str = ""

    def run_round(self, *, counted: bool, separate: bool) -> None:
        """Train in turn: once, with folds, and if wanted each fold in a process of its own."""
        took: dict[str, float] = {}
        took["one"], _ = self.train()
        took["folds"], folds = self.train("--folds", str(self.folds))
        for number in range(1, self.folds + 1) if separate else ():
            fold = f"dataset.fold={{number: {number}, of: {self.folds}}}"
            seconds, single = self.train("--set", fold)
            took["apart"] = took.get("apart", 0.0) + seconds
            self.compare(figures_of(folds / "folds" / f"{number:02d}"), figures_of(single))
        if counted:
            for name, seconds in took.items():
                self.seconds.setdefault(name, []).append(seconds)
        shutil.rmtree(self.folder / "runs")

    def train(self, *options: str) -> tuple[float, Path]:
        """Train in a process of its own; return its seconds and the run folder."""
        command = [sys.executable, "-m", "mlpcli", "train", str(self.spec), "--json", "--no-advice"]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--runs-dir", str(self.folder / "runs"), *options],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(self.folder / "cache")},
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(
                f"{self.name} {' '.join(options)} ended with {done.returncode}:\n{done.stderr[-2000:]}"
            )
        return seconds, Path(json.loads(done.stdout)["folder"])

    def compare(self, fold: Figures, single: Figures) -> None:
        """Keep the largest difference of two runs' figures, as a share of the figure."""
        if fold.keys() != single.keys():
            raise SystemExit(f"{self.name}: splits {', '.join(fold)} and {', '.join(single)}")
        for split, metrics in fold.items():
            for metric, value in metrics.items():
                other = single[split][metric]
                size = abs(value - other) / max(abs(other), 1e-12)
                if size > self.differ or math.isnan(size):
                    self.differ, self.where = size, f"{split} {metric}"

    def line(self) -> str:
        """Return a line of the table."""
        one, folds, apart = (statistics.median(self.seconds[name]) for name in ("one", "folds", "apart"))
        where = f"  ({self.where})" if self.differ else ""
        return f"{self.name:18}{one:8.1f}{folds:8.1f}{folds / one:8.2f}{apart:8.1f}{self.differ:10.1e}{where}"


def figures_of(folder: Path) -> Figures:
    """Return the metrics of a run by split and name."""
    document: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    splits = ("train", "validation", "test", "held_out")
    return {split: document[split] for split in splits if split in document}


def contests(chosen: argparse.Namespace, folder: Path) -> list[Contest]:
    """Return the chapter's network and one for each table."""
    found = []
    if not chosen.tables or "housing" in chosen.tables:
        found.append(Contest("housing", CHAPTER, folder / "housing", chosen.folds))
    entries = read_list(chosen.list) if chosen.list else []
    for entry in entries:
        if chosen.tables and entry.name not in chosen.tables:
            continue
        own = folder / entry.name
        own.mkdir()
        document = spec_for(table_of(entry), own, Settings(chosen.effort, chosen.epochs), seed=0)
        (own / "spec.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        found.append(Contest(entry.name, own / "spec.yaml", own, chosen.folds))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every process in turn and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "list", nargs="?", type=Path, help="the tables; without it only the chapter's network"
    )
    parser.add_argument("--tables", type=lambda text: text.split(","), help="and housing; default: all")
    parser.add_argument("--times", type=int, default=3, help="measured rounds, at least 1; default: 3")
    parser.add_argument("--folds", type=int, default=5, help="default: 5")
    parser.add_argument("--effort", default="small", choices=("small", "fast", "good", "best"))
    parser.add_argument("--epochs", type=int, default=60, help="of small, at most; default: 60")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        print(f"{'seconds':18}{'one':>8}{'folds':>8}{'ratio':>8}{'apart':>8}{'differ':>10}")
        for contest in contests(chosen, Path(temporary)):
            contest.folder.mkdir(exist_ok=True)
            for number in range(chosen.times + 1):
                contest.run_round(counted=number > 0, separate=number == 1)
            print(contest.line(), flush=True)


if __name__ == "__main__":
    main()
