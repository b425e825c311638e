"""What `init` proposes, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mlpcli.report.console import show_line


@dataclass(frozen=True)
class Proposal:
    """A proposed spec.

    file: where it was written, or None.
    task, why: classification or regression, and what speaks for it.
    rows, rows_without_target: how many rows are used, and how many more are left out.
    splits: how the rows are divided, where that is not at random, and why; else empty.
    notes: how the table is read, where that is not obvious.
    warnings: what makes the spec worth less than it looks.
    """

    file: str | None
    target: str
    task: str
    why: str
    rows: int
    rows_without_target: int
    splits: str
    notes: Sequence[str]
    warnings: Sequence[str]
    spec: str


def show_proposal(proposal: Proposal, data: str) -> None:
    """Show where a spec was written, the task, warnings, and the commands to run next."""
    show_line(f"{proposal.file} written, for {proposal.rows:,} rows of {data}")
    if proposal.rows_without_target:
        show_line(f"{proposal.rows_without_target:,} rows without a target are left out")
    show_line(f"task {proposal.task}: {proposal.why}")
    if proposal.splits:
        show_line(proposal.splits)
    for note in proposal.notes:
        show_line(f"note: {note}")
    for warning in proposal.warnings:
        show_line(f"warning: {warning}", style="yellow")
    show_line(f"next mlpcli check {proposal.file}")
    show_line(f"     mlpcli train {proposal.file}")


def proposal_json(proposal: Proposal) -> dict[str, object]:
    """Return a proposed spec for scripts."""
    return asdict(proposal)
