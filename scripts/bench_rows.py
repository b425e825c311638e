"""Time what a table of many rows takes: `init` and `train`, as they are, on tables that are drawn at random.

    python scripts/bench_rows.py [--rows 1000,10000,100000] [--effort good]

A table has ten columns of numbers, five of categories, and a number to predict, which depends on some of
them and on noise. Nothing compiled is kept between the trainings. Seconds are those that `train` shows;
`trained` is from reading the file to the last epoch, XLA's compilation included.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.bench_tables_ours import TIMED, run_mlpcli

NUMBERS, CATEGORIES, LEVELS = 10, 5, 8


def write_table(path: Path, rows: int) -> None:
    """Write a table with the target `y`."""
    draw = np.random.default_rng(rows)
    numbers = draw.normal(size=(rows, NUMBERS))
    codes = draw.integers(LEVELS, size=(rows, CATEGORIES))
    effects = draw.normal(size=(CATEGORIES, LEVELS))
    target = np.sin(2 * numbers[:, 0]) * numbers[:, 1] + np.abs(numbers[:, 2]) + numbers[:, 3]
    target = target + effects[np.arange(CATEGORIES), codes].sum(1) + draw.normal(size=rows)
    names = [*(f"number_{n}" for n in range(NUMBERS)), *(f"category_{n}" for n in range(CATEGORIES)), "y"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for left, middle, right in zip(numbers, codes, target, strict=True):
            writer.writerow([*(f"{x:.5f}" for x in left), *(f"level {c}" for c in middle), f"{right:.5f}"])


def main() -> None:
    """Write, train and print a line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", default="1000,10000,100000", help="numbers of rows, with commas between")
    parser.add_argument("--effort", default="good", help="of init: fast, good or best")
    chosen = parser.parse_args()
    cores = os.cpu_count() or 1
    print(f"{'rows':>8} {'epochs':>7} {'trained':>9} {'in all':>9}")
    for rows in map(int, chosen.rows.split(",")):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_table(folder / "t.csv", rows)
            run_mlpcli(folder, cores, "init", "t.csv", "--target", "y", "--effort", chosen.effort)
            done = run_mlpcli(folder, cores, "train", "t.yaml")
            parts = done["parts"]
            trained, total = sum(parts[part] for part in TIMED), sum(parts.values())
            print(f"{rows:>8,} {done['epochs']:>7} {trained:>7.1f} s {total:>7.1f} s", flush=True)


if __name__ == "__main__":
    main()
