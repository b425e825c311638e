"""How well single columns predict the target, as a training leaves it in `run.json`, and which one leaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LEAK = 0.98
"""How well one column alone predicts the target, from 0 for a constant prediction to 1 ..."""

LEAK_LEAD = 0.05
"""... and how far the next column is behind."""

FEWEST_COLUMNS = 3
"""With fewer columns, one that says all is no surprise."""


class ColumnSkill(BaseModel):
    """How well one column alone predicts the target on rows that it was not fitted on, from 0 to 1.

    Attributes:
        column: its name.
        skill: see `statistics/column_skill`.
        output: whose target; empty where there is one.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    column: str
    skill: Annotated[float, Field(ge=0, le=1)]
    output: str = ""


def leaking_columns(skills: Sequence[ColumnSkill]) -> Iterator[tuple[ColumnSkill, ColumnSkill]]:
    """Yield, for each output, a column that predicts its target nearly perfectly by itself, and the next one.

    Args:
        skills: the best of each output first; at least `FEWEST_COLUMNS` of them where there are so many.
    """
    for output in dict.fromkeys(each.output for each in skills):
        own = [each for each in skills if each.output == output]
        if len(own) < FEWEST_COLUMNS or own[0].skill < LEAK or own[0].skill - own[1].skill < LEAK_LEAD:
            continue
        yield own[0], own[1]


def best_columns(skills: Sequence[ColumnSkill]) -> list[ColumnSkill]:
    """Return of each output the columns that `leaking_columns` needs to know."""
    outputs = dict.fromkeys(each.output for each in skills)
    return [
        each
        for output in outputs
        for each in [one for one in skills if one.output == output][:FEWEST_COLUMNS]
    ]


def leak_line(first: ColumnSkill, second: ColumnSkill) -> str:
    """Return what a leaking column shows, without a full stop."""
    return (
        f"column {first.column!r} alone predicts the target, with a skill of {first.skill:.3g} of 1; "
        f"the next, {second.column!r}, has {second.skill:.3g}"
    )
