"""Metrics by group of rows as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from mlpcli.printable import counted
from mlpcli.report.console import fits, format_number, show_line, show_sentence
from mlpcli.report.interval_words import ends_text
from mlpcli.report.screen import Screen, console, table
from mlpcli.runs.group_results import ColumnGroups, GroupMetrics, GroupValue
from mlpcli.runs.results import Intervals

MOST_LINES = 10
"""Groups that are shown; of more, the rest is counted."""

NAME_WIDTH = 24
APART = "*"


def show_groups(
    columns: Sequence[ColumnGroups], rows: int, metrics: Mapping[str, float], found: Intervals | None
) -> None:
    """Show the groups of each column, the worst first, then all rows.

    Args:
        columns: the groups.
        rows: how many there are in all.
        metrics: of all rows.
        found: their intervals; None for none.
    """
    if not columns:
        return
    out = console()
    for column in columns:
        out.print()
        out.print(Text(f"by {column.column}, the worst {column.metric} first", style="bold"))
        names = [column.metric, *(name for name in metrics if name != column.metric)]
        for shown in _tables(out, column, names, AllValues(rows, metrics, found)):
            out.print(shown)
        if (rest := len(column.groups) - MOST_LINES) > 0:
            show_line(f"and {counted(rest, 'more group')}; --json and groups.csv have all")
        _show_reasons(column)
    if any(value.is_apart() for each in columns for group in each.groups for value in group.values.values()):
        show_line(f"{APART} the interval does not reach the value of all rows, after Holm's correction")


def _show_reasons(column: ColumnGroups) -> None:
    """Show why some groups have no value of a metric, or no interval, each reason once."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for group in column.groups[:MOST_LINES]:
        for metric, value in group.values.items():
            if value.value is None or (value.interval is None and value.reason):
                what = "none" if value.value is None else "no interval"
                found.setdefault((metric, what, value.reason), []).append(group.name)
    for (metric, what, reason), groups in found.items():
        shown = ", ".join(groups[:3]) + (f" and {len(groups) - 3} more" if len(groups) > 3 else "")
        show_sentence(f"{metric}: {what} for {shown}: {reason}", style="dim")


class AllValues(NamedTuple):
    """What groups are compared with: the number of all rows, their metrics, and intervals of these."""

    rows: int
    metrics: Mapping[str, float]
    intervals: Intervals | None


def _tables(out: Screen, column: ColumnGroups, names: Sequence[str], whole: AllValues) -> list[Table]:
    """Return tables with as many metrics each as there is room for, with their intervals."""
    shown: list[Table] = []
    rest = list(names)
    while rest:
        count = len(rest)
        while count > 1 and not fits(out, _table(column, rest[:count], whole)):
            count -= 1
        shown.append(_table(column, rest[:count], whole))
        rest = rest[count:]
    return shown


def _table(column: ColumnGroups, names: Sequence[str], whole: AllValues) -> Table:
    header, total = ["group", "rows"], ["all rows", f"{whole.rows:,}"]
    for name in names:
        header.append(name)
        total.append(format_number(whole.metrics[name]))
        if whole.intervals is not None:
            header.append("95%")
            total.append(ends_text(whole.intervals.bounds.get(name)))
    with_intervals = whole.intervals is not None
    lines = [_line(group, names, with_intervals=with_intervals) for group in column.groups[:MOST_LINES]]
    return table(header, [*lines, total], longest=NAME_WIDTH)


def _line(group: GroupMetrics, names: Sequence[str], *, with_intervals: bool) -> list[str]:
    cells = [group.name, f"{group.rows:,}"]
    for name in names:
        value = group.values[name]
        cells.append("-" if value.value is None else format_number(value.value) + _mark(value))
        if with_intervals:
            cells.append(ends_text(value.interval))
    return cells


def _mark(value: GroupValue) -> str:
    return APART if value.is_apart() else ""


def groups_json(columns: Sequence[ColumnGroups]) -> list[dict[str, object]]:
    """Return the groups of each column for scripts."""
    return [
        {
            "column": each.column,
            "ordered_by": each.metric,
            "direction": each.direction,
            "groups": [
                {
                    "group": group.name,
                    "rows": group.rows,
                    "metrics": {name: _value_json(value) for name, value in group.values.items()},
                }
                for group in each.groups
            ],
        }
        for each in columns
    ]


def _value_json(value: GroupValue) -> dict[str, object]:
    document: dict[str, object] = {"value": value.value}
    if value.interval is not None:
        document["confidence_interval"] = [*value.interval]
    if value.p is not None:
        document |= {"p_corrected": value.p, "apart": value.is_apart()}
    if value.reason:
        document["reason"] = value.reason
    return document
