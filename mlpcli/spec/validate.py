"""Check a spec's plain values: against the models of the schema, and against Keras's signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mlpcli.errors import KeyPath, Problem, listing, nearest, suggest
from mlpcli.spec.argument_forms import MEANT
from mlpcli.spec.component_forms import split_calls
from mlpcli.spec.components import check_components
from mlpcli.spec.dataset_names import name_problem
from mlpcli.spec.extends import EXTENDS
from mlpcli.spec.features import KIND_RULE
from mlpcli.spec.fold_rules import repeat_problems
from mlpcli.spec.key_forms import (
    dataset_problems,
    input_problems,
    key_hint,
    key_place,
    names_data,
    section_problem,
    value_problem_hint,
)
from mlpcli.spec.layer_graph import is_by_output, read_graph
from mlpcli.spec.log_name_rules import log_name_problems
from mlpcli.spec.member_axis import member_problems
from mlpcli.spec.memory_size import memory_problems
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.predictions import predict_problems
from mlpcli.spec.schema import ByOutput, Spec
from mlpcli.spec.synthetic import synthetic_problems
from mlpcli.spec.tuner_arguments import check_tuner
from mlpcli.spec.values import Value, ValueMap

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

NAMED_BY: set[KeyPath] = {("metrics",), ("loss",), ("layers",), ("model",), ("plugins",)}
"""Keys on which the names of an epoch's values depend."""

LISTS = ("layers", "metrics", "callbacks")
"""Keys with a list of components, whose problems are reported for each item."""


def validate(data: ValueMap, catalog: Catalog) -> tuple[Spec | None, list[Problem]]:
    """Check a spec's plain values.

    Args:
        data: the values of the whole spec.
        catalog: the names that the spec may use.

    Returns:
        The spec, or None, and every problem found.
    """
    components = check_components(data, catalog)
    _, graph = read_graph(data)
    if any(problem.path == ("loss",) for problem in components):  # it may only look like one for each output
        graph = [problem for problem in graph if problem.path[:1] != ("loss",)]
    if (listed := _metrics_by_name(data, graph, catalog)) is not None:
        components = [problem for problem in components if problem.path[:1] != ("metrics",)]
        graph = [problem for problem in graph if problem.path[:1] != ("metrics",)]
        components.append(listed)
    problems = [*check_tuner(data.get("tuner")), *components, *graph]
    spec = None
    try:
        loss = data.get("loss")
        tagged = (
            {**data, "loss": ByOutput(loss)} if isinstance(loss, dict) and is_by_output(loss, data) else data
        )
        spec = Spec.model_validate(tagged)
    except ValidationError as error:
        covered = {_covered(problem.path, data) for problem in components}
        found = list(_from_pydantic(error, data, catalog))
        found = [p for p in found if not covered.intersection(beginnings(p.path))]
        problems += _gathered(_without_doubles(found))
    problems += _across(data)
    if spec is not None and not problems:
        problems += member_problems(spec, catalog)
    if spec is not None and not {problem.path[:1] for problem in problems} & NAMED_BY:
        problems += log_name_problems(spec, catalog)
    return spec, problems


def _metrics_by_name(data: ValueMap, graph: list[Problem], catalog: Catalog) -> Problem | None:
    """Return the problem with a mapping of metrics, `{accuracy: true}`, whose keys are no outputs."""
    metrics = data.get("metrics")
    unknown = {problem.path[-1] for problem in graph if problem.path[:-1] == ("metrics",)}
    if not isinstance(metrics, dict) or unknown != {*metrics}:
        return None
    return section_problem(("metrics",), metrics, catalog)


def _covered(path: KeyPath, data: ValueMap) -> KeyPath:
    """Return what a component's problem says all about: its item in a list, or the whole key."""
    items = data.get(str(path[0]))
    return path[:2] if path[0] in LISTS and not (isinstance(items, list) and split_calls(items)) else path[:1]


def _without_doubles(problems: list[Problem]) -> list[Problem]:
    """Leave out that a key is required where another key is meant to be it: `data` for `dataset`."""
    unknown = [str(p.path[0]) for p in problems if p.rule == UNKNOWN and len(p.path) == 1][:MEANT]
    meant = {key_place(key)[:1] for key in unknown}
    meant |= {(name,) for name in ("dataset", "layers") if any(nearest(key, [name]) for key in unknown)}
    return [p for p in problems if not (p.rule == REQUIRED and p.path in meant)]


def _gathered(problems: list[Problem]) -> Iterator[Problem]:
    """Yield the problems; of those of several columns that are alike, the first, with the others' names."""
    alike: dict[tuple[object, ...], list[Problem]] = {}
    for problem in problems:
        columns = problem.path[:2] == ("dataset", "features") and len(problem.path) > 2
        rest = problem.path[3:] if columns else problem.path
        alike.setdefault((columns, problem.rule, str(problem.received), rest), []).append(problem)
    for first, *others in alike.values():
        if others:
            also = f"also for the columns {listing([p.path[2] for p in others], 8)}"
            advice = first.advice()
            first = replace(first, hint=f"{advice}; {also}" if advice else also)
        yield first


def _across(data: ValueMap) -> Iterator[Problem]:
    """Check the rules between keys."""
    dataset = data.get("dataset")
    if isinstance(dataset, dict):
        given = [key for key in ("name", "path") if dataset.get(key) is not None]
        if not given and not names_data(dataset):
            hint = "write name: digits, or path: my.csv"
            yield Problem("needs a name (of a built-in) or a path (of a file)", path=("dataset",), hint=hint)
        if len(given) == 2:
            yield Problem("cannot have both a name and a path", path=("dataset", "path"), hint="keep one")
        yield from synthetic_problems(dataset)
        found = list(dataset_problems(dataset))
        yield from found
        name = dataset.get("name")
        if isinstance(name, str) and not any(each.path == ("dataset", "name") for each in found):
            problem = name_problem(name)
            yield from () if problem is None else (problem,)
    yield from repeat_problems(data)
    yield from memory_problems(data)
    inputs = data.get("inputs")
    yield from input_problems(inputs) if isinstance(inputs, dict) else ()
    yield from predict_problems(data.get("predict"))
    if data.get("model") is not None and data.get("layers") is not None:
        hint = "keep one: layers, or the class of a plug-in"
        yield Problem("a spec has layers or a model, not both", path=("model",), hint=hint)
    if "model" not in data and "layers" not in data:
        yield Problem("is required", path=("layers",), hint=_field_hint(("layers",)))


UNKNOWN, REQUIRED = "unknown key", "is required"


def _from_pydantic(error: ValidationError, data: ValueMap, catalog: Catalog) -> Iterator[Problem]:
    """Convert pydantic's errors to problems; of a union's errors, keep those about the deepest value."""
    found: dict[KeyPath, Problem] = {}
    for item in error.errors(include_url=False):
        path, value = follow_location(item["loc"], data)
        last = item["loc"][-1]
        if item["type"] == "missing" and path[-1:] != (last,):
            path = (*path, last)
        if path not in found:
            found[path] = _problem(item, path, value, data, catalog)
    above = {beginning for path in found for beginning in beginnings(path) if beginning != path}
    for path, problem in found.items():
        if path not in above:
            yield problem


def beginnings(path: KeyPath) -> Iterator[KeyPath]:
    """Yield a path and the paths of all that contains it: `()`, `("fit",)`, `("fit", "epochs")`."""
    return (path[:end] for end in range(len(path) + 1))


def _problem(item: ErrorDetails, path: KeyPath, value: Value, data: ValueMap, catalog: Catalog) -> Problem:
    if item["type"] == "missing":
        return Problem(REQUIRED, path=path, hint=_field_hint(path))
    if item["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = suggest(path[-1], known, f"the keys here are {', '.join(known)}")
        hint = key_hint(path, value, data, catalog) or near
        return Problem(UNKNOWN, path=path, received=path[-1], hint=hint)
    if problem := section_problem(path, value, catalog):
        return problem
    rule = _rule(path, item)
    return Problem(rule, path=path, received=value, hint=value_problem_hint(path, value, rule))


def follow_location(loc: tuple[int | str, ...], data: Value) -> tuple[KeyPath, Value]:
    """Return the path in the data of pydantic's location, which also names union members, and its value."""
    path: list[str | int] = []
    value = data
    for step in loc:
        if isinstance(value, list) and isinstance(step, int) and step < len(value):  # noqa: SIM114
            value = value[step]
        elif isinstance(value, dict) and isinstance(step, str) and step in value:
            value = value[step]
        else:
            continue
        path.append(step)
    return tuple(path), value


def _field(path: KeyPath) -> FieldInfo | None:
    """Return the schema's field at a path, as far as models go; free keys of a mapping are skipped."""
    annotation: object = Spec
    field = None
    passed = False
    for step in path:
        if isinstance(step, int):
            continue
        model = _model_in(annotation)
        if model is None:
            return field
        if step not in model.model_fields:
            if passed or field is None or not _is_mapping(field.annotation):
                return field
            passed = True
            continue
        field = model.model_fields[step]
        annotation = field.annotation
        passed = False
    return field


def _is_mapping(annotation: object) -> bool:
    """Return whether a type is, or may be, a mapping of free names to models."""
    if get_origin(annotation) is dict:
        return True
    return any(_is_mapping(each) for each in get_args(annotation))


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each))), None)


def _known_keys(path: KeyPath) -> list[str]:
    field = _field(path)
    model = Spec if not path else _model_in(field.annotation) if field else None
    inherit = () if path else (EXTENDS,)
    return [*(model.model_fields if model else ()), *inherit]


def _rule(path: KeyPath, item: ErrorDetails) -> str:
    if path[:-1] == ("dataset", "features"):
        return f"must be {KIND_RULE}"
    field = _field(path)
    if field is not None and field.description:
        return f"must be {field.description}"
    return str(item["msg"]).lower()


def _field_hint(path: KeyPath) -> str:
    field = _field(path)
    return field.description or "" if field else ""
