"""Time whole processes of small trainings and the bare `import tensorflow`, and show where the time goes.

    python scripts/bench_startup.py [--times 5]

Each is run in turn, in a fresh process, `--times` over, after a round that fills the disk's cache. A figure
is the median in seconds, with the least and the most.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench_predict import measure

ROOT = Path(__file__).resolve().parent.parent
SPECS = {"digits": ROOT / "configs/digits.yaml", "iris": ROOT / "configs/chapter/iris.yaml"}


def show(label: str, runs: list[tuple[float, float]], bare: float | None) -> None:
    """Print a line of the first table."""
    seconds = [each for each, _ in runs]
    middle, peak = statistics.median(seconds), max(peak for _, peak in runs)
    over = "" if bare is None else f"{middle - bare:+.2f}"
    print(
        f"  {label:28} {middle:7.2f} {min(seconds):7.2f} {max(seconds):7.2f} {over:>7} {peak:8.0f}",
        flush=True,
    )


def main() -> None:
    """Run every process in turn and print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5, help="number of measured rounds")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder  # what is trained here is not remembered in the user's home
        bare, ours = "import tensorflow", "both as mlpcli imports them"
        train = [sys.executable, "-m", "mlpcli", "train"]
        commands = {
            bare: [sys.executable, "-c", "import tensorflow"],
            ours: [sys.executable, "-c", "from mlpcli.keras_import import import_keras; import_keras()"],
        } | {
            f"mlpcli train {name}": [*train, str(spec), "--runs-dir", folder] for name, spec in SPECS.items()
        }
        runs: dict[str, list[tuple[float, float]]] = {label: [] for label in commands}
        stages: dict[str, list[dict[str, float]]] = {name: [] for name in SPECS}
        for round_ in range(times + 1):
            for label, command in commands.items():
                seconds, _, peak, _ = measure(command)
                if round_:
                    runs[label].append((seconds, peak))
        for name in SPECS:
            records = sorted((Path(folder) / name).glob("*/run.json"))[1:]
            stages[name] = [json.loads(record.read_text())["timings"] for record in records]
    print(f"  {'seconds':28} {'median':>7} {'least':>7} {'most':>7} {'over':>7} {'peak MB':>8}")
    middle = statistics.median(taken for taken, _ in runs[bare])
    for label, values in runs.items():
        show(label, values, None if label == bare else middle)
    print(f"\n  {'stage, median of seconds':28} " + " ".join(f"{name:>7}" for name in SPECS))
    for stage in stages["digits"][0]:
        row = [statistics.median(timings[stage] for timings in stages[name]) for name in SPECS]
        print(f"  {stage:28} " + " ".join(f"{value:7.2f}" for value in row))


if __name__ == "__main__":
    main()
