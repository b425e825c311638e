"""What people write about a run: notes and tags, in `notes.json` beside the run's own files."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mlpcli.errors import Problem, UsageError, nearest
from mlpcli.files import write_json
from mlpcli.runs.folder import Run
from mlpcli.runs.guard import check_inside
from mlpcli.runs.lock import changing
from mlpcli.runs.record_models import Record, read_record

NOTES = "notes.json"
TAG = re.compile(r"[\w][\w.:-]{0,39}")
MOST_CHARACTERS = 10_000


class Note(Record):
    """One note: when it was written, and its text."""

    at: str
    text: str


class Notes(Record):
    """`notes.json`: the notes of a run, oldest first, and its tags."""

    notes: list[Note] = Field(default_factory=list)
    tags: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing is written about the run."""
        return not self.notes and not self.tags


NOTHING = Notes()


def read_notes(folder: Path) -> Notes:
    """Return what is written about the run in a folder.

    Raises:
        RunError: the file is damaged.
    """
    try:
        return read_record(folder / NOTES, Notes)
    except FileNotFoundError:
        return NOTHING


def add_notes(run: Run, text: str = "", *, tags: Sequence[str] = (), without: Sequence[str] = ()) -> Notes:
    """Add a note and tags to a run, or take tags off it; return what is written about it then.

    Args:
        run: the run; also one that is being trained.
        text: of the note; empty for none.
        tags: to add.
        without: tags to take off.

    Raises:
        UsageError: a tag that is none, or one to take off that the run does not have.
        RunError: the file is damaged, or another process holds it.
    """
    if problems := [*_problems(text, tags)]:
        raise UsageError(*problems)
    if not (text.strip() or tags or without):
        return read_notes(run.folder)
    with changing(run.folder):
        return _change(run, text, tags, without)


def _problems(text: str, tags: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with a note and with tags to add."""
    if len(text) > MOST_CHARACTERS:
        yield Problem(f"a note has at most {MOST_CHARACTERS:,} characters, this one has {len(text):,}")
    for tag in tags:
        if not TAG.fullmatch(tag):
            rule = f"--tag {tag!r}: a tag is one word of up to 40 letters, digits, '_', '.', ':' and '-'"
            yield Problem(rule, hint="write a sentence as the note")


def _change(run: Run, text: str, tags: Sequence[str], without: Sequence[str]) -> Notes:
    found = read_notes(run.folder)
    if missing := [tag for tag in without if tag not in found.tags]:
        there = f"its tags: {', '.join(found.tags)}" if found.tags else "it has no tags"
        rule = f"run {run.label} has no tag "
        raise UsageError(
            *(Problem(f"{rule}{tag!r}", hint=nearest(tag, found.tags) or there) for tag in missing)
        )
    at = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    notes = [*found.notes, *([Note(at=at, text=text)] if text.strip() else [])]
    kept = [tag for tag in dict.fromkeys([*found.tags, *tags]) if tag not in without]
    changed = Notes(notes=notes, tags=kept)
    if changed != found:
        check_inside(run.folder)
        write_json(run.folder / NOTES, changed.model_dump())
    return changed
