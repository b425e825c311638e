"""Comparison of runs: the settings in which they differ, and their metrics."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import ABSENT, AllAtOnce, Problem, RunError, UsageError, show_path
from mlpcli.runs.folder import Run, find_run, open_run
from mlpcli.runs.leaking_columns import leaking_columns
from mlpcli.runs.record_models import MetricsRecord, read_record
from mlpcli.runs.run_epochs import epochs_of
from mlpcli.runs.same_rows import same_rows
from mlpcli.runs.search_folder import SEARCH, load_search
from mlpcli.spec.layer_graph import OWN_LAYER_KEYS
from mlpcli.spec.optimizer_keys import OWN_OPTIMIZER_KEYS
from mlpcli.spec.plugins import KERAS
from mlpcli.spec.yaml_reader import read_text

FEATURES = ("dataset", "features")
NO_COMPONENTS = (("dataset",), ("inputs",), ("fit",))
"""Sections whose mappings are of free names, which may begin with a capital: columns, classes."""
OWN_KEYS = {*OWN_LAYER_KEYS, *OWN_OPTIMIZER_KEYS}
OWN_DEFAULTS: dict[str, object] = {"repeat": 1} | {key: {} for key in OWN_OPTIMIZER_KEYS}

MOST_TRIALS = 10
"""The most trials of a search that are compared."""


@dataclass(frozen=True)
class Comparison:
    """Rows of a comparison, with a value per run; None where a run does not have it."""

    labels: tuple[str, ...]
    short: tuple[str, ...]  # the labels without their common prefix
    facts: dict[str, list[object]]  # status, epochs, seconds, parameters
    settings: dict[str, list[object]]  # those of the resolved specs that differ, by path
    metrics: dict[str, list[float | None]]  # "validation accuracy" and the like
    other_rows: tuple[str, ...]  # the splits whose rows are not the same in all runs
    leaking: tuple[str | None, ...] = ()  # a column that alone predicts the target, where that is recorded


def choose(names: Sequence[str], runs_dir: Path, *, trials: bool, trusted: bool = False) -> list[Run]:
    """Find the runs to compare.

    Args:
        names: names, `name/timestamp`, or run folders.
        runs_dir: the folder of the runs.
        trials: take the best trials of each named search instead of the search.
        trusted: run their plug-ins even if they are not known on this machine.

    Raises:
        RunError: a run does not exist, or is not a search.
        UsageError: there are fewer than two to compare.
    """
    found: list[Run] = []
    at_once = AllAtOnce()
    for name in names:
        with at_once:
            run = find_run(name, runs_dir, trusted=trusted)
            found += [replace(trial, trusted=trusted) for trial in _trials(run)] if trials else [run]
    at_once.finish()
    if len(found) < 2:
        hint = "name another run" if not trials else "the search has fewer than two finished trials"
        raise UsageError(Problem("there is only one run to compare", hint=hint))
    return found


def _trials(run: Run) -> list[Run]:
    if not (run / SEARCH).exists():
        raise RunError(Problem(f"run {run.label} is not a search", hint="leave --trials out"))
    search = load_search(run.folder)
    return [open_run(run / trial.folder) for trial in search.best_first()[:MOST_TRIALS]]


def side_by_side(found: Sequence[Run]) -> Comparison:
    """Compare some runs by their own files."""
    metrics = [_metrics(run) for run in found]
    names = list(dict.fromkeys(name for each in metrics for name in each))
    resolved = [settings_of(run) for run in found]
    paths = _in_order([path for each in resolved for path in each])
    values = {path: [each[path].value if path in each else ABSENT for each in resolved] for path in paths}
    differing = {path: row for path, row in values.items() if _differs(path, row, resolved)}
    other_kinds = {path for path in differing if path.startswith(show_path(FEATURES))}
    of = {path: each[path].column for each in resolved for path in each}
    differing = {path: row for path, row in differing.items() if of[path] not in other_kinds}
    return Comparison(
        tuple(run.label for run in found),
        _shortened([run.label for run in found]),
        {
            "status": [run.status for run in found],
            "epochs": [epochs_of(run) for run in found],
            "seconds": [run.record.timings.get("total") for run in found],
            "parameters": [run.record.model.parameters for run in found],
        },
        {path: [None if value is ABSENT else value for value in row] for path, row in differing.items()},
        {name: [each.get(name) for each in metrics] for name in names},
        _other_rows(found),
        tuple(_leaking(run) for run in found),
    )


def _leaking(run: Run) -> str | None:
    """Return a column that alone predicts the target of a run; None for none."""
    return next((first.column for first, _ in leaking_columns(run.record.columns)), None)


def _other_rows(found: Sequence[Run]) -> tuple[str, ...]:
    """Return the splits whose rows are known to differ between the runs."""
    data = [run.record.data for run in found if run.record.data is not None]
    names = dict.fromkeys(name for each in data for name in each.rows)
    pairs = [*combinations(data, 2)]
    return tuple(
        name
        for name in names
        if any(same_rows(*pair, name) is False for pair in pairs if all(name in each.rows for each in pair))
    )


def _metrics(run: Run) -> dict[str, float]:
    try:
        metrics = read_record(run / runs.METRICS, MetricsRecord)
    except FileNotFoundError:
        return {}
    return {
        f"{split} {name}": value
        for split, values in metrics.by_split().items()
        for name, value in values.items()
        if (split, name) != ("baseline", "network")  # the network's is there by its own name
    }


def settings_of(run: Run) -> dict[str, Setting]:
    """Return every plain value of the resolved spec by its path."""
    path = run / runs.RESOLVED
    return dict(_leaves(read_text(path).data, ())) if path.is_file() else {}


@dataclass(frozen=True)
class Setting:
    """A plain value of a resolved spec.

    Attributes:
        value: the value.
        default: whether the class has it by itself.
        column: the path of the column of which it says how its values are prepared, else empty.
    """

    value: object
    default: bool = False
    column: str = ""


def _leaves(
    value: object, path: tuple[str | int, ...], default: object = ABSENT
) -> Iterator[tuple[str, Setting]]:
    if isinstance(value, dict) and (name := _class_of(value, path)):
        yield show_path(path), Setting(name)  # equal arguments of two classes are compared
        yield from _arguments(value, name, path)
    elif isinstance(value, list) and path[:1] == ("metrics",):
        yield from _metric_list(value, path)
    elif isinstance(value, dict) and path[:2] == FEATURES and len(path) == 3 and "kind" in value:
        column = show_path(path)
        yield column, Setting(value["kind"])
        for key, item in value.items():
            if key != "kind":
                yield f"{column}.{key}", Setting(item, column=column)
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield show_path(path), Setting(value, default is not ABSENT and value == default)


def _arguments(
    value: dict[str, object], name: str, path: tuple[str | int, ...]
) -> Iterator[tuple[str, Setting]]:
    """Yield the arguments of a component, and what stands beside its class."""
    inside = value[name]
    own = {key: item for key, item in value.items() if key != name}
    defaults = _defaults(name) | OWN_DEFAULTS
    for key, item in ((inside if isinstance(inside, dict) else {}) | own).items():
        yield from _leaves(item, (*path, key), defaults.get(key, ABSENT))


def _metric_list(metrics: list[object], path: tuple[str | int, ...]) -> Iterator[tuple[str, Setting]]:
    """Yield the names of metrics as one value, and their arguments by name, wherever they stand."""
    names: list[str] = []
    arguments: list[tuple[str, Setting]] = []
    for metric in metrics:
        name = _class_of(metric, path) if isinstance(metric, dict) else None
        shown = str(metric) if name is None else name
        label = shown if shown not in names else f"{shown}[{names.count(shown)}]"
        names.append(shown)
        if isinstance(metric, dict) and name is not None:
            arguments += _arguments(metric, name, (*path, label))
    yield show_path(path), Setting(names)
    yield from arguments


def _defaults(class_name: str) -> dict[str, object]:
    """Return the defaults of the arguments of Keras's or mlpcli's class; none for a class of a plug-in."""
    namespace = KERAS.namespace_of(class_name)
    return {} if namespace is None else KERAS.signature(namespace, class_name).defaults


def _class_of(value: dict[str, object], path: tuple[str | int, ...]) -> str | None:
    """Return the class that a component names, or None for any other mapping, as of columns or classes."""
    classes = [key for key in value if key[:1].isupper()]
    if len(classes) != 1 or path[:1] in NO_COMPONENTS or not set(value) - {classes[0]} <= OWN_KEYS:
        return None
    return classes[0] if value[classes[0]] is None or isinstance(value[classes[0]], dict) else None


def _differs(path: str, row: list[object], resolved: Sequence[dict[str, Setting]]) -> bool:
    """Return whether a setting differs between the runs, or only some have it and it is no default."""
    there = [value for value in row if value is not ABSENT]
    if any(value != there[0] for value in there):
        return True
    return len(there) < len(row) and any(not each[path].default for each in resolved if path in each)


def _in_order(paths: Sequence[str]) -> list[str]:
    """Return the paths of several specs in the order of a spec: by key, and layers by their number."""
    keys = list(dict.fromkeys(re.split(r"[.\[]", path)[0] for path in paths))
    places = {path: place for place, path in reversed(list(enumerate(paths)))}

    def order(path: str) -> tuple[int, list[int], int]:
        return (
            keys.index(re.split(r"[.\[]", path)[0]),
            [int(n) for n in re.findall(r"\[(\d+)\]", path)],
            places[path],
        )

    return sorted(places, key=order)


def default_picture(found: Sequence[Run], runs_dir: Path) -> Path:
    """Return the file for the figure of a comparison: of the same runs the same, of others another."""
    names = "-".join(dict.fromkeys(run.label.partition("/")[0] for run in found))[:60]
    digest = hashlib.sha256("\n".join(run.label for run in found).encode()).hexdigest()[:8]
    return runs_dir / f"compare-{names}-{digest}.png"


def _shortened(labels: list[str]) -> tuple[str, ...]:
    """Return the labels without their common prefix."""
    parts = [label.split("/") for label in labels]
    shared = 0
    while all(len(each) > shared + 1 and each[shared] == parts[0][shared] for each in parts):
        shared += 1
    return tuple("/".join(each[shared:]) for each in parts)
