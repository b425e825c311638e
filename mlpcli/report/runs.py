"""What is said about runs beside their list: damaged ones, better ones, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from mlpcli.errors import Problem, show_value
from mlpcli.report.console import format_duration, format_number, show_line
from mlpcli.report.narrow import whole_table
from mlpcli.report.screen import Screen, console, cut, table

if TYPE_CHECKING:
    from mlpcli.runs.comparison import Comparison
    from mlpcli.runs.scores import RunScore

MOST_DAMAGED = 5
"""Damaged runs that are reported one by one."""


def show_left_out(damaged: Sequence[Problem]) -> None:
    """Show on stderr each damaged run that a list, or a choice among runs of a name, leaves out."""
    for problem in damaged[:MOST_DAMAGED]:
        show_line(f"left out: {problem.headline()}", stderr=True, style="yellow")
    if (rest := len(damaged) - MOST_DAMAGED) > 0:
        show_line(f"left out: {rest} more damaged runs", stderr=True, style="yellow")


def better_text(best: RunScore, newest: RunScore, *, option: str) -> str:
    """Return a line that says that an older run is better than the newest.

    Args:
        best: the older run.
        newest: the newest run.
        option: what takes the older one.
    """
    values = f"{format_number(best.value)} against {format_number(newest.value)}"
    return (
        f"{newest.run.label} is the newest run; an older one has a better {best.monitor} ({values}): "
        f"{best.run.label}; {option} takes it"
    )


def show_comparison(comparison: Comparison) -> None:
    """Show one column per run: facts, the settings that differ, and metrics."""
    out = console()
    rows = [
        (name, *("" if value is None else _fact(name, value) for value in row))
        for name, row in comparison.facts.items()
    ]
    rows += [
        (path, *("-" if value is None else _setting(value) for value in row))
        for path, row in comparison.settings.items()
    ]
    for name, row in comparison.metrics.items():
        rows.append((name, *("" if value is None else format_number(value) for value in row)))
    _show_side_by_side(out, comparison, rows)


def _show_side_by_side(out: Screen, comparison: Comparison, rows: list[tuple[str, ...]]) -> None:
    """Show a column for each run; where labels leave no room, letters for them, and several tables."""
    shown = whole_table(out, ("", *comparison.short), rows)
    if shown is not None:
        out.print(shown)
        return
    names = [
        chr(ord("A") + index) if index < 26 else str(index + 1) for index in range(len(comparison.labels))
    ]
    for name, label in zip(names, comparison.labels, strict=True):
        out.print(Text(f"{name}  {label}", overflow="fold"))
    first = 0
    while first < len(names):
        last, block = len(names), None
        while last > first:
            cells = [(row[0], *row[1 + first : 1 + last]) for row in rows]
            block = whole_table(out, ("", *names[first:last]), cells)
            if block is not None or last == first + 1:
                break
            last -= 1
        out.print()
        out.print(block if block is not None else table(("", *names[first:last]), cells, names=(0, 1)))
        first = last


def _setting(value: object) -> str:
    if isinstance(value, list) and value and not any(isinstance(item, dict | list) for item in value):
        return cut(", ".join(map(_setting, value)), 30)
    return f"{value:.4g}" if isinstance(value, float) else show_value(value, 30).strip("'")


def _fact(name: str, value: object) -> str:
    if name == "seconds" and isinstance(value, int | float):
        return format_duration(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def comparison_json(comparison: Comparison, picture: Path | None) -> dict[str, object]:
    """Return a comparison for scripts; each list is in the order of `runs`."""
    return {
        "runs": list(comparison.labels),
        "facts": comparison.facts,
        "settings": comparison.settings,
        "metrics": comparison.metrics,
        "picture": str(picture) if picture else None,
    }
