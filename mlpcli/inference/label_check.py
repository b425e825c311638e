"""Find the rows of a run's data whose label its folds doubt most; no TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli import runs
from mlpcli.data.row_names import RowName
from mlpcli.data.types import Array
from mlpcli.errors import Problem, UsageError, listing
from mlpcli.inference.checked_rows import find_rows
from mlpcli.inference.given_labels import Question, damage_of, read_given_labels
from mlpcli.inference.label_ranking import Answer, Ranking, rank_labels
from mlpcli.inference.write_doubts import write_doubts
from mlpcli.runs.folder import Run
from mlpcli.runs.guard import outermost
from mlpcli.runs.label_results import CheckedTarget, DoubtfulLabel, LabelCheck

MOST_SWAPS = 5
"""Pairs of a given and a predicted class that are listed."""


@dataclass(frozen=True)
class CheckOptions:
    """What is shown and written.

    Attributes:
        top: how many of the most doubtful labels are shown.
        output: the file for all of them; None for none.
        keep: columns of the data for that file; None for all.
    """

    top: int = 20
    output: Path | None = None
    keep: tuple[str, ...] | None = None


def check_labels(run: Run, options: CheckOptions = CheckOptions()) -> LabelCheck:
    """Rank the given labels of a run's data by how much models doubt them that were not trained on them.

    Args:
        run: which was trained with folds.
        options: what is shown and written.

    Raises:
        UsageError: the run has no folds, no output can be checked, or a column to keep is missing.
        RunError: its out-of-fold predictions are damaged.
    """
    require_folds(run)
    given = read_given_labels(run)
    if not given.questions:
        held = " and ".join(dict.fromkeys(what for _, what in given.unchecked))
        rule = f"run {run.label} predicts {held}, which give no label a probability"
        raise UsageError(Problem(rule, hint="label-check is for classes, labels and numbers"))
    data = find_rows(run)
    with damage_of(run / runs.OUT_OF_FOLD):
        data.check(given)
    ranking = rank_labels(given)
    if options.output is not None:
        write_doubts(options.output, ranking, data, options.keep)
    count = min(options.top, len(ranking))
    names = data.name(given, ranking.places[:count])
    return LabelCheck(
        source=data.source,
        rows=len(given.rows),
        folds=len(np.unique(given.folds)),
        targets=tuple(_checked(answer) for answer in ranking.answers),
        worst=tuple(_describe(ranking, place, name) for place, name in enumerate(names)),
        checked=len(ranking),
        written=options.output,
        warnings=(
            *data.warnings,
            *(_unchecked(*each) for each in given.unchecked),
            *_unjudged(ranking.answers),
        ),
    )


def require_folds(run: Run) -> None:
    """Check that a run was trained with folds, whose predictions are of rows that they were not trained on.

    Raises:
        UsageError: it was not.
    """
    if (run / runs.OUT_OF_FOLD).exists():
        return
    rule = f"run {run.label} has no predictions of rows that its model was not trained on"
    if run.folder.absolute().parent.name == runs.FOLDS and outermost(run.folder) != run.folder.absolute():
        whole = run.folder.absolute().parent.parent
        hint = f"it is one of the folds of a run: mlpcli label-check {whole.parent.name}/{whole.name}"
        raise UsageError(Problem(rule, hint=hint))
    spec = run.record.spec
    shown = Path(spec).name if spec else "SPEC"
    raise UsageError(Problem(rule, hint=f"train it with folds: mlpcli train {shown} --folds 5"))


def _unchecked(output: str, held: str) -> str:
    return f"output {output!r} is not checked: {held} give no label a probability"


def _unjudged(answers: Sequence[Answer]) -> Iterator[str]:
    """Yield a warning for the targets of which the models know too little, if there are any."""
    for kind, usual, then in (
        ("classes", "the most frequent label", "so that it is not estimated how many labels are wrong"),
        ("numbers", "the median", "so that numbers stand out which are only far from the others"),
    ):
        found = [each.question for each in answers if not each.judged and each.question.kind == kind]
        if not found:
            continue
        names = [" ".join(filter(None, (each.output, each.label))) for each in found]
        of = f" of {listing(names)}" if len(answers) > 1 else ""
        what = f"the models predict rows that they have not seen{of} no better than {usual} would"
        yield f"{what}, {then}; train a better model first"


def _checked(answer: Answer) -> CheckedTarget:
    question = answer.question
    return CheckedTarget(
        question.output,
        question.label,
        question.kind,
        len(question.given),
        None if answer.wrong is None else (answer.wrong.number, answer.wrong.low, answer.wrong.high),
        _swaps(question, np.flatnonzero(answer.suspected)),
    )


def _swaps(question: Question, rows: Array) -> tuple[tuple[str, str, int], ...]:
    """Return the given class, the predicted one and their number among some rows, the most frequent first."""
    names = question.names
    if not names:
        return ()
    pairs = Counter(zip(question.given[rows].tolist(), question.likeliest(rows).tolist(), strict=True))
    return tuple(
        (names[given], names[said], count) for (given, said), count in pairs.most_common() if given != said
    )[:MOST_SWAPS]


def _describe(ranking: Ranking, rank: int, name: RowName) -> DoubtfulLabel:
    """Return one label of a ranking in plain values; `rank` counts from 0."""
    row, answer = int(ranking.places[rank]), ranking.answers[int(ranking.asked[rank])]
    question = answer.question
    here = np.array([row])
    given, said, chances = (
        question.shown_given(here)[0],
        question.shown_predicted(here)[0],
        question.chances(here),
    )
    return DoubtfulLabel(
        rank=rank + 1,
        file=name.file,
        row=name.row,
        line=name.line,
        fold=int(ranking.given.folds[row]),
        output=question.output,
        label=question.label,
        given=str(given) if question.names else float(given),
        predicted=str(said) if question.names else float(said),
        given_probability=None if chances is None else float(chances[0][0]),
        predicted_probability=None if chances is None else float(chances[1][0]),
        deviations=None if answer.deviations is None else float(answer.deviations[row]),
        doubt=float(-np.expm1(-answer.surprise[row])),
        likely_wrong=bool(answer.suspected[row]),
    )
