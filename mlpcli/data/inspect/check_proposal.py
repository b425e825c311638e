"""Read a table once more by the spec proposed for it, so that `init` writes none that `check` refuses."""

from __future__ import annotations

from pathlib import Path

from mlpcli.data.inspect.survey import Survey
from mlpcli.data.load import Request, load_dataset
from mlpcli.errors import DataError, MlpcliError, Problem
from mlpcli.spec.load import load_text


def check_proposal(text: str, file: Path, survey: Survey) -> None:
    """Read and split the table as training by a proposed spec would.

    Args:
        text: of the spec.
        file: where it is to be written, which its paths are relative to.
        survey: of the table.

    Raises:
        DataError: the spec would be refused; with the reasons.
    """
    request = Request({"": "classes" if survey.has_classes else "numbers"}, scales_inputs=False)
    try:
        loaded = load_text(text, file)
        load_dataset(loaded.spec.dataset, request, seed=loaded.spec.seed, folder=loaded.folder)
    except MlpcliError as error:
        rule = f"{survey.path}: no spec is written, since training on the target {survey.target!r} would fail"
        raise DataError(Problem(rule, hint="see the next line"), *error.problems) from error
