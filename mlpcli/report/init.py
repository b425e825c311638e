"""What `init` proposes, as text and as JSON."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import wrap

from mlpcli.printable import counted
from mlpcli.report.console import show_json, show_line, show_sentence

ITEM = re.compile(r"Chapter items? (\d[\d, ]*(?:(?: and | to )\d+)?): ")
CHAPTER = (
    'chapter 10 of a textbook on deep learning, "Introduction to artificial neural networks with Keras", '
    "by the number of its item (docs/course.md is a course of them):"
)
"""What the numbers of the examples are."""

LINE = 80
"""Characters of a line."""


@dataclass(frozen=True)
class Proposal:
    """A proposed spec.

    file: where it was written, or None.
    task, why: classification or regression, and what speaks for it.
    rows, rows_without_target: how many rows are used, and how many more are left out.
    splits: how the rows are divided, where that is not at random, and why; or by what they could be.
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
    headed = False
    for name, text in sorted(examples, key=_item):
        item = ITEM.match(text)
        if item and not headed:
            show_line("")
            show_sentence(CHAPTER)
            headed = True
        shown = text
        if item is not None:
            shown = f"{item[1].replace(' and ', ', ').replace(' to ', '-')}: {text[item.end() :]}"
        for number, line in enumerate(wrap(shown, LINE - width - 2)):
            show_line(f"{'' if number else name:{width}}  {line}")
    show_line("")
    show_line("copy one with: mlpcli init --example digits")


def _item(example: tuple[str, str]) -> int:
    """Return the number of the first item of the chapter that an example is of; 0 for none."""
    found = ITEM.match(example[1])
    return 0 if found is None else int(re.split(r"\D", found[1])[0])


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
