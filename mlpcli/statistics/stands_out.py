"""Does one column predict a target so much better than others that it may be written after it? No NumPy."""

from __future__ import annotations

from typing import Literal

FEWEST_COLUMNS = 3
"""With fewer columns, one that says all is no surprise."""

LEAK, LEAK_LEAD = 0.98, 0.05
"""How well one column alone predicts the target (`column_skill`), and how far the next is behind."""

CARRIES, CARRIES_LEAD = 0.8, 0.5
"""The same of a class that one column predicts with exceptions: of 21 tables none has such a column."""

FEWEST_ROWS = 100
"""With fewer, a column may do that by chance."""

Standing = Literal["leak", "carries", ""]


def stands_out(best: float, following: float, *, rows: int, classes: bool) -> Standing:
    """Return whether the best column says all of a target, or nearly all that is known of a class.

    Args:
        best: its skill.
        following: that of the next column.
        rows: how many there are to learn from.
        classes: whether the target is a class: the last value of a series predicts the next as well, and is
            known.
    """
    if best >= LEAK and best - following >= LEAK_LEAD:
        return "leak"
    carries = classes and rows >= FEWEST_ROWS and best >= CARRIES and best - following >= CARRIES_LEAD
    return "carries" if carries else ""


def stands_out_line(column: str, best: float, other: str, following: float, standing: Standing) -> str:
    """Return what such a column shows, without a full stop."""
    nearly = "carries nearly all that is known of the target"
    what = "alone predicts the target" if standing == "leak" else nearly
    return (
        f"column {column!r} {what}, with a skill of {best:.3g} of 1; the next, {other!r}, has {following:.3g}"
    )
