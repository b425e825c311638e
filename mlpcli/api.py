"""mlpcli in a Python program: train, check, load and resume runs, by the functions that the commands call."""

from __future__ import annotations

import contextlib
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlpcli.data.handed_in import Data, HandedIn
from mlpcli.errors import MlpcliError, Problem, UsageError
from mlpcli.opened_run import Run
from mlpcli.spec.split_forms import SplitBy

if TYPE_CHECKING:
    from mlpcli.runs.results import Forecast, Outcome
    from mlpcli.runs.watcher import Watcher
    from mlpcli.spec.load import LoadedSpec

SpecSource = Mapping[str, object] | str | os.PathLike[str]
"""A spec: the path of its file, or its values as a mapping."""

AS_WRITTEN: object = type("AsWritten", (), {"__repr__": lambda self: "as the spec says"})()
"""A split that is as the spec has it. None stands for no such split."""

RUNS = "runs"
RUN_RULE = "run: must be a name, name/timestamp, or a folder"
SPEC_NAME = Path("spec")
"""How a spec that is a mapping is called in messages; its relative paths start from the current folder."""


def train(
    spec: SpecSource,
    data: Data | None = None,
    *,
    validation: Data | None = AS_WRITTEN,
    test: Data | None = AS_WRITTEN,
    set: Mapping[str, object] | None = None,
    folds: int | None = None,
    seeds: int | None = None,
    runs_dir: str | os.PathLike[str] = RUNS,
    progress: bool = True,
    log_to: Literal["mlflow"] | None = None,
    trusted: bool = False,
) -> Run:
    """Train a spec into a new run, as `mlpcli train` does.

    Args:
        spec: The path of a spec, or its values as a mapping.
        data: Rows instead of the spec's: a DataFrame, a PyArrow table, a mapping of arrays, arrays (x, y), or
            a path. The run records their fingerprint and keeps no copy of them.
        validation: Of the data: a share, a number of rows, `{"last": 0.2, "by": "date"}`, other rows as for
            `data`, or None for none. Left out, it is as the spec says.
        test: Likewise.
        set: Changes of the spec, by path: `{"fit.epochs": 5}`.
        folds: Train on that many folds; as `fit.folds`.
        seeds: Train with that many seeds; as `fit.seeds`.
        runs_dir: The folder of the runs.
        progress: Show the progress on stderr.
        log_to: Also write the run into MLflow, as `--log-to` does.
        trusted: Let the plug-ins of a run that the spec starts from run.

    Returns:
        The finished run.

    Raises:
        MlpcliError: The spec or the data is wrong, or the training diverged; with every problem.
        KeyboardInterrupt: The training was interrupted; `resume` goes on with it.
    """
    from mlpcli.model.transfer import find_start
    from mlpcli.spec.load import located
    from mlpcli.training.side_process import side_process
    from mlpcli.training.start import start_run

    handed = HandedIn()
    given = data_settings(handed, data, validation, test)
    settings = [*given, *settings_of(set)]
    for key, each in (("folds", folds), ("seeds", seeds)):
        if each is not None:
            settings.append(handed.argument(key, each, setting_of(f"fit.{key}", each)))
    with handed.named(), _naming_data(data, "mlpcli.train"):
        loaded = replace(read_source(spec, settings), runs_dir=Path(runs_dir))
        with located(loaded):
            loaded = find_start(loaded, trusted=trusted)
        with (
            _watching(progress) as shown,
            _logging(shown, progress, log_to is not None) as watcher,
            side_process(),
        ):
            outcome = start_run(loaded, runs_dir=Path(runs_dir), watcher=watcher, command=["mlpcli.train"])
    return _finished(outcome, given, handed)


def check(
    spec: SpecSource,
    data: Data | None = None,
    *,
    validation: Data | None = AS_WRITTEN,
    test: Data | None = AS_WRITTEN,
    set: Mapping[str, object] | None = None,
    runs_dir: str | os.PathLike[str] = RUNS,
) -> Forecast:
    """Check a spec and its data, as `mlpcli check` does; write nothing.

    Args:
        spec: As for `train`.
        data: As for `train`.
        validation: As for `train`.
        test: As for `train`.
        set: As for `train`.
        runs_dir: The folder of the runs that the spec names.

    Returns:
        What a training would do: layers, rows, memory, notes and advice.

    Raises:
        MlpcliError: The spec or the data is wrong; with every problem and its place.
    """
    from mlpcli.training.forecast import forecast

    handed = HandedIn()
    with handed.named(), _naming_data(data, "mlpcli.check"):
        given = data_settings(handed, data, validation, test)
        loaded = read_source(spec, [*given, *settings_of(set)])
        return forecast(replace(loaded, runs_dir=Path(runs_dir)), timed=False)


def load(
    run: str | os.PathLike[str],
    *,
    runs_dir: str | os.PathLike[str] = RUNS,
    data: Data | None = None,
    validation: Data | None = AS_WRITTEN,
    test: Data | None = AS_WRITTEN,
    best: bool = False,
    trusted: bool = False,
) -> Run:
    """Open a run: by its name (the newest that is finished), as `name/timestamp`, or by its folder.

    Args:
        run: The run.
        runs_dir: The folder of the runs.
        data: The rows that it was trained on, where these were handed in; for its splits.
        validation: Likewise, where these rows were handed in too.
        test: Likewise.
        best: The name's best run, not its newest.
        trusted: Let its plug-ins run even if they are not known on this machine.

    Raises:
        MlpcliError: There is no such run.
    """
    from mlpcli.cli.named import find_named

    found = find_named(_path(run, RUN_RULE), Path(runs_dir), trusted=trusted, best=best)
    handed = HandedIn()
    given = data_settings(handed, data, validation, test)
    return Run(replace(found, settings=tuple(given)), handed)


def resume(
    run: str | os.PathLike[str],
    data: Data | None = None,
    *,
    validation: Data | None = AS_WRITTEN,
    test: Data | None = AS_WRITTEN,
    runs_dir: str | os.PathLike[str] = RUNS,
    progress: bool = True,
    log_to: Literal["mlflow"] | None = None,
    trusted: bool = False,
) -> Run:
    """Finish a run that was interrupted or killed, as `mlpcli train --resume` does.

    Args:
        run: The run; a name means its newest run.
        data: The rows that were handed to `train`, if they were; others are refused.
        validation: Likewise.
        test: Likewise.
        runs_dir: The folder of the runs.
        progress: Show the progress on stderr.
        log_to: Also write the run into MLflow; without it too, where the run is there already.
        trusted: Let its plug-ins run even if they are not known on this machine.

    Raises:
        MlpcliError: The run is finished, or has other data; or as for `train`.
        KeyboardInterrupt: The training was interrupted again.
    """
    from mlpcli.cli.named import check_data
    from mlpcli.export.mlflow_watchers import goes_on
    from mlpcli.runs.folder import find_run
    from mlpcli.training import start
    from mlpcli.training.side_process import side_process

    handed = HandedIn()
    given = data_settings(handed, data, validation, test)
    with handed.named():
        found = find_run(_path(run, RUN_RULE), Path(runs_dir), unfinished=True, trusted=trusted)
        found = replace(found, settings=tuple(given))
        check_data(found, "hand in the rows: mlpcli.resume(RUN, data)")
        logged = log_to is not None or goes_on(found.folder, _warn)
        with (
            _watching(progress) as shown,
            _logging(shown, progress, logged) as watcher,
            side_process(),
        ):
            outcome = start.resume(found, watcher=watcher, command=["mlpcli.resume"])
    return _finished(outcome, given, handed)


def _finished(outcome: Outcome, given: Sequence[str], handed: HandedIn) -> Run:
    return Run(replace(outcome.run, settings=tuple(given)), handed)


def read_source(spec: SpecSource, settings: Sequence[str]) -> LoadedSpec:
    """Load a spec as the commands do."""
    from mlpcli.cli.spec_file import read_spec

    if not isinstance(spec, Mapping):
        rule = "spec: must be the path of a file, or a mapping"
        return read_spec(Path(_path(spec, rule)), settings)
    from mlpcli.spec.resolve import dump

    text = dump(_plain(spec, ()))
    return read_spec(SPEC_NAME, settings, given=text)


def _path(given: str | os.PathLike[str], rule: str) -> str:
    """Return a path as a text.

    Raises:
        UsageError: It is something else.
    """
    if not isinstance(given, str | os.PathLike) or not isinstance(found := os.fspath(given), str):
        raise UsageError(Problem(rule, received=type(given).__name__))
    return found


DEEPEST = 100
"""How far the values of a spec may be inside each other."""


def _plain(value: object, path: tuple[str | int, ...]) -> object:
    """Return a value of a spec as YAML takes it.

    Raises:
        UsageError: it is an object that YAML has no form for, or contains itself.
    """
    if len(path) > DEEPEST:
        rule, hint = f"values are nested more than {DEEPEST} deep", "one of them may contain itself"
        raise UsageError(Problem(rule, path=path[:2], hint=hint))
    if isinstance(value, Mapping):
        return {str(key): _plain(each, (*path, str(key))) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, (*path, place)) for place, each in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # NumPy's numbers and arrays
        return _plain(value.tolist(), path)
    rule = "must be a number, a text, true, false, null, a list or a mapping"
    raise UsageError(Problem(rule, path=path, received=type(value).__name__, hint=_example(path)))


def _example(path: tuple[str | int, ...]) -> str:
    """Return how a component is named that was handed in as an object; empty for another value."""
    words = [word for each in path if isinstance(each, str) for word in re.findall(r"[a-z_]+", each, re.I)]
    example = EXAMPLES.get(words[-1] if words else "")
    if example is None:
        return ""
    key, value = ("layers", f"[{example}]") if words[-1] == "layers" else (words[-1], example)
    return f"name it, such as {key!r}: {value}; one of your own is in a Python file: 'plugins': ['own.py']"


EXAMPLES = {
    "loss": "'mse', or {'Huber': {'delta': 1.0}}",
    "metrics": "['mae', {'Precision': {'class_id': 1}}]",
    "optimizer": "{'Adam': {'learning_rate': 0.01}}",
    "layers": "{'Dense': {'units': 8}}",
    "callbacks": "[{'EarlyStopping': {'patience': 5}}]",
    "activation": "'relu'",
    "learning_rate": "{'CosineDecay': {'initial_learning_rate': 0.01, 'decay_steps': 1000}}",
    "kernel_initializer": "'he_normal'",
    "bias_initializer": "'zeros'",
    "kernel_regularizer": "{'L2': {'l2': 0.001}}",
}
"""What a spec has where a program may have handed in an object of Keras, or a function."""


def settings_of(changes: Mapping[str, object] | None) -> Iterator[str]:
    """Yield changes of the spec as `--set` takes them.

    Raises:
        UsageError: They are no mapping.
    """
    if changes is not None and not isinstance(changes, Mapping):
        rule, hint = "set: must be a mapping of paths to values", 'write set={"fit.epochs": 5}'
        raise UsageError(Problem(rule, received=type(changes).__name__, hint=hint))
    for path, value in (changes or {}).items():
        yield setting_of(path, value)


def setting_of(path: str, value: object) -> str:
    """Return a change of the spec as `--set` takes it."""
    return f"{path}={json.dumps(_plain(value, (path,)), ensure_ascii=False)}"


def data_settings(
    handed: HandedIn, data: Data | None, validation: Data | None, test: Data | None
) -> list[str]:
    """Write data to files, and return the settings that name these.

    Args:
        handed: Keeps the files.
        data: The rows; None for the spec's own.
        validation: See `train`.
        test: See `train`.
    """
    settings = [] if data is None else [setting_of("dataset.path", handed.add(data, "data"))]
    for key, split in (("validation", validation), ("test", test)):
        if split is not AS_WRITTEN:
            setting = setting_of(f"dataset.{key}", _split(handed, split, f"{key} data"))
            plain = split is None or isinstance(split, bool | int | float | Mapping)
            settings.append(handed.argument(key, split, setting) if plain else setting)
    return settings


def _split(handed: HandedIn, split: object, name: str) -> object:
    """Return a split as a spec has it."""
    if split is None or isinstance(split, bool | int | float):
        return split
    if isinstance(split, Mapping) and split.keys() <= SplitBy.model_fields.keys():
        return split
    return str(handed.add(split, name).absolute())


@contextlib.contextmanager
def _naming_data(data: Data | None, function: str) -> Iterator[None]:
    """Say of a spec without data that it may be handed in too.

    Args:
        data: that was handed in, or None.
        function: that takes it.
    """
    try:
        yield
    except MlpcliError as error:
        if data is None:
            way = f"or hand in the rows: {function}(spec, data)"
            error.problems = tuple(
                replace(each, hint=f"{each.advice()}; {way}") if each.path == ("dataset",) else each
                for each in error.problems
            )
        raise


@contextlib.contextmanager
def _watching(progress: bool) -> Iterator[Watcher]:
    """Show the progress, or nothing."""
    from mlpcli.report.train import TrainingReport
    from mlpcli.runs.watcher import Watcher

    if not progress:
        yield Watcher()
        return
    with TrainingReport(stderr=True) as watcher:
        yield watcher


def _logging(shown: Watcher, progress: bool, logged: bool) -> AbstractContextManager[Watcher]:
    """Return a watcher that also writes into MLflow, where that is wanted."""
    from mlpcli.export.mlflow_watchers import logged_training

    return logged_training(shown, logged, warn=None if progress else _warn)


def _warn(text: str) -> None:
    """Warn of what is no error, where no progress is shown."""
    warnings.warn(text, stacklevel=3)
