"""Time `mlpcli runs` on many run folders: the whole process, the best of some starts.

    python scripts/bench_runs.py runs/digits/2026-01-01_10-00-00 --count 1000

The folders are copies of the records of one finished run, under a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXPERIMENTS = 20


def make_runs(like: Path, folder: Path, count: int) -> None:
    """Write the records of `count` runs, whose figures differ."""
    record = json.loads((like / "run.json").read_text(encoding="utf-8"))
    for number in range(count):
        day, minute = number // EXPERIMENTS // 24 % 28 + 1, number % 60
        name = f"experiment_{number % EXPERIMENTS:02d}"
        stamp = f"2026-01-{day:02d}_{number // EXPERIMENTS % 24:02d}-{minute:02d}-00"
        run = folder / name / stamp
        run.mkdir(parents=True)
        record["name"] = name
        record["best"] = {**record["best"], "value": number / count}
        (run / "run.json").write_text(json.dumps(record), encoding="utf-8")


def seconds_of(command: list[str]) -> tuple[float, float]:
    """Return the seconds of a process by the clock, and those of the processor."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


def main() -> None:
    """Make the folders and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("like", type=Path, help="the folder of a finished run")
    parser.add_argument("--count", type=int, default=1000, help="run folders")
    parser.add_argument("--starts", type=int, default=5, help="of which the quickest counts")
    parser.add_argument("flags", nargs="*", help="of mlpcli runs, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_runs(given.like, Path(folder), given.count)
        mlpcli = [sys.executable, "-m", "mlpcli"]
        for words in (["--version"], ["runs", "--runs-dir", folder, *given.flags]):
            found = [seconds_of([*mlpcli, *words]) for _ in range(given.starts)]
            wall, used = (min(each) for each in zip(*found, strict=True))
            print(f"mlpcli {words[0]:<10} {wall:.2f} s by the clock, {used:.2f} s of the processor")


if __name__ == "__main__":
    main()
