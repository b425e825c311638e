"""The names in a run's or a search's folder that only mlpcli writes."""

from __future__ import annotations

from mlpcli import runs
from mlpcli.files import SCRATCH
from mlpcli.runs.guard import WITHIN_SEARCH
from mlpcli.runs.notes import NOTES
from mlpcli.runs.search_folder import BEST, CHIEF, SEARCH, SEARCHED

REPORT = "report.html"

OWN_FILES = frozenset(
    {
        *(runs.SPEC, runs.RESOLVED, runs.RECORD, runs.HISTORY, runs.METRICS, runs.MODEL, runs.SAVED_MODEL),
        *(runs.PLUGINS, runs.PLOTS, runs.SUMMARY, runs.LOCK, runs.OUT_OF_FOLD, runs.HELD_OUT, NOTES, REPORT),
        *(SEARCH, SEARCHED, BEST, CHIEF, *WITHIN_SEARCH),
    }
)

SHARED_FOLDERS = frozenset({runs.CHECKPOINTS, runs.TENSORBOARD})
"""Folders in which callbacks may write too."""


def is_own(name: str) -> bool:
    """Return whether a name is that of a run's own file or folder, or of one that is not whole yet."""
    if name.startswith(".") and name.endswith(SCRATCH):  # what a killed process has left
        name = name[1:].removesuffix(SCRATCH).rpartition(".")[0]
    return name in OWN_FILES | SHARED_FOLDERS
