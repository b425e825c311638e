"""How often intervals hold the truth: those of predictions, and those of metrics."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scripts.check_statistics_runs import Results, Settings, Table, spec_for, train_run

if TYPE_CHECKING:
    from mlpcli.runs.folder import Run

LEVEL = 0.9
"""Of the intervals of predictions."""


def check_coverage(
    tables: Sequence[Table], splits: int, settings: Settings, folder: Path, results: Results
) -> None:
    """Measure on test rows how often `predict: {intervals: 0.9}` holds the truth, split by split.

    Args:
        tables: to train on.
        splits: how many seeds of the splits, from 0.
        settings: what is trained.
        folder: for the runs, which are deleted again.
        results: where the results are kept.
    """
    from mlpcli.inference.evaluate import evaluate_run

    for table in tables:
        title = settings.title(table)
        for split in range(splits):
            if results.has(title, split):
                continue
            document = spec_for(table, folder, settings, seed=split)
            document["predict"] = {"intervals": LEVEL}
            document["dataset"] |= {"test": 0.2, "validation": 0.2}
            run = train_run(document, folder)
            evaluation = evaluate_run(run, split="test")
            (found,) = evaluation.coverage
            results.add(
                title,
                split,
                rows=evaluation.rows,
                coverage=found.coverage,
                size=found.size,
                kind=found.kind,
            )
            print(
                f"{title:16} {split:3} coverage {found.coverage:.4f} of {evaluation.rows:,} rows",
                flush=True,
            )
            shutil.rmtree(folder / "runs")


def report_coverage(results: Results) -> str:
    """Return a table of the results: of each data table the mean coverage over its splits, and its spread."""
    lines = [
        f"{'':18}{'splits':>7}{'rows':>7}{'mean':>8}{'least':>8}{'most':>8}{'spread':>8}{'chance':>8}  size"
    ]
    for name, entries in results.by_first().items():
        found = np.array([entry["coverage"] for entry in entries])
        rows = float(np.mean([entry["rows"] for entry in entries]))
        chance = math.sqrt(LEVEL * (1 - LEVEL) / rows)  # of the test rows alone
        size = float(np.mean([entry["size"] for entry in entries]))
        spread = found.std(ddof=1) if len(found) > 1 else math.nan
        lines.append(
            f"{name:18}{len(found):7}{rows:7.0f}{found.mean():8.4f}{found.min():8.4f}{found.max():8.4f}"
            f"{spread:8.4f}{chance:8.4f}  {size:.4g} ({entries[0]['kind']})"
        )
    lines.append("spread: standard deviation over the splits; chance: that of the test rows alone")
    return "\n".join(lines)


def check_intervals(
    tables: Sequence[Table], samples: int, rows: int, settings: Settings, folder: Path, results: Results
) -> None:
    """Measure how often the bootstrap interval of a metric holds its value on all rows.

    A network is trained on a fifth of a table. Its metrics on all the others are the truth; samples of these,
    drawn with replacement, have the intervals.

    Args:
        tables: to train on.
        samples: how many samples.
        rows: of a sample.
        settings: what is trained.
        folder: for the runs, which are deleted again.
        results: where the results are kept.
    """
    for table in tables:
        title = settings.title(table)
        if results.has(title, samples, rows):
            continue
        document = spec_for(table, folder, settings, seed=0)
        document["dataset"] |= {"test": 0.75, "validation": 0.2}
        inside, truth = _inside(train_run(document, folder), samples, rows)
        results.add(title, samples, rows, inside=inside, truth=truth)
        shown = "  ".join(f"{metric} {count / samples:.3f}" for metric, count in inside.items())
        print(f"{title:16} {shown}", flush=True)
        shutil.rmtree(folder / "runs")


def _inside(run: Run, samples: int, rows: int) -> tuple[dict[str, int], dict[str, float]]:
    """Return by metric how many samples have an interval that holds the truth; and the truth."""
    from mlpcli.data.dataset import Split
    from mlpcli.inference.own_data import own_data, own_split
    from mlpcli.model.outputs import evaluated_rows
    from mlpcli.model.trained_model import load_trained
    from mlpcli.training import compiled
    from mlpcli.training.intervals import find_intervals
    from mlpcli.training.row_metrics import measure_rows

    trained = load_trained(run)
    every, _ = own_split(trained, own_data(trained), "test")
    batch_size = evaluated_rows(trained.spec, trained.contract)

    def metrics(split: Split) -> dict[str, float]:
        arrays = compiled.Arrays(split.x, split.y, split.weights)
        return compiled.evaluate(trained.model, arrays, batch_size=batch_size)

    truth, generator = metrics(every), np.random.default_rng(0)
    inside = dict.fromkeys(truth, 0)
    for sample in range(samples):
        places = generator.integers(len(every), size=rows)
        split = Split(every.x[places], every.y[places], every.rows[places])
        measured = measure_rows(trained.model, split, batch_size=batch_size)
        found = find_intervals(trained.model, measured, metrics(split), seed=sample)
        for name, (low, high) in found.bounds.items():
            inside[name] += low <= truth[name] <= high
    return inside, truth


def report_intervals(results: Results) -> str:
    """Return a table of the results: by metric the share of samples whose interval holds the truth."""
    lines = [f"{'':18}{'metric':26}{'value':>10}{'rows':>7}{'samples':>9}{'inside':>8}"]
    for name, entries in results.by_first().items():
        for entry in entries:
            _, samples, rows = entry["key"]
            for metric, count in entry["inside"].items():
                value = entry["truth"][metric]
                lines.append(f"{name:18}{metric:26}{value:10.4g}{rows:7}{samples:9}{count / samples:8.3f}")
    lines.append("inside: share of the 95% intervals that hold the value on all rows")
    return "\n".join(lines)
