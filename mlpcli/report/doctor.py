"""What is wrong with a training, as text and as JSON."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from mlpcli.printable import counted, printable
from mlpcli.program_name import as_called
from mlpcli.report.console import show_line
from mlpcli.report.screen import console
from mlpcli.runs.diagnosis import Diagnosis, Finding
from mlpcli.runs.shell_options import runs_dir_option

STYLES = {"error": "red", "warning": "yellow", "note": "cyan"}
HEALTHY = "nothing is wrong that the doctor knows of"
HEALTHY_BUT = "nothing is wrong with the training that the doctor knows of, but"


def show_diagnosis(label: str, found: Diagnosis, diff: Sequence[str]) -> None:
    """Show each finding with its evidence, reason and treatment, and the patch of all of them."""
    out = console()
    measured = f", its network measured on {counted(found.rows, 'training row')}" if found.rows else ""
    out.print(Text(f"{printable(label)}{measured}", style="bold"))
    for note in found.notes:
        show_line(note, stderr=True, style="yellow")
    if not found.findings:
        show_line(f"{HEALTHY_BUT} {'; '.join(found.scores)}" if found.scores else HEALTHY)
    else:
        for line in found.scores:
            show_line(line)
    for each in found.findings:
        out.print()
        out.print(Text(f"{each.severity}  {each.code}", style=STYLES[each.severity]), soft_wrap=True)
        parts = (each.seen, each.why, f"to do: {each.fix}" if each.fix else "")
        for line in (line for part in parts if part for line in _lines(part, out.room)):
            out.print(Text(line), soft_wrap=True)
    if diff:
        out.print()
        for line in diff:
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            out.print(Text(printable(line), style=style), soft_wrap=True)


def _lines(text: str, room: int) -> list[str]:
    return textwrap.wrap(
        printable(as_called(text)),
        max(30, room),
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def show_written(path: Path, *, comments: bool) -> None:
    """Show where the spec with the patch is, and what to type next."""
    show_line("")
    lost = "" if comments else ", without the comments: its text could not be changed in place"
    show_line(f"written to {path}{lost}")
    show_line(f"next: mlpcli train {shlex.quote(str(path))}")


def show_how(run: str, runs_dir: str) -> None:
    """Show the command that writes the patch."""
    show_line("")
    show_line(f"{_command(f'{shlex.quote(run)} --apply', runs_dir)} writes a spec with this patch")


def _command(arguments: str, runs_dir: str) -> str:
    return f"mlpcli doctor {arguments}{runs_dir_option(runs_dir)}"


def show_nothing() -> None:
    """Show that there is nothing to write."""
    show_line("")
    show_line("nothing was written: no finding has a patch")


def show_lines(found: Sequence[Finding], run: str, runs_dir: str) -> None:
    """Show a line for each finding after a training, and the command that shows the rest."""
    out = console()
    for each in found:
        lines = textwrap.wrap(
            printable(f"{each.code}: {each.seen}"),
            max(30, out.room),
            initial_indent="odd  ",
            subsequent_indent="     ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines:
            out.print(Text(line, style=STYLES[each.severity]), soft_wrap=True)
    if found:
        what = "why, and a patch" if any(each.patch for each in found) else "why"
        out.print(Text(as_called(f"     {what}: {_command(shlex.quote(run), runs_dir)}")), soft_wrap=True)


def diagnosis_json(
    label: str, folder: str, found: Diagnosis, diff: str, written: Path | None
) -> dict[str, object]:
    """Return a diagnosis for scripts."""
    return {
        "run": label,
        "folder": folder,
        "rows": found.rows,
        "findings": [each.to_json() for each in found.findings],
        "notes": [*found.notes, *found.scores],
        "diff": diff,
        "written": None if written is None else str(written),
    }
