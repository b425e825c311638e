"""Compare the network that `mlpcli init` writes with boosted trees and others on every table of a list.

    python scripts/bench_tables.py tables.tsv                       # what is installed; appends as it goes
    python scripts/bench_tables.py tables.tsv --models ours,linear --splits 0 --tables houses,wine
    python scripts/bench_tables.py --report                         # print what the results say

The list is TSV with a header: name, path (of a CSV file, from the list's folder), target, and if you like
task (classification, regression) and leave_out (columns, separated by spaces). Every contestant gets the
same rows: 80% to learn from, drawn by scikit-learn's train_test_split with the number of the split,
classes in proportion.

`ours` is `mlpcli init`, `train` and `predict` on these rows, nothing changed by hand; `--effort fast,good`
runs `init --effort` of each as ours-fast and ours-good, and `--set PATH=VALUE --label NAME` runs the spec
with a value of its own as ours+NAME. `linear` is ridge or logistic regression on standardised numbers and
one-hot categories, `hist` scikit-learn's histogram gradient boosting, then `lightgbm`, `catboost`,
`realmlp` (RealMLP-TD) and `tabm`, all with their defaults. What is not installed is left out, with a line
that says so: any of them may run with a Python of its own into the same results. Only `ours` needs mlpcli,
and it needs no pandas.

Scores are errors, lower is better: 1 - AUC (more than two classes: the mean over them), or the root mean
squared error over the deviation of the test targets. Predictions of each row are kept beside the results.
Seconds are those of fit() with its encoding; of `ours` those from reading the file to the last epoch,
XLA's compilation included (nothing compiled is kept), start of the process, export and baselines left out.

Each result is a line of JSON, found again by the next call, which runs only what is missing. With
--untimed (other work is running) the seconds do not count, and a later call without it runs these again.
--again runs everything.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.bench_tables_results import OURS, Key, Result, predictions_of, read_results

if TYPE_CHECKING:
    from scripts.bench_tables_data import Fold
    from scripts.bench_tables_models import Rival
    from scripts.bench_tables_ours import Ours

    Contestant = Rival | Ours

ROOT = Path(__file__).resolve().parent.parent

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


def contestants(chosen: argparse.Namespace) -> Iterator[tuple[str, Contestant]]:
    """Yield the contestants asked for, with their names, and say which are not installed."""
    from scripts.bench_tables_models import RIVALS
    from scripts.bench_tables_ours import Ours, is_installed

    for name in chosen.models:
        if name == OURS:
            if not is_installed():
                print("ours: TensorFlow is not installed here: left out; run it with mlpcli's Python")
                continue
            label = f"+{chosen.label}" if chosen.label else ""
            for effort in chosen.effort or [""]:
                full = f"{OURS}-{effort}" if effort else OURS
                yield full + label, Ours(effort, tuple(chosen.set or ()))
        elif RIVALS[name].missing:
            print(f"{name}: {RIVALS[name].package} is not installed here: left out", end="; ")
            print(f"python -m pip install {RIVALS[name].install}", flush=True)
        else:
            yield name, RIVALS[name]


def run_one(contestant: Contestant, fold: Fold, key: Key, chosen: argparse.Namespace) -> Result:
    """Run a contestant on a fold, keep its predictions, and append its result."""
    import numpy as np

    from scripts.bench_tables_data import Clock
    from scripts.bench_tables_scores import resampled, score

    clock = Clock()
    predictions, truth = contestant.run(fold, clock, chosen.threads), fold.truth()
    result: Result = {
        "table": fold.table,
        "split": fold.split,
        "model": key[2],
        "task": fold.task,
        "rows": len(fold.train) + len(fold.test),
        "scores": score(fold.task, truth, predictions),
        "seconds": round(clock.seconds, 3),
        "cpu": round(clock.cpu, 3),
        "threads": chosen.threads,
        "timed": not chosen.untimed,
        "made": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "details": clock.details,
    }
    errors = resampled(fold.table, fold.split, fold.task, truth, predictions)
    kept = predictions_of(chosen.results, key)
    kept.parent.mkdir(parents=True, exist_ok=True)
    half = kept.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(half, truth=truth, predictions=predictions, resampled=errors)
    half.replace(kept)
    with chosen.results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    return result


def run_all(chosen: argparse.Namespace) -> int:
    """Run what is missing, split by split; return how many contestants failed."""
    from scripts.bench_tables_data import make_fold, read_list

    entries = [each for each in read_list(chosen.list) if not chosen.tables or each.name in chosen.tables]
    running, done, failed = list(contestants(chosen)), read_results(chosen.results), 0
    for split in chosen.splits:
        for entry in entries:
            missing = [
                (name, contestant)
                for name, contestant in running
                if chosen.again or not _enough(done.get((entry.name, split, name)), chosen.untimed)
            ]
            fold = make_fold(entry, split) if missing else None
            for name, contestant in missing:
                assert fold is not None
                failed += not _run_and_show(contestant, fold, (entry.name, split, name), chosen)
    return failed


def _enough(result: Result | None, untimed: bool) -> bool:
    """Return whether a result needs no further run."""
    return result is not None and (result["timed"] or untimed)


def _run_and_show(contestant: Contestant, fold: Fold, key: Key, chosen: argparse.Namespace) -> bool:
    """Run a contestant and print a line; return whether it came to its end."""
    head = f"{fold.table:16} {fold.split:3} {key[2]:14}"
    try:
        result = run_one(contestant, fold, key, chosen)
    except Exception as error:  # of whatever package: the others go on
        print(f"{head} failed: {type(error).__name__}: {error}", flush=True)
        return False
    (name, value), *_ = result["scores"].items()
    print(f"{head} {name} {value:.4f}  {result['seconds']:8.2f} s", flush=True)
    return True


def _names(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _names(text)]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("list", nargs="?", type=Path, help="the tables; --report needs none")
    parser.add_argument("--models", type=_names, help="separated by commas; default: all")
    parser.add_argument(
        "--effort", type=_names, help="of ours, for init: fast,good,best; default: init's own"
    )
    parser.add_argument("--set", action="append", metavar="PATH=VALUE", help="of ours, for train; repeatable")
    parser.add_argument("--label", help="of ours with --set, for its name")
    parser.add_argument("--tables", type=_names, help="separated by commas; default: all")
    parser.add_argument("--splits", type=_numbers, default=[0, 1, 2], help="default: 0,1,2")
    parser.add_argument("--threads", type=int, default=2, help="of every contestant; default: 2")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "bench_tables.jsonl")
    parser.add_argument("--untimed", action="store_true", help="the seconds do not count")
    parser.add_argument("--again", action="store_true", help="run what there is too")
    parser.add_argument("--report", action="store_true", help="run nothing, print what the results say")
    parser.add_argument(
        "--against", type=_names, default=["linear", "catboost"], help="of --report: by table"
    )
    chosen = parser.parse_args(arguments)
    if not chosen.report:
        _check(parser, chosen)
    return chosen


def _check(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    """End with a message where options of a run do not fit together; fill in all models."""
    from scripts.bench_tables_models import RIVALS

    known = [OURS, *RIVALS]
    chosen.models = chosen.models or known
    unknown = [name for name in chosen.models if name not in known]
    if unknown:
        parser.error(f"--models: {', '.join(unknown)}: known are {', '.join(known)}")
    if chosen.list is None:
        parser.error("a list of tables is needed, or --report")
    if bool(chosen.set) != bool(chosen.label):
        parser.error("--set and --label go together: a changed spec needs a name of its own")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or report; return the exit status."""
    chosen = parse(arguments)
    if chosen.report:
        from scripts.bench_tables_report import report

        print(report(chosen.results, chosen.splits, chosen.tables, chosen.models, chosen.against))
        return 0
    os.environ |= dict.fromkeys(THREADS, str(chosen.threads))  # before NumPy starts its threads
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    return 1 if run_all(chosen) else 0


if __name__ == "__main__":
    raise SystemExit(main())
