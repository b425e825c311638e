"""Lists and comparisons of runs, as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.table import Table
from rich.text import Text

from mlpcli.errors import Problem, show_value
from mlpcli.report.console import fits, format_duration, format_number, show_line
from mlpcli.report.narrow import whole_table, wrapped
from mlpcli.report.screen import Screen, console, cut, table
from mlpcli.runs.comparison import Comparison
from mlpcli.runs.folder import RUNNING, Listing, Run
from mlpcli.runs.lock import is_locked
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


def show_runs(listing: Listing, runs_dir: Path) -> None:
    """Show one line per run: its kind, status, epochs, time and metrics."""
    out, found = console(), listing.runs
    if not found and listing.damaged:
        return
    if not found and not listing.unstarted:
        out.print(Text(f"there are no runs under {runs_dir}; train one: mlpcli train SPEC"))
        return
    rows = [_row(run) for run in found]
    rows += [(_label(folder), "", state, "", "", "", "") for folder, state in listing.unstarted]
    rows.sort(key=lambda row: row[0])
    _show_rows(out, rows)


def _label(folder: Path) -> str:
    return "/".join(folder.absolute().parts[-2:])


COLUMNS = ("run", "kind", "status", "epochs", "time", "best", "test")
FEWER = ((0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5), (0, 2, 3, 5), (0, 2, 5))
"""The columns of `runs` where there is less and less room: names, status and the best value stay whole."""


def _show_rows(out: Screen, rows: Sequence[Sequence[str]]) -> None:
    """Show the runs in one table; where their names leave no room, in one for each experiment."""
    for chosen in FEWER:
        columns = [COLUMNS[index] for index in chosen]
        cells = [[row[index] for index in chosen] for row in rows]
        shown = table(columns, cells, names=(), longest=100)
        _left(shown, chosen)
        if fits(out, shown):
            out.print(shown)
            _show_dropped(out, chosen)
            return
    for name, group in groupby(rows, key=lambda row: row[0].partition("/")[0]):
        out.print(Text(name, style="bold", overflow="fold"))
        for row in group:
            best = [row[5]] if row[5] else []
            line = [row[0].partition("/")[2], row[2], *best]
            for each in wrapped(line, out.room - 2, indent="  "):
                out.print(Text(f"  {each}"))
    _show_dropped(out, (0, 2, 5))


def _left(shown: Table, chosen: Sequence[int]) -> None:
    for place, index in enumerate(chosen):
        if index in (1, 2, 5, 6):
            shown.columns[place].justify = "left"


def _show_dropped(out: Screen, chosen: Sequence[int]) -> None:
    """Say on stderr which columns were left out."""
    dropped = [COLUMNS[index] for index in FEWER[0] if index not in chosen]
    if dropped:
        show_line(f"left out, since too wide: {', '.join(dropped)}; --json has everything", stderr=True)


def _row(run: Run) -> tuple[str, ...]:
    """Return a run's line of the list."""
    record, best, seconds = run.record, _best(run), _seconds(run)
    reached = f"{best.monitor} {format_number(best.value)}" if best and best.value is not None else ""
    test = "  ".join(
        f"{name} {format_number(value)}" for name, value in record.metrics.get("test", {}).items()
    )
    time = "" if seconds is None else format_duration(seconds)
    epochs = "" if record.epochs is None else str(record.epochs)
    return (run.label, record.kind, _status(run), epochs, time, reached, test)


@dataclass(frozen=True)
class _Best:
    """The best value of a run, and the epoch or the trial that reached it."""

    monitor: str
    value: float | None
    where: tuple[str, int | None]

    def to_json(self) -> dict[str, object]:
        """Return it for scripts."""
        name, number = self.where
        return {"monitor": self.monitor, "value": self.value, name: number}


def _best(run: Run) -> _Best | None:
    """Return the best value: of a search's best trial, of a trial's objective, or of the monitored metric."""
    record = run.record
    if record.search is not None and (first := record.search.best) is not None:
        return _Best(record.search.objective, first.score, ("trial", first.trial))
    if (reached := record.objective) is not None:
        return _Best(reached.name, reached.score, ("epoch", reached.epoch))
    if record.best is not None:
        return _Best(record.best.monitor, record.best.value, ("epoch", record.best.epoch))
    return None


def _status(run: Run) -> str:
    return "killed" if run.status == RUNNING and not is_locked(run.folder) else run.status


def _seconds(run: Run) -> float | None:
    search = run.record.search
    return (search.seconds if search is not None else None) or run.record.timings.get("total")


def run_json(run: Run) -> dict[str, object]:
    """Return one run for scripts."""
    record, best = run.record, _best(run)
    return {
        "run": run.label,
        "folder": str(run.folder),
        "kind": record.kind,
        "status": _status(run),
        "started": record.started,
        "epochs": record.epochs,
        "seconds": _seconds(run),
        "best": None if best is None else best.to_json(),
        "hyperparameters": record.hyperparameters,
        "test": record.metrics.get("test", {}),
        **({"error": record.error} if record.error is not None else {}),
    }


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
