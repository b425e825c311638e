"""Comparisons of runs: side by side, a column for each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from mlpcli.errors import show_value
from mlpcli.report.console import format_duration, format_number, show_sentence
from mlpcli.report.narrow import whole_table
from mlpcli.report.screen import Screen, console, cut, table, width_of
from mlpcli.report.worst_rows import short_paths
from mlpcli.runs.comparison import Comparison

WIDEST_SETTING, NARROWEST_SETTING, NAME_ROOM = 30, 9, 26
"""Columns of a setting's value in a table: of few runs, of many; and of the names beside the values."""

LONGEST_SETTING = 1000
"""Characters of a value that are looked at."""


def letters(count: int) -> list[str]:
    """Return a short name for each run of a comparison: A, B, C..., beyond 26 runs their numbers."""
    return [chr(ord("A") + place) if count <= 26 else str(place + 1) for place in range(count)]


def show_comparison(comparison: Comparison) -> None:
    """Show one column per run: facts, the settings that differ, and metrics."""
    out = console()
    names = letters(len(comparison.labels))
    for name, label in zip(names, comparison.labels, strict=True):
        out.print(Text(f"{name}  {label}", overflow="fold"))
    room = (out.room - NAME_ROOM) // len(names) - 2
    width = max(NARROWEST_SETTING, min(WIDEST_SETTING, room))
    rows = [
        (name, *("" if value is None else _fact(name, value) for value in row))
        for name, row in comparison.facts.items()
    ]
    rows += [(path, *_settings(row, width)) for path, row in comparison.settings.items()]
    for name, row in comparison.metrics.items():
        rows.append((name, *("" if value is None else format_number(value) for value in row)))
    _show_blocks(out, names, rows)
    if comparison.other_rows:
        splits = " and ".join(comparison.other_rows)
        show_sentence(f"the {splits} rows are not the same in all runs: nor is what their metrics measure")
    for line in _leaks(comparison, names):
        show_sentence(line, label="warning: ", style="yellow")


def _leaks(comparison: Comparison, names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each column that alone predicts the target in some of the runs."""
    for column in dict.fromkeys(each for each in comparison.leaking if each is not None):
        own = [name for name, each in zip(names, comparison.leaking, strict=True) if each == column]
        yield (
            f"in {' and '.join(own)}, column {column!r} alone predicts the target: unless it is known "
            f"beforehand, the scores of {' and '.join(own)} say nothing of new rows"
        )


def _show_blocks(out: Screen, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show a column for each run, in several tables where there is no room for all in one."""
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


def _settings(row: Sequence[object], width: int) -> list[str]:
    """Return the values of a setting in at most `width` columns of the screen, so that what differs is seen.

    Of paths, folders that all have are left out; of other long texts that begin alike, what is before the
    difference.
    """
    texts = ["-" if value is None else _setting(value) for value in row]
    there = [place for place, value in enumerate(row) if value is not None]
    if any(width_of(texts[place]) > width for place in there):
        if all("/" in str(row[place]) and isinstance(row[place], str) for place in there):
            for place, text in zip(there, short_paths([texts[place] for place in there], width), strict=True):
                texts[place] = text
        elif len({cut(text, width) for text in texts}) < len({*texts}):
            long = [text for text in texts if width_of(text) > width]
            columns = list(zip(*long, strict=False))
            same = next((at for at, each in enumerate(columns) if len({*each}) > 1), len(columns))
            start = max(0, same - width // 3)
            texts = [f"...{text[start:]}" if start and text in long else text for text in texts]
    return [cut(text, width) for text in texts]


def _setting(value: object) -> str:
    if isinstance(value, list) and value and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(map(_setting, value))
    return f"{value:.4g}" if isinstance(value, float) else show_value(value, LONGEST_SETTING).strip("'")


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
        "other_rows": list(comparison.other_rows),
        "leaking": list(comparison.leaking),
        "picture": str(picture) if picture else None,
    }
