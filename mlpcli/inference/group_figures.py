"""Metrics by group as figures, and as a table that holds all of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlpcli.files import write_text
from mlpcli.free_names import file_part, free_file
from mlpcli.plots.group_intervals import GroupPoint, draw_group_intervals
from mlpcli.runs.group_results import ColumnGroups

GROUPS_CSV = "groups.csv"
HEADING = ("column", "group", "rows", "metric", "value", "low", "high", "all_rows", "p", "apart", "reason")


def draw_groups(
    columns: Sequence[ColumnGroups], metrics: Mapping[str, float], folder: Path, *, title: str
) -> list[Path]:
    """Draw the groups of each column, and write `groups.csv` with every metric of every group.

    Args:
        columns: the groups; without any, nothing is written.
        metrics: of all rows.
        folder: which is created.
        title: of the figures.

    Returns:
        The files.
    """
    if not columns:
        return []
    taken: set[str] = set()
    files = []
    for each in columns:
        points = [_point(group.name, group.rows, each, place) for place, group in enumerate(each.groups)]
        shown = [point for point in points if point is not None]
        if not shown:
            continue
        stem = f"groups-{file_part(each.column) or 'column'}"
        path = folder / free_file(stem, ".png", taken)
        picture = draw_group_intervals(
            shown, metrics[each.metric], metric=each.metric, column=each.column, title=title
        )
        picture.write(path)
        files.append(path)
    write_text(folder / GROUPS_CSV, _csv(columns, metrics))
    return [*files, folder / GROUPS_CSV]


def _point(name: str, rows: int, column: ColumnGroups, place: int) -> GroupPoint | None:
    value = column.groups[place].values[column.metric]
    if value.value is None:
        return None
    return GroupPoint(name, rows, value.value, value.interval, value.is_apart())


def _csv(columns: Sequence[ColumnGroups], metrics: Mapping[str, float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADING)
    for column in columns:
        for group in column.groups:
            for metric, found in group.values.items():
                low, high = found.interval or ("", "")
                own = "" if found.value is None else found.value
                p = "" if found.p is None else found.p
                apart = "yes" if found.is_apart() else "no"
                line = [column.column, group.name, group.rows, metric, own, low, high, metrics[metric]]
                writer.writerow([*line, p, apart, found.reason])
    return text.getvalue()
