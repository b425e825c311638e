"""The spec that is named on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpcli.errors import Problem
    from mlpcli.spec.load import LoadedSpec
    from mlpcli.spec.yaml_reader import SpecText


def read_spec(spec: Path, settings: Sequence[str] | None = None) -> LoadedSpec:
    """Load a spec; of a wrong one, report what is wrong with its data files too.

    Raises:
        SpecError: as `load_spec`, with the problems that the data's files and columns show.
    """
    from mlpcli.errors import SpecError
    from mlpcli.spec.load import in_order, load_spec, locate

    try:
        return load_spec(spec, settings=settings or ())
    except SpecError as error:
        found = _data_problems(spec, settings or ())
        if found is None:
            raise
        text, problems = found
        known = {problem.path for problem in error.problems}
        more = [locate(problem, text) for problem in problems if problem.path not in known]
        raise SpecError(*in_order([*error.problems, *more], text.file)) from None


def _data_problems(spec: Path, settings: Sequence[str]) -> tuple[SpecText, list[Problem]] | None:
    """Return the text of a spec, and what its data files show; None if the text itself cannot be read."""
    from mlpcli.data.first_look import dataset_problems
    from mlpcli.errors import SpecError
    from mlpcli.spec.extends import read_spec_text
    from mlpcli.spec.substitution import apply_settings

    try:
        text = apply_settings(read_spec_text(spec), settings)
    except SpecError:
        return None
    return text, list(dataset_problems(text.data.get("dataset"), spec.resolve().parent))
