"""What becomes of each kind of column: in NumPy for predict, in Keras inside the exported model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlpcli.data.features.preprocessor import Preprocessor, fit_preprocessor
from mlpcli.data.features.verification_sample import served_values
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.types import Array
from mlpcli.spec.features import FeatureSpec

TRAINING = np.arange(8)  # the rows below them are new
NUMBERS = ["1", "2", "4", "NA", "10", "", "-3", "7", "100", "?", "n/k", "-999"]
KNOWN = np.array([1, 2, 4, 10, -3, 7], np.float64)
DIALECT = Dialect(missing=("n/k", "-999"))


def fit(name: str, cells: list[Any], **settings: Any) -> Preprocessor:
    """A preprocessor of one column, fitted on the first rows."""
    spec = FeatureSpec.model_validate(settings)
    return fit_preprocessor({name: ParsedColumn(pa.array(cells), DIALECT)}, {name: spec}, TRAINING, DIALECT)


def both(preprocessor: Preprocessor, cells: list[Any]) -> np.ndarray:
    """The matrix of some cells, which the model inside `saved_model/` must make just so of the raw ones.

    The blanks around texts are taken off by `saved_model/` itself, before that model.
    """
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    from mlpcli.model.raw_column_network import build_preprocessing

    (encoder,) = preprocessor.encoders
    column = pa.array(cells)
    found = preprocessor.transform(preprocessor.columns({encoder.name: column})).x
    raw = served_values(encoder, ParsedColumn(column, Dialect() if encoder.text else preprocessor.dialect))
    if not encoder.text and column.type != pa.string():
        raw = np.array([np.nan if cell is None else cell for cell in cells], preprocessor.dialect.numbers)
    model = build_preprocessing(preprocessor, ())
    bare = [text.strip() for text in raw] if isinstance(raw, list) else raw
    served = model([keras.ops.convert_to_tensor(bare)])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(served), found, atol=2e-6)
    return found


def scaled(scaling: str, values: Array, known: Array) -> Array:
    """The formulas, written out."""
    if scaling == "standardize":
        return np.asarray((values - known.mean()) / known.std())
    if scaling == "minmax":
        return np.asarray((values - known.min()) / (known.max() - known.min()))
    if scaling == "robust":
        low, middle, high = np.percentile(known, [25, 50, 75])
        return np.asarray((values - middle) / (high - low))
    if scaling == "quantile":
        training = np.append(known, [np.nan] * (len(TRAINING) - len(known)))
        return np.asarray(sklearn_quantiles(training, len(training)).transform(values[:, None])[:, 0])
    if scaling == "log":
        values, known = (np.sign(part) * np.log1p(np.abs(part)) for part in (values, known))
        return np.asarray((values - known.mean()) / known.std())
    return values


def sklearn_quantiles(known: Array, count: int) -> Any:
    """scikit-learn's transformer, fitted on the known values."""
    from sklearn.preprocessing import QuantileTransformer

    made = QuantileTransformer(n_quantiles=count, output_distribution="normal", subsample=None)
    return made.fit(known[:, None])


@pytest.mark.parametrize("scaling", ["standardize", "minmax", "robust", "quantile", "log", "none"])
@pytest.mark.parametrize("missing", ["mean", "median", 2.5, "indicator"])
def test_numbers_are_filled_and_scaled_by_the_training_rows(scaling: str, missing: Any) -> None:
    preprocessor = fit("a", NUMBERS, kind="numeric", scaling=scaling, missing=missing)
    matrix = both(preprocessor, NUMBERS)
    centre = np.median if scaling in ("robust", "quantile", "log") else np.mean
    fill = {"mean": centre(KNOWN), "median": np.median(KNOWN), "indicator": centre(KNOWN)}.get(
        missing, missing
    )
    gaps = np.array([not cell.lstrip("-").isdigit() or cell == "-999" for cell in NUMBERS])
    values = np.array([fill if gap else float(cell) for cell, gap in zip(NUMBERS, gaps, strict=True)])
    np.testing.assert_allclose(matrix[:, 0], scaled(scaling, values, KNOWN), atol=1e-6)
    assert matrix.shape[1] == (2 if missing == "indicator" else 1)
    if missing == "indicator":
        np.testing.assert_array_equal(matrix[:, 1], gaps)


def test_a_number_that_means_a_gap_is_one_in_the_served_model_too() -> None:
    cells = [1.0, 2.0, None, 4.0, 5.0, -999.0, 6.0, 7.0, -999.0, 3.0]
    matrix = both(fit("a", cells, kind="numeric", scaling="none", missing="indicator"), cells)
    np.testing.assert_array_equal(matrix[:, 1], [cell in (None, -999.0) for cell in cells])
    assert matrix[8, 0] == pytest.approx(25 / 6)


CITIES = ["Ulm", "Bonn", " Ulm ", "Köln", "", "Bonn", "Ulm", "Bonn", "Mainz", "Köln", None, "ulm"]


def test_categories_have_a_column_each_and_rare_and_unseen_ones_share_one() -> None:
    preprocessor = fit("city", CITIES, kind="categorical", encoding="one_hot", min_count=2)
    bonn, ulm, other, gap = np.eye(4)
    wanted = [ulm, bonn, ulm, other, gap, bonn, ulm, bonn, other, other, gap, other]
    np.testing.assert_array_equal(both(preprocessor, CITIES), wanted)


def test_an_unseen_category_without_a_column_of_its_own_is_a_row_of_zeros() -> None:
    preprocessor = fit("city", CITIES, kind="categorical", encoding="one_hot", min_count=1, missing="Ulm")
    bonn, koeln, ulm = np.eye(3)
    nothing = np.zeros(3)
    wanted = [ulm, bonn, ulm, koeln, ulm, bonn, ulm, bonn, nothing, koeln, ulm, nothing]
    np.testing.assert_array_equal(both(preprocessor, CITIES), wanted)


@pytest.mark.parametrize("width", [1, 3])
def test_an_embedding_takes_the_place_of_a_category(width: int) -> None:
    settings = {"kind": "categorical", "encoding": "embedding", "width": width, "min_count": 2}
    preprocessor = fit("city", CITIES, **settings)
    other, gap, bonn, ulm = range(4)
    wanted = [ulm, bonn, ulm, other, gap, bonn, ulm, bonn, other, other, gap, other]
    np.testing.assert_array_equal(both(preprocessor, CITIES)[:, 0], wanted)
    assert preprocessor.embeddings == {0: (4, width)}


@pytest.mark.parametrize(
    ("missing", "fill"), [("mean", 0.6), ("median", 1.0), (0.25, 0.25), ("indicator", 0.6)]
)
def test_booleans_come_in_many_words(missing: Any, fill: float) -> None:
    cells = ["yes", "No", "", "TRUE", "f", "?", "1", "NA", "Y", "off", "maybe", None]
    matrix = both(fit("lift", cells, kind="boolean", missing=missing), cells)
    wanted = [1, 0, fill, 1, 0, fill, 1, fill, 1, 0, fill, fill]
    np.testing.assert_allclose(matrix[:, 0], wanted, atol=1e-6)
    if missing == "indicator":
        np.testing.assert_array_equal(matrix[:, 1], [value == fill for value in wanted])


@pytest.mark.parametrize(
    ("format", "cells"),
    [
        ("%Y-%m-%d", ["2020-03-01", "2021-12-31 18:30", "1999-01-01T06:00:15", "2000-02-29"]),
        ("%d.%m.%Y", ["01.03.2020", "31.12.2021 18:30", "01.01.1999 06:00:15", "29.02.2000"]),
        ("%m/%d/%Y", ["03/01/2020", "12/31/2021 18:30", "01/01/1999 06:00:15", "02/29/2000"]),
    ],
)
def test_dates_become_elapsed_time_and_points_on_circles(format: str, cells: list[str]) -> None:
    import datetime

    cells = [*cells, *cells, "", "NA"]
    parts = ["elapsed", "year", "month", "day", "weekday", "hour"]
    matrix = both(fit("day", cells, kind="date", format=format, parts=parts, missing="indicator"), cells)
    moments = [
        datetime.datetime(2020, 3, 1),
        datetime.datetime(2021, 12, 31, 18, 30),
        datetime.datetime(1999, 1, 1, 6, 0, 15),
        datetime.datetime(2000, 2, 29),
    ]
    elapsed = np.array([moment.timestamp() / 86400 for moment in moments])
    years = np.array([moment.year for moment in moments])
    turns = [
        np.array([moment.month - 1 for moment in moments]) / 12,
        np.array([moment.day - 1 for moment in moments]) / 31,
        np.array([moment.weekday() for moment in moments]) / 7,
        np.array([moment.hour + moment.minute / 60 + moment.second / 3600 for moment in moments]) / 24,
    ]
    circles = [side(2 * np.pi * turn) for turn in turns for side in (np.sin, np.cos)]
    wanted = np.stack([scaled("standardize", each, each) for each in (elapsed, years)] + circles, axis=1)
    np.testing.assert_allclose(matrix[:4, :-1], wanted, atol=1e-4)
    np.testing.assert_array_equal(matrix[8:, :-1], 0)
    np.testing.assert_array_equal(matrix[:, -1], [0] * 8 + [1, 1])


WORDS = {"kind": "text", "standardize": "none", "split": "whitespace", "max_tokens": 9, "min_count": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "categorical", "unseen": "bucket"},
        WORDS | {"output_mode": "count"},
        WORDS | {"output_mode": "int", "output_sequence_length": 1},
    ],
)
def test_what_keras_calls_the_unknown_may_be_a_value(settings: dict[str, Any]) -> None:
    cells = [*["[UNK]"] * 5, *["b"] * 3, "other"]  # the first of the values, where Keras takes it for its own
    found = both(fit("c", cells, **settings), cells)
    assert (found[0] != found[5]).any()
    assert (found[5] != found[8]).any()
