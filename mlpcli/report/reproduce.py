"""A reproduction as tables and as JSON."""

from __future__ import annotations

from rich.text import Text

from mlpcli.report.console import format_number
from mlpcli.report.screen import console, table
from mlpcli.runs.results import EQUAL, WITHIN, Reproduction


def show_reproduction(result: Reproduction) -> None:
    """Show what has changed, the metrics side by side, and the verdict."""
    out = console()
    out.print()
    if result.facts:
        facts = [(fact.name, fact.then, fact.now) for fact in result.facts]
        out.print(table(("changed", "then", "now"), facts, names=(0, 1, 2)))
    rows = [
        (
            f.split,
            f.metric,
            format_number(f.then),
            format_number(f.now),
            f"{f.difference:+.2e}" if f.difference else "0",
        )
        for f in result.figures
    ]
    out.print(table(("split", "metric", "then", "now", "difference"), rows, names=(0, 1)))
    out.print()
    out.print(Text(f"{result.original.label}: {_verdict(result)}", style="bold"))
    out.print(Text(f"run  {result.outcome.run.folder}"))


def _verdict(result: Reproduction) -> str:
    if result.verdict == EQUAL:
        return "equal to the last digit, in every epoch and metric"
    since = f"equal up to epoch {result.epoch - 1}" if result.epoch and result.epoch > 1 else "not equal"
    if result.verdict == WITHIN:
        return f"within the tolerance of {result.tolerance:g} ({since})"
    names = ", ".join(f"{figure.split} {figure.metric}" for figure in result.drifted())
    return f"drifted beyond the tolerance of {result.tolerance:g} in {names} ({since})"


def reproduction_json(result: Reproduction) -> dict[str, object]:
    """Return a reproduction for scripts."""
    return {
        "run": result.original.label,
        "again": result.outcome.run.label,
        "folder": str(result.outcome.run.folder),
        "verdict": result.verdict,
        "tolerance": result.tolerance,
        "first_different_epoch": result.epoch,
        "changed": [{"name": f.name, "then": f.then, "now": f.now} for f in result.facts],
        "figures": [
            {"split": f.split, "metric": f.metric, "then": f.then, "now": f.now} for f in result.figures
        ],
    }
