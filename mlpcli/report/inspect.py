"""The columns of a table and warnings about them, as text and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from mlpcli.printable import counted, printable
from mlpcli.report.console import show_dropped, show_line, show_sentence
from mlpcli.report.narrow import shares_text, whole_table
from mlpcli.report.screen import Screen, console, cut, table, width_of

BARS, ASCII_BARS = "▁▂▃▄▅▆▇█", ".:-=+*%#"
TEXT_WIDTH = 28
VALUES_SHOWN, VALUES_LISTED = 3, 10
"""Values of a column of texts that are shown, and that are listed in the JSON document."""


@dataclass(frozen=True)
class Column:
    """What is shown of one column.

    histogram: rows in ten bins, or by value.
    range: the smallest and largest number or date; None where there is none.
    values: of texts and booleans, rows by value, the most frequent first; None for numbers and dates.
    """

    kind: str
    missing: int
    distinct: int
    histogram: Sequence[int]
    range: tuple[str, str] | tuple[float, float] | None
    values: Mapping[str, int] | None


def show_survey(
    path: str,
    rows: int,
    columns: Mapping[str, Column],
    warnings: Sequence[str],
    task: tuple[str, str] | None,
    classes: Mapping[str, int],
) -> None:
    """Show one line per column, then the task and why it is proposed, the classes, and the warnings."""
    out = console()
    show_line(f"{path}: {counted(rows, 'row')}, {counted(len(columns), 'column')}")
    lines = [
        (
            name,
            column.kind,
            f"{column.missing:,}",
            f"{column.distinct:,}",
            _bars(column.histogram),
            _range_text(column),
        )
        for name, column in columns.items()
    ]
    shown, left_out = _columns_table(out, lines)
    out.print(shown)
    show_dropped(left_out)
    if task:
        show_sentence(f"{task[0]}: {task[1]}", label="task ")
    if classes:
        show_sentence(shares_text(classes), label="classes ")
    for warning in warnings:
        show_sentence(warning, style="yellow")


HEADER = ("column", "kind", "missing", "distinct", "histogram", "range")
FEWER = ((0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 5), (0, 1, 2, 3), (0, 1, 2), (0, 1))
"""The columns that are shown where there is less and less room: names and kinds stay whole."""


def _columns_table(out: Screen, lines: Sequence[Sequence[str]]) -> tuple[Table, list[str]]:
    """Return the table of the columns, with as much of each as there is room for; and what is left out."""
    longest = max((width_of(printable(line[0])) for line in lines), default=0)
    for widest in (longest, NAME_ROOM):
        for chosen in FEWER[: len(FEWER) if widest < longest else 3]:
            cells = [[line[index] for index in chosen] for line in lines]
            left = [place for place, index in enumerate(chosen) if index in (1, 4, 5)]
            shown = whole_table(out, [HEADER[index] for index in chosen], cells, left=left)
            if shown is not None and (shown.columns[0].max_width or 0) >= min(widest, longest):
                return shown, [name for index, name in enumerate(HEADER) if index not in chosen]
    return table(HEADER, lines, names=(0, 5)), []


NAME_ROOM = 24
"""Columns that a column's name has at least before it wraps."""


def _bars(counts: Sequence[int]) -> str:
    """Return one character per count, the highest for the largest; a space for none."""
    marks = BARS if (sys.stdout.encoding or "").lower().startswith("utf") else ASCII_BARS
    most = max(counts, default=0)
    return "".join(marks[(len(marks) * count - 1) // most] if count else " " for count in counts)


def _range_text(column: Column) -> str:
    """Return `1 to 52` for numbers and dates, the most frequent values for everything else."""
    if column.values is not None:
        names = list(column.values)
        return cut(
            ", ".join([*names[:VALUES_SHOWN], *(["..."] if len(names) > VALUES_SHOWN else [])]), TEXT_WIDTH
        )
    if column.range is None:
        return ""
    low, high = (end if isinstance(end, str) else _number_text(end) for end in column.range)
    if low == high and column.range[0] != column.range[1]:  # they differ in later digits
        low, high = map(str, column.range)
    return f"{low} to {high}"


def _number_text(number: float) -> str:
    """Return a number of few digits; a whole number, such as a time in seconds, with all of them."""
    return str(int(number)) if 1e6 <= abs(number) < 1e16 and number % 1 == 0 else f"{number + 0.0:g}"


def survey_json(
    path: str,
    rows: int,
    target: str | None,
    columns: Mapping[str, Column],
    warnings: Sequence[str],
    task: tuple[str, str] | None,
    classes: Mapping[str, int],
) -> dict[str, object]:
    """Return a table's columns, the proposed task, rows by class and warnings for scripts."""
    return {
        "data": path,
        "rows": rows,
        "target": target,
        **({"task": task[0], "why": task[1]} if task else {}),
        **({"classes": dict(classes)} if classes else {}),
        "columns": {name: _column_json(column) for name, column in columns.items()},
        "warnings": list(warnings),
    }


def _column_json(column: Column) -> dict[str, object]:
    document: dict[str, object] = {
        "kind": column.kind,
        "missing": column.missing,
        "distinct": column.distinct,
        "histogram": list(column.histogram),
    }
    if column.values is not None:
        document["values"] = dict(list(column.values.items())[:VALUES_LISTED])
    elif column.range is not None:
        document["range"] = list(column.range)
    return document
