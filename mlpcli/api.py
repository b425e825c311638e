"""mlpcli in a Python program: train, check, load and resume runs, by the functions that the commands call."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import mlpcli.runs.folder as folders
from mlpcli.data.handed_in import HandedIn, is_frame
from mlpcli.errors import Problem, UsageError
from mlpcli.spec.split_forms import SplitBy

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from mlpcli.data.types import Array
    from mlpcli.inference.predict import PredictOptions
    from mlpcli.keras_import import keras
    from mlpcli.model.trained_model import TrainedModel
    from mlpcli.runs.explanation import Explanation
    from mlpcli.runs.results import Evaluation, Forecast, Outcome
    from mlpcli.runs.watcher import Watcher
    from mlpcli.spec.load import LoadedSpec

SpecSource = Mapping[str, object] | str | os.PathLike[str]
"""A spec: the path of its file, or its values as a mapping."""

Data = object
"""A pandas DataFrame, a PyArrow table, a mapping of names to arrays, arrays `(x, y)`, or a file's path."""

AS_WRITTEN: object = type("AsWritten", (), {"__repr__": lambda self: "as the spec says"})()
"""A split that is as the spec has it. None stands for no such split."""

RUNS = "runs"
SPEC_NAME = Path("spec")
"""How a spec that is a mapping is called in messages; its relative paths start from the current folder."""

SPLITS = ("train", "validation", "test", "held_out")


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
    repeats = {f"fit.{key}": each for key, each in (("folds", folds), ("seeds", seeds)) if each is not None}
    given = _data_settings(handed, data, validation, test)
    changes = {**(set or {}), **repeats}
    settings = [*given, *(_setting(path, value) for path, value in changes.items())]
    with handed.named():
        loaded = replace(_read(spec, settings), runs_dir=Path(runs_dir))
        with located(loaded):
            loaded = find_start(loaded, trusted=trusted)
        with _watching(progress) as watcher, side_process():
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
    with handed.named():
        given = _data_settings(handed, data, validation, test)
        loaded = _read(spec, [*given, *(_setting(key, value) for key, value in (set or {}).items())])
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

    found = find_named(os.fspath(run), Path(runs_dir), trusted=trusted, best=best)
    handed = HandedIn()
    given = _data_settings(handed, data, validation, test)
    return Run(replace(found, settings=tuple(given)), handed)


def resume(
    run: str | os.PathLike[str],
    data: Data | None = None,
    *,
    validation: Data | None = AS_WRITTEN,
    test: Data | None = AS_WRITTEN,
    runs_dir: str | os.PathLike[str] = RUNS,
    progress: bool = True,
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
        trusted: Let its plug-ins run even if they are not known on this machine.

    Raises:
        MlpcliError: The run is finished, or has other data; or as for `train`.
        KeyboardInterrupt: The training was interrupted again.
    """
    from mlpcli.cli.named import check_data
    from mlpcli.runs.folder import find_run
    from mlpcli.training import start
    from mlpcli.training.side_process import side_process

    handed = HandedIn()
    given = _data_settings(handed, data, validation, test)
    with handed.named():
        found = find_run(os.fspath(run), Path(runs_dir), unfinished=True, trusted=trusted)
        found = replace(found, settings=tuple(given))
        check_data(found)
        with _watching(progress) as watcher, side_process():
            outcome = start.resume(found, watcher=watcher, command=["mlpcli.resume"])
    return _finished(outcome, given, handed)


class Run:
    """A run: its records, its model, and what the commands do with it."""

    def __init__(self, found: folders.Run, handed: HandedIn | None = None) -> None:
        """Open a run that was found.

        Args:
            found: The run.
            handed: The files of data that was handed in, which are kept as long as this object.
        """
        self._run, self._handed = found, handed or HandedIn()
        self._trained: TrainedModel | None = None

    def __repr__(self) -> str:
        return f"<mlpcli run {self.label}, {self.status}>"

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._run.folder

    @property
    def label(self) -> str:
        """`name/timestamp`, as every command accepts it."""
        return self._run.label

    @property
    def status(self) -> str:
        """One of running, completed, interrupted, diverged, failed."""
        return self._run.status

    @property
    def spec(self) -> dict[str, object]:
        """The spec that was trained, with every default, as plain values."""
        from mlpcli.spec.yaml_reader import read_text

        return cast("dict[str, object]", read_text(self._run.require(folders.RESOLVED)).data)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics of the finished model, by split and name; NaN where one has no value."""
        from mlpcli.runs.record_models import MetricsRecord, read_record

        found = read_record(self._run.require(folders.METRICS), MetricsRecord).by_split()
        return {split: values for split, values in found.items() if values}

    @property
    def history(self) -> dict[str, list[float]]:
        """The loss, the metrics and the learning rate of each epoch, by name; NaN where one has no value."""
        from mlpcli.runs.record_models import read_history

        rows = read_history(self._run.require(folders.HISTORY))
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name, float("nan")) for row in rows] for name in names}

    def history_frame(self) -> pd.DataFrame:
        """Return the history as a DataFrame with a row for each epoch; pandas must be installed."""
        import pandas as pd

        return pd.DataFrame(self.history).astype({"epoch": int}).set_index("epoch")

    @property
    def model(self) -> keras.Model:
        """The Keras model, compiled; of rows as the spec's preprocessing gives them. See `predict`."""
        return self._loaded().model

    def predict(
        self,
        data: Data,
        *,
        keep: Sequence[str] = (),
        on_unknown: Literal["error", "bucket", "null"] | None = None,
        intervals: float | None = None,
    ) -> pa.Table | pd.DataFrame:
        """Predict rows, as `mlpcli predict` does.

        Args:
            data: The rows: a DataFrame, a PyArrow table, a mapping of arrays, an array, or a path.
            keep: Columns of the data to pass through.
            on_unknown: What is done with a category that was never seen: see `mlpcli predict`.
            intervals: The level of intervals and sets, for a run that has them.

        Returns:
            The columns that `mlpcli predict` writes: the label or value, the probability of each class, and
            so on. A DataFrame with the index of the data where that is a DataFrame, else a PyArrow table.

        Raises:
            MlpcliError: The rows do not fit the run's columns, or one of them cannot be read.
        """
        from mlpcli.inference.predict import PredictOptions

        options = PredictOptions(tuple(keep), on_unknown, level=intervals)
        table, _ = self._predict(data, options)
        if not is_frame(data):
            return table
        frame = table.to_pandas()
        frame.index = cast("pd.DataFrame", data).index
        return frame

    def predict_array(self, data: Data) -> Array:
        """Return what the network gives for rows, as `mlpcli predict -o rows.npy` writes it.

        Args:
            data: As for `predict`.

        Returns:
            (rows, outputs): probabilities of classes, values in the target's own units.
        """
        from mlpcli.inference.predict import PredictOptions

        return self._predict(data, PredictOptions())[1]

    def _predict(self, data: Data, options: PredictOptions) -> tuple[pa.Table, Array]:
        from mlpcli.data.first_look import check_new_rows
        from mlpcli.data.writers import TableWriter
        from mlpcli.inference.predict import predict_run

        trained, handed, writer = self._loaded(), HandedIn(), TableWriter()
        with handed.named(), contextlib.closing(handed):
            path = handed.add((data,) if hasattr(data, "dtype") else data, "data")
            check_new_rows(str(path), trained.contract, keep=options.keep)
            predict_run(self._run, path, writer, options=options, trained=trained)
        return writer.table(), writer.outputs()

    def evaluate(
        self, data: Data = "test", *, by: Sequence[str] = (), intervals: bool = True, figures: bool = False
    ) -> Evaluation:
        """Compute the metrics on a split of the run, or on other rows, as `mlpcli evaluate` does.

        Args:
            data: train, validation, test or held_out; or rows with their targets, as for `train`.
            by: Columns by whose groups the metrics are computed too.
            intervals: Find the confidence intervals.
            figures: Draw the errors, into the folder plots of the run.

        Returns:
            The metrics, by name, under `metrics`; scores of classes, intervals and more beside them.

        Raises:
            MlpcliError: The rows do not fit the run, or its own are gone.
        """
        from mlpcli.cli.evaluate import check_first, figures_folder, name_of
        from mlpcli.inference.evaluate import EvaluateOptions, evaluate_run

        with self._handed.named():
            split, file, handed = "test", None, HandedIn()
            if isinstance(data, str) and data in SPLITS:
                split = data
            else:
                file = handed.add(data, "data")
            with handed.named(), contextlib.closing(handed):
                check_first(self._run, split, file)
                folder = figures_folder(self._run, name_of(split, file)) if figures else None
                options = EvaluateOptions(folder, intervals, tuple(by))
                found = evaluate_run(self._run, split=split, data=file, options=options)
            warnings = tuple(map(handed.plain, found.warnings))
            return replace(found, source=handed.plain(found.source), warnings=warnings)

    def explain(self, split: str = "test", *, metric: str | None = None, repeats: int = 5) -> Explanation:
        """Measure how much each column matters to the model, as `mlpcli explain` does.

        Args:
            split: On which of the run's splits.
            metric: By which metric; None for the first of the spec.
            repeats: How often each column is shuffled.

        Raises:
            MlpcliError: The run has no columns, no such split or metric, or its data is gone.
        """
        from mlpcli.cli.evaluate import check_first
        from mlpcli.inference.explain import explain_run

        with self._handed.named():
            check_first(self._run, split, None)
            return explain_run(self._run, split=split, metric=metric, repeats=repeats)

    def report(self, output: str | os.PathLike[str] | None = None) -> Path:
        """Write one page about the run, as `mlpcli report` does.

        Args:
            output: An .html file, or .md for a model card; None for report.html in the run's folder.

        Returns:
            The file.
        """
        from mlpcli.cli.report import write_report

        target = None if output is None else Path(output)
        return write_report([self._run], target, self.folder.parent.parent, force=True)[0]

    def _loaded(self) -> TrainedModel:
        """Return the model with its contract, loaded once."""
        from mlpcli.model.trained_model import load_trained

        if self._trained is None:
            self._trained = load_trained(self._run)
        return self._trained


def _finished(outcome: Outcome, given: Sequence[str], handed: HandedIn) -> Run:
    return Run(replace(outcome.run, settings=tuple(given)), handed)


def _read(spec: SpecSource, settings: Sequence[str]) -> LoadedSpec:
    """Load a spec as the commands do."""
    from mlpcli.cli.spec_file import read_spec

    if not isinstance(spec, Mapping):
        return read_spec(Path(os.fspath(spec)), settings)
    from mlpcli.spec.resolve import dump

    text = dump(_plain(spec, ()))
    return read_spec(SPEC_NAME, settings, given=text)


def _plain(value: object, path: tuple[str | int, ...]) -> object:
    """Return a value of a spec as YAML takes it.

    Raises:
        UsageError: it is an object that YAML has no form for.
    """
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
    hint = "name a class of Keras with its arguments: {'Dense': {'units': 8}}"
    raise UsageError(Problem(rule, path=path, received=type(value).__name__, hint=hint))


def _setting(path: str, value: object) -> str:
    """Return a change of the spec as `--set` takes it."""
    return f"{path}={json.dumps(_plain(value, (path,)), ensure_ascii=False)}"


def _data_settings(
    handed: HandedIn, data: Data | None, validation: Data | None, test: Data | None
) -> list[str]:
    """Write data to files, and return the settings that name these.

    Args:
        handed: Keeps the files.
        data: The rows; None for the spec's own.
        validation: See `train`.
        test: See `train`.
    """
    settings = [] if data is None else [_setting("dataset.path", handed.add(data, "data"))]
    for key, split in (("validation", validation), ("test", test)):
        if split is not AS_WRITTEN:
            settings.append(_setting(f"dataset.{key}", _split(handed, split, f"{key} data")))
    return settings


def _split(handed: HandedIn, split: object, name: str) -> object:
    """Return a split as a spec has it."""
    if split is None or isinstance(split, bool | int | float):
        return split
    if isinstance(split, Mapping) and split.keys() <= SplitBy.model_fields.keys():
        return split
    return str(handed.add(split, name).absolute())


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
