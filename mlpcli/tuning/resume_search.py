"""Going on with a search: as it was, with more trials, or with wider ranges."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlpcli import runs
from mlpcli.errors import ABSENT, Problem, RunError, UsageError, show_path, show_value
from mlpcli.files import read_ordinary_text, sweep
from mlpcli.model.plugins import copy_plugins, run_plugins
from mlpcli.model.transfer import pinned_start
from mlpcli.runs.record_models import damaged
from mlpcli.runs.results import SearchOutcome
from mlpcli.runs.search_folder import SEARCH, SEARCHED, Search, load_search
from mlpcli.runs.watcher import SearchWatcher
from mlpcli.spec import tuner_arguments as tuners
from mlpcli.spec.hyperparameters import is_hyperparameter
from mlpcli.spec.load import Kept, LoadedSpec, load_spec, with_data
from mlpcli.spec.locations import absolute, files_of, with_files
from mlpcli.spec.resolve import dump, portable
from mlpcli.spec.schema import TunerSpec
from mlpcli.spec.search_space import Space, differences
from mlpcli.spec.yaml_reader import MAX_BYTES, parse_text
from mlpcli.training.disk_space import check_run_writable
from mlpcli.training.find_data import find_data
from mlpcli.training.identity import changes
from mlpcli.tuning.search import ALONE, Hands, SearchSession, tuner_arguments, write_searched

FRESH_HINT = "begin anew beside it with --fresh"
SEARCHED_MARK = "\0searched"
"""Stands for a hyperparameter where two specs are compared outside their spaces."""
EXTENDABLE = ("RandomSearch", "BayesianOptimization")
"""Algorithms that can take up trials made in a smaller space."""


def resume_search(
    folder: Path,
    loaded: LoadedSpec | None = None,
    *,
    watcher: SearchWatcher,
    trials: int | None = None,
    extend_space: bool = False,
    trusted: bool = False,
    hands: Hands = ALONE,
    command: Sequence[str] = (),
) -> SearchOutcome:
    """Go on with a search in its own folder; trials that were begun and not ended are begun again.

    loaded: the spec to hold against the search's; None for the search's own.
    trials: how many there shall be in all.
    trusted: the search's plug-ins may run, wherever they come from.

    Raises:
        RunError: it is no search, another process runs it, or the spec, its space or its data has changed.
        UsageError: the search cannot be extended so.
    """
    runs.check_inside(folder)
    check_run_writable(folder)
    with runs.locked(folder):
        search = load_search(folder)
        sweep(folder)
        own = open_spec(search)
        check_recorded(search, own.space)
        run = replace(runs.open_run(folder), trusted=trusted)
        if loaded is None:
            run_plugins(run, own.catalog)  # a look at their checksums, before anything else imports them
        there, dataset = find_data(own) if loaded is None else (own, None)
        spec = there if loaded is None else _as_begun(loaded, own)
        session = SearchSession.prepare(spec, watcher, command, folder, dataset=dataset)
        session.record["plugins"] = [plugin.model_dump() for plugin in run.record.plugins]
        _check_same(search, own, spec, session.dataset.fingerprint, extend_space=extend_space)
        arguments = tuner_arguments(session.tuner, spec, trials)
        if trials is None and loaded is None:
            arguments = search.arguments  # --trials of an earlier session counts
        if arguments != search.arguments:
            search.arguments, search.finished = arguments, False
            search.winner = None  # another may be the best in the end
        if spec.space.to_json() != own.space.to_json():
            search.space, search.finished = spec.space.to_json(), False
            write_searched(folder, spec)
            session.record["plugins"] = copy_plugins(spec.catalog, folder)
        if _files(spec) != _files(own):
            search.spec = str(spec.file.resolve())
            write_searched(folder, spec)
        search.save()
        return session.run(search, hands)


def _as_begun(loaded: LoadedSpec, own: LoadedSpec) -> LoadedSpec:
    """A spec that is given to go on with, starting from the run that its name meant when the search began."""
    start, given = pinned_start(loaded, own).spec.start_from, loaded.source.data.get("start_from")
    if start is None or not isinstance(given, dict) or start.run == given.get("run"):
        return loaded
    return with_data(loaded, loaded.source.data | {"start_from": given | {"run": start.run}})


def _files(loaded: LoadedSpec) -> list[str]:
    """Where the data of a search lies."""
    return [absolute(file, loaded.folder) for file in files_of(loaded.source.data["dataset"])]


def open_spec(search: Search) -> LoadedSpec:
    """The spec of a search, from its own folder.

    Raises:
        RunError: its files are incomplete.
    """
    copy, given = search.folder / SEARCHED, search.folder / runs.SPEC
    if not copy.is_file() or not given.is_file():
        raise RunError(Problem(f"search {search.label} has no {SEARCHED}", hint=FRESH_HINT))
    try:
        raw = read_ordinary_text(given, MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(Problem(f"{given} cannot be read ({error})", hint=FRESH_HINT)) from None
    kept = Kept(search.folder.resolve(), search.data or None, columns=False)
    runs_dir = search.folder.parent.parent
    return replace(load_spec(copy), file=Path(search.spec), raw=raw, runs_dir=runs_dir, kept=kept)


def check_recorded(search: Search, space: Space) -> None:
    """Hold what a search recorded of its algorithm and its trials against the space of its own spec.

    Raises:
        RunError: it has an argument or a value that this search cannot have had.
    """
    path = search.folder / SEARCH
    unknown = set(search.arguments) - set(tuners.arguments(search.algorithm))
    if unknown:
        raise _damaged(path, f"arguments: {search.algorithm} has no {', '.join(sorted(unknown))}")
    try:
        TunerSpec.model_validate(search.arguments)
    except ValidationError as error:
        raise damaged(path, error, ("arguments",)) from None
    known = {parameter.name: parameter for parameter in space}
    for place, trial in enumerate(search.trials):
        for name, value in (*trial.proposed.items(), *trial.values.items()):
            if name not in known or not known[name].holds(value):
                raise _damaged(path, f"trials[{place}]: {show_value(value)} is no value of {name}")


def _damaged(path: Path, what: str) -> RunError:
    return RunError(Problem(f"{path} is damaged: {what}", hint=f"put the original back, or {FRESH_HINT}"))


def _check_same(search: Search, own: LoadedSpec, spec: LoadedSpec, data: str, *, extend_space: bool) -> None:
    """Refuse what would make the scores of old and new trials differ in kind."""
    name = f"search {search.label}"
    if data != search.data:
        raise RunError(Problem(f"{name} was begun with other data", hint=FRESH_HINT))
    if search.objective != _objective(spec, search):
        raise RunError(Problem(f"{name} has another objective: {search.objective.name}", hint=FRESH_HINT))
    if (tuner := spec.spec.tuner) is not None and tuner.algorithm != search.algorithm:
        raise RunError(Problem(f"{name} is a {search.algorithm}, not a {tuner.algorithm}", hint=FRESH_HINT))
    found = changes(_outside_space(own), _outside_space(spec))
    if extend_space:  # a value that is searched from now on: the trials so far had its default
        found = [(p, old, new) for p, old, new in found if new != SEARCHED_MARK or _default(spec, p) != old]
    told = [Problem(f"{show_path(p)} was {_shown(old)}, is {_shown(new)}") for p, old, new in found]
    then, now = ({p.base_name: p.sha256 for p in each.catalog.plugins} for each in (own, spec))
    altered = [file for file, sha256 in then.items() if now.get(file, sha256) != sha256]
    told += [Problem(f"the plug-in {file} has changed") for file in altered]
    if told:
        hint = FRESH_HINT
        if any(new == SEARCHED_MARK for _, _, new in found):
            flag = "" if extend_space else " and add --extend-space"
            hint = f"give what is searched now the value that it had as its default{flag}, or {FRESH_HINT}"
        raise RunError(*told, Problem(f"{name} was begun with another spec", hint=hint))
    before, after = json.loads(json.dumps(search.space)), json.loads(json.dumps(spec.space.to_json()))
    lines = differences(before, after)
    if not lines:
        return
    if not extend_space:
        hint = f"take it with --extend-space, or {FRESH_HINT}"
        raise RunError(*map(Problem, lines), Problem(f"{name} was begun with another space", hint=hint))
    _check_extension(search, before, after)


def _objective(spec: LoadedSpec, search: Search) -> Any:
    given = spec.spec.tuner.objective if spec.spec.tuner else None
    if given is None:
        return search.objective if search.objective.name in ("val_loss", "loss") else None
    if isinstance(given, str):
        return search.objective if given == search.objective.name else None
    return replace(search.objective, name=given.name, direction=given.direction)


def _check_extension(search: Search, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse a space that does not hold the old one.

    Raises:
        UsageError: it does not, or the algorithm cannot take up trials of another space.
    """
    if search.algorithm not in EXTENDABLE:
        rule = f"{search.algorithm} goes through its space in an order of its own and cannot be extended"
        raise UsageError(Problem(rule, hint=FRESH_HINT))
    problems = []
    for name, old in before.items():
        new = after.get(name)
        if new is None or new["kind"] != old["kind"]:
            problems.append(Problem(f"{name} cannot {'go' if new is None else 'change its kind'}"))
        elif "values" in old and any(value not in new["values"] for value in old["values"]):
            problems.append(Problem(f"{name} must keep its values"))
        elif "min" in old and (new["min"] > old["min"] or new["max"] < old["max"]):
            problems.append(Problem(f"{name} must not become narrower"))
        elif new["conditions"] != old["conditions"]:
            problems.append(Problem(f"{name} cannot depend on other choices than before"))
    if problems:
        rule = "a space can only be extended: trials were made in all of the old one"
        raise UsageError(*problems, Problem(rule, hint=FRESH_HINT))


def _outside_space(loaded: LoadedSpec) -> Any:
    """The spec without what is searched and how, without its name, and without where its files lie."""
    data = {key: value for key, value in loaded.source.data.items() if key not in ("tuner", "name")}
    if isinstance(start := data.get("start_from"), dict) and isinstance(start.get("run"), str):
        data["start_from"] = start | {"run": "a run"}
    data = portable(data, loaded.folder)
    if isinstance(data.get("dataset"), dict):
        data["dataset"] = with_files(data["dataset"], lambda path: "a file")
    return parse_text(dump(_blank(data, ())), "spec").data


def _blank(value: Any, path: tuple[str | int, ...]) -> Any:
    if is_hyperparameter(value, path):
        return SEARCHED_MARK
    if isinstance(value, dict):
        return {key: _blank(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_blank(item, (*path, index)) for index, item in enumerate(value)]
    return value


def _default(spec: LoadedSpec, path: tuple[str | int, ...]) -> Any:
    """What stands at a path of the spec when every hyperparameter has its default."""
    value: Any = spec.text.data
    for step in path:
        value = value[step]
    return value


def _shown(value: Any) -> str:
    return "searched" if value == SEARCHED_MARK else "nothing" if value is ABSENT else show_value(value)
