"""Rank given labels by the probability that models give them which were not trained on their rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpcli.data.types import Array
from mlpcli.inference.given_labels import GivenLabels, Question
from mlpcli.statistics.label_quality import (
    Estimate,
    can_judge_classes,
    can_judge_numbers,
    robust_deviations,
    self_confidence,
    tail_surprise,
    wrong_classes,
    wrong_numbers,
)


@dataclass(frozen=True)
class Answer:
    """How doubtful the labels of a question are.

    Attributes:
        question: that was asked of every row.
        surprise: (rows,), minus the logarithm of the probability of the given label, or of a number that is
            at least as far off.
        deviations: (rows,), of numbers how far off they are, in robust deviations; None for classes.
        wrong: how many are estimated to be wrong; None where the models know too little of the classes.
        suspected: (rows,) bool: the most doubtful ones, as many as that at most; no label that is predicted.
        judged: whether the models know more than how frequent each class is, or the median of the numbers.
    """

    question: Question
    surprise: Array
    deviations: Array | None
    wrong: Estimate | None
    suspected: Array
    judged: bool = True

    @property
    def doubt(self) -> Array:
        """One less the probability of the given label, or of a number that is at least as far off."""
        return np.asarray(-np.expm1(-self.surprise))


@dataclass(frozen=True)
class Ranking:
    """Every given label, the most doubtful first.

    Attributes:
        given: the rows and what was given.
        answers: to the questions.
        places: (labels,) the row of each, a place in `given.rows`.
        asked: (labels,) the place of its question in `answers`.
    """

    given: GivenLabels
    answers: tuple[Answer, ...]
    places: Array
    asked: Array

    def __len__(self) -> int:
        return len(self.places)


def rank_labels(given: GivenLabels) -> Ranking:
    """Rank the labels of every question together, by the probability of what was given."""
    answers = tuple(_answer(question) for question in given.questions)
    surprise = np.stack([answer.surprise for answer in answers], axis=1)  # (rows, questions)
    order = np.argsort(-surprise.reshape(-1), kind="stable")
    places, asked = np.divmod(order, len(answers))
    return Ranking(given, answers, places, asked)


def _answer(question: Question) -> Answer:
    deviations: Array | None = None
    wrong: Estimate | None
    if question.names:
        with np.errstate(divide="ignore"):
            surprise = -np.log(self_confidence(question.given, question.predicted).clip(0, 1))
        judged = can_judge_classes(question.given, question.predicted)
        wrong = wrong_classes(question.given, question.predicted) if judged else None
    else:
        deviations = robust_deviations(question.given, question.predicted)
        surprise, wrong = tail_surprise(deviations), wrong_numbers(deviations)
        judged = can_judge_numbers(question.given, question.predicted)
    count = 0 if wrong is None else round(wrong.number)
    suspected = np.zeros(len(surprise), bool)
    suspected[np.argsort(-surprise, kind="stable")[:count]] = True
    if question.names:
        suspected &= question.likeliest() != question.given
    return Answer(question, surprise, deviations, wrong, suspected, judged)
