"""How well single columns predict the target, as a training leaves it in `run.json`, and which one leaks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mlpcli.statistics.stands_out import FEWEST_COLUMNS, Standing, stands_out, stands_out_line


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
    for first, second, standing in outstanding_columns(skills, rows=0, classes=()):
        if standing == "leak":
            yield first, second


def outstanding_columns(
    skills: Sequence[ColumnSkill], *, rows: int, classes: Collection[str]
) -> Iterator[tuple[ColumnSkill, ColumnSkill, Standing]]:
    """Yield, for each output, a column that predicts its target far better than all others, and the next one.

    Args:
        skills: as for `leaking_columns`.
        rows: how many training rows there are.
        classes: the outputs of classes.
    """
    for output in dict.fromkeys(each.output for each in skills):
        own = [each for each in skills if each.output == output]
        if len(own) < FEWEST_COLUMNS:
            continue
        first, second = own[:2]
        if standing := stands_out(first.skill, second.skill, rows=rows, classes=output in classes):
            yield first, second, standing


def best_columns(skills: Sequence[ColumnSkill]) -> list[ColumnSkill]:
    """Return of each output the columns that `leaking_columns` needs to know."""
    outputs = dict.fromkeys(each.output for each in skills)
    return [
        each
        for output in outputs
        for each in [one for one in skills if one.output == output][:FEWEST_COLUMNS]
    ]


def leak_line(first: ColumnSkill, second: ColumnSkill, standing: Standing = "leak") -> str:
    """Return what a leaking column shows, without a full stop."""
    return stands_out_line(first.column, first.skill, second.column, second.skill, standing)
