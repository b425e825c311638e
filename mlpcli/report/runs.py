"""Lists of runs, and runs side by side, as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from mlpcli.errors import show_value
from mlpcli.report.console import duration, number
from mlpcli.report.screen import console, table
from mlpcli.runs.folder import RUNNING, Run, is_locked

if TYPE_CHECKING:
    from mlpcli.runs.comparison import Comparison


def show_runs(found: Sequence[Run], runs_dir: Path) -> None:
    """A line a run: what it is, how it ended, how long it took and what it reached."""
    out = console()
    if not found:
        out.print(Text(f"there are no runs under {runs_dir}; train one: mlpcli train SPEC"))
        return
    rows = []
    for run in found:
        document = run_json(run)
        best = document["best"] or {}
        reached = f"{best['monitor']} {number(best['value'])}" if best.get("value") is not None else ""
        test = "  ".join(f"{name} {number(value)}" for name, value in document["test"].items())
        seconds = duration(document["seconds"]) if document["seconds"] is not None else ""
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
    metrics = record.get("metrics") or {}
    search = record.get("search") or {}
    best = record.get("best")
    if objective := record.get("objective"):
        best = {"monitor": objective["name"], "value": objective["score"], "epoch": objective["epoch"]}
    if first := search.get("best"):
        best = {"monitor": search["objective"], "value": first["score"], "trial": first["trial"]}
    return {
        "run": run.label,
        "folder": str(run.folder),
        "kind": record.get("kind", "run"),
        "status": status,
        "started": record.get("started"),
        "epochs": record.get("epochs"),
        "seconds": search.get("seconds") or record.get("timings", {}).get("total"),
        "best": best,
        "hyperparameters": record.get("hyperparameters", {}),
        "test": {k: v for k, v in metrics.get("test", {}).items() if isinstance(v, int | float)},
        **({"error": record["error"]} if "error" in record else {}),
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
        rows.append((name, *("" if value is None else number(value) for value in row)))
    out.print(table(("", *comparison.short), rows, names=range(len(comparison.short) + 1)))


def _setting(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else show_value(value, 30).strip("'")


def _fact(name: str, value: Any) -> str:
    if name == "seconds":
        return duration(value)
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
