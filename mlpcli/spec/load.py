"""A spec from its file: text, overrides, schema and Keras names, with every problem in one error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mlpcli.errors import KeyPath, MlpcliError, Problem, SpecError, suggest
from mlpcli.files import read_ordinary_text
from mlpcli.spec.components import check_components
from mlpcli.spec.extends import EXTENDS, read_spec_text
from mlpcli.spec.hyperparameters import find_space, unread_places
from mlpcli.spec.layer_graph import is_by_output, read_graph
from mlpcli.spec.plugins import KERAS, Catalog, read_plugins
from mlpcli.spec.schema import ByOutput, Spec
from mlpcli.spec.search_space import Space, Values
from mlpcli.spec.substitution import apply_settings, substitute
from mlpcli.spec.synthetic import synthetic_problems
from mlpcli.spec.tuner_arguments import check_tuner
from mlpcli.spec.yaml_reader import SpecText, most_bytes, parse_text

MAX_SHOWN = 50  # problems in one error; past that a spec is not one


@dataclass(frozen=True)
class Kept:
    """What a run's folder says of the data that its own spec names, which may lie elsewhere by now.

    folder: of the run, from which files that were moved along with it are looked for.
    fingerprint: of the data that the run was trained on.
    seed: of its splits, where that is not the spec's.
    columns: the spec states every column that is used; one that came to the table later is not.
    start: sha256 of the model of the run that `start_from` names.
    """

    folder: Path
    fingerprint: str | None = None
    seed: int | None = None
    columns: bool = True
    start: str | None = None


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec, with the text it came from so that later problems can be placed in it."""

    spec: Spec
    text: SpecText
    file: Path
    raw: str  # the file's text, as given
    source: SpecText  # with its hyperparameters still in it
    space: Space
    values: dict[str, Any]  # of the hyperparameters that count, by name
    catalog: Catalog = KERAS  # what names its parts may have: Keras's, ours, its plug-ins'
    runs_dir: Path = Path("runs")  # where the runs that it names are looked for
    kept: Kept | None = None  # of a run's own spec

    @property
    def folder(self) -> Path:
        """The folder that the spec's relative paths start from."""
        return self.file.resolve().parent


def load_spec(spec_path: Path, *, settings: Sequence[str] = (), stands_for: Path | None = None) -> LoadedSpec:
    """Read and check a spec; `settings` are the values of `--set`.

    stands_for: the spec that this is a copy of; relative paths start from its folder, not the copy's.

    Raises:
        SpecError: with every problem that can be known without the data, in the order of the file.
    """
    source = apply_settings(read_spec_text(spec_path), settings)
    return _load(source, stands_for or spec_path, read_ordinary_text(spec_path, most_bytes(str(spec_path))))


def load_text(text: str, file: Path) -> LoadedSpec:
    """As `load_spec`, of a text that stands for a file: a spec without `extends`.

    Raises:
        SpecError: as `load_spec`.
    """
    return _load(parse_text(text, str(file)), file, text)


def with_data(loaded: LoadedSpec, data: dict[str, Any], *, file: Path | None = None) -> LoadedSpec:
    """The same spec with other plain values, checked once more, and in another place if `file` says so.

    Raises:
        SpecError: as `load_spec`.
    """
    source = replace(loaded.source, data=data)
    made = _load(source, file or loaded.file, loaded.raw, catalog=loaded.catalog)
    return replace(made, runs_dir=loaded.runs_dir, kept=loaded.kept)


def _load(source: SpecText, file: Path, raw: str, *, catalog: Catalog | None = None) -> LoadedSpec:
    problems = list(source.problems)
    if EXTENDS in source.data:  # what the file itself extends is in the text by now
        rule = "must stand in the file, not on the command line"
        problems.append(Problem(rule, source.place((EXTENDS,)), (EXTENDS,), source.data[EXTENDS]))
        source = replace(source, data={key: item for key, item in source.data.items() if key != EXTENDS})
    space, found = find_space(source)
    problems += (locate(problem, source) for problem in found)
    if catalog is None:
        plugins, unreadable = read_plugins(source.data.get("plugins", []), file.resolve().parent)
        catalog = Catalog(plugins, complete=not unreadable)
        problems += (locate(problem, source) for problem in unreadable)
    loaded: LoadedSpec | None = None
    problems += _too_many_variants(space, source)
    for values in (
        space.variants() if not problems else [space.defaults]
    ):  # a mistake in the third optimizer is told before the search, not in it
        made, others = _with_values(source, space, values, file, raw, catalog)
        loaded = loaded or made
        problems += others
    if problems or loaded is None:
        raise SpecError(*_in_order(problems, source.file))
    return loaded


MOST_CHECKED = 200_000


def _too_many_variants(space: Space, source: SpecText) -> Iterator[Problem]:
    """Every alternative of every hyperparameter is checked in the whole spec: that work has a bound."""
    count, size = space.alternatives, len(source.marks)
    if len(space) > 0 and count * size > MOST_CHECKED:
        rule = f"{count:,} alternatives of hyperparameters in a spec of {size:,} values are too many to check"
        hint = f"the product of the two may be {MOST_CHECKED:,}"
        yield Problem(rule, source.place(space.parameters[0].places[0]), hint=hint)


def with_values(loaded: LoadedSpec, values: Values) -> LoadedSpec:
    """The same spec with other values for its hyperparameters; those not named have their defaults.

    Raises:
        SpecError: a value does not fit where it stands.
    """
    values = loaded.space.defaults | dict(values)
    made, problems = _with_values(
        loaded.source, loaded.space, values, loaded.file, loaded.raw, loaded.catalog
    )
    if made is None:
        raise SpecError(*_in_order(problems, loaded.source.file))
    return replace(made, runs_dir=loaded.runs_dir, kept=loaded.kept)


def _with_values(
    source: SpecText, space: Space, values: Values, file: Path, raw: str, catalog: Catalog
) -> tuple[LoadedSpec | None, list[Problem]]:
    """The spec with these values, or None and what is wrong with it, placed."""
    made = substitute(source, space, values)
    data = {"name": file.stem, **made.text.data}
    spec, problems = _validate(data, catalog)
    unread = set(unread_places(data))  # what is wrong with these has been told
    problems = [p for p in problems if not unread.intersection(_beginnings(p.path))]
    if problems or spec is None:
        return None, [locate(problem, made.text) for problem in problems]
    return LoadedSpec(spec, made.text, file, raw, source, space, made.used, catalog), []


def locate(problem: Problem, text: SpecText) -> Problem:
    """The problem with its place in the spec, from its path."""
    if problem.place is not None or not problem.path:
        return problem
    return replace(problem, place=text.place(problem.path, key=_is_about_key(problem)))


@contextlib.contextmanager
def located(loaded: LoadedSpec) -> Iterator[None]:
    """Give file, line and column to the problems of any error raised inside."""
    try:
        yield
    except MlpcliError as error:
        problems = [locate(problem, loaded.text) for problem in error.problems]
        if isinstance(error, SpecError):
            problems = _in_order(problems, loaded.text.file)
        error.problems = tuple(problems)
        raise


def _is_about_key(problem: Problem) -> bool:
    return bool(problem.path) and problem.received == problem.path[-1]


def _validate(data: dict[str, Any], catalog: Catalog) -> tuple[Spec | None, list[Problem]]:
    """The model and no problems, or None and what the schema and Keras's signatures have against it."""
    parts = check_components(data, catalog)
    _, graph = read_graph(data)
    problems = [*check_tuner(data.get("tuner")), *parts, *graph]
    spec = None
    try:
        by_output = is_by_output(data.get("loss"), data)
        tagged = data | ({"loss": ByOutput(data["loss"])} if by_output else {})
        spec = Spec.model_validate(tagged)
    except ValidationError as error:
        covered = {problem.path[:2] if problem.path[0] in LISTS else problem.path[:1] for problem in parts}
        for problem in _from_pydantic(error, data):
            if not covered.intersection(_beginnings(problem.path)):
                problems.append(problem)
    problems += _across(data)
    return spec, problems


LISTS = ("layers", "metrics", "callbacks")


def _across(data: dict[str, Any]) -> Iterator[Problem]:
    """Rules that hold between keys."""
    dataset = data.get("dataset")
    if isinstance(dataset, dict):
        given = [key for key in ("name", "path") if dataset.get(key) is not None]
        if not given:
            hint = "write name: digits, or path: my.csv"
            yield Problem("needs a name (of a built-in) or a path (of a file)", path=("dataset",), hint=hint)
        if len(given) == 2:
            yield Problem("cannot have both a name and a path", path=("dataset", "path"), hint="keep one")
        yield from synthetic_problems(dataset)
    if data.get("model") is not None and data.get("layers") is not None:
        hint = "keep one: layers, or the class of a plug-in"
        yield Problem("a spec has layers or a model, not both", path=("model",), hint=hint)
    if "model" not in data and "layers" not in data:
        yield Problem("is required", path=("layers",), hint=_field_hint(("layers",)))


def _from_pydantic(error: ValidationError, data: dict[str, Any]) -> Iterator[Problem]:
    """Pydantic's errors as problems; of a union's, those about the deepest value that is there."""
    found: dict[KeyPath, Problem] = {}
    for item in error.errors(include_url=False):
        path, value = _follow(item["loc"], data)
        last = item["loc"][-1]
        if item["type"] == "missing" and path[-1:] != (last,):
            path = (*path, last)
        if path not in found:
            found[path] = _problem(item, path, value)
    above = {beginning for path in found for beginning in _beginnings(path) if beginning != path}
    for path, problem in found.items():
        if path not in above:
            yield problem


def _beginnings(path: KeyPath) -> Iterator[KeyPath]:
    """A path and those of all that it stands in: `()`, `("fit",)`, `("fit", "epochs")`."""
    return (path[:end] for end in range(len(path) + 1))


def _problem(item: Any, path: KeyPath, value: Any) -> Problem:
    if item["type"] == "missing":
        return Problem("is required", path=path, hint=_field_hint(path))
    if item["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        hint = suggest(path[-1], known, f"the keys here are {', '.join(known)}")
        return Problem("unknown key", path=path, received=path[-1], hint=hint)
    return Problem(_rule(path, item), path=path, received=value)


def _follow(loc: tuple[int | str, ...], data: Any) -> tuple[KeyPath, Any]:
    """The part of pydantic's location that stands in the data (not the names of union members)."""
    path: list[str | int] = []
    value = data
    for step in loc:
        if isinstance(value, list):
            there = isinstance(step, int) and step < len(value)
        else:
            there = isinstance(value, dict) and step in value
        if there:
            value = value[step]
            path.append(step)
    return tuple(path), value


def _field(path: KeyPath) -> FieldInfo | None:
    """The schema's field at a path, as far as models go; a mapping's keys are free, and passed over."""
    model: Any = Spec
    field = None
    passed = False
    for step in path:
        if isinstance(step, int):
            continue
        model = model if isinstance(model, type) and issubclass(model, BaseModel) else _model_in(model)
        if model is None:
            return field
        if step not in model.model_fields:
            if passed or field is None or not _is_mapping(field.annotation):
                return field
            passed = True
            continue
        field = model.model_fields[step]
        model = field.annotation
        passed = False
    return field


def _is_mapping(annotation: Any) -> bool:
    """Whether a type is, or may be, a mapping of free names to models."""
    if get_origin(annotation) is dict:
        return True
    return any(_is_mapping(part) for part in get_args(annotation))


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _known_keys(path: KeyPath) -> list[str]:
    field = _field(path)
    model = Spec if not path else _model_in(field.annotation) if field else None
    inherit = () if path else (EXTENDS,)
    return [*(model.model_fields if model else ()), *inherit]


def _rule(path: KeyPath, item: Any) -> str:
    field = _field(path)
    if field is not None and field.description:
        return f"must be {field.description}"
    return str(item["msg"]).lower()


def _field_hint(path: KeyPath) -> str:
    field = _field(path)
    return field.description or "" if field else ""


def _in_order(problems: list[Problem], file: str) -> list[Problem]:
    """By place, those of `file` first; one problem to a place, and no more than anyone will read."""
    found: dict[Any, Problem] = {}
    for problem in problems:
        place = problem.place
        key = (
            (place.flag, place.file, place.line, place.column, problem.path)
            if place
            else (problem.rule, problem.path)
        )
        found.setdefault(key, problem)
    ordered = sorted(found.values(), key=lambda problem: _order(problem, file))
    rest = len(ordered) - MAX_SHOWN
    return ordered[:MAX_SHOWN] + ([Problem(f"and {rest} more problems")] if rest > 0 else [])


def _order(problem: Problem, file: str) -> tuple[bool, bool, str, int, int]:
    place = problem.place
    if place is None:
        return False, False, "", 0, 0
    return bool(place.flag), place.file != file, place.file, place.line, place.column
