"""Confidence intervals in words: `0.8921 to 0.9034`, what one means, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping

from mlpcli.report.console import format_number
from mlpcli.runs.comparison import settings_of
from mlpcli.runs.folder import Run
from mlpcli.runs.results import Intervals

UNDEFINED = "undefined"
"""What is shown for a metric that some rows do not define: Keras gives it a value, mostly 0."""


def interval_text(intervals: Intervals, name: str) -> str:
    """Return the interval of a metric, or an empty text where it has none."""
    return ends_text(intervals.bounds.get(name))


def value_text(intervals: Intervals | None, name: str, value: float) -> str:
    """Return the value of a metric, or `undefined` where the rows do not define it."""
    return UNDEFINED if intervals is not None and name in intervals.undefined else format_number(value)


def ends_text(ends: tuple[float, float] | None) -> str:
    """Return an interval as `0.8921 to 0.9034`; an empty text where there is none."""
    return "" if ends is None else f"{format_number(ends[0])} to {format_number(ends[1])}"


def interval_notes(intervals: Intervals) -> list[str]:
    """Return a line for each note, and for each reason why there is no value or interval."""
    left_out = {name: why for name, why in intervals.left_out.items() if name not in intervals.undefined}
    return [
        *(f"{names}: {text}" for text, names in _by_text(intervals.notes).items()),
        *(f"{names}: {UNDEFINED}: {text}" for text, names in _by_text(intervals.undefined).items()),
        *(f"{names}: no interval: {text}" for text, names in _by_text(left_out).items()),
    ]


def split_note(run: Run, split: str) -> str:
    """Return what intervals do not say of rows split off by time or by group; else an empty text."""
    found = settings_of(run)
    if f"dataset.{split}.by" not in found:
        return ""
    if f"dataset.{split}.last" not in found:
        column = found[f"dataset.{split}.by"].value
        alike = f"{split} rows with the same {column!r} may be alike, and an interval counts each by itself"
        return f"{alike}: it may be too narrow"
    how_sure = "an interval says how sure a value is for rows of their time, not for later ones"
    return f"the {split} rows are later than the training rows: {how_sure}"


def _by_text(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the names by text, each once: `loss, accuracy`."""
    found: dict[str, list[str]] = {}
    for name, text in texts.items():
        found.setdefault(text, []).append(name)
    return {text: ", ".join(names) for text, names in found.items()}
