"""DataFrames of pandas as tables: names as texts, and every column as values of one type."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mlpcli.data.column_contents import in_own_order, type_problem, values_problem
from mlpcli.errors import DataError, Problem, listing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

BETWEEN_LEVELS = "_"
"""Joins the levels of a column's name: `("size", "mean")` is `size_mean`, which a path of a spec can name."""


def from_pandas(frame: object, name: str) -> pa.Table:
    """Return a DataFrame as a table, without its index.

    Args:
        frame: the DataFrame.
        name: of the data, for messages.

    Raises:
        DataError: columns have no name or the same, or values that are not of one type; all of them.
    """
    import pyarrow as pa

    given: pd.DataFrame = frame
    names = [_name(each) for each in given.columns]
    problems = list(_name_problems(names, name))
    columns: dict[str, pa.Array] = {}
    for place, column in enumerate(names):
        try:
            columns[column] = pa.array(plain_series(given.iloc[:, place]), from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            problems.append(_problem(given.iloc[:, place], column, name, error))
    if problems:
        raise DataError(*problems)
    return pa.table(columns)


def _name(label: object) -> str:
    """Return the name of a column as a text; an empty one for none."""
    if isinstance(label, tuple):
        return BETWEEN_LEVELS.join(part for part in map(_name, label) if part)
    return "" if label is None or label != label else str(label)


def _name_problems(names: list[str], data: str) -> list[Problem]:
    """Return what is wrong with the names of columns."""
    counts = Counter(names)
    nameless = [place + 1 for place, name in enumerate(names) if not name]
    twice = [name for name, count in counts.items() if name and count > 1]
    found = []
    if nameless:
        rule = f"the {data}: column {listing(nameless)} has no name"
        found.append(Problem(rule, hint="name it: frame.columns = [...]"))
    if twice:
        rule = f"the {data}: several columns are called {listing(map(repr, twice))}"
        hint = "rename them, or keep the first of each: frame.loc[:, ~frame.columns.duplicated()]"
        found.append(Problem(rule, hint=hint))
    return found


def plain_series(column: pd.Series) -> object:
    """Return a column whose values a file can hold: months as their first moments, ranges as texts."""
    kind = type(column.dtype).__name__
    if kind == "SparseDtype":
        return column.sparse.to_dense()
    if kind == "PeriodDtype":
        return column.dt.to_timestamp()
    if kind == "IntervalDtype":
        return column.astype("string")
    if kind == "CategoricalDtype" and type(column.cat.categories.dtype).__name__ in TEXTS:
        return column.cat.rename_categories(list(map(str, column.cat.categories)))
    native = getattr(column.dtype, "isnative", True)  # one of pandas has no byte order
    return column if native else in_own_order(column.to_numpy())


TEXTS = ("IntervalDtype", "PeriodDtype")
"""Types of categories, such as those of `pandas.cut`, that become texts."""


def _problem(column: pd.Series, name: str, data: str, error: Exception) -> Problem:
    """Return the problem of a column that is no column of a table."""
    where = f"the {data} column {name!r}"
    if column.dtype == object:
        hint = f"make them one: frame[{name!r}].astype(str), or pandas.to_numeric(frame[{name!r}])"
        return values_problem(where, column, hint, error)
    return type_problem(where, column.dtype, error)
