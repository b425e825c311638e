"""Check what the statistics of mlpcli promise, by many trainings of small networks in one process.

    python scripts/check_statistics.py coverage tables.tsv --tables concrete,abalone,german_credit
    python scripts/check_statistics.py compare tables.tsv --tables concrete
    python scripts/check_statistics.py labels tables.tsv --share 0.05
    python scripts/check_statistics.py intervals tables.tsv
    python scripts/check_statistics.py labels --report           # print what there is

`coverage`: how many test rows are inside the intervals of `predict: {intervals: 0.9}`, over many splits of
each table: 90% are promised. `compare`: how many pairs of runs with folds that differ in nothing but their
seeds are called different at the 5% level, and how many of a network with others that are really worse.
`labels`: precision and recall of `label-check` where labels were flipped on purpose. `intervals`: how many
samples of rows have a 95% bootstrap interval that holds the metric on all rows.

The list is that of bench_tables.py: TSV with name, path, target, and if you like task and leave_out. What is
trained is a small network with early stopping, the same for every table, or what `mlpcli init --effort` of
the name in --effort writes. Nothing is timed.

Each result is a line of JSON in --results, found again by the next call, which runs only what is missing:
a call may be stopped at any moment. --again runs everything.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from scripts.bench_tables_data import read_list
from scripts.check_statistics_compare import Pool, report_compare, train_pool
from scripts.check_statistics_coverage import (
    check_coverage,
    check_intervals,
    report_coverage,
    report_intervals,
)
from scripts.check_statistics_labels import check_labels, report_labels
from scripts.check_statistics_runs import Results, Settings, Table, table_of

ROOT = Path(__file__).resolve().parent.parent
CHECKS = ("coverage", "compare", "labels", "intervals")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing of a check, and print what was found."""
    chosen = parse(arguments)
    results = Results(chosen.results, chosen.check, again=chosen.again)
    if not chosen.report:
        entries = [each for each in read_list(chosen.list) if not chosen.tables or each.name in chosen.tables]
        run(chosen, [table_of(entry) for entry in entries], results)
    print(report(chosen, results))
    return 0


def run(chosen: argparse.Namespace, tables: Sequence[Table], results: Results) -> None:
    """Run what is missing of a check."""
    settings = Settings(chosen.effort, chosen.epochs)
    if chosen.check == "compare":
        pool = Pool(chosen.splits, chosen.seeds, chosen.others, chosen.folds, chosen.epochs, chosen.units)
        for table in tables:
            train_pool(table, pool, chosen.folder, results)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if chosen.check == "coverage":
            check_coverage(tables, chosen.splits, settings, folder, results)
        elif chosen.check == "labels":
            check_labels(tables, chosen.seeds, chosen.share, settings, folder, results)
        else:
            check_intervals(tables, chosen.samples, chosen.rows, settings, folder, results)


def report(chosen: argparse.Namespace, results: Results) -> str:
    """Return a table of what a check has found."""
    if chosen.check == "compare":
        return report_compare(results, chosen.pairs, chosen.different)
    reports = {"coverage": report_coverage, "labels": report_labels, "intervals": report_intervals}
    return reports[chosen.check](results)


def _names(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("list", nargs="?", type=Path, help="the tables; --report needs none")
    parser.add_argument("--tables", type=_names, help="separated by commas; default: all")
    parser.add_argument(
        "--effort", default="small", choices=("small", "fast", "good", "best"), help="default: small"
    )
    parser.add_argument("--epochs", type=int, default=60, help="of small, at most; default: 60")
    parser.add_argument("--splits", type=int, help="default: 20 for coverage, 4 of the folds for compare")
    parser.add_argument("--seeds", type=int, help="default: 11 of each split for compare; 1 for labels")
    parser.add_argument("--others", type=int, default=2, help="compare: of the other setting; default: 2")
    parser.add_argument("--folds", type=int, default=5, help="compare: default: 5")
    parser.add_argument("--units", type=int, default=8, help="compare: of the other setting; default: 8")
    parser.add_argument("--pairs", type=int, default=200, help="compare: of one setting; default: 200")
    parser.add_argument("--different", type=int, default=50, help="compare: of two; default: 50")
    parser.add_argument("--share", type=float, default=0.05, help="labels: flipped; default: 0.05")
    parser.add_argument("--samples", type=int, default=400, help="intervals: default: 400")
    parser.add_argument("--rows", type=int, default=300, help="intervals: of a sample; default: 300")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "check_statistics.jsonl")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "runs" / "check_statistics", help="compare: for the runs"
    )
    parser.add_argument("--again", action="store_true", help="run what there is too")
    parser.add_argument("--report", action="store_true", help="run nothing, print what there is")
    chosen = parser.parse_args(arguments)
    if chosen.list is None and not chosen.report:
        parser.error("a list of tables is needed, or --report")
    chosen.splits = chosen.splits or {"coverage": 20}.get(chosen.check, 4)
    chosen.seeds = chosen.seeds or {"compare": 11}.get(chosen.check, 1)
    return chosen


if __name__ == "__main__":
    raise SystemExit(main())
