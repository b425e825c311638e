"""Resume a search: unchanged, with more trials, or with wider ranges."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from mlpcli import runs
from mlpcli.errors import ABSENT, KeyPath, Problem, RunError, UsageError, show_path, show_value
from mlpcli.files import read_ordinary_text, sweep
from mlpcli.model.plugins import copy_plugins, run_plugins
from mlpcli.model.transfer import pinned_start
from mlpcli.runs.record_models import damaged
from mlpcli.runs.results import SearchOutcome
from mlpcli.runs.search_folder import SEARCH, SEARCHED, Objective, ParameterRecord, Search, load_search
from mlpcli.runs.watcher import SearchWatcher
from mlpcli.spec import tuner_arguments as tuners
from mlpcli.spec.fit_section import AUTO
from mlpcli.spec.hyperparameters import is_hyperparameter
from mlpcli.spec.load import Kept, LoadedSpec, load_spec, with_data
from mlpcli.spec.locations import absolute, files_of, with_files
from mlpcli.spec.resolve import dump, portable
from mlpcli.spec.schema import TunerSpec
from mlpcli.spec.search_space import Space, differences
from mlpcli.spec.values import Value, children
from mlpcli.spec.yaml_reader import MAX_BYTES, parse_text
from mlpcli.training.disk_space import check_run_writable
from mlpcli.training.find_data import find_data
from mlpcli.training.identity import changes
from mlpcli.training.run_record import begun, resumed_record
from mlpcli.tuning.begin_search import tuner_arguments, write_searched
from mlpcli.tuning.search import SearchOptions, SearchSession

FRESH_HINT = "start a new search with --fresh"
SEARCHED_MARK = "\0searched"
"""Replaces a hyperparameter where two specs are compared outside their spaces."""
EXTENDABLE = ("RandomSearch", "BayesianOptimization")
"""Algorithms that can continue after trials in a smaller space."""


def resume_search(
    folder: Path,
    loaded: LoadedSpec | None = None,
    *,
    watcher: SearchWatcher,
    options: SearchOptions,
) -> SearchOutcome:
    """Resume a search in its own folder; unfinished trials are restarted.

    Args:
        folder: the search's folder.
        loaded: a spec that may differ from the search's in its space or tuner; None for the search's own.
        watcher: receives the progress.
        options: how the search is run.

    Raises:
        RunError: It is not a search, another process runs it, or the spec, its space or its data has changed.
        UsageError: The search cannot be extended in this way.
    """
    runs.check_inside(folder)
    check_run_writable(folder)
    with runs.locked(folder):
        search = load_search(folder)
        sweep(folder)
        own = open_spec(search)
        check_recorded(search, own.space)
        run = replace(runs.open_run(folder), trusted=options.trusted)
        if loaded is None:
            run_plugins(run, own.catalog)  # checks their checksums, before anything else imports them
            spec, dataset = find_data(own)
        else:
            spec = _with_engine(_as_started(loaded, own), search)
            spec, dataset = replace(spec, kept=own.kept), None
        session = SearchSession.prepare(spec, watcher, options, folder, dataset=dataset)
        session.record |= begun(resumed_record(run, options.command))
        session.record["plugins"] = [plugin.model_dump() for plugin in run.record.plugins]
        _check_same(search, own, spec, session.dataset.fingerprint, extend_space=options.extend_space)
        arguments = tuner_arguments(session.tuner, spec, options.trials)
        if options.trials is None and loaded is None:
            arguments = search.arguments  # --trials of an earlier session counts
        if options.ensemble is not None or loaded is not None:
            _keep_mean_of(search, session.tuner.ensemble or 0)
        if run.record.can_go_on:
            search.winner = None  # of the trials so far; another may be the best at the end
        _update(search, session, own, arguments)
        search.save()
        return session.run(search)


def _update(search: Search, session: SearchSession, own: LoadedSpec, arguments: dict[str, object]) -> None:
    """Write what a session changes into the search and its folder: arguments, space, paths of the data.

    Args:
        search: the search; not saved here.
        session: the session that resumes it.
        own: the search's spec so far.
        arguments: those of the tuner now.
    """
    spec = session.loaded
    if arguments != search.arguments:
        search.arguments, search.finished = arguments, False
        search.winner = None  # another trial may be the best at the end
    if spec.space.to_json() != own.space.to_json():
        search.space, search.finished = spec.space.to_json(), False
        write_searched(search.folder, spec)
        session.record["plugins"] = copy_plugins(spec.catalog, search.folder)
    if _files(spec) != _files(own):
        search.spec = str(spec.file.resolve())
        write_searched(search.folder, spec)


def _keep_mean_of(search: Search, ensemble: int) -> None:
    """Have the mean of some of the best trials kept, or one network; a finished search promotes again."""
    if ensemble != search.ensemble:
        search.ensemble, search.finished, search.winner = ensemble, False, None


def _as_started(loaded: LoadedSpec, own: LoadedSpec) -> LoadedSpec:
    """Return the given spec; its `start_from` is the run that it referred to when the search started."""
    start, given = pinned_start(loaded, own).spec.start_from, loaded.source.data.get("start_from")
    if start is None or not isinstance(given, dict) or start.run == given.get("run"):
        return loaded
    return with_data(loaded, loaded.source.data | {"start_from": given | {"run": start.run}})


def _files(loaded: LoadedSpec) -> list[str]:
    """Return the absolute paths of a spec's data files."""
    return [absolute(file, loaded.folder) for file in files_of(loaded.source.data["dataset"])]


def open_spec(search: Search) -> LoadedSpec:
    """Load the spec of a search from the search's folder.

    Raises:
        RunError: A file is missing or cannot be read.
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
    found = replace(load_spec(copy), file=Path(search.spec), raw=raw, runs_dir=runs_dir, kept=kept)
    return _with_engine(found, search)


def _with_engine(loaded: LoadedSpec, search: Search) -> LoadedSpec:
    """Return the spec of a search with the engine of its trials, where it leaves that to us."""
    fit = loaded.source.data.get("fit") or {}
    if search.engine == AUTO or not isinstance(fit, dict) or fit.get("engine", AUTO) != AUTO:
        return loaded
    return with_data(loaded, loaded.source.data | {"fit": {**fit, "engine": search.engine}})


def check_recorded(search: Search, space: Space) -> None:
    """Check the recorded arguments and trials of a search against its spec.

    Args:
        search: the search.
        space: the space of its spec.

    Raises:
        RunError: An argument or a value cannot belong to this search.
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
    return RunError(Problem(f"{path} is damaged: {what}", hint=f"restore the original, or {FRESH_HINT}"))


def _check_same(search: Search, own: LoadedSpec, spec: LoadedSpec, data: str, *, extend_space: bool) -> None:
    """Refuse to resume if old and new scores could not be compared.

    Args:
        search: the search.
        own: its spec.
        spec: the spec to resume with.
        data: fingerprint of that spec's data.
        extend_space: wider ranges and new hyperparameters are accepted.

    Raises:
        RunError: The data, the objective, the algorithm, the spec or its space has changed.
        UsageError: The search cannot be extended in this way.
    """
    name = f"search {search.label}"
    if data != search.data:
        raise RunError(Problem(f"{name} was started with other data", hint=FRESH_HINT))
    if search.objective != _objective(spec, search):
        raise RunError(Problem(f"{name} has another objective: {search.objective.name}", hint=FRESH_HINT))
    if (tuner := spec.spec.tuner) is not None and tuner.algorithm != search.algorithm:
        raise RunError(Problem(f"{name} is a {search.algorithm}, not a {tuner.algorithm}", hint=FRESH_HINT))
    then_folds, now_folds = (each.spec.tuner.folds if each.spec.tuner else None for each in (own, spec))
    if then_folds != now_folds:
        rule = f"{name} was started with tuner.folds {then_folds or 'not given'}"
        raise RunError(Problem(rule, received=now_folds, hint=FRESH_HINT))
    found = changes(_outside_space(own), _outside_space(spec))
    if extend_space:  # newly searched values: the trials so far had their defaults
        found = [(p, old, new) for p, old, new in found if new != SEARCHED_MARK or _default(spec, p) != old]
    problems = [Problem(f"{show_path(p)} was {_shown(old)}, is {_shown(new)}") for p, old, new in found]
    then, now = ({p.base_name: p.sha256 for p in each.catalog.plugins} for each in (own, spec))
    altered = [file for file, sha256 in then.items() if now.get(file, sha256) != sha256]
    problems += [Problem(f"the plug-in {file} has changed") for file in altered]
    if problems:
        hint = FRESH_HINT
        if any(new == SEARCHED_MARK for _, _, new in found):
            flag = "" if extend_space else " and add --extend-space"
            hint = f"give each new hyperparameter its old value as its default{flag}, or {FRESH_HINT}"
        raise RunError(*problems, Problem(f"{name} was started with another spec", hint=hint))
    before, after = json.loads(json.dumps(search.space)), json.loads(json.dumps(spec.space.to_json()))
    lines = differences(before, after)
    if not lines:
        return
    if not extend_space:
        hint = f"accept it with --extend-space, or {FRESH_HINT}"
        raise RunError(*map(Problem, lines), Problem(f"{name} was started with another space", hint=hint))
    _check_extension(search, _parameters(before), _parameters(after))


def _parameters(definitions: dict[str, object]) -> dict[str, ParameterRecord]:
    """Return the parameters of a space as `Space.to_json` defines them."""
    return {name: ParameterRecord.model_validate_json(json.dumps(each)) for name, each in definitions.items()}


def _objective(spec: LoadedSpec, search: Search) -> Objective | None:
    """Return the objective of a spec; None for a name other than the search's."""
    given = spec.spec.tuner.objective if spec.spec.tuner else None
    if given is None:
        return search.objective if search.objective.name in ("val_loss", "loss") else None
    if isinstance(given, str):
        return search.objective if given == search.objective.name else None
    return replace(search.objective, name=given.name, direction=given.direction)


def _check_extension(
    search: Search, before: dict[str, ParameterRecord], after: dict[str, ParameterRecord]
) -> None:
    """Refuse a space that does not contain the old one.

    Args:
        search: the search.
        before: the parameters of the old space by name.
        after: those of the new space.

    Raises:
        UsageError: A value of the old space is missing, or the algorithm cannot continue in another space.
    """
    if search.algorithm not in EXTENDABLE:
        rule = f"{search.algorithm} tries its space in a fixed order and cannot be extended"
        raise UsageError(Problem(rule, hint=FRESH_HINT))
    problems = []
    for name, old in before.items():
        new = after.get(name)
        if new is None or new.kind != old.kind:
            problems.append(Problem(f"{name} cannot {'be removed' if new is None else 'change its kind'}"))
        elif any(value not in new.values for value in old.values):
            problems.append(Problem(f"{name} must keep its values"))
        elif new.min > old.min or new.max < old.max:
            problems.append(Problem(f"{name} must not become narrower"))
        elif new.conditions != old.conditions:
            problems.append(Problem(f"{name} cannot depend on other choices than before"))
    if problems:
        rule = "a space can only be extended: earlier trials may have any value of the old one"
        raise UsageError(*problems, Problem(rule, hint=FRESH_HINT))


def _outside_space(loaded: LoadedSpec) -> Value:
    """Return the spec without hyperparameters, tuner, name and the paths of its files."""
    data = {key: value for key, value in loaded.source.data.items() if key not in ("tuner", "name")}
    if isinstance(start := data.get("start_from"), dict) and isinstance(start.get("run"), str):
        data["start_from"] = start | {"run": "a run"}
    data = portable(data, loaded.folder)
    if isinstance(data.get("dataset"), dict):
        data["dataset"] = with_files(data["dataset"], lambda path: "a file")
    outside: Value = parse_text(dump(_blank(data, ())), "spec").data
    return outside


def _blank(value: Value, path: KeyPath) -> Value:
    """Return a value of the spec with SEARCHED_MARK in place of each hyperparameter."""
    if is_hyperparameter(value, path):
        return SEARCHED_MARK
    if isinstance(value, dict):
        return {key: _blank(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_blank(item, (*path, index)) for index, item in enumerate(value)]
    return value


def _default(spec: LoadedSpec, path: KeyPath) -> Value:
    """Return the value at a path of the spec if every hyperparameter has its default."""
    value: Value = spec.text.data
    for step in path:
        value = dict(children(value))[step]
    return value


def _shown(value: object) -> str:
    return "searched" if value == SEARCHED_MARK else "nothing" if value is ABSENT else show_value(value)
