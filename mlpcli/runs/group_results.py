"""Metrics by group of rows, as `evaluate --by` shows and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlpcli.runs.result_texts import between, format_number, text_table


@dataclass(frozen=True)
class GroupValue:
    """The value of one metric in one group.

    Attributes:
        value: None where it has none.
        interval: of 95%; None where there is none.
        p: of a test against the value of all rows, corrected for the number of groups; None where untested.
        reason: why there is no value, or no interval.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    p: float | None = None
    reason: str = ""

    def is_apart(self, alpha: float = 0.05) -> bool:
        """Return whether the group differs from all rows by more than chance and many groups explain."""
        return self.p is not None and self.p < alpha


@dataclass(frozen=True)
class GroupMetrics:
    """The metrics of one group.

    Attributes:
        name: the value of the column, or a range of values.
        rows: how many rows it has.
        values: by metric.
    """

    name: str
    rows: int
    values: Mapping[str, GroupValue] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnGroups:
    """The groups of rows by one column.

    Attributes:
        column: its name.
        metric: by which they are ordered.
        direction: `max` where more of it is better, `min` where less is; None where that is not known.
        groups: the worst first; those without a value last.
    """

    column: str
    metric: str
    direction: str | None
    groups: tuple[GroupMetrics, ...]

    def __repr__(self) -> str:
        rows = []
        for each in self.groups:
            found = each.values.get(self.metric)
            value = "" if found is None or found.value is None else format_number(found.value)
            ends = "" if found is None else between(found.interval)
            rows.append((each.name, f"{each.rows:,}", value, ends))
        return text_table((self.column, "rows", self.metric, "95% interval"), rows)
