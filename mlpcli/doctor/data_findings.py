"""Findings from the data of a run: a column that is the target, rows in two splits."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.doctor import treatments as treat
from mlpcli.doctor.bounds import COPIED_ROWS, COPIED_SHARE
from mlpcli.doctor.case import Case
from mlpcli.runs.diagnosis import Finding
from mlpcli.runs.leaking_columns import leak_line, outstanding_columns


def find_leak(case: Case) -> Iterator[Finding]:
    """Yield a column that predicts the target nearly perfectly by itself, or most of what is known of it."""
    rows = case.rows.get("train", 0)
    for first, second, standing in outstanding_columns(case.columns, rows=rows, classes=case.classes):
        leaks = standing == "leak"
        yield Finding(
            "leaking-column" if leaks else "telling-column",
            "error" if leaks else "note",
            leak_line(first, second, standing),
            "a column that good is often written after the target is known, so that new rows lack it",
            {"column": first.column, "skill": first.skill, "next": second.column, "next_skill": second.skill},
            "leave the column out, unless it is known beforehand",
            treat.ignore_column(case, first.column) if leaks else (),
        )


def find_copies(case: Case) -> Iterator[Finding]:
    """Yield splits with rows of the training rows."""
    for count, of, line in case.copies:
        if count < COPIED_ROWS or count < COPIED_SHARE * of:
            continue
        yield Finding(
            "rows-in-two-splits",
            "warning",
            line,
            "scores of rows that the network has seen say nothing of new ones",
            {"rows": count, "of": of},
            "remove the copies, or divide the rows by a column that copies share",
        )
