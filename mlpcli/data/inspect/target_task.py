"""Decide what a network would do with a target: predict one of some classes, or a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from mlpcli.data.features.profiles import Profile
from mlpcli.data.types import Array
from mlpcli.errors import Problem, UsageError, wrong_choice
from mlpcli.printable import counted

TaskKind = Literal["classification", "regression"]

MAX_CODES = 20
"""Whole numbers with more distinct values than this are numbers, not the codes of classes."""

MAX_EITHER = 100
"""Nobody takes more distinct numbers than this for classes."""

ROWS_PER_CODE = 10
"""As are whole numbers with fewer rows than this for a distinct value."""

FEW_CODES, MANY_CODES = 4, 10
"""So few distinct values are codes of classes; those of more are codes only if their rows are balanced."""

BALANCED, VERY_BALANCED, UNEVEN = 3.0, 1.5, 5.0
"""How many times the rows of the rarest value the most frequent has: up to the first, values are codes; up to
the second, many values are too; from the last on, values whose rows have a single peak count something."""

ALIKE = 0.2
"""Rows of neighbouring values that differ by less than this share, or by chance, go neither up nor down."""


@dataclass(frozen=True)
class Task:
    """What to predict.

    Attributes:
        kind: of the task.
        why: it was chosen: a phrase about the target's values.
        other: the task that the values allow too.
    """

    kind: TaskKind
    why: str
    other: TaskKind | None = None

    @property
    def reason(self) -> str:
        """Why the task was chosen, and how to choose the other."""
        return f"{self.why} (--task {self.other} if that is wrong)" if self.other else self.why


def check_task(wanted: str | None) -> TaskKind | None:
    """Return the value of `--task`.

    Raises:
        UsageError: it is no task.
    """
    for kind in get_args(TaskKind):
        if wanted == kind:
            found: TaskKind = kind
            return found
    if wanted is None:
        return None
    others = dict.fromkeys(("classes", "class", "classify", "binary", "multiclass"), "classification")
    others |= dict.fromkeys(("numbers", "number", "regress", "numeric"), "regression")
    raise UsageError(wrong_choice("--task", wanted, get_args(TaskKind), others))


def choose_task(profile: Profile, wanted: TaskKind | None) -> Task:
    """Decide by a target's values what to predict.

    Args:
        profile: of the target.
        wanted: what the user says; None to decide.

    Returns:
        The task.

    Raises:
        UsageError: the target's values do not allow what is wanted.
    """
    guess = _guess(profile)
    if wanted == guess.kind:
        return guess
    if wanted is None:
        other: TaskKind = "regression" if guess.kind == "classification" else "classification"
        return replace(guess, other=other) if _may_be_either(profile) else guess
    where = f"--task: the target {profile.name!r}"
    if wanted == "regression" and profile.numbers is None:
        rule = f"{where} holds no numbers to predict by regression ({guess.why})"
        raise UsageError(Problem(rule, hint="leave --task out, or choose another --target"))
    if wanted == "classification" and (fraction := _fraction(profile)) is not None:
        rule = f"{where} holds fractions, which are no classes"
        hint = "leave --task out, or write a column of class names into the table"
        raise UsageError(Problem(rule, received=fraction, hint=hint))
    return Task(wanted, f"as --task says; its values look like {guess.kind}: {guess.why}")


def number_counts(profile: Profile) -> Mapping[float, int]:
    """Return the rows of each distinct number of a target, in the order of the numbers."""
    assert profile.numbers is not None
    values, counts = np.unique(profile.known, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _guess(profile: Profile) -> Task:
    if profile.numbers is None:
        if profile.content == "booleans":
            return Task("classification", "yes or no")
        what = {"texts": "text", "dates": "dates"}.get(profile.content, "no numbers")
        return Task("classification", f"{what} of {_distinct(profile.distinct)}")
    counts = number_counts(profile)
    codes, rows = len(counts), sum(counts.values())
    if _fraction(profile) is not None:
        return Task("regression", "numbers with fractions")
    if codes == 2:
        return Task("classification", "whole numbers of 2 distinct values")
    what = f"whole numbers of {_distinct(codes)}"
    if codes > MAX_CODES or codes * ROWS_PER_CODE > rows:
        return Task("regression", f"{what} in {counted(rows, 'row')}")
    if codes <= FEW_CODES:
        return Task("classification", what)
    frequent, rare = max(counts.values()), min(counts.values())
    shares = f"{what}, the most frequent in {counted(frequent, 'row')}, the rarest in {rare:,}"
    if frequent <= (VERY_BALANCED if codes > MANY_CODES else BALANCED) * rare:
        return Task("classification", shares)
    peaked = frequent >= UNEVEN * rare and _peaks(np.array(list(counts.values()))) == 1
    if codes > MANY_CODES or peaked:
        return Task("regression", f"{shares}, as counts and years are")
    return Task("classification", shares)


def _distinct(count: int) -> str:
    return f"{count:,} distinct value{'s' if count != 1 else ''}"


def _may_be_either(profile: Profile) -> bool:
    """Return whether a target holds whole numbers, few enough to be classes."""
    return profile.numbers is not None and _fraction(profile) is None and profile.distinct <= MAX_EITHER


def _fraction(profile: Profile) -> float | None:
    """Return the first number of a target that is not whole."""
    if profile.numbers is None:
        return None
    fractions = profile.numbers[~np.isnan(profile.numbers)]
    fractions = fractions[fractions != np.floor(fractions)]
    return float(fractions[0]) if len(fractions) else None


def _peaks(counts: Array) -> int:
    """Return how often the rows of values in order rise and then fall again; small steps do not count."""
    peaks, rising, turn = 0, True, 0  # turn: most rows since a valley, or fewest since a peak
    for count in counts.tolist():
        small = max(ALIKE * turn, 2 * math.sqrt(count + turn))  # chance: two standard deviations
        if rising and count < turn - small:
            peaks, rising, turn = peaks + 1, False, count
        elif not rising and count > turn + small:
            rising, turn = True, count
        else:
            turn = max(turn, count) if rising else min(turn, count)
    return peaks + rising
