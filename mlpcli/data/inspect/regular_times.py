"""Tables that are a series: a row an hour, or a day, of which nothing is known of the rows before."""

from __future__ import annotations

import numpy as np

from mlpcli.data.features.encoders import parse_date_column
from mlpcli.data.features.group_columns import MIN_TIMES
from mlpcli.data.inspect.survey import Survey
from mlpcli.printable import counted

REGULAR = 0.95
"""Share of the steps between rows that are equal where they are those of a series: some rows are missing."""

UNITS = ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
SEE = "the how-to 'Predict what comes next' of the documentation makes them"


def series_notes(survey: Survey) -> list[str]:
    """Return where lags are explained, of a table with a target whose rows follow each other in time."""
    lags = f"a row knows of earlier ones only what its columns say (lags, moving means): {SEE}"
    for name, profile in survey.profiles.items():
        if name == survey.target or profile.content != "dates" or profile.invalid:
            continue
        if (step := _step(survey, name, profile.format or "%Y-%m-%d")) is not None:
            return [f"the dates in column {name!r} are {step} apart; {lags}"]
    return []


def _step(survey: Survey, name: str, written: str) -> str | None:
    """Return the distance of the dates of a column, such as `1 hour`; None where they differ."""
    cells, dates = parse_date_column(survey.table.columns[name], written)
    valid = dates.valid[cells.codes]
    seconds = (dates.days * 86_400.0 + dates.seconds)[cells.codes][valid]
    if len(seconds) < MIN_TIMES:
        return None
    steps, rows = np.unique(np.diff(np.sort(seconds)), return_counts=True)
    usual = float(steps[rows.argmax()])
    if usual <= 0 or rows.max() < REGULAR * rows.sum():
        return None
    size, unit = next(((size, unit) for size, unit in UNITS if usual % size == 0), (1, "second"))
    return counted(round(usual / size), unit)
