"""Load a spec from its file: text, overrides, schema and Keras names, with every problem in one error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from mlpcli.errors import MlpcliError, NotInFileError, Problem, SpecError
from mlpcli.files import read_ordinary_text
from mlpcli.printable import counted
from mlpcli.spec.extends import EXTENDS, read_spec_text
from mlpcli.spec.hyperparameters import find_space, largest_variant, unread_places
from mlpcli.spec.key_forms import as_setting, setting_hint
from mlpcli.spec.plugins import KERAS, Catalog, read_plugins
from mlpcli.spec.schema import Spec
from mlpcli.spec.search_space import Space, Values
from mlpcli.spec.substitution import apply_settings, substitute
from mlpcli.spec.validate import UNKNOWN, beginnings, validate
from mlpcli.spec.values import Scalar, ValueMap
from mlpcli.spec.yaml_reader import SpecText, most_bytes, parse_text

MAX_SHOWN = 50
"""The most problems in one error."""

WRITTEN_BY_INIT = "# Written by init"
"""How a line begins that says which command has written a spec."""


@dataclass(frozen=True)
class Kept:
    """The record that a run folder has of the data that its spec names, which may have been moved.

    Attributes:
        folder: the run folder; files that were moved with it are searched from here.
        fingerprint: that of the data that the run was trained on.
        seed: that of its splits, if it is not the spec's.
        columns: the spec lists every column that is used, so a later column of the table is ignored.
        start: sha256 of the model of the run that `start_from` names.
        steps: whether each step of a row has a target; None where nothing was recorded.
        whole: the run is made up of several trainings of the spec, and has all of their training rows.
        strict: other data is refused: it was handed in as the run's own.
    """

    folder: Path
    fingerprint: str | None = None
    seed: int | None = None
    columns: bool = True
    start: str | None = None
    steps: bool | None = None
    whole: bool = False
    strict: bool = False


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec with its text, in which later problems can be located.

    Attributes:
        spec: the spec.
        text: its values and their places, hyperparameters replaced.
        file: its file.
        raw: the text of the file.
        source: its values and their places, with hyperparameters.
        space: its hyperparameters.
        values: the values of the active hyperparameters, by name.
        catalog: the names that it may use: Keras's, mlpcli's, its plug-ins'.
        runs_dir: the folder of the runs that it names.
        kept: of a run's own spec, the record of its data.
        numbers: how a run keeps numbers until they are scaled, float64 or float32; empty where unknown.
    """

    spec: Spec
    text: SpecText
    file: Path
    raw: str
    source: SpecText
    space: Space
    values: dict[str, Scalar]
    catalog: Catalog = KERAS
    runs_dir: Path = Path("runs")
    kept: Kept | None = None
    numbers: Literal["float32", "float64", ""] = ""

    @property
    def folder(self) -> Path:
        """The folder that the spec's relative paths start from."""
        return self.file.resolve().parent


def load_spec(spec_path: Path, *, settings: Sequence[str] = (), stands_for: Path | None = None) -> LoadedSpec:
    """Read and check a spec.

    Args:
        spec_path: the file.
        settings: the values of `--set`.
        stands_for: the spec of which this file is a copy; relative paths start from its folder.

    Raises:
        SpecError: with every problem that can be found without the data, in the order of the file.
    """
    source = apply_settings(read_spec_text(spec_path), settings)
    return _load(source, stands_for or spec_path, read_ordinary_text(spec_path, most_bytes(str(spec_path))))


def load_text(text: str, file: Path, *, settings: Sequence[str] = ()) -> LoadedSpec:
    """Check a spec given as text, without `extends`.

    Args:
        text: the text.
        file: the name in messages; relative paths start from its folder.
        settings: the values of `--set`.

    Raises:
        SpecError: as for `load_spec`.
    """
    return _load(apply_settings(parse_text(text, str(file)), settings), file, text)


def with_data(loaded: LoadedSpec, data: ValueMap, *, file: Path | None = None) -> LoadedSpec:
    """Return the same spec with other plain values, checked again.

    Args:
        loaded: the spec.
        data: the new values.
        file: the new file, if it was moved.

    Raises:
        SpecError: as for `load_spec`.
    """
    source = replace(loaded.source, data=data)
    made = _load(source, file or loaded.file, loaded.raw, catalog=loaded.catalog)
    return replace(made, runs_dir=loaded.runs_dir, kept=loaded.kept, numbers=loaded.numbers)


def _load(source: SpecText, file: Path, raw: str, *, catalog: Catalog | None = None) -> LoadedSpec:
    problems = list(source.problems)
    if EXTENDS in source.data:  # the file's own `extends` has been merged and removed
        rule = "must be written in the file, not on the command line"
        problems.append(Problem(rule, source.place((EXTENDS,)), (EXTENDS,), source.data[EXTENDS]))
        source = replace(source, data={key: item for key, item in source.data.items() if key != EXTENDS})
    space, found = find_space(source)
    problems += (locate(problem, source) for problem in found)
    if catalog is None:
        plugins, unreadable = read_plugins(source.data.get("plugins", []), file.resolve().parent)
        catalog = Catalog(plugins, complete=not unreadable)
        problems += (locate(problem, source) for problem in unreadable)
    loaded: LoadedSpec | None = None
    too_many = list(_too_many_variants(space, source))
    problems += too_many
    # an error in the third optimizer is reported before the search, not during it
    for values in [space.defaults] if found or too_many else space.variants():
        made, others = _with_values(source, space, values, file, raw, catalog)
        loaded = loaded or made
        problems += others
    if problems or loaded is None:
        raise SpecError(*in_order(problems, source.file))
    return loaded


MOST_CHECKED = 200_000
"""The most values in all variants of a spec that are checked."""


def _too_many_variants(space: Space, source: SpecText) -> Iterator[Problem]:
    """Limit the work: each option of each hyperparameter is checked in the whole spec."""
    count, size = space.alternatives, largest_variant(source.data)
    if len(space) > 0 and count * size > MOST_CHECKED:
        longest = max(space, key=lambda parameter: len(parameter.labels))
        rule = f"{count:,} alternatives of hyperparameters in a spec of {size:,} values are too many to check"
        hint = (
            f"the product of the two may be {MOST_CHECKED:,}: search fewer values at a time; "
            f"each option of a choice is an alternative, of an int or a float only min and max"
        )
        place = longest.places[0]
        yield Problem(rule, source.place(place), place, hint=hint)


def with_values(loaded: LoadedSpec, values: Values) -> LoadedSpec:
    """Return the same spec with other values of its hyperparameters; the others have their defaults.

    Raises:
        SpecError: a value is not valid at its place.
    """
    values = loaded.space.defaults | dict(values)
    made, problems = _with_values(
        loaded.source, loaded.space, values, loaded.file, loaded.raw, loaded.catalog
    )
    if made is None:
        raise SpecError(*in_order(problems, loaded.source.file))
    return replace(made, runs_dir=loaded.runs_dir, kept=loaded.kept, numbers=loaded.numbers)


def _with_values(
    source: SpecText, space: Space, values: Values, file: Path, raw: str, catalog: Catalog
) -> tuple[LoadedSpec | None, list[Problem]]:
    """Return the spec with these values, or None and its located problems."""
    made = substitute(source, space, values)
    data = {"name": file.stem, **made.text.data}
    spec, problems = validate(data, catalog)
    unread = set(unread_places(data))  # their problems have been reported
    problems = [p for p in problems if not unread.intersection(beginnings(p.path))]
    if problems or spec is None:
        return None, [locate(problem, made.text) for problem in problems]
    used = {name: values[name] for name in made.used}
    return LoadedSpec(spec, made.text, file, raw, source, space, used, catalog), []


def locate(problem: Problem, text: SpecText) -> Problem:
    """Return the problem with its place in the spec, found by its path."""
    if problem.place is not None or not problem.path:
        return problem
    place = text.place(problem.path, key=_is_about_key(problem))
    if place.flag and problem.rule == UNKNOWN and len(problem.path) == 1:
        problem = replace(problem, hint=setting_hint(place.flag, str(problem.path[0])) or problem.hint)
    elif place.flag:
        problem = replace(problem, hint=partial(as_setting, problem, place.flag))
    return replace(problem, place=place)


@contextlib.contextmanager
def located(loaded: LoadedSpec) -> Iterator[None]:
    """Add file, line and column to the problems of any error raised inside."""
    try:
        yield
    except MlpcliError as error:
        found = error.of_spec if isinstance(error, NotInFileError) else error.problems
        problems = [locate(problem, loaded.text) for problem in found]
        if isinstance(error, SpecError):
            problems = in_order(problems, loaded.text.file)
        error.problems = tuple(problems)
        raise


def _is_about_key(problem: Problem) -> bool:
    return bool(problem.path) and problem.received == problem.path[-1]


def in_order(problems: list[Problem], file: str) -> list[Problem]:
    """Sort problems by place, those of `file` first; keep one for each place, and at most MAX_SHOWN.

    What an anchor stands for has one place and several paths: its problems are shown once.
    """
    found: dict[tuple[object, ...], Problem] = {}
    shown: set[tuple[object, ...]] = set()
    for problem in problems:
        place = problem.place
        if place is not None and place.line:
            same = (place, problem.rule, problem.path[-1:])
            if same in shown:
                continue
            shown.add(same)
        key = (
            (place.flag, place.file, place.line, place.column, problem.path)
            if place
            else (problem.rule, problem.path)
        )
        found.setdefault(key, problem)
    ordered = sorted(found.values(), key=lambda problem: _order(problem, file))
    rest = len(ordered) - MAX_SHOWN
    return ordered[:MAX_SHOWN] + ([Problem(f"and {counted(rest, 'more problem')}")] if rest > 0 else [])


def _order(problem: Problem, file: str) -> tuple[bool, bool, str, int, int]:
    place = problem.place
    if place is None:
        return False, False, "", 0, 0
    return bool(place.flag), place.file != file, place.file, place.line, place.column
