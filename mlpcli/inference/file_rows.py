"""The rows of one file, as the models of several runs take them: for runs of other data than each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.errors import MlpcliError
from mlpcli.inference.common_rows import CommonRows, OwnRows, in_common, why_other_rows
from mlpcli.inference.rows_to_evaluate import rows_to_evaluate
from mlpcli.model.trained_model import load_trained
from mlpcli.runs.folder import Run


def rows_of_file(found: Sequence[Run], path: Path) -> CommonRows:
    """Load the models of some runs, and the rows of a file with their targets as each takes them.

    Rows that a run was trained on are a warning of its model.

    Args:
        found: the runs.
        path: the file.

    Returns:
        The rows that all can use; fewer than two runs where nothing can be compared.
    """
    rows: list[OwnRows] = []
    refused: list[str] = []
    for position, run in enumerate(found):
        try:
            trained = load_trained(run)
            given = rows_to_evaluate(trained, "", path)
        except MlpcliError as error:
            refused.append(f"run {run.label}: {error.problems[0].headline()}")
            continue
        notes = (f"run {run.label}: {note}" for note in given.warnings)
        own = replace(trained, warnings=(*trained.warnings, *notes))
        each = OwnRows(position, own, given.split, str(path), (path,), str(path), given.left_out)
        why = why_other_rows(rows[0], each) if rows else ""
        if why:
            refused.append(why)
        else:
            rows.append(each)
    return in_common(str(path), rows, refused)
