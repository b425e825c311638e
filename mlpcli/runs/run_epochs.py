"""How many epochs a run has: of one that has not ended, by its history, which its record does not follow."""

from __future__ import annotations

from mlpcli.errors import RunError
from mlpcli.runs.folder import HISTORY, RUNNING, Run
from mlpcli.runs.record_models import read_history


def epochs_of(run: Run) -> int | None:
    """Return how many epochs a run has; of a running or killed one, those that `--resume` would go on from.

    The record is written as a training begins and as it ends, the history with every checkpoint.
    """
    known = run.record.epochs
    if run.status != RUNNING or run.record.kind == "search":
        return known
    try:
        history = read_history(run / HISTORY)
    except (FileNotFoundError, RunError):  # nothing is saved yet; or damaged, which resuming it says
        return known
    return int(history[-1]["epoch"]) if history else known
