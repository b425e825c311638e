"""The run that is named on the command line."""

from __future__ import annotations

from pathlib import Path

from mlpcli.runs.folder import Run, find_run


def find_named(text: str, runs_dir: Path, *, unfinished: bool = False, trusted: bool = False) -> Run:
    """Find a run as `find_run` does, and report the damaged runs of its name that were left out.

    Raises:
        RunError: As `find_run`.
    """
    from mlpcli.report.runs import show_left_out

    found = find_run(text, runs_dir, unfinished=unfinished, trusted=trusted)
    show_left_out(found.left_out)
    return found
