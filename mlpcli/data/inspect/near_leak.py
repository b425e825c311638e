"""A column that predicts the target far better than all others, with exceptions: what `check` finds too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpcli.data.inspect.survey import Survey
from mlpcli.data.inspect.value_codes import value_codes
from mlpcli.data.types import Array
from mlpcli.statistics.column_skill import MOST_CODES, column_skill
from mlpcli.statistics.stands_out import FEWEST_COLUMNS, stands_out, stands_out_line

MOST_ROWS, MOST_COLUMNS = 2000, 2000
"""The most rows that are looked at, and the most columns; of more, nothing is said."""

SEED = 42


@dataclass(frozen=True)
class NearLeak:
    """A column that says nearly all of the target, and what that asks a person."""

    column: str
    question: str


def find_near_leak(survey: Survey) -> NearLeak | None:
    """Return the column that predicts the target far better than all others; None where none does."""
    names = [*survey.features.used]
    if survey.target is None or not FEWEST_COLUMNS <= len(names) <= MOST_COLUMNS:
        return None
    aim = survey.profiles[survey.target]
    target = value_codes(survey, survey.target) if survey.has_classes else aim.numbers
    if target is None or aim.distinct < 2:
        return None
    if aim.numbers is None:
        there = np.flatnonzero(~survey.table.columns[survey.target].texts.mask((None,)))
    else:
        there = np.flatnonzero(~np.isnan(aim.numbers))
    rows = np.random.default_rng(SEED).permutation(there)[:MOST_ROWS]
    skills = []
    for name in names:
        values = _values(survey, name)
        if values is not None:
            skill = column_skill(values[rows], target[rows], classes=survey.has_classes, seed=SEED)
            skills.append((max(0.0, skill), name))
    if len(skills) < FEWEST_COLUMNS:
        return None
    (best, column), (following, other) = sorted(skills, key=lambda each: -each[0])[:2]
    standing = stands_out(best, following, rows=len(there), classes=survey.has_classes)
    if not standing:
        return None
    line = stands_out_line(column, best, other, following, standing)
    return NearLeak(column, f"{line}; is it known when predicting?")


def _values(survey: Survey, name: str) -> Array | None:
    """Return a column as numbers, missing ones below all others; None for texts whose order says nothing."""
    numbers = survey.profiles[name].numbers
    if numbers is None:
        codes = value_codes(survey, name)
        return codes if len(np.unique(codes)) <= MOST_CODES else None
    missing = np.isnan(numbers)
    if missing.all():
        return None
    least, most = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    return np.where(missing, least - (most - least) - 1, numbers)
