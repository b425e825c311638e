"""How new rows differ from the training rows of a run, as `inspect --against` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Size = Literal["none", "small", "moderate", "large"]
SIZES: tuple[Size, ...] = ("none", "small", "moderate", "large")
"""Words for a difference, in rising order."""

Role = Literal["used", "target", "unused"]


@dataclass(frozen=True)
class Histogram:
    """The shares of known and of new rows by value, for a figure.

    Attributes:
        labels: of the bins.
        known: shares of the training rows; None where they are gone.
        new: shares of the new rows.
    """

    labels: tuple[str, ...]
    known: tuple[float, ...] | None
    new: tuple[float, ...]


@dataclass(frozen=True)
class ColumnDrift:
    """How one column of new rows differs.

    Attributes:
        name: of the column.
        role: whether the network uses it, it is a target, or neither.
        kind: numbers, dates or categories.
        size: of the difference, in a word.
        p: of its tests, corrected for the number of columns; None where nothing was tested.
        stability: the population stability index; None where it is not known.
        distance: Kolmogorov and Smirnov's distance of numbers, the total variation of categories.
        missing: the shares of known and of new rows without a value; None for unknown.
        findings: what has changed, a phrase each.
        certain: of the findings, the counts that hold though the difference may be chance: of cells that
            cannot be read, and of values out of range.
        unreadable: how many cells are no numbers, or no dates.
        histogram: of both; None where there is none.
        strength: by which columns of one size are ordered.
    """

    name: str
    role: Role
    kind: str
    size: Size
    p: float | None = None
    stability: float | None = None
    distance: float | None = None
    missing: tuple[float | None, float] | None = None
    findings: tuple[str, ...] = ()
    certain: tuple[str, ...] = ()
    unreadable: int = 0
    histogram: Histogram | None = None
    strength: float = 0.0


@dataclass(frozen=True)
class Separation:
    """How well a small model tells new rows from training rows.

    Attributes:
        area: under the ROC curve, 0.5 for no difference; None where nothing was tried.
        interval: of 95%.
        size: in a word.
        rows: of training and of new rows that it saw.
        reason: why nothing was tried.
        left_out: columns that it did not see.
    """

    area: float | None
    interval: tuple[float, float] = (0.0, 1.0)
    size: Size = "none"
    rows: tuple[int, int] = (0, 0)
    reason: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drift:
    """How new rows differ from the training rows of a run.

    Attributes:
        source: the file of the new rows.
        rows: how many there are.
        known_rows: how many training rows.
        columns: the most different first.
        separation: by all columns together; None where the training rows are gone.
        warnings: such as that the training rows are gone.
        added: columns that the training data did not have.
    """

    source: str
    rows: int
    known_rows: int
    columns: tuple[ColumnDrift, ...]
    separation: Separation | None = None
    warnings: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """The largest difference of the columns that the network uses, of the target, and of all together."""
        found = [each.size for each in self.columns if each.role != "unused"]
        found += [self.separation.size] if self.separation is not None else []
        return largest(found)


def largest(sizes: Sequence[Size]) -> Size:
    """Return the largest of some sizes; none of none."""
    return max(sizes, key=SIZES.index, default="none")
