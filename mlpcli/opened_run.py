"""A run as an object of a Python program."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import mlpcli.runs.folder as folders
from mlpcli.data.handed_in import Data, HandedIn, is_frame, is_of_pandas
from mlpcli.errors import PredictionWarning, Problem, UsageError, suggest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from mlpcli.data.readers.reading import Reading
    from mlpcli.data.types import Array
    from mlpcli.inference.predict import PredictOptions
    from mlpcli.keras_import import keras
    from mlpcli.model.trained_model import TrainedModel
    from mlpcli.runs.explanation import Explanation
    from mlpcli.runs.results import Evaluation

PICKLED = frozenset(
    [folders.RECORD, folders.SPEC, folders.RESOLVED, folders.MODEL, folders.HISTORY, folders.METRICS]
)
"""The files of a run that are pickled with it, also of the trainings inside it, and its plug-ins."""

SPLITS = ("train", "validation", "test", "held_out")


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

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the files that predict, not the data and the figures."""
        kept = {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in sorted(self.folder.rglob("*"))
            if file.name in PICKLED or file.parent.name == folders.PLUGINS
        }
        return unpickled, (self.folder.parent.name, self.folder.name, kept, self._run.trusted)

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
        decimal: str | None = None,
        thousands: str | None = None,
        date_format: str | None = None,
    ) -> pa.Table | pd.DataFrame:
        """Predict rows, as `mlpcli predict` does.

        Args:
            data: The rows: a DataFrame, a PyArrow table, a mapping of arrays, a list of rows as mappings, an
                array, or a path.
            keep: Columns of the data to pass through; of one, its name alone will do.
            on_unknown: What is done with a category that was never seen: see `mlpcli predict`.
            intervals: The level of intervals and sets, for a run that has them.
            decimal: The decimal sign of numbers in texts, where it is not that of the training rows.
            thousands: Their separator of thousands; an empty text for none.
            date_format: How dates in texts are written, such as `%d.%m.%Y`.

        Returns:
            The columns that `mlpcli predict` writes: the label or value, the probability of each class, and
            so on. A DataFrame with the index of the data where that is a DataFrame, else a PyArrow table.

        Raises:
            MlpcliError: The rows do not fit the run's columns, or one of them cannot be read.

        Warns:
            PredictionWarning: Of categories that were never seen, values out of the training rows' range, and
                predictions that were left empty.
        """
        from mlpcli.data.features.unknown_values import Policy
        from mlpcli.inference.predict import PredictOptions

        if on_unknown not in (None, *get_args(Policy)):
            hint = suggest(on_unknown, get_args(Policy), f"one of {', '.join(get_args(Policy))}")
            raise UsageError(Problem("on_unknown: no such policy", received=on_unknown, hint=hint))
        reading = _reading(decimal, thousands, date_format)
        options = PredictOptions(_names(keep), on_unknown, level=intervals, reading=reading)
        table, _ = self._predict(data, options, stacklevel=3)
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

        return self._predict(data, PredictOptions(), stacklevel=3)[1]

    def _predict(self, data: Data, options: PredictOptions, *, stacklevel: int) -> tuple[pa.Table, Array]:
        from mlpcli.data.first_look import check_new_rows
        from mlpcli.data.writers import TableWriter
        from mlpcli.inference.predict import predict_run
        from mlpcli.report.predict import unusual_text

        trained, handed, writer = self._loaded(), HandedIn(), TableWriter()
        with handed.named(), contextlib.closing(handed):
            is_array = hasattr(data, "dtype") and not is_of_pandas(data)
            path = handed.add((data,) if is_array else data, "data")
            check_new_rows(str(path), trained.contract, keep=options.keep, reading=options.reading)
            summary = predict_run(self._run, path, writer, options=options, trained=trained)
        if text := unusual_text(summary):
            warnings.warn(handed.plain(text), PredictionWarning, stacklevel=stacklevel)
        return writer.table(), writer.outputs()

    def evaluate(
        self,
        data: Data = "test",
        *,
        by: Sequence[str] = (),
        intervals: bool = True,
        figures: bool = False,
        output: str | Path | None = None,
    ) -> Evaluation:
        """Compute the metrics on a split of the run, or on other rows, as `mlpcli evaluate` does.

        Args:
            data: train, validation, test or held_out; or rows with their targets, as for `train`.
            by: Columns by whose groups the metrics are computed too; of one, its name alone will do.
            intervals: Find the confidence intervals.
            figures: Draw the errors, into the folder plots of the run.
            output: A file that is written with the rows: their numbers, from 1, what is predicted, and their
                cells; one that exists is replaced.

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
                check_first(self._run, split, file, way="hand in other rows: run.evaluate(rows)")
                folder = figures_folder(self._run, name_of(split, file)) if figures else None
                rows = None if output is None else Path(output)
                options = EvaluateOptions(folder, intervals, _names(by), rows=rows)
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


def _reading(decimal: str | None, thousands: str | None, date_format: str | None) -> Reading:
    """Return how numbers and dates are written.

    Raises:
        UsageError: A value is none of those that there are.
    """
    from mlpcli.cli.data_options import reading_of

    with HandedIn().named():
        return reading_of(None, None, None, None, None, None, decimal, thousands, date_format)


def _names(given: Sequence[str]) -> tuple[str, ...]:
    """Return names of columns; a single one may be given as it is."""
    return (given,) if isinstance(given, str) else tuple(given)


def unpickled(name: str, stamp: str, files: dict[str, bytes], trusted: bool) -> Run:
    """Return a run that was pickled, in a temporary folder that is deleted with the object.

    Args:
        name: Of the experiment.
        stamp: The name of the run's folder.
        files: The contents of its files, by their paths inside the folder.
        trusted: Whether its plug-ins may run even if they are not known on this machine.
    """
    handed = HandedIn()
    folder = handed.folder / name / stamp
    for place, content in files.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)
    return Run(replace(folders.open_run(folder), trusted=trusted), handed)
