"""What differs between the runs of a page."""

from __future__ import annotations

from collections.abc import Sequence

from mlpcli.errors import show_value
from mlpcli.report.console import format_number
from mlpcli.runs.comparison import side_by_side
from mlpcli.runs.folder import Run


def differences(found: Sequence[Run]) -> dict[str, list[str]]:
    """Return the settings, facts and metrics that differ between some runs, a text for each run."""
    if len(found) < 2:
        return {}
    table = side_by_side(found)
    rows: dict[str, list[str]] = {}
    for part in (table.settings, table.metrics, table.facts):
        for name, values in part.items():
            texts = [_text(value) for value in values]
            if len(set(texts)) > 1:
                rows[name] = texts
    return rows


def _text(value: object) -> str:
    if value is None:
        return ""
    return format_number(value) if isinstance(value, float) else show_value(value, 60).strip("'")
