"""What is written about a run."""

from __future__ import annotations

from mlpcli.report.console import show_line
from mlpcli.runs.folder import Run
from mlpcli.runs.notes import Notes


def show_notes(run: Run, notes: Notes) -> None:
    """Show what is written about a run."""
    if notes.empty:
        show_line(f'{run.label} has no note and no tag; mlpcli note {run.label} "..." --tag good')
        return
    show_line(f"{run.label}  tags: {', '.join(notes.tags) or 'none'}")
    for note in notes.notes:
        show_line(f"{note.at[:16].replace('T', ' ')}  {note.text}")
