"""The list of runs, as a table, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.text import Text

from mlpcli.printable import counted, printable, verb
from mlpcli.report.console import (
    format_duration,
    format_number,
    show_dropped,
    show_line,
    show_text,
)
from mlpcli.report.narrow import wrapped
from mlpcli.report.screen import Screen, console, cut, width_of
from mlpcli.runs.folder import Listing
from mlpcli.runs.notes import NOTHING
from mlpcli.runs.run_epochs import epochs_of, epochs_text, progress_of
from mlpcli.runs.run_values import FACTS, WRITTEN, RunValues, Value, best_value, seconds_of, status_of

COLUMNS = ("run", "kind", "status", "epochs", "time", "best", "test", "tags")
SORTED = len(COLUMNS)
"""The place of the value that a list is sorted by, where no column has it."""
LEFT = (0, 1, 2, 5, 6, 7)
FEWER = ((0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 2, 3, 4, 5, 7), (0, 2, 3, 5, 7), (0, 2, 5))
"""The columns of `runs` where there is less and less room: names, status and the best value stay whole."""

COLLAPSED = 50
"""The runs that a terminal shows of a longer list."""

LONGEST_CELL = 60


def limited(
    found: list[RunValues], limit: int | None, *, is_sorted: bool, shown: bool
) -> tuple[list[RunValues], int]:
    """Return as many runs as are to be shown, and how many are left out.

    Args:
        found: the runs in their order.
        limit: how many; 0 for all; None for all, on a terminal for some.
        is_sorted: whether they are sorted by a value, so that the first count; else the newest do.
        shown: whether they are shown as a table.
    """
    if limit is None:
        limit = COLLAPSED if shown and console().is_terminal else 0
    if not 0 < limit < len(found):
        return found, 0
    if is_sorted:
        return found[:limit], len(found) - limit
    newest = sorted(range(len(found)), key=lambda place: (found[place].run.record.started or "", place))
    return [found[place] for place in sorted(newest[-limit:])], len(found) - limit


def show_runs(
    found: Sequence[RunValues],
    listing: Listing,
    runs_dir: Path,
    *,
    hidden: int = 0,
    chosen: bool = False,
    sort: str | None = None,
) -> None:
    """Show one line per run: its kind, status, epochs, time, metrics and tags.

    Args:
        found: the runs in their order.
        listing: of all runs, for those that have not started.
        runs_dir: the runs folder.
        hidden: runs that are not shown.
        chosen: whether they were chosen by a condition, which says nothing of runs that have not started.
        sort: the name of the value that they are sorted by, which is shown whatever else is left out.
    """
    out = console()
    if not found and listing.damaged:
        return
    if not found and not listing.unstarted:
        show_line(f"there are no runs under {runs_dir}; train one: mlpcli train SPEC")
        return
    rows = [_row(values, sort) for values in found]
    if not chosen:
        rows += [(_label(folder), "", state, "", "", "", "", "", "") for folder, state in listing.unstarted]
    _show_rows(out, rows, sort if sort not in COLUMNS else None)
    show_hidden(hidden)


def show_hidden(hidden: int) -> None:
    """Say how many runs a list left out."""
    if hidden:
        show_line(
            f"{counted(hidden, 'more run')} {verb(hidden, 'are')} not shown; --limit 0 shows all", stderr=True
        )


def show_nothing_found() -> None:
    """Say that no run fits the conditions."""
    show_line("no run fits the conditions")


def _label(folder: Path) -> str:
    return "/".join(folder.absolute().parts[-2:])


def _row(values: RunValues, sort: str | None) -> tuple[str, ...]:
    """Return a run's line of the list, at its end the value that the list is sorted by."""
    run, record = values.run, values.run.record
    best, seconds = best_value(run), seconds_of(run)
    reached = f"{best.monitor} {format_number(best.value)}" if best and best.value is not None else ""
    test = "  ".join(
        f"{name} {format_number(value)}" for name, value in record.metrics.get("test", {}).items()
    )
    time = "" if seconds is None else format_duration(seconds)
    tags = " ".join(values.notes.tags)
    by = "" if sort is None else _cell(sort, values.get(sort))
    return (run.label, record.kind, status_of(run), epochs_text(run), time, reached, test, tags, by)


def _show_rows(out: Screen, rows: Sequence[Sequence[str]], sort: str | None) -> None:
    """Show the runs in one table; where their names leave no room, in one for each experiment."""
    used = [index for index in range(len(COLUMNS)) if index < 7 or any(row[index] for row in rows)]
    heads = [*COLUMNS, sort or ""]
    for chosen in FEWER if sort is None else (*FEWER, (0, 2), (0,)):
        places = [index for index in chosen if index in used]
        if sort is not None:
            places.insert(2 if len(places) > 2 else len(places), SORTED)
        cells = [[row[index] for index in places] for row in rows]
        left = [place for place, index in enumerate(places) if index in LEFT]
        if _show_table(out, [heads[index] for index in places], cells, left):
            show_dropped([COLUMNS[index] for index in used if index not in places])
            return
    for name, group in groupby(rows, key=lambda row: row[0].partition("/")[0]):
        out.print(Text(name, style="bold", overflow="fold"))
        for row in group:
            best = [row[5]] if row[5] else []
            best += [f"{sort} {row[SORTED]}"] if sort is not None and row[SORTED] else []
            line = [row[0].partition("/")[2], row[2], *best]
            for each in wrapped(line, out.room - 2, indent="  "):
                out.print(Text(f"  {each}"))
    show_dropped([COLUMNS[index] for index in used if index not in (0, 2, 5)])


def _show_table(
    out: Screen, columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int]
) -> bool:
    """Show a plain table if it fits; return whether it does. For a thousand rows, rich's takes a second."""
    shown = [list(columns), *([printable(cell) for cell in row] for row in rows)]
    sizes = [[width_of(cell) for cell in row] for row in shown]
    widths = [max(column) for column in zip(*sizes, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > out.room:
        return False
    lines = []
    for cells, taken in zip(shown, sizes, strict=True):
        padded = [
            cell + " " * (widths[place] - size) if place in left else " " * (widths[place] - size) + cell
            for place, (cell, size) in enumerate(zip(cells, taken, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    if out.is_terminal:
        for number, line in enumerate(lines):
            out.print(Text(line, style="" if number else "bold"), soft_wrap=True)
    else:
        show_text("".join(f"{line}\n" for line in lines))
    return True


def show_columns(
    found: Sequence[RunValues], names: Sequence[str], *, hidden: int = 0, sort: str | None = None
) -> None:
    """Show the values of some names, a line for each run; the last columns are left out where too wide.

    Args:
        found: the runs in their order.
        names: of the values.
        hidden: runs that are not shown.
        sort: the name of the value that they are sorted by, whose column is left out last.
    """
    out = console()
    kept = list(names)
    while kept:
        rows = [[_cell(name, values.get(name)) for name in kept] for values in found]
        left = [
            place
            for place, name in enumerate(kept)
            if not any(isinstance(values.get(name), int | float) for values in found)
        ]
        if _show_table(out, kept, rows, left) or len(kept) == 1:
            break
        last = max(place for place, name in enumerate(kept) if name != sort)
        del kept[last if last else -1]
    show_dropped([name for name in names if name not in kept])
    show_hidden(hidden)


def _cell(name: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, str):
        return cut(value, LONGEST_CELL)
    if name in ("seconds", "time"):
        return format_duration(value)
    return f"{value:,.0f}" if float(value).is_integer() else format_number(value)


def run_json(values: RunValues) -> dict[str, object]:
    """Return one run for scripts."""
    run, record = values.run, values.run.record
    best = best_value(run)
    notes, progress = values.notes, progress_of(run)
    return {
        "run": run.label,
        "folder": str(run.folder),
        "kind": record.kind,
        "status": status_of(run),
        "started": record.started,
        "epochs": epochs_of(run),
        **({} if progress is None else {"trainings": {"finished": progress.finished, "of": progress.count}}),
        "seconds": seconds_of(run),
        "best": None if best is None else best.to_json(),
        "hyperparameters": record.hyperparameters,
        "validation": record.metrics.get("validation", {}),
        "test": record.metrics.get("test", {}),
        **({} if notes == NOTHING else notes.model_dump()),
        **({"error": record.error} if record.error is not None else {}),
    }


def csv_text(found: Sequence[RunValues], names: Sequence[str] = ()) -> str:
    """Return the values of runs as CSV: a line for each run, numbers with all their digits.

    Args:
        found: the runs in their order.
        names: of the values; none for all but those of the specs.
    """
    columns = list(names) or list(
        dict.fromkeys([*FACTS, *WRITTEN, *(name for values in found for name in values.names())])
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for values in found:
        writer.writerow([_csv_cell(values.get(name)) for name in columns])
    return text.getvalue()


def _csv_cell(value: Value) -> str | float:
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else value
