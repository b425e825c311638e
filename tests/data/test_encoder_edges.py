"""The edges of encoders where a change by one went unnoticed (scripts/mutation.py): limits, gaps, counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlpcli.data.features.unknown_values import RowCounts, describe_cell_error
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.parse_cells import ParsedColumn
from tests.data.test_encoders import DIALECT, fit

DAYS = ["2020-03-01", "2021-12-31", "1999-01-01", "2000-02-29", *["2010-01-01"] * 4]


def found_in(name: str, training: list[str], cells: list[str], **settings: str | list[str]) -> RowCounts:
    """What is counted in new cells of a column that was fitted on others."""
    preprocessor = fit(name, training, **settings)
    counts = RowCounts()
    counts.add(preprocessor.transform({name: ParsedColumn(pa.array(cells), DIALECT)}).found)
    return counts


def test_the_first_and_the_last_day_of_the_training_rows_are_within_them() -> None:
    new = ["1999-01-01", "2021-12-31", "1998-12-31", "2022-01-01"]
    assert found_in("day", DAYS, new, kind="date", format="%Y-%m-%d").outside == {"day": 2}


def test_the_least_and_the_largest_number_of_the_training_rows_are_within_them() -> None:
    new = ["-3", "100", "-3.5", "100.5", "7"]
    training = ["1", "2", "4", "10", "-3", "7", "100", "0"]
    assert found_in("a", training, new, kind="numeric").outside == {"a": 2}


def test_a_column_of_dates_without_any_date_is_finite() -> None:
    cells = ["NA"] * 8 + ["2020-03-01"]
    preprocessor = fit("day", cells, kind="date", format="%Y-%m-%d", parts=["elapsed", "year"])
    matrix = preprocessor.transform({"day": ParsedColumn(pa.array(cells), DIALECT)}).x
    assert np.isfinite(matrix).all()
    np.testing.assert_array_equal(matrix[:8], 0)


def test_counts_begin_at_none() -> None:
    counts = RowCounts()
    assert (counts.rows, counts.rejected, counts.empty) == (0, 0, 0)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("twelve", "must be a number"),
        ("", "must be a number, the cell is empty"),
        ("1e300", "must fit in float32, up to 3.4e38"),
        ("101", "must be between -3 and 100, as in the training rows"),
    ],
)
def test_what_is_wrong_with_a_number_is_told_by_what_it_is(value: str, rule: str) -> None:
    cells = ["1", "2", "4", "10", "-3", "7", "100", "0"]
    (encoder,) = fit("a", cells, kind="numeric").encoders
    assert describe_cell_error(encoder, 4, value, Dialect()).rule == rule


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "must not be empty"),
        ("soon", "must be a date such as 2024-05-31"),
        ("2022-01-01", "must be within the dates of the training rows, 1999-01-01 to 2021-12-31"),
    ],
)
def test_what_is_wrong_with_a_date_is_told_by_what_it_is(value: str, rule: str) -> None:
    (encoder,) = fit("day", DAYS, kind="date", format="%Y-%m-%d").encoders
    assert describe_cell_error(encoder, 4, value, Dialect()).rule == rule
