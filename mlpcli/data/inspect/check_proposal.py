"""Read a table once more by the spec proposed for it, so that `init` writes none that `check` refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlpcli.data.inspect.propose_splits import ProposedSplit, other_split, propose_split
from mlpcli.data.inspect.survey import Survey
from mlpcli.data.load import Request, load_dataset
from mlpcli.data.types import TargetKind
from mlpcli.errors import DataError, MlpcliError, Problem
from mlpcli.spec.load import load_text


def propose_checked(
    propose: Callable[[ProposedSplit | None], str], file: Path, survey: Survey, wanted: str | None
) -> tuple[str, ProposedSplit | None, str]:
    """Return a proposed spec that can be trained, by what it divides the rows, and what to say of that.

    Args:
        propose: returns the text of the spec, given how the rows are divided.
        file: where it is to be written.
        survey: of the table.
        wanted: the splits that are asked for, `random` or a column; None to decide by the table.

    Raises:
        UsageError: there is no column of that name.
        DataError: the spec would be refused, also with random splits where none are asked for.
    """
    division = propose_split(survey, wanted)
    text = propose(division)
    try:
        check_proposal(text, file, survey)
    except DataError as error:
        if division is None or wanted is not None:
            raise
        text = propose(None)
        check_proposal(text, file, survey)
        *_, problem = error.problems
        return text, None, f"splits at random, though {division.reason}: {problem.headline()}"
    if division is None:
        return text, None, "" if wanted is not None else other_split(survey)
    return text, division, division.why()


def check_proposal(text: str, file: Path, survey: Survey) -> None:
    """Read and split the table as training by a proposed spec would; see `check_spec`."""
    what = f"{survey.path}: no spec is written, since training on the target {survey.target!r} would fail"
    check_spec(text, file, what, classes=survey.has_classes)


def check_spec(text: str, file: Path, rule: str, *, classes: bool) -> None:
    """Read and split the data as training by a proposed spec would.

    Args:
        text: of the spec.
        file: where it is to be written, which its paths are relative to.
        rule: what to say first where it would be refused.
        classes: whether the target holds classes.

    Raises:
        DataError: the spec would be refused; with the reasons.
    """
    try:
        loaded = load_text(text, file)
        kinds: dict[str, TargetKind | None] = {"": "classes" if classes else "numbers"}
        request = Request(kinds, scales_inputs=False, inputs=loaded.spec.inputs)
        load_dataset(loaded.spec.dataset, request, seed=loaded.spec.seed, folder=loaded.folder)
    except MlpcliError as error:
        raise DataError(Problem(rule, hint="see the next line"), *error.problems) from error
