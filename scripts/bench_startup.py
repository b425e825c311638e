"""Time whole processes from Enter to result, compared with the bare `import tensorflow`, and show the stages.

    python scripts/bench_startup.py [--times 4] [--against DIR]

A training of configs/digits.yaml whose programs are not in the cache, a second training, the prediction of
one row, an evaluation, and the import, in turn, each a fresh process, `--times` over, after a round that
fills the disk's cache. With DIR, another checkout of the project, its rounds take turns with ours.

`over` is the median less that of the import, `ratio` the median over that of the import. `cpu` is the least
seconds of processors, which other work on the machine changes least; a process that the command starts counts
too. Four rounds take two to four minutes, and twice as long with DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BARE = "import tensorflow"
FIRST, SECOND = "train digits, first", "train digits, again"


@dataclass
class Checkout:
    """A checkout of the project, and what is measured of it.

    Attributes:
        root: its folder.
        folder: for its runs and its caches.
        runs: of each command: seconds, processor seconds and peak MB.
        stages: of each training: the seconds of each stage.
    """

    root: Path
    folder: Path
    runs: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    stages: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def measure(self, arguments: list[str]) -> tuple[float, float, float]:
        """Run Python; return its seconds, processor seconds with those of its children, and peak MB."""
        environment = os.environ | {
            "PYTHONPATH": str(self.root),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        began = time.perf_counter()
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                cwd=self.root,  # Python's -m finds the package of the current folder first
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                errors.seek(0)
                raise SystemExit(f"{' '.join(arguments[:4])} failed:\n{errors.read().decode()[-2000:]}")
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def train(self) -> tuple[float, float, float]:
        """Train digits."""
        spec, runs = str(self.root / "configs/digits.yaml"), str(self.folder / "runs")
        return self.measure(["-m", "mlpcli", "train", spec, "--runs-dir", runs])

    def train_first(self) -> tuple[float, float, float]:
        """Train digits without the programs of an earlier training."""
        shutil.rmtree(self.folder / "cache" / "mlpcli", ignore_errors=True)
        return self.train()

    def use(self, *command: str) -> tuple[float, float, float]:
        """Run a command on the newest run."""
        return self.measure(["-m", "mlpcli", *command, "--runs-dir", str(self.folder / "runs")])

    def newest_stages(self) -> dict[str, float]:
        """Return the seconds of each stage of the newest run."""
        record = max((self.folder / "runs" / "digits").glob("*/run.json"))
        stages: dict[str, float] = json.loads(record.read_text(encoding="utf-8"))["timings"]
        return stages

    def run_round(self, *, counted: bool) -> None:
        """Run every command once."""
        row = str(self.folder / "row.npy")
        np.save(row, np.full((1, 8, 8), 5, np.float32))
        commands: dict[str, Callable[[], tuple[float, float, float]]] = {
            BARE: lambda: self.measure(["-c", BARE]),
            FIRST: self.train_first,
            SECOND: self.train,
            "predict one row": lambda: self.use("predict", "digits", row),
            "evaluate": lambda: self.use("evaluate", "digits"),
        }
        for label, command in commands.items():
            found = command()
            if counted:
                self.runs.setdefault(label, []).append(found)
                if label in (FIRST, SECOND):
                    self.stages.setdefault(label, []).append(self.newest_stages())

    def show(self) -> None:
        """Print both tables."""
        print(f"\n{self.root.name}")
        head = ("median", "least", "most", "over", "ratio", "cpu", "peak MB")
        print(f"  {'seconds':22}" + "".join(f"{each:>8}" for each in head))
        bare = statistics.median(seconds for seconds, _, _ in self.runs[BARE])
        for label, runs in self.runs.items():
            seconds = [each for each, _, _ in runs]
            middle = statistics.median(seconds)
            cpu, peak = min(each for _, each, _ in runs), max(each for _, _, each in runs)
            print(
                f"  {label:22}{middle:8.2f}{min(seconds):8.2f}{max(seconds):8.2f}{middle - bare:+8.2f}"
                f"{middle / bare:8.2f}{cpu:8.2f}{peak:8.0f}"
            )
        print(f"\n  {'stage, median':22}{'first':>8}{'again':>8}")
        for stage in self.stages[FIRST][0]:
            row = [statistics.median(each.get(stage, 0) for each in self.stages[n]) for n in (FIRST, SECOND)]
            print(f"  {stage:22}{row[0]:8.2f}{row[1]:8.2f}")


def main() -> None:
    """Run every process in turn and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=4, help="number of measured rounds")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        roots = [ROOT, *([options.against.resolve()] if options.against else [])]
        checkouts = [Checkout(root, Path(folder) / str(number)) for number, root in enumerate(roots)]
        for checkout in checkouts:
            (checkout.folder / "cache").mkdir(parents=True)
        for number in range(options.times + 1):
            for checkout in checkouts:
                checkout.run_round(counted=number > 0)
        for checkout in checkouts:
            checkout.show()


if __name__ == "__main__":
    main()
