"""Estimators with the interface of scikit-learn, which train as `mlpcli init` and `mlpcli train` do."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_array, check_is_fitted, validate_data

from mlpcli.api import AS_WRITTEN, SPEC_NAME, SpecSource, data_settings, read_source, setting_of, settings_of
from mlpcli.data.handed_in import Data, HandedIn, as_table, is_of_pandas
from mlpcli.data.types import Array
from mlpcli.errors import MlpcliError, PredictionWarning, Problem
from mlpcli.opened_run import Run

if TYPE_CHECKING:
    import pyarrow as pa

    from mlpcli.spec.load import LoadedSpec

TARGET, WEIGHT = "target", "sample_weight"
"""The columns of the target and the weights; with a number behind where the data has such a column."""

LEAST_ROWS = 5
"""As `init` needs."""

PADDED = 256
"""Predicted rows are filled up to a multiple, so that a prediction does not depend on the other rows."""


class EstimatorError(MlpcliError, ValueError):
    """An error of mlpcli, as the `ValueError` that scikit-learn expects."""


class _MlpEstimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators share."""

    _task: ClassVar[str]

    def __init__(
        self,
        *,
        effort: str = "good",
        spec: SpecSource | None = None,
        set: Mapping[str, object] | None = None,
        epochs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        runs_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        """Keep the parameters, which `fit` checks.

        Args:
            effort: How large the network is and how long it trains, as in `mlpcli init`: fast, good, best.
            spec: A spec instead of the one that `init` writes. The rows that are handed to `fit` take the
                place of its dataset's `path`, `target` and `test`.
            set: Changes of the spec, by path: `{"fit.batch_size": 64}`.
            epochs: At most; as `fit.epochs`.
            random_state: The seed of the training and the splits; None for the spec's own.
            runs_dir: Where to keep a whole run; None for a temporary folder, with what predicts alone.
        """
        self.effort = effort
        self.spec = spec
        self.set = set
        self.epochs = epochs
        self.random_state = random_state
        self.runs_dir = runs_dir

    def __sklearn_tags__(self) -> Tags:
        """Say that missing values are allowed, and a target is required."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def _fit(self, x: Data, y: Array, weights: Array | None) -> Self:
        """Train on checked rows."""
        table = self._rows(x)
        names = _names_beside(table.column_names)
        self.__dict__.pop("run_", None)  # where this training fails, there is no other to predict with
        with _as_value_error():
            self.run_ = self._train(table.append_column(names[0], [y]), names, weights)
        self.n_iter_ = len(self.run_.history["epoch"])
        return self

    def _train(self, table: pa.Table, names: tuple[str, str], weights: Array | None) -> Run:
        from mlpcli.estimator_rules import check_outputs, check_parameters, check_spec
        from mlpcli.runs.watcher import Watcher
        from mlpcli.training.job import ESTIMATOR, WHOLE_RUN
        from mlpcli.training.start import start_run

        check_parameters(self.spec, self.effort)
        handed = HandedIn()
        text = None if self.spec is not None else self._proposed(handed, table, names[0])
        if weights is not None:
            table = table.append_column(names[1], [weights])
        settings = [
            *data_settings(handed, table, AS_WRITTEN, AS_WRITTEN),
            *self._settings(handed, names, weights),
        ]
        runs_dir = handed.folder if self.runs_dir is None else Path(self.runs_dir)
        options = ESTIMATOR if self.runs_dir is None else WHOLE_RUN
        with handed.named():
            loaded = self._loaded(text, settings)
            check_spec(loaded, self._task, type(self).__name__)
            command = [type(self).__name__]
            outcome = start_run(
                loaded, runs_dir=runs_dir, watcher=Watcher(), command=command, options=options
            )
        check_outputs(outcome.run, self._task, type(self).__name__)
        return Run(outcome.run, handed)

    def _loaded(self, text: str | None, settings: list[str]) -> LoadedSpec:
        """Return the spec that is given, or the one that `init` proposes."""
        from mlpcli.cli.spec_file import read_spec

        if self.spec is not None:
            return read_source(self.spec, settings)
        return read_spec(SPEC_NAME, settings, given=text)

    def _proposed(self, handed: HandedIn, table: pa.Table, target: str) -> str:
        """Return the spec that `init` writes for a table, with random splits."""
        from mlpcli.data.inspect.effort import check_effort
        from mlpcli.data.inspect.propose_spec import propose_spec
        from mlpcli.data.inspect.survey import survey_table

        with handed.named():
            effort = check_effort(self.effort)
            path = str(handed.add(table, "data"))
            survey = survey_table(path, target, self._task)
            return propose_spec(
                survey, name="estimator", path=path, command="", effort=effort, many_classes=True
            )

    def _settings(self, handed: HandedIn, names: tuple[str, str], weights: Array | None) -> Iterator[str]:
        """Yield the changes of the spec that the parameters stand for."""
        yield setting_of("dataset.target", names[0])
        yield "dataset.test=null"
        if self.spec is None:
            yield "dataset.positive_class=null"  # classes_ are sorted
        if weights is not None:
            yield setting_of("dataset.weights", names[1])
        if self.random_state is not None:
            drawn = isinstance(self.random_state, np.random.RandomState)
            seed = check_random_state(self.random_state).randint(2**31) if drawn else self.random_state
            yield handed.argument("random_state", self.random_state, setting_of("seed", seed))
        if self.spec is None and not any(name.split(".")[0] == "predict" for name in self.set or {}):
            yield "predict=null"  # as in scikit-learn, the most probable class is predicted
        if self.epochs is not None:
            yield handed.argument("epochs", self.epochs, setting_of("fit.epochs", self.epochs))
        yield from settings_of(self.set)

    def _checked(self, x: Data, *, y: object = "no_validation", fitting: bool = False) -> tuple[Data, Array]:
        """Return rows and targets as scikit-learn checks them; a table stays one.

        Args:
            x: The rows.
            y: The target, for `fit`.
            fitting: Learn the number and the names of the columns, instead of comparing them.
        """
        options: dict[str, object] = {"reset": fitting}
        if _is_table(x):
            options["skip_check_array"] = True
        else:
            texts = np.asarray(x).dtype.kind in "OUS" if not hasattr(x, "tocsr") else False
            options |= {"dtype": None if texts else np.float64, "ensure_all_finite": "allow-nan"}
            options["ensure_min_samples"] = LEAST_ROWS if fitting else 1
        if _is_table(x) and not len(cast(Sized, x)):
            raise ValueError(
                f"0 sample(s) in the rows, while a minimum of 1 is required by {type(self).__name__}"
            )
        if not fitting:
            return validate_data(self, x, **options), np.empty(0)
        y = _of_numpy(y)
        if self._task == "regression" and not _is_table(x):
            options["y_numeric"] = True
        x, y = validate_data(self, x, y, **options)
        if _is_table(x):
            kind = np.float64 if self._task == "regression" else None
            y = column_or_1d(check_array(y, ensure_2d=False, dtype=kind, input_name="y"), warn=True)
            check_consistent_length(x, y)
        return x, np.asarray(y)

    def _rows(self, x: Data) -> pa.Table:
        """Return checked rows as a table, whose columns are `x0`, `x1`, ... where they have no names."""
        import pyarrow as pa

        if _is_table(x):
            return as_table(x, "data")
        assert isinstance(x, np.ndarray)
        return pa.table({f"x{place}": _column(column) for place, column in enumerate(x.T)})

    def _predicted(self, x: Data, of: Callable[[Run, pa.Table], Array]) -> Array:
        """Return what the run predicts for rows, each as if it were among as many others."""
        import pyarrow as pa

        check_is_fitted(self, "run_")
        x, _ = self._checked(x)
        table = self._rows(x)
        rows = table.num_rows
        places = np.minimum(np.arange(-(-rows // PADDED) * PADDED), rows - 1)
        with _as_value_error(), warnings.catch_warnings():
            warnings.simplefilter("ignore", PredictionWarning)  # of padded rows too
            return of(self.run_, table.take(pa.array(places)))[:rows]


class MlpClassifier(ClassifierMixin, _MlpEstimator):  # type: ignore[misc]
    """A network for classes; see `MlpRegressor` for the attributes that both have.

    Attributes:
        classes_: The classes, sorted.
    """

    _task = "classification"

    def fit(self, X: Data, y: Data, sample_weight: Data = None) -> Self:
        """Train on rows and their classes; a part of them is for validation, as the spec says.

        Args:
            X: A DataFrame or PyArrow table of numbers, texts, booleans and dates, or an array; cells may be
                missing.
            y: (rows,) the classes.
            sample_weight: (rows,) the weights of the rows.

        Raises:
            EstimatorError: The spec or the data is wrong, or the training diverged.
        """
        x, y = self._checked(X, y=y, fitting=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        weights = _weights(sample_weight, x)
        seen = codes if weights is None else codes[weights > 0]
        if len(np.unique(seen)) < 2:
            raise ValueError("y must have rows of two classes or more with a weight above 0, it has 1 class")
        return self._fit(x, codes.astype(np.int64), weights)

    def predict(self, X: Data) -> Array:
        """Return the class of each row, (rows,), by the spec's threshold where it has one."""
        found = self._predicted(X, _labels)
        classes: Array = self.classes_[found]
        return classes

    def predict_proba(self, X: Data) -> Array:
        """Return the probability of each class, (rows, classes), in the order of `classes_`."""
        check_is_fitted(self, "run_")
        return self._predicted(X, lambda run, table: _probabilities(run, table, len(self.classes_)))


class MlpRegressor(RegressorMixin, _MlpEstimator):  # type: ignore[misc]
    """A network for a number.

    Attributes:
        run_: The run that `fit` has made, with its history, metrics and Keras model.
        n_features_in_: The number of columns.
        feature_names_in_: Their names, where all are texts.
        n_iter_: The epochs that were trained.
    """

    _task = "regression"

    def fit(self, X: Data, y: Data, sample_weight: Data = None) -> Self:
        """Train on rows and their values; see `MlpClassifier.fit`.

        Args:
            X: The rows.
            y: (rows,) the values.
            sample_weight: (rows,) the weights of the rows.

        Raises:
            EstimatorError: The spec or the data is wrong, or the training diverged.
        """
        x, y = self._checked(X, y=y, fitting=True)
        return self._fit(x, np.asarray(y, np.float64), _weights(sample_weight, x))

    def predict(self, X: Data) -> Array:
        """Return the value of each row, (rows,) float64: the median, where the loss is of quantiles."""
        return self._predicted(X, _values)


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Raise an error of mlpcli as one that is a ValueError too."""
    try:
        yield
    except MlpcliError as error:
        raise EstimatorError(*error.problems) from error


def _is_table(x: object) -> bool:
    """Return whether rows have columns of their own types: a DataFrame or an Arrow table."""
    return hasattr(x, "__arrow_c_stream__") or (hasattr(x, "columns") and hasattr(x, "iloc"))


def _of_numpy(y: object) -> object:
    """Return a pandas Series as an array of its own type; scikit-learn makes floats of what may be missing.

    Raises:
        ValueError: a value is missing.
    """
    if not is_of_pandas(y) or not hasattr(y, "isna") or hasattr(y, "columns"):
        return y
    if y.isna().any():
        raise ValueError("Input y contains NaN.")
    return y.to_numpy()  # type: ignore[attr-defined]


def _names_beside(columns: list[str]) -> tuple[str, str]:
    """Return names for the target and the weights that no column has."""

    def free(name: str) -> str:
        names = (name, *(f"{name}_{place}" for place in range(len(columns) + 1)))
        return next(each for each in names if each not in columns)

    return free(TARGET), free(WEIGHT)


def _column(values: Array) -> pa.Array:
    """Return a column of an array; one of objects as numbers, else as texts, whichever its cells are.

    Raises:
        TypeError: A cell is another object.
    """
    import pyarrow as pa

    if values.dtype.kind != "O":
        return pa.array(values.tolist() if values.dtype.kind == "U" else values)
    cells = [None if value is None or value != value else value for value in values.tolist()]
    for value in cells:
        if not isinstance(value, str | int | float | np.generic | None):
            raise TypeError(f"argument must be a string or a number, not {type(value).__name__!r}")
    if any(isinstance(value, str) for value in cells):
        return pa.array([None if value is None else str(value) for value in cells], pa.string())
    return pa.array([None if value is None else float(value) for value in cells], pa.float64())


def _weights(sample_weight: Data, x: Data) -> Array | None:
    """Return the weights of rows, checked as scikit-learn does; None for none."""
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight must hold at least one weight above zero")
    found: Array = weights
    return found


def _values(run: Run, table: pa.Table) -> Array:
    """Return the predicted values, (rows,) float64; NaN where a prediction is left empty."""
    (column,) = _predictions(run, table)
    values: Array = column.to_numpy().astype(np.float64)
    return values


def _labels(run: Run, table: pa.Table) -> Array:
    """Return the places in `classes_` of the predicted classes.

    Raises:
        EstimatorError: A prediction is left empty.
    """
    (column,) = _predictions(run, table)
    cells = column.to_pylist()
    if None in cells:
        rule = f"row {cells.index(None)} has no prediction, since a column's spec says `unseen: null`"
        raise EstimatorError(Problem(rule, hint="write `unseen: bucket`, or use predict_proba"))
    return np.array([int(each) for each in cells])


def _predictions(run: Run, table: pa.Table) -> list[pa.ChunkedArray]:
    """Return the columns of what is predicted, without probabilities, quantiles and intervals."""
    predicted = run.predict(table)
    names = [name for name in predicted.column_names if name.startswith("predicted_")]
    return [predicted[name] for name in names]


ROUNDING = 1e-3
"""Probabilities in float32, or in 16 bits, add up to 1 to within this."""


def _probabilities(run: Run, table: pa.Table, count: int) -> Array:
    """Return the probabilities of classes by their places, (rows, count)."""
    predicted = run.predict(table)
    if "probability_0" not in predicted.column_names:
        raise ValueError("the network gives no probabilities: its loss is for numbers or scores")
    found = np.zeros((table.num_rows, count))
    for place in range(count):
        if f"probability_{place}" in predicted.column_names:
            found[:, place] = predicted[f"probability_{place}"].to_numpy()
    totals = found.sum(axis=1, keepdims=True)
    rounded = np.abs(totals - 1) < ROUNDING  # not of a network with a sigmoid for each class
    return np.where(rounded, found / np.where(rounded, totals, 1), found)
