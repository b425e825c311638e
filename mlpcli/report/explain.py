"""An explanation as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from mlpcli.report.console import format_number, show_line
from mlpcli.report.screen import console, cut, width_of
from mlpcli.runs.explanation import ColumnImportance, Explanation

BAR = 16
LONGEST_COLUMN = 28
MOST_LINES = 30


def show_explanation(label: str, found: Explanation) -> None:
    """Show a line for each column: its importance, the interval, and a bar."""
    out = console()
    rows = (
        f"{found.rows:,} rows" if found.rows == found.of_rows else f"{found.rows:,} of {found.of_rows:,} rows"
    )
    title = f"{label} on {found.source}: {rows}, {found.metric} {format_number(found.base)}"
    out.print(Text(title, style="bold"))
    show_line(f"how much worse {found.metric} becomes when a column is shuffled, with 95% intervals")
    _show_lines(found.columns[:MOST_LINES], found)
    if (rest := len(found.columns) - MOST_LINES) > 0:
        show_line(f"{rest} more columns, each of less importance; --json has all", stderr=True)
    if found.groups:
        show_line("")
        show_line("correlated columns stand in for each other; shuffled together:")
        _show_lines(found.groups, found)


def _show_lines(shown: Sequence[ColumnImportance], found: Explanation) -> None:
    names = [cut(" + ".join(each.columns), LONGEST_COLUMN) for each in shown]
    width = max(map(width_of, names), default=0)
    most = max((each.value for each in (*found.columns, *found.groups)), default=0.0)
    for name, each in zip(names, shown, strict=True):
        value = f"{format_number(each.value):>8}"
        interval = f"{format_number(each.interval[0])} to {format_number(each.interval[1])}"
        length = round(BAR * max(each.value, 0.0) / most) if most > 0 else 0
        pad = " " * (width - width_of(name))
        show_line(f"{name}{pad}  {value}  {interval:<20}  {'#' * length}".rstrip())


def explanation_json(
    label: str, folder: str, found: Explanation, figures: Sequence[str]
) -> dict[str, object]:
    """Return an explanation for scripts."""

    def row(each: ColumnImportance) -> dict[str, object]:
        return {"columns": list(each.columns), "importance": each.value, "interval": list(each.interval)}

    return {
        "run": label,
        "folder": folder,
        "split": found.source,
        "rows": found.rows,
        "metric": found.metric,
        "value": found.base,
        "repeats": found.repeats,
        "columns": [row(each) for each in found.columns],
        "groups": [row(each) for each in found.groups],
        "dependence": [
            {
                "column": each.column,
                "shown": each.shown,
                "values": list(each.values),
                "mean": [float(value) for value in each.mean],
            }
            for each in found.dependences
        ],
        "figures": list(figures),
    }
