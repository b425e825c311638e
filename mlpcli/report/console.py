"""Errors, lines, documents and number formats: what every report uses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mlpcli.errors import MlpcliError, Place, excerpt
from mlpcli.printable import json_text, printable
from mlpcli.program_name import as_called
from mlpcli.report.narrow import wrapped_text
from mlpcli.report.screen import Screen, console, table
from mlpcli.runs.result_texts import format_number as format_number


def show_error(error: MlpcliError) -> None:
    """Show every problem of an error on stderr, then how many there are.

    In a pipe each is one line, however long, so that `grep` and editors find all of it; on a terminal it is
    broken at words.
    """
    out = console(stderr=True)
    for problem in error.problems:
        place = problem.place
        bold = len(printable(str(place))) if isinstance(place, Place) else 0
        for number, line in enumerate(message_lines(problem.headline(), out)):
            shown = Text(line)
            shown.stylize("bold", 0, 0 if number else min(bold, len(line)))
            out.print(shown, soft_wrap=True)
        if isinstance(place, Place) and place.source:
            source, caret = excerpt(place)
            out.print(Text(source, style="dim"), soft_wrap=True)
            out.print(Text(caret, style="bold red"), soft_wrap=True)
    if len(error.problems) > 1:
        out.print(f"{len(error.problems)} problems found", style="bold")


_for_documents: list[TextIO] = []
"""The stdout that `stdout_for_documents` has set aside."""


@contextlib.contextmanager
def stdout_for_documents() -> Iterator[None]:
    """Keep stdout for `show_json`; what else is printed inside, as by a plug-in, goes to stderr."""
    _for_documents.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _for_documents.pop()


def message_lines(text: str, out: Screen) -> list[str]:
    """Return a message in lines that fit a terminal, the later ones indented; in a pipe it is one line."""
    return wrapped_text(text, out.width) if out.is_terminal else [as_called(text)]


def show_json(document: object) -> None:
    """Write one JSON document to stdout."""
    out = _for_documents[-1] if _for_documents else sys.stdout
    ascii_only = not (out.encoding or "").lower().startswith("utf")
    out.write(json_text(document, ascii_only=ascii_only) + "\n")
    out.flush()  # who reads the address of a server is waiting for it


def show_text(text: str) -> None:
    """Write a document, such as a spec or a script, to stdout unchanged; its names are escaped already."""
    sys.stdout.write(text)


def show_line(text: str, *, stderr: bool = False, style: str = "") -> None:
    """Show one line."""
    console(stderr=stderr).print(Text(as_called(text), style=style), soft_wrap=True)


def show_sentence(text: str, *, label: str = "", stderr: bool = False, style: str = "") -> None:
    """Show a sentence in lines that fit the terminal, or 80 columns of a pipe, the first after a label."""
    out = console(stderr=stderr)
    for line in wrapped_text(text, out.room, label):
        out.print(Text(line, style=style), soft_wrap=True)


def show_dropped(dropped: Sequence[str]) -> None:
    """Say on stderr which columns of a table were left out."""
    if dropped:
        show_sentence(f"left out, since too wide: {', '.join(dropped)}; --json has everything", stderr=True)


def fitting_table(out: Screen, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a plain table, transposed where the console is too narrow for it."""
    shown = table(columns, rows)
    if fits(out, shown):
        return shown
    return table(
        (columns[0], *(row[0] for row in rows)), zip(columns[1:], *(row[1:] for row in rows), strict=True)
    )


def fits(out: Screen, shown: Table) -> bool:
    """Return whether a table can be shown without cutting anything off."""
    return Measurement.get(out, out.options.update(width=10_000), shown).maximum <= out.room


def format_duration(seconds: float) -> str:
    """Return a duration as `12 ms`, `4.2 s`, `3 min 20 s` or `2 h 5 min`."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
