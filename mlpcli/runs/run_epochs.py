"""How many epochs a run has: of one that has not ended, by its history, which its record does not follow."""

from __future__ import annotations

from dataclasses import dataclass

from mlpcli.errors import RunError
from mlpcli.runs.folder import COMPLETED, HISTORY, RUNNING, Run, open_run
from mlpcli.runs.record_models import read_history


@dataclass(frozen=True)
class Progress:
    """How far a run with folds or seeds has come that has not reached its end.

    Attributes:
        finished: its trainings that are finished.
        count: of all.
        word: what each is: a fold, a seed, or a training where there are several seeds of each fold.
        epochs: of the training that is not finished; None where none has begun.
    """

    finished: int
    count: int
    word: str
    epochs: int | None

    def __str__(self) -> str:
        """Return `4 (fold 2 of 3)`, or `(1 of 3 folds)` where no further one has begun."""
        if self.epochs is None:
            return f"({self.finished} of {self.count} {self.word}s)"
        return f"{self.epochs} ({self.word} {self.finished + 1} of {self.count})"


def epochs_of(run: Run) -> int | None:
    """Return how many epochs a run has; of a running or killed one, those that `--resume` would go on from.

    The record is written as a training begins and as it ends, the history with every checkpoint. Of a run
    with folds or seeds that has not reached its end they are those of the training in progress.
    """
    known = run.record.epochs
    if (progress := progress_of(run)) is not None:
        return progress.epochs
    if run.status != RUNNING or run.record.kind == "search":
        return known
    try:
        history = read_history(run / HISTORY)
    except (FileNotFoundError, RunError):  # nothing is saved yet; or damaged, which resuming it says
        return known
    return int(history[-1]["epoch"]) if history else known


def progress_of(run: Run) -> Progress | None:
    """Return how far a run with folds or seeds has come; None where it is complete, and for any other run."""
    members = run.record.members
    if members is None or run.status == COMPLETED or not members.folders[0].startswith(("folds/", "seeds/")):
        return None
    finished, epochs = 0, None
    for name in members.folders:
        try:
            member = open_run(run / name)
        except RunError:  # it has not begun; or damaged, which resuming it says
            continue
        if member.status == COMPLETED and not member.record.can_go_on:
            finished += 1
        elif epochs is None:
            epochs = epochs_of(member)
    word = "seed" if members.folds == 1 else "fold" if members.seeds == 1 else "training"
    return Progress(finished, len(members.folders), word, epochs)


def epochs_text(run: Run) -> str:
    """Return the epochs of a run as a list of runs shows them; empty where they are not known."""
    progress = progress_of(run)
    found = epochs_of(run) if progress is None else progress
    return "" if found is None else str(found)
