"""What `export` has written, side by side."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from rich.text import Text

from mlpcli.machine import format_bytes
from mlpcli.report.console import format_number
from mlpcli.report.narrow import wrapped_text
from mlpcli.report.screen import Screen, console, table
from mlpcli.runs.exported import Exported


def show_exported(label: str, written: Sequence[Exported]) -> None:
    """Show sizes, differences and durations of each file, and a program that loads it.

    Args:
        label: of the run.
        written: the files.
    """
    out = console()
    rows = max(each.rows for each in written)
    compared = f": each compared with predict on {rows:,} rows" if rows else ""
    out.print(Text(f"{label}{compared}", style="bold"))
    out.print(
        table(("file", "format", "size", "difference", "1 row", "1,000 rows"), list(map(_row, written)))
    )
    if rows:
        _show_wrapped(out, "difference: the largest, as a share of the range of a result's values")
    for each in written:
        for note in each.notes:
            _show_wrapped(out, f"{each.format}: {note}")
        _show_scores(out, each)
    for each in written:
        out.print()
        out.print(Text(f"{each.path}, in Python:", style="bold"))
        for line in each.example.splitlines():
            out.print(Text(f"  {line}" if line else ""))


def show_docker(found: Mapping[str, object]) -> None:
    """Show what `export --docker` has written, and how to start it."""
    out = console()
    folder, model, image = found["folder"], found["model"], found["image"]
    path = shlex.quote(str(folder))
    out.print(Text(f"{found['run']}: {folder} is ready for docker build", style="bold"))
    text = f"the SavedModel answers request.json as predict does (difference {found['difference']:.1e}); "
    _show_wrapped(out, f"{text}the image itself was not built")
    out.print(Text(f"  docker build -t {image} {path}"))
    out.print(Text(f"  docker run --rm -p 8501:8501 {image}"))
    address = f"http://localhost:8501/v1/models/{model}:predict"
    out.print(Text(f"  curl -s -d @{path}/request.json {address}"))


def _row(each: Exported) -> tuple[str, ...]:
    difference = (f"{each.difference:.1e}" if each.difference else "0") if each.rows else ""
    times = [_milliseconds(each.seconds[rows]) if rows in each.seconds else "" for rows in (1, 1000)]
    return (str(each.path), each.format, format_bytes(each.size), difference, *times)


def _milliseconds(seconds: float) -> str:
    if seconds < 1e-4:
        return f"{seconds * 1000:.4f} ms"
    return f"{seconds * 1000:.2f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _show_scores(out: Screen, each: Exported) -> None:
    """Show what int8 costs."""
    for score in each.scores:
        of = f" of {score.output}" if score.output else ""
        line = f"int8: {score.metric}{of} on {score.rows:,} {score.split} rows: "
        numbers = f"{format_number(score.before)} by predict, {format_number(score.after)} by the file"
        _show_wrapped(out, line + numbers)


def _show_wrapped(out: Screen, text: str) -> None:
    for line in wrapped_text(text, out.room):
        out.print(Text(line))
