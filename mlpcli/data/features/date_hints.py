"""What to do about a cell that is no date as its column writes them, for those who do not read `%Y-%m-%d`."""

from __future__ import annotations

import datetime

from mlpcli.data.features.dates import LAYOUTS, parse_dates

EXAMPLE = datetime.date(2024, 5, 31)
EPOCH = datetime.date(1970, 1, 1).toordinal()
MOST = 2
"""The most dates that a cell may mean which are shown."""


def date_rule(written: str) -> str:
    """Return what a cell must be, by an example."""
    return f"must be a date such as {EXAMPLE.strftime(written)}"


def day_text(days: int, written: str) -> str:
    """Return a day, in days since 1970-01-01, as a column writes it."""
    try:
        return datetime.date.fromordinal(EPOCH + days).strftime(written)
    except (ValueError, OverflowError):  # of a record that was edited
        return f"{days:,} days since 1970"


def date_hint(text: str, written: str, *, features: str = "") -> str:
    """Return what to do about a text that is a date in another format; empty for any other text.

    Args:
        text: the cell.
        written: the format of the column.
        features: of a training, the column as a key of `dataset.features`; empty for new rows.
    """
    found: dict[str, str] = {}
    for other in LAYOUTS:
        dates = parse_dates([text], other)
        if other != written and dates.valid[0]:
            found.setdefault(day_text(int(dates.days[0]), written), other)
    if not found:
        return ""
    shown = list(found)[:MOST]
    means = shown[0] if len(shown) == 1 else f"{shown[0]} or {shown[1]}, whichever is meant"
    if not features:
        ways = " or ".join(f"--date-format {found[each]}" for each in shown)
        reads = "reads it so" if len(shown) == 1 else "reads it so, each as its own day"
        return f"write {means}, as in the training file; {ways} {reads}"
    formats = " or ".join(f"{found[each]!r}" for each in shown)
    return f"write {means}, or set dataset.features: {{{features}: {{kind: date, format: {formats}}}}}"
