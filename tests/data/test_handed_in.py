"""Tables and arrays that a Python program hands in: what is no column is named, with what is in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import mlpcli
from mlpcli.data.handed_in import as_table

ROWS = 30
X = np.random.default_rng(0).normal(size=ROWS)
TABLE: dict[str, object] = {
    "name": "handed",
    "dataset": {"path": "rows.csv", "target": "y"},
    "layers": [{"Dense": {"units": 1}}],
    "loss": "mse",
}
ARRAYS = TABLE | {"dataset": {"path": "rows.npz"}}


@pytest.mark.parametrize("kind", [">f8", ">f4", ">i4", ">u2", ">M8[s]", ">m8[s]"])
def test_arrays_of_the_other_byte_order_are_read_as_any(kind: str) -> None:
    values = np.arange(ROWS).astype(kind)
    table = as_table({"a": values, "b": values.astype(kind.replace(">", "<"))}, "data")
    assert table["a"].to_pylist() == table["b"].to_pylist()
    assert len(set(table["a"].to_pylist())) == ROWS


def test_dataframes_of_the_other_byte_order_are_read_as_any() -> None:
    pd = pytest.importorskip("pandas")
    assert as_table(pd.DataFrame({"a": X.astype(">f8")}), "data")["a"].to_pylist() == X.tolist()


def test_every_column_that_is_none_is_named_with_what_is_in_it() -> None:
    data: Mapping[str, object] = {
        "y": X,
        "long": X.astype(np.longdouble),
        "complex": X.astype(complex),
        "large": [1] * (ROWS - 1) + [10**40],
        "larger": [2**64] * ROWS,
        "half": ["a", "\ud800"] * (ROWS // 2),
        "halves": np.array(["a", "\ud800"] * (ROWS // 2)),
        "mixed": ["a", 1, None] * (ROWS // 3),
        "objects": [object()] * ROWS,
        "table": np.c_[X, X],
        "one": 3.0,
        "text": "a" * ROWS,
        "short": X[:7],
    }
    with pytest.raises(mlpcli.MlpcliError) as raised:
        mlpcli.check(TABLE, data)
    shown = [str(each) for each in raised.value.problems]
    expected = [
        "the data column 'long': float128 is not read",
        "the data column 'complex': complex128 is not read",
        "the data column 'large', row 30: must be from -2^63 to 2^63 - 1, it is a number of 41 digits; make",
        "the data column 'larger', row 1: must be from -2^63 to 2^63 - 1, it is 18446744073709551616; make",
        "the data column 'half', row 2: must be Unicode, '\\ud800' holds half of a surrogate pair; replace",
        "the data column 'halves', row 2: must be Unicode, '\\ud800' holds half",
        "the data column 'mixed': the values must be of one type, these are str (10), int (10); make",
        "the data column 'objects': values of type object are not read; convert it",
        "the data column 'table': must have one dimension, received [30, 2]; hand in each of its columns",
        "the data column 'one': must be an array or a list, with a value for each row, received 'float'",
        "the data column 'text': must be an array or a list, with a value for each row, received 'str'",
        "the data: all columns must have a value for each row, 'short' has 7; the others have 30",
    ]
    assert len(shown) == len(expected)
    for text, beginning in zip(shown, expected, strict=True):
        assert beginning in text


def test_names_that_become_the_same_text_are_refused() -> None:
    with pytest.raises(mlpcli.MlpcliError, match="several columns are called '1'"):
        as_table({1: X, "1": X}, "data")


MATRIX = np.c_[X, X]


@pytest.mark.parametrize(
    ("spec", "data", "test", "message"),
    [
        (TABLE, {"a": MATRIX, "y": X}, 0.2, "the data column 'a': must have one dimension"),
        (
            TABLE,
            (MATRIX,),
            0.2,
            "the data: must hold the arrays x_train, y_train, x_test, y_test, or x, y; it",
        ),
        (TABLE, (MATRIX, X), 0.2, "dataset.target: arrays (x, y) contain their own target, y"),
        (TABLE, {"x": MATRIX, "y": X}, 0.2, "dataset.target: arrays (x, y) contain their own target, y"),
        (
            TABLE,
            {"a": X, "y": X},
            (MATRIX, X),
            "must be a table, as the dataset is, received 'the test data'; give one with the columns a, y",
        ),
        (
            ARRAYS,
            (MATRIX, X),
            {"a": X, "y": X},
            "must be arrays, as the dataset is, received 'the test data'; hand in arrays (x, y)",
        ),
    ],
)
def test_arrays_where_a_table_is_wanted_are_refused_in_their_own_words(
    spec: dict[str, object], data: object, test: object, message: str
) -> None:
    with pytest.raises(mlpcli.MlpcliError) as raised:
        mlpcli.check(spec, data, test=test)
    assert len(raised.value.problems) == 1
    assert message in str(raised.value)
