"""What `init` proposes, as text and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import wrap

from mlpcli.printable import counted
from mlpcli.report.console import show_json, show_line, show_sentence

LINE = 80
"""Characters of a line."""


@dataclass(frozen=True)
class Proposal:
    """A proposed spec.

    file: where it was written, or None.
    task, why: classification or regression, and what speaks for it.
    rows, rows_without_target: how many rows are used, and how many more are left out.
    splits: how the rows are divided, where that is not at random, and why; else empty.
    notes: how the table is read, where that is not obvious.
    warnings: what makes the spec worth less than it looks.
    row: what a row is called: `row`, or `image`.
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
    row: str = "row"


def show_proposal(proposal: Proposal, data: str) -> None:
    """Show where a spec was written, the task, warnings, and the commands to run next."""
    show_sentence(f"{proposal.file} written, for {counted(proposal.rows, proposal.row)} of {data}")
    if proposal.rows_without_target:
        show_line(f"left out: {counted(proposal.rows_without_target, 'row')} without a target")
    show_sentence(f"{proposal.task}: {proposal.why}", label="task ")
    if proposal.splits:
        show_sentence(proposal.splits)
    for note in proposal.notes:
        show_sentence(note, label="note: ")
    for warning in proposal.warnings:
        show_sentence(warning, label="warning: ", style="yellow")
    if proposal.file is not None:
        _show_next(proposal.file, "train")


def proposal_json(proposal: Proposal) -> dict[str, object]:
    """Return a proposed spec for scripts."""
    document = asdict(proposal)
    del document["row"]
    return document


def show_examples(examples: Sequence[tuple[str, str]], *, json: bool) -> None:
    """Show the examples that can be copied, and how.

    Args:
        examples: their names, and what each shows.
        json: as one JSON document.
    """
    if json:
        show_json({"examples": [{"name": name, "shows": text} for name, text in examples]})
        return
    width = max(len(name) for name, _ in examples)
    for name, text in examples:
        for number, line in enumerate(wrap(text, LINE - width - 2)):
            show_line(f"{'' if number else name:{width}}  {line}")
    show_line("copy one with: mlpcli init --example digits")


def show_example(files: Sequence[Path], *, json: bool) -> None:
    """Show which files of an example were written, and the command to run next.

    Args:
        files: the spec first.
        json: as one JSON document.
    """
    if json:
        show_json({"file": str(files[0]), "files": [str(file) for file in files]})
        return
    spec, *others = files
    show_sentence(f"{spec} written" + (f", with {', '.join(map(str, others))}" if others else ""))
    verb = "tune" if "\ntuner:" in spec.read_text(encoding="utf-8") else "train"
    _show_next(str(spec), verb)


def _show_next(spec: str, verb: str) -> None:
    """Show the commands to run next."""
    show_line(f"next mlpcli check {shlex.quote(spec)}")
    show_line(f"     mlpcli {verb} {shlex.quote(spec)}")
