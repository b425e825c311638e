"""What is about to be deleted, and what was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from mlpcli.machine import format_bytes
from mlpcli.printable import counted
from mlpcli.report.console import show_line
from mlpcli.report.screen import console
from mlpcli.runs.folder import Run
from mlpcli.runs.remove import Removable


def show_removable(chosen: Sequence[Removable], users: Sequence[tuple[Removable, Run]] = ()) -> None:
    """Show what is about to be deleted, a line each with its size, and which runs began with it."""
    out = console()
    width = max((len(each.label) for each in chosen), default=0)
    sizes = [format_bytes(each.size) for each in chosen]
    for each, size in zip(chosen, sizes, strict=True):
        line = f"{each.label:{width}}  {size:>{max(map(len, sizes))}}  {each.status}"
        if each.reason and len(line) + 2 + len(each.reason) > out.room:
            out.print(Text(line), soft_wrap=True)
            out.print(Text(f"  {each.reason}"), soft_wrap=True)
        else:
            out.print(Text(f"{line}  {each.reason}".rstrip()), soft_wrap=True)
    for each, run in users:
        line = f"{run.label} began with {each.label}; it stays usable, but is not trained again without it"
        show_line(line, stderr=True, style="yellow")


def show_kept(folder: Path, size: int) -> None:
    """Show the folder of kept files, unless they are none."""
    if size:
        show_line(f"{folder}  {format_bytes(size)}  images and rows that are read again when needed")


def show_used(folder: Path, size: int) -> None:
    """Show that kept files stay which a process uses, unless there are none."""
    if size:
        line = f"{folder}  {format_bytes(size)} stay: a training, or another command, uses these rows now"
        show_line(line, stderr=True, style="yellow")


def total_text(chosen: Sequence[Removable], kept: int = 0) -> str:
    """Return how many runs there are and how large they are, with the bytes of kept files."""
    count, size = len(chosen), sum(each.size for each in chosen)
    parts = [*([counted(count, "run")] if count or not kept else []), *(["kept files"] if kept else [])]
    return f"{' and '.join(parts)}, {format_bytes(size + kept)}"


def removal_json(chosen: Sequence[Removable], *, removed: bool, kept: int = 0) -> dict[str, object]:
    """Return what was deleted, or would be, for scripts."""
    return {
        "removed": removed,
        "bytes": sum(each.size for each in chosen) + kept,
        **({"kept_files": kept} if kept else {}),
        "runs": [
            {
                "run": each.label,
                "folder": str(each.folder),
                "status": each.status,
                "reason": each.reason,
                "bytes": each.size,
            }
            for each in chosen
        ],
    }
