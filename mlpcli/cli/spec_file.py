"""The spec that is named on the command line, and the paths in one that is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.spec.file_words import is_server, split_scheme

if TYPE_CHECKING:
    from mlpcli.errors import Problem
    from mlpcli.spec.load import LoadedSpec
    from mlpcli.spec.yaml_reader import SpecText


def data_path(data: str, folder: Path) -> str:
    """Return the path of data as a spec in a folder has it: relative to that folder, with links resolved."""
    scheme, path = split_scheme(data)
    if path.startswith(("/", "${")) or is_server(path):
        return data
    file = Path(path)
    return scheme + os.path.relpath(file.parent.resolve() / file.name, folder.resolve())


def read_spec(
    spec: Path,
    settings: Sequence[str] | None = None,
    *,
    given: str | None = None,
    searched: bool | None = False,
) -> LoadedSpec:
    """Load a spec, and look for the files and columns of its data, before TensorFlow is imported.

    Args:
        spec: the file.
        settings: the values of `--set`.
        given: the text of the spec where there is no such file; its name is for messages.
        searched: its hyperparameters are to be searched, so it needs some; None for where it has a `tuner`.

    Raises:
        SpecError: as `load_spec`, and with what the data's files and columns show, in one error.
    """
    from mlpcli.errors import SpecError
    from mlpcli.spec.load import MAX_SHOWN, in_order, load_spec, load_text, locate

    loaded: LoadedSpec | None = None
    problems: list[Problem] = []
    try:
        if given is None:
            loaded = load_spec(spec, settings=settings or ())
        else:
            loaded = load_text(given, spec, settings=settings or ())
        text = loaded.text
    except SpecError as error:
        problems = list(error.problems)
        read = _text_of(spec, settings or (), given)
        if read is None or len(problems) > MAX_SHOWN:
            raise
        text = read
    known = {problem.path for problem in problems}
    found = _data_problems(text, spec.resolve().parent)
    problems += [locate(problem, text) for problem in found if problem.path not in known or not problem.path]
    searched = "tuner" in text.data if searched is None else searched
    if searched and (nothing := _nothing_to_search(loaded, text)) is not None:
        problems.append(locate(nothing, text))
    if loaded is None or problems:
        raise SpecError(*in_order(problems, text.file))
    return loaded


def _nothing_to_search(loaded: LoadedSpec | None, text: SpecText) -> Problem | None:
    """Return the problem of a spec without hyperparameters; None if it has some."""
    from mlpcli.spec.hyperparameters import find_space
    from mlpcli.spec.search_space import nothing_to_search

    return nothing_to_search(find_space(text)[0] if loaded is None else loaded.space, text.data)


def _text_of(spec: Path, settings: Sequence[str], given: str | None) -> SpecText | None:
    """Return the values and places of a wrong spec; None if its text cannot be read."""
    from mlpcli.errors import SpecError
    from mlpcli.spec.extends import read_spec_text
    from mlpcli.spec.substitution import apply_settings
    from mlpcli.spec.yaml_reader import parse_text

    try:
        return apply_settings(
            read_spec_text(spec) if given is None else parse_text(given, str(spec)), settings
        )
    except SpecError:
        return None


def _data_problems(text: SpecText, folder: Path) -> list[Problem]:
    """Return what the files of the spec's data show of `dataset` and `inputs`; nothing without files."""
    section = text.data.get("dataset")
    if not isinstance(section, dict) or not isinstance(section.get("path"), str):
        return []
    from mlpcli.data.first_look import dataset_problems

    return list(dataset_problems(section, folder, text.data.get("inputs")))
