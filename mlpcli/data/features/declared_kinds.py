"""Kinds of columns that a spec states and that the cells contradict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlpcli.data.features.encoders import invalid_dates
from mlpcli.data.readers.tables import Table
from mlpcli.errors import KeyPath, Problem, show_value
from mlpcli.printable import counted
from mlpcli.spec.features import FeatureSpec

MOST_WRONG = 0.2
"""The share of cells above which the kind is wrong, not the cells."""


def kind_problems(
    table: Table, declared: Mapping[str, FeatureSpec], used: Mapping[str, FeatureSpec]
) -> Iterator[Problem]:
    """Yield the stated kinds that many of a column's cells do not have: one problem, not one for each cell.

    Args:
        table: the raw columns.
        declared: what the spec states of the columns.
        used: the columns that are features, completed.
    """
    for name, stated in declared.items():
        if stated.kind not in ("numeric", "date") or name not in used:
            continue
        column = table.columns[name]
        dates = stated.kind == "date"
        bad = invalid_dates(column, used[name].format or "") if dates else column.numbers.unreadable
        if len(bad) <= max(1, MOST_WRONG * table.rows):
            continue
        value = show_value(column.value(int(bad[0])))
        cells = (
            "none of its cells is"
            if len(bad) == table.rows
            else f"{len(bad):,} of {counted(table.rows, 'cell')} are not"
        )
        path: KeyPath = ("dataset", "features", name)
        rule = f"the column is stated as {stated.kind}, {cells}, such as {value}"
        hint = "write categorical, or leave the column out of features: its kind is inferred"
        yield Problem(rule, path=path, received=stated.kind, hint=hint)
