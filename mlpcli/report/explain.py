"""An explanation as a table and as JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.status import Status
from rich.text import Text

from mlpcli.printable import counted
from mlpcli.report.console import format_duration, format_number, show_line, show_sentence
from mlpcli.report.screen import console, cut, table, width_of
from mlpcli.report.worst_rows import short_paths
from mlpcli.runs.explanation import ColumnImportance, ExplainedImage, ExplainedImages, Explanation

BAR = 16
LONGEST_COLUMN = 28
MOST_LINES = 30


class ExplainReport:
    """Shows how far an explanation is, on a terminal only. A context."""

    def __init__(self) -> None:
        self.console = console(stderr=True)
        self.status: Status | None = None
        self.began = time.monotonic()

    def __enter__(self) -> ExplainReport:
        return self

    def __exit__(self, *error: object) -> None:
        if self.status is not None:
            self.status.stop()

    def predicted(self, done: int, of: int) -> None:
        """Update how many steps are done, of how many."""
        if not self.console.is_terminal:
            return
        if self.status is None:
            self.status = self.console.status("")
            self.status.start()
        left = (time.monotonic() - self.began) / max(done, 1) * (of - done)
        self.status.update(f"explaining: {100 * done // max(of, 1)}%, {format_duration(left)} left")


def show_explanation(label: str, found: Explanation) -> None:
    """Show a line for each column: its importance, the interval, and a bar."""
    out = console()
    rows = (
        counted(found.rows, "row")
        if found.rows == found.of_rows
        else f"{found.rows:,} of {counted(found.of_rows, 'row')}"
    )
    title = f"{label} on {found.source}: {rows}, {found.metric} {format_number(found.base)}"
    out.print(Text(title, style="bold"))
    if found.rows < found.of_rows:
        show_line("a random sample of the rows; --rows takes more")
    show_sentence(f"how much worse {found.metric} becomes when a column is shuffled, with 95% intervals")
    _show_lines(found.columns[:MOST_LINES], found)
    if (rest := len(found.columns) - MOST_LINES) > 0:
        show_sentence(f"{counted(rest, 'more column')}, each of less importance; --json has all", stderr=True)
    if found.groups:
        show_line("")
        show_line("correlated columns stand in for each other; shuffled together:")
        _show_lines(found.groups, found)


def show_images(label: str, found: ExplainedImages) -> None:
    """Show a line for each image: what it is, what it was taken for, and how that came about."""
    out = console()
    rest = len(found.shown) - found.wrong
    which = f"the first {counted(rest, 'image')}"
    if found.wrong:
        all_wrong = f"the {counted(found.wrong, 'most wrong image')}"
        which = f"{counted(found.wrong, 'wrong image')}, then {counted(rest, 'other')}" if rest else all_wrong
    out.print(Text(f"{label} on {found.source}: {which}", style="bold"))
    show_sentence(
        f"expected gradients against {counted(found.background, 'training row')}: what each pixel adds"
    )
    named = all(each.file for each in found.shown)
    places = [each.file if named else str(each.row) for each in found.shown]
    places = short_paths(places) if named else places
    rows = [
        (
            place,
            each.truth,
            each.predicted,
            _sum_of(each),
            format_number(abs(each.residual)),
        )
        for place, each in zip(places, found.shown, strict=True)
    ]
    heading = (
        "file" if named else "row",
        "truth",
        "predicted",
        f"{cut(found.name, 20)} = base + pixels",
        "up to",
    )
    out.print(table(heading, rows, names=(0, 1, 2) if named else (1, 2), longest=16))


def _sum_of(each: ExplainedImage) -> str:
    sign = "-" if each.value < each.base else "+"
    added = format_number(abs(each.value - each.base))
    return f"{format_number(each.value)} = {format_number(each.base)} {sign} {added}"


def images_json(label: str, folder: str, found: ExplainedImages, figures: Sequence[str]) -> dict[str, object]:
    """Return explained images for scripts."""
    return {
        "run": label,
        "folder": folder,
        "split": found.source,
        "method": "expected gradients",
        "background_rows": found.background,
        "explained": found.name,
        "wrong": found.wrong,
        "images": [
            {
                "row": each.row,
                **({"file": each.file} if each.file else {}),
                "truth": each.truth,
                "predicted": each.predicted,
                "value": each.value,
                "base_value": each.base,
                "residual": each.residual,
            }
            for each in found.shown
        ],
        "figures": list(figures),
    }


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
        "of_rows": found.of_rows,
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
