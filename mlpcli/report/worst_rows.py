"""The rows that a model got most wrong, as a table."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.text import Text

from mlpcli.printable import counted
from mlpcli.report.console import fits, format_number
from mlpcli.report.screen import console, table

SHOWN = 5
NAME = "worst_rows"
LONGEST_CELL = 16

PREDICTED = "predicted_"
COMPUTED = ("error", "probability", "score")
"""Columns that no row has: those that begin like the first, and these."""


def show_worst_rows(files: Sequence[Path], *, most: int, is_image: Callable[[str], bool]) -> None:
    """Show the first of the rows that were written as most wrong, with as many columns as there is room for.

    Args:
        files: what an evaluation wrote.
        most: rows of a table; one of fewer has all that are wrong.
        is_image: whether a file is one row, by its name.
    """
    for file in files:
        if file.stem.partition("-")[0] != NAME:
            continue
        with file.open(newline="", encoding="utf-8") as handle:
            heading, *rows = csv.reader(handle)
        own_files = heading[:2] == ["row", "file"] and all(row[0] == "1" and is_image(row[1]) for row in rows)
        if own_files:
            heading, rows = heading[1:], [row[1:] for row in rows]
        if rows:
            _show(heading, rows, file.stem.partition("-")[2], file.name, most)


def _show(heading: list[str], rows: list[list[str]], part: str, file: str, most: int) -> None:
    out = console()
    measured = [name in COMPUTED or name.startswith(PREDICTED) for name in heading]
    shown = [
        [row[0], *(_cell(cell, computed=each) for cell, each in zip(row[1:], measured[1:], strict=True))]
        for row in rows[:SHOWN]
    ]
    of_files = heading[:2] == ["row", "file"]
    if of_files:
        for row, name in zip(shown, short_paths([row[1] for row in shown]), strict=True):
            row[1] = name
    width = len(heading)
    names = range(1, width)
    while width > 4 and not fits(out, table(heading[:width], _cut(shown, width), longest=LONGEST_CELL)):
        width -= 1
    left = len(heading) - width
    of_numbers = heading[4 if of_files else 3 :][:1] == ["error"]
    all_rows = "" if len(rows) >= most else "all "
    rest = (
        [f"{all_rows}{counted(len(rows), 'row' if of_numbers else 'wrong row')}"]
        if len(rows) > len(shown)
        else []
    )
    rest += [counted(left, "more column")] if left else []
    more = f"; {file} has {' and '.join(rest)}" if rest else ""
    of = f" of {part}" if part else ""
    out.print()
    these = "most wrong row" if len(shown) == 1 else f"{len(shown)} most wrong rows"
    out.print(Text(f"the {these}{of}{more}", style="dim"))
    if of_numbers:
        out.print(Text("error: predicted - true", style="dim"))
    where = " in each file" if of_files else ""
    if heading[0] == "row":
        out.print(Text(f"rows count from 1{where}, not counting a header", style="dim"))
    columns = [name for name in names if name < width]
    out.print(table(heading[:width], _cut(shown, width), names=columns, longest=LONGEST_CELL))


def short_paths(paths: Sequence[str], longest: int = LONGEST_CELL) -> list[str]:
    """Return paths so that what differs among them is seen where they are longer than a cell.

    Folders before, and folders and names behind, that all of them have are left out; then the end is kept.

    Args:
        paths: of files, with `/`.
        longest: characters of a cell.
    """
    parts = [path.split("/") for path in paths]
    if max(map(len, paths), default=0) <= longest:
        return list(paths)
    if len({*paths}) > 1:
        for end in (0, -1):
            while min(map(len, parts)) > 1 and len({each[end] for each in parts}) == 1:
                for each in parts:
                    del each[end]
    texts = ["/".join(each) for each in parts]
    return [text if len(text) <= longest else f"...{text[3 - longest :]}" for text in texts]


def _cut(rows: list[list[str]], width: int) -> list[list[str]]:
    return [row[:width] for row in rows]


def _cell(text: str, *, computed: bool) -> str:
    """Return a number that was computed with few digits; a value of the rows as they have it."""
    try:
        value = float(text) if "." in text or "e" in text else None
    except ValueError:
        return text
    if value is None:
        return text
    return format_number(value) if computed else f"{value:.7g}"
