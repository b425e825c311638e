"""What the doctor finds in the records of a run, at the end of `train` and `tune`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpcli.runs.diagnosis import Finding
    from mlpcli.runs.folder import Run


def find_odd(run: Run) -> tuple[Finding, ...]:
    """Return what the records of a run show, the worst first.

    Raises:
        RunError: a file of the run is damaged.
    """
    from mlpcli.doctor.from_records import diagnose_records

    return diagnose_records(run).findings


def show_odd(findings: Sequence[Finding], run: Run, runs_dir: Path) -> None:
    """Show a line for each finding, but for one that was noted during the training."""
    from mlpcli.report.doctor import show_lines

    left = [each for each in findings if each.code != "no-better-than-baseline"]
    show_lines(left, run.label, str(runs_dir))


def findings_json(findings: Sequence[Finding]) -> dict[str, object]:
    """Return the entry `findings` of a document for scripts."""
    return {"findings": [each.to_json() for each in findings]}
