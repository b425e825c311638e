"""The results of bench_tables.py: a line of JSON each, and predictions beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

OURS = "ours"
"""How the names of mlpcli's own models begin."""


class Result(TypedDict, total=False):
    """A line of the results."""

    table: str
    split: int
    model: str
    task: str
    rows: int
    scores: dict[str, float]
    seconds: float
    cpu: float
    threads: int
    timed: bool
    made: str
    details: dict[str, object]


Key = tuple[str, int, str]
"""Table, split, model."""


def read_results(path: Path) -> dict[Key, Result]:
    """Return the results of a file by table, split and model; of several the last that counts.

    A result whose seconds do not count never stands before one whose do.
    """
    found: dict[Key, Result] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            result: Result = json.loads(line)
        except json.JSONDecodeError:  # the end of one that was killed
            continue
        key = result["table"], result["split"], result["model"]
        if key not in found or result["timed"] or not found[key]["timed"]:
            found[key] = result
    return found


def predictions_of(results: Path, key: Key) -> Path:
    """Return the file of predictions that belongs to a result."""
    table, split, model = key
    return results.with_suffix("") / f"{table}-{split}-{model}.npz"
