"""What a check of labels returns: plain values, which `report/` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class DoubtfulLabel:
    """A given label, or number, and what models say that were not trained on its row.

    Attributes:
        rank: from 1, the most doubtful first.
        file: that holds the row, or the built-in dataset.
        row: its number there, from 1.
        line: the line on which it begins; None where the file has no lines, is gone or has changed.
        fold: that held the row out.
        output: of the network; empty for a single one.
        label: of several labels, target columns or steps, the one that is meant; empty where there is one.
        given: the label or the number in the data.
        predicted: the likeliest label, or the predicted number.
        given_probability: of the given label; None for numbers.
        predicted_probability: of the predicted label; None for numbers.
        deviations: of a number, how far off it is in robust deviations; None for labels.
        doubt: 1 less the probability of the given label, or of a number at least as far off.
        likely_wrong: whether it is among as many as are estimated to be wrong.
    """

    rank: int
    file: str
    row: int
    line: int | None
    fold: int
    output: str
    label: str
    given: str | float
    predicted: str | float
    given_probability: float | None
    predicted_probability: float | None
    deviations: float | None
    doubt: float
    likely_wrong: bool


@dataclass(frozen=True)
class CheckedTarget:
    """One target that was checked: that of an output, or one of its labels, columns or steps.

    Attributes:
        output: of the network; empty for a single one.
        label: of several labels, target columns or steps; empty where there is one.
        kind: whether it holds classes (or labels that are there or not), or numbers.
        labels: how many given labels or numbers were checked.
        wrong: how many of them are estimated to be wrong, with the ends of a 95% interval; None where
            the models know too little for an estimate.
        swaps: given label, predicted label, and how many of the likely wrong ones, the most frequent first.
    """

    output: str
    label: str
    kind: Literal["classes", "numbers"]
    labels: int
    wrong: tuple[float, float, float] | None
    swaps: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True)
class LabelCheck:
    """The labels of a run's data, the most doubtful first.

    Attributes:
        source: of the rows.
        rows: how many were held out, and so have predictions.
        folds: how many folds there are.
        targets: what was checked.
        worst: the most doubtful labels.
        checked: how many labels were checked in all.
        written: the file with all of them; None where none was asked for.
        warnings: such as data that has changed, and outputs that cannot be checked.
    """

    source: str
    rows: int
    folds: int
    targets: tuple[CheckedTarget, ...]
    worst: tuple[DoubtfulLabel, ...]
    checked: int
    written: Path | None = None
    warnings: tuple[str, ...] = ()
