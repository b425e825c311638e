"""A table's columns and warnings on screen and as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpcli.report.console import show_line
from mlpcli.report.screen import console, cut, table

if TYPE_CHECKING:
    from mlpcli.data.features.profiles import Profile
    from mlpcli.data.inspect.survey import Survey

BARS, ASCII_BARS = "▁▂▃▄▅▆▇█", ".:-=+*%#"
TEXT_WIDTH = 28


def show_survey(survey: Survey, warnings: list[str]) -> None:
    """A line a column, then the warnings."""
    from mlpcli.data.inspect.survey import histogram

    out = console()
    show_line(f"{survey.path}: {survey.table.rows:,} rows, {len(survey.profiles)} columns")
    rows = [
        (
            name,
            survey.kind(name),
            f"{profile.missing:,}",
            f"{profile.distinct:,}",
            bars(histogram(profile)),
            extent(profile),
        )
        for name, profile in survey.profiles.items()
    ]
    shown = table(("column", "kind", "missing", "distinct", "histogram", "range"), rows, names=(0, 5))
    for place in (1, 4, 5):
        shown.columns[place].justify = "left"
    out.print(shown)
    for warning in warnings:
        show_line(warning, style="yellow")


def bars(counts: list[int]) -> str:
    """A character a count, the highest for the largest; a space for none."""
    marks = BARS if (sys.stdout.encoding or "").lower().startswith("utf") else ASCII_BARS
    most = max(counts, default=0)
    return "".join(marks[(len(marks) * count - 1) // most] if count else " " for count in counts)


def extent(profile: Profile) -> str:
    """`1 to 52` of numbers and dates, the commonest values of everything else."""
    if profile.content == "dates":
        from mlpcli.data.inspect.survey import dates_of

        texts, _, _ = dates_of(profile)
        return f"{texts[0]} to {texts[-1]}" if texts else ""
    if profile.numbers is not None:
        if profile.present == profile.invalid:
            return ""
        return f"{np.nanmin(profile.numbers):g} to {np.nanmax(profile.numbers):g}"
    text = ", ".join([*list(profile.counts)[:3], *(["..."] if len(profile.counts) > 3 else [])])
    return cut(text, TEXT_WIDTH)


def survey_json(survey: Survey, warnings: list[str]) -> dict[str, Any]:
    """A survey for scripts."""
    from mlpcli.data.inspect.survey import dates_of, histogram

    columns = {}
    for name, profile in survey.profiles.items():
        columns[name] = {
            "kind": survey.kind(name),
            "missing": profile.missing,
            "distinct": profile.distinct,
            "histogram": histogram(profile),
        }
        if profile.content == "dates":
            dates, _, _ = dates_of(profile)
            columns[name]["range"] = [dates[0], dates[-1]] if dates else []
        elif profile.numbers is None:
            columns[name]["values"] = dict(list(profile.counts.items())[:10])
        elif profile.present > profile.invalid:
            columns[name]["range"] = [float(np.nanmin(profile.numbers)), float(np.nanmax(profile.numbers))]
    return {
        "data": survey.path,
        "rows": survey.table.rows,
        "target": survey.target,
        "columns": columns,
        "warnings": warnings,
    }
