"""Lists of runs, and runs side by side, as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from mlpcli.errors import Problem, show_value
from mlpcli.report.console import format_duration, format_number, show_line
from mlpcli.report.screen import console, table
from mlpcli.runs.folder import RUNNING, Listing, Run
from mlpcli.runs.lock import is_locked

if TYPE_CHECKING:
    from mlpcli.runs.comparison import Comparison


MOST_DAMAGED = 5
"""Damaged runs that are reported one by one."""


def show_left_out(damaged: Sequence[Problem]) -> None:
    """A line on stderr for each damaged run that a list, or a choice among runs of a name, leaves out."""
    for problem in damaged[:MOST_DAMAGED]:
        show_line(f"left out: {problem.headline()}", stderr=True, style="yellow")
    if (rest := len(damaged) - MOST_DAMAGED) > 0:
        show_line(f"left out: {rest} more damaged runs", stderr=True, style="yellow")


def show_runs(listing: Listing, runs_dir: Path) -> None:
    """A line a run: what it is, how it ended, how long it took and what it reached."""
    out, found = console(), listing.runs
    if not found and listing.damaged:
        return
    if not found:
        out.print(Text(f"there are no runs under {runs_dir}; train one: mlpcli train SPEC"))
        return
    rows = []
    for run in found:
        document = run_json(run)
        best = document["best"] or {}
        reached = f"{best['monitor']} {format_number(best['value'])}" if best.get("value") is not None else ""
        test = "  ".join(f"{name} {format_number(value)}" for name, value in document["test"].items())
        seconds = format_duration(document["seconds"]) if document["seconds"] is not None else ""
        epochs = "" if document["epochs"] is None else str(document["epochs"])
        rows.append((run.label, document["kind"], document["status"], epochs, seconds, reached, test))
    made = table(
        ("run", "kind", "status", "epochs", "time", "best", "test"), rows, names=(1, 2, 5, 6), longest=100
    )
    for index in (1, 2, 5, 6):
        made.columns[index].justify = "left"
    out.print(made)


def run_json(run: Run) -> dict[str, Any]:
    """One run for scripts."""
    record = run.record
    status = "killed" if run.status == RUNNING and not is_locked(run.folder) else run.status
    best: dict[str, Any] | None = None
    if record.best is not None:
        best = {"monitor": record.best.monitor, "value": record.best.value, "epoch": record.best.epoch}
    if (reached := record.objective) is not None:
        best = {"monitor": reached.name, "value": reached.score, "epoch": reached.epoch}
    if record.search is not None and (first := record.search.best) is not None:
        best = {"monitor": record.search.objective, "value": first.score, "trial": first.trial}
    seconds = record.search.seconds if record.search is not None else None
    return {
        "run": run.label,
        "folder": str(run.folder),
        "kind": record.kind,
        "status": status,
        "started": record.started,
        "epochs": record.epochs,
        "seconds": seconds or record.timings.get("total"),
        "best": best,
        "hyperparameters": record.hyperparameters,
        "test": record.metrics.get("test", {}),
        **({"error": record.error} if record.error is not None else {}),
    }


def show_comparison(comparison: Comparison) -> None:
    """A column a run: facts, the settings that differ, and metrics; the best of each is marked."""
    out = console()
    rows = [
        (name, *("" if value is None else _fact(name, value) for value in row))
        for name, row in comparison.facts.items()
    ]
    rows += [
        (path, *("" if value is None else _setting(value) for value in row))
        for path, row in comparison.settings.items()
    ]
    for name, row in comparison.metrics.items():
        rows.append((name, *("" if value is None else format_number(value) for value in row)))
    out.print(table(("", *comparison.short), rows, names=range(len(comparison.short) + 1)))


def _setting(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else show_value(value, 30).strip("'")


def _fact(name: str, value: Any) -> str:
    if name == "seconds":
        return format_duration(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def comparison_json(comparison: Comparison, picture: Path | None) -> dict[str, Any]:
    """A comparison for scripts: a list a row, in the order of `runs`."""
    return {
        "runs": list(comparison.labels),
        "facts": comparison.facts,
        "settings": comparison.settings,
        "metrics": comparison.metrics,
        "picture": str(picture) if picture else None,
    }
