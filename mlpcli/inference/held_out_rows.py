"""The rows that the folds of several runs held out: whether they are the same, how well each is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlpcli.data.types import Array
from mlpcli.inference.given_labels import ABSENT, PRESENT, GivenLabels, Question, read_given_labels
from mlpcli.inference.score_groups import by_class, by_decile, untested
from mlpcli.model.run_contract import run_contract
from mlpcli.runs.folder import Run
from mlpcli.runs.paired_results import Breakdown


def held_out_rows(run: Run) -> GivenLabels:
    """Read `out_of_fold.csv`, its rows in the order of their files and numbers.

    Raises:
        RunError: there is none, or it is damaged.
    """
    found = read_given_labels(run)
    files = (
        np.zeros(len(found.rows)) if found.files is None else np.unique(found.files, return_inverse=True)[1]
    )
    order = np.lexsort((found.rows, files))
    questions = [
        replace(each, given=each.given[order], predicted=each.predicted[order]) for each in found.questions
    ]
    in_order = None if found.files is None else found.files[order]
    return GivenLabels(found.rows[order], found.folds[order], tuple(questions), found.unchecked, in_order)


def are_same_rows(first: GivenLabels, other: GivenLabels) -> bool:
    """Return whether two runs held out the same rows with the same targets, in whatever folds."""
    if not np.array_equal(first.rows, other.rows) or len(first.questions) != len(other.questions):
        return False
    files = [None if each.files is None else each.files.tolist() for each in (first, other)]
    if files[0] != files[1]:
        return False
    pairs = zip(first.questions, other.questions, strict=True)
    return all(_same_targets(one, two) for one, two in pairs)


def _same_targets(one: Question, two: Question) -> bool:
    if (one.output, one.label, one.kind) != (two.output, two.label, two.kind):
        return False
    given = one.shown_given(), two.shown_given()
    if one.kind == "numbers":
        return bool(np.allclose(*given, rtol=1e-6, atol=1e-9, equal_nan=True))
    return bool(np.array_equal(*given))


def breakdowns_of(found: Sequence[Run], given: Sequence[GivenLabels]) -> tuple[Breakdown, ...]:
    """Return the scores of each run by class, label or decile over all rows that its folds held out.

    Nothing is tested: the rows of a fold are predicted by one model, and are not independent of each other.

    Args:
        found: the runs.
        given: of each run the same rows, in the same order.
    """
    of_output: dict[str, list[int]] = {}
    for place, each in enumerate(given[0].questions):
        of_output.setdefault(each.output, []).append(place)
    breakdowns: list[Breakdown | None] = []
    for output, places in of_output.items():
        asked = [[each.questions[place] for place in places] for each in given]
        thresholds = [_thresholds(run, output) for run in found]
        breakdowns += _of_output(output, asked, thresholds)
    return tuple(untested(each) for each in breakdowns if each is not None)


def _thresholds(run: Run, output: str) -> tuple[float, ...]:
    outputs = [each for each in run_contract(run).outputs if each.name == output]
    return tuple(outputs[0].thresholds) if outputs and outputs[0].thresholds else ()


def _of_output(
    output: str, asked: Sequence[Sequence[Question]], thresholds: Sequence[tuple[float, ...]]
) -> list[Breakdown | None]:
    first = asked[0]
    if any([each.names for each in own] != [each.names for each in first] for own in asked):
        return []
    if first[0].kind == "numbers":
        found = []
        for place, question in enumerate(first):
            name = ": ".join(filter(None, (output, question.label)))
            found.append(by_decile(question.given, [own[place].predicted for own in asked], name))
        return found
    if first[0].names == (ABSENT, PRESENT) and first[0].label:
        truth = np.stack([each.given for each in first], axis=1)
        chosen = [_labels(own, limits) for own, limits in zip(asked, thresholds, strict=True)]
        return [by_class([each.label for each in first], truth, chosen, output)]
    truth = np.concatenate([each.given for each in first])
    chosen = [
        np.concatenate([_classes(each, limits) for each in own])
        for own, limits in zip(asked, thresholds, strict=True)
    ]
    return [by_class(first[0].names, truth, chosen, output)]


def _labels(own: Sequence[Question], limits: tuple[float, ...]) -> Array:
    """Return whether each label is predicted, (rows, labels) of 0 and 1."""
    least = limits if len(limits) == len(own) else (0.5,) * len(own)
    return (
        np.stack([each.predicted[:, 1] >= limit for each, limit in zip(own, least, strict=True)], axis=1) * 1
    )


def _classes(question: Question, limits: tuple[float, ...]) -> Array:
    if limits:
        return np.asarray(question.predicted[:, -1] >= limits[0], np.int64)
    return question.likeliest()
