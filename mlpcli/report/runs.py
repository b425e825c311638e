"""What is said about runs beside their list: damaged ones, better ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpcli.errors import Problem
from mlpcli.report.console import format_number, show_line

if TYPE_CHECKING:
    from mlpcli.runs.best_run import RunScore

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
