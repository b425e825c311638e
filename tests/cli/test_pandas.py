"""DataFrames of pandas in the Python API: types of columns, names, the index; and what a notebook shows."""

from __future__ import annotations

import datetime
import decimal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.utils.estimator_checks import check_dataframe_column_names_consistency

import mlpcli
from mlpcli import MlpClassifier, PredictionWarning
from mlpcli.data.handed_in import as_table
from mlpcli.runs.evaluation_results import ClassScore, Coverage, Evaluation, OutputScores, QuantileScores
from mlpcli.runs.explanation import ColumnImportance, Explanation
from mlpcli.runs.group_results import ColumnGroups, GroupMetrics, GroupValue
from mlpcli.runs.result_texts import text_table

ROWS = 60
SPEC: dict[str, Any] = {
    "name": "flats",
    "dataset": {"target": "rent"},
    "layers": [{"Dense": {"units": 4, "activation": "relu"}}, {"Dense": {"units": 1}}],
    "loss": "mse",
    "metrics": ["mae"],
    "fit": {"epochs": 1, "engine": "graph"},
}
QUICK = {"callbacks": [], "fit.engine": "graph"}


def _flats() -> pd.DataFrame:
    size = np.random.default_rng(0).normal(100, 20, ROWS)
    frame = pd.DataFrame(
        {
            "size": size,
            "town": pd.Categorical(np.where(np.arange(ROWS) % 3, "Ulm", "Bonn")),
            "day": pd.date_range("2020-01-01", periods=ROWS, tz="Europe/Berlin"),
            "new": pd.array([None if row == 4 else row % 2 == 0 for row in range(ROWS)], dtype="boolean"),
            "rooms": pd.array([None if row == 7 else row % 5 for row in range(ROWS)], dtype="Int64"),
            "rent": size * 7,
        },
        index=pd.Index([f"flat {row}" for row in range(ROWS)], name="id"),
    )
    frame.loc["flat 3", "size"] = np.nan
    return frame


@pytest.fixture(scope="module")
def flats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mlpcli.Run]:
    """A run on a DataFrame; its folder is the current one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("pandas"))
        yield mlpcli.train(SPEC, _flats(), test=0.2, progress=False)


DATES = pd.date_range("2020-01-01", periods=3)
COLUMNS: list[tuple[object, pa.DataType, list[object]]] = [
    (pd.Series(["a", None, "c"], dtype=object), pa.string(), ["a", None, "c"]),
    (pd.Series([1, None, 2.5], dtype=object), pa.float64(), [1.0, None, 2.5]),
    (pd.Series(["a", "b", None], dtype="string[pyarrow]"), pa.large_string(), ["a", "b", None]),
    (pd.Series([1, None, 3], dtype="Int64"), pa.int64(), [1, None, 3]),
    (pd.Series([True, None, False], dtype="boolean"), pa.bool_(), [True, None, False]),
    (pd.Series([1, 2, 3], dtype="float32"), pa.float32(), [1.0, 2.0, 3.0]),
    (pd.Series([1.0, np.nan, 3.0]), pa.float64(), [1.0, None, 3.0]),
    (pd.Series([1, 2, None], dtype="double[pyarrow]"), pa.float64(), [1.0, 2.0, None]),
    (pd.arrays.SparseArray([0.0, 0.0, 2.0]), pa.float64(), [0.0, 0.0, 2.0]),
    (pd.Series([decimal.Decimal("1.5")] * 3), pa.decimal128(2, 1), [decimal.Decimal("1.5")] * 3),
    (pd.Series([datetime.date(2020, 1, 2)] * 3), pa.date32(), [datetime.date(2020, 1, 2)] * 3),
    (pd.period_range("2020-01", periods=3, freq="D"), pa.timestamp("us"), DATES.to_pydatetime().tolist()),
    (pd.interval_range(0, 3), pa.large_string(), ["(0, 1]", "(1, 2]", "(2, 3]"]),
]


@pytest.mark.parametrize(("values", "kind", "expected"), COLUMNS)
def test_a_column_of_any_type_keeps_its_values(values: object, kind: pa.DataType, expected: object) -> None:
    table = as_table(pd.DataFrame({"column": values}), "data")
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        assert str(table["column"].type) in ("string", "large_string")
    elif pa.types.is_timestamp(kind):
        assert pa.types.is_timestamp(table["column"].type)
    else:
        assert table["column"].type == kind
    assert table["column"].to_pylist() == expected


def test_categories_are_texts_or_numbers_and_ranges_are_texts() -> None:
    frame = pd.DataFrame({"a": pd.Categorical([3, 1, None]), "b": pd.cut(pd.Series([1.0, 5.0, 9.0]), 2)})
    table = as_table(frame, "data")
    assert table["a"].to_pylist() == [3, 1, None]
    assert table["b"].to_pylist() == ["(0.992, 5.0]", "(0.992, 5.0]", "(5.0, 9.0]"]


def test_names_of_several_levels_are_joined_and_numbers_are_texts() -> None:
    names = pd.MultiIndex.from_tuples([("size", "mean"), ("size", 2), ("town", "")])
    assert as_table(pd.DataFrame([[1, 2, 3]], columns=names), "data").column_names == [
        "size_mean",
        "size_2",
        "town",
    ]
    assert as_table(pd.DataFrame([[1, 2]]), "data").column_names == ["0", "1"]


@pytest.mark.parametrize(
    ("frame", "messages"),
    [
        (
            pd.DataFrame({"a": ["x", 3, None, 4], "b": [1j, 2, 3, 4], "c": 1}),
            [
                "the data column 'a': the values must be of one type, these are int (2), str (1); make them",
                "the data column 'b': complex128 is not read",
            ],
        ),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "a", None]), ["column 3 has no name", "are called 'a'"]),
        (pd.DataFrame([[1, 2]], columns=[0, "0"]), ["several columns are called '0'"]),
        (pd.Series([1.0]), ["received 'a pandas Series'; hand in a DataFrame: series.to_frame()"]),
        (pd.DataFrame({"rent": [], "size": []}), ["the data: has a header but no rows"]),
        (pd.DataFrame(index=range(9)), ["the data: holds no columns"]),
    ],
)
def test_what_is_no_table_is_named_all_at_once(frame: object, messages: list[str]) -> None:
    with pytest.raises(mlpcli.MlpcliError) as caught:
        mlpcli.check(SPEC, frame)
    assert len(caught.value.problems) == len(messages)
    for problem, message in zip(caught.value.problems, messages, strict=True):
        assert message in str(problem)


@pytest.mark.filterwarnings("ignore::mlpcli.PredictionWarning")
def test_predictions_have_the_index_and_depend_on_values_not_on_types(flats: mlpcli.Run) -> None:
    frame = _flats()
    found = flats.predict(frame)
    assert found.columns.tolist() == ["predicted_rent"]
    assert found.index.equals(frame.index)
    assert found["predicted_rent"].notna().all()
    same = {
        "object": frame.astype({"town": object, "day": object, "new": object, "rooms": object}),
        "pyarrow": frame.convert_dtypes(dtype_backend="pyarrow"),
        "float": frame.astype({"rooms": "float64", "town": str}),
        "columns": frame[frame.columns[::-1]],
        "zone": frame.assign(day=frame["day"].dt.tz_convert("UTC")),
        "levels": frame.set_index("town", append=True, drop=False),
    }
    for name, other in same.items():
        again = flats.predict(other)
        assert again.index.equals(other.index), name
        np.testing.assert_array_equal(again.to_numpy(), found.to_numpy(), err_msg=name)
    backwards = flats.predict(frame.iloc[::-1])
    pd.testing.assert_frame_equal(backwards.iloc[::-1], found)
    assert flats.history_frame().index.tolist() == [1]
    assert "pandas" in sys.modules


def test_what_is_unusual_in_rows_is_a_warning_at_the_line_that_predicts(flats: mlpcli.Run) -> None:
    frame = _flats().iloc[10:13]
    with pytest.warns(PredictionWarning, match=r"3 unseen categories \(town 3\)") as caught:
        flats.predict(frame.assign(town="Köln"))
    assert Path(caught[0].filename) == Path(__file__)
    with pytest.warns(PredictionWarning, match=r"values out of the training rows' range \(size 3"):
        flats.predict_array(frame.assign(size=5000.0))
    with pytest.raises(mlpcli.MlpcliError, match=r"received 'a pandas Series'"):
        flats.predict(frame["size"])


def test_results_are_short_tables(flats: mlpcli.Run) -> None:
    lines = repr(flats.evaluate(_flats(), by=["town"])).splitlines()
    assert lines[0] == "metrics on the data: 60 rows"
    assert lines[1].split() == ["metric", "value", "95%", "interval"]
    assert [line.split()[0] for line in lines[2:4]] == ["loss", "mae"]
    assert any(line.startswith("town  rows") for line in lines)
    assert "rows that the run was trained on" in lines[-1]
    head = repr(mlpcli.check(SPEC, _flats())).splitlines()[0]
    assert head == "flats can be trained: 1 epoch of 2 steps, 38 train, 10 validation, 12 test rows"


def test_every_part_of_a_result_has_a_table() -> None:
    scores = OutputScores("", (ClassScore("x" * 50, 0.5, 1.0, 2 / 3, 9),), np.eye(1, dtype=np.int64))
    groups = ColumnGroups("town", "mae", "min", (GroupMetrics("Ulm", 5, {"mae": GroupValue(2.0, (1, 3))}),))
    found = Evaluation(
        "test",
        9,
        {"mae": 0.25},
        (scores,),
        quantiles=(QuantileScores("rent", (0.1, 0.9), (0.2, 0.8), 0.6, 9),),
        coverage=(Coverage("rent", "interval", 0.9, 0.8, 12.0),),
        groups=(groups,),
    )
    assert repr(found) == (
        "metrics on test: 9 rows\nmetric   value\nmae     0.2500\n\n"
        f"class{'':35}  precision  recall      f1  rows\n{'x' * 37}...     0.5000  1.0000  0.6667     9\n\n"
        "rent: quantile  rows below\n0.1                 0.2000\n0.9                 0.8000\n\n"
        "rent: intervals of    hold  mean width\n0.9000              0.8000     12.0000\n\n"
        "town  rows     mae      95% interval\nUlm      5  2.0000  1.0000 to 3.0000"
    )
    column = ColumnImportance(("size", "rooms"), 1.5, (1.0, 2.0))
    explained = Explanation("test", 9, 9, "mae", 0.25, (column,), (), (), 5)
    assert repr(explained).splitlines()[1:] == [
        "column          mae      95% interval",
        "size, rooms  1.5000  1.0000 to 2.0000",
    ]
    assert text_table(("a",), [(str(row),) for row in range(20)]).splitlines()[-1] == "and 8 more"


def _estimated() -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(0)
    x = pd.DataFrame(
        {"a": rng.normal(size=ROWS), "b": rng.choice(["x", "y"], ROWS)}, index=range(9, ROWS + 9)
    )
    return x, x["a"] > 0


@pytest.mark.parametrize("kind", ["boolean", "Int64", "bool[pyarrow]"])
def test_classes_that_may_be_missing_keep_their_type(kind: str) -> None:
    x, y = _estimated()
    with pytest.raises(ValueError, match="Input y contains NaN"):
        MlpClassifier(set=QUICK).fit(x, y.astype(kind).where(x.index != 12))
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        MlpClassifier(set=QUICK).fit(x.iloc[:0], y.iloc[:0])
    # scikit-learn's own would be 0.0 and 1.0.
    checked = MlpClassifier()._checked(x, y=y.astype(kind), fitting=True)[1]
    assert checked.dtype == (np.int64 if kind == "Int64" else np.bool_)


@pytest.mark.slow
def test_scikit_learns_check_of_column_names() -> None:
    estimator = MlpClassifier(effort="fast", epochs=1, random_state=0, set=QUICK)
    check_dataframe_column_names_consistency("MlpClassifier", estimator)
