"""Read rows from a table: features, targets and weights, with every cell that cannot be used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from mlpcli.data.features.date_hints import date_hint, date_rule
from mlpcli.data.features.encoders import invalid_dates
from mlpcli.data.features.feature_kinds import Features
from mlpcli.data.label_keys import DROP_HINT
from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors, raise_row_errors
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.readers.table_values import (
    cell_error,
    labels,
    numeric_matrix,
    read_cells,
    refuse_other_labels,
)
from mlpcli.data.readers.tables import ReadTable, Table, TableFile, read_table
from mlpcli.data.sources.image_columns import ImageColumns, paths_of
from mlpcli.data.sources.kept_rows import drop_missing
from mlpcli.data.sources.source_rows import SourceRows, Target
from mlpcli.data.types import Array
from mlpcli.spec.resolve import inline

Targets = dict[str, tuple[str, ...]]
"""The target columns of each output, by its name; the name of a single output is empty."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are used.

    Attributes:
        features: their names.
        targets: the target columns of each output.
        labels: whether the target of an output is read as labels, not as numbers, by the output's name.
        weights: the column of row weights.
        droppable: the outputs without whose target a row is left out; without that of another it is refused.
        aside: columns that divide the rows, and are no features unless they are among these too.
    """

    features: tuple[str, ...]
    targets: Targets
    labels: Mapping[str, bool] = field(default_factory=dict)
    weights: str | None = None
    droppable: Collection[str] = ()
    aside: tuple[str, ...] = ()

    def kept(self, table: Table) -> Table:
        """Return a table that was read without the rows that are left out."""
        targets = {
            name: self.labels[output]
            for output, names in self.targets.items()
            for name in names
            if output in self.droppable
        }
        return drop_missing(table, targets) if targets else table

    @property
    def text(self) -> tuple[str, ...]:
        """The target columns that are read as text."""
        return tuple(name for output, names in self.targets.items() if self.labels[output] for name in names)

    @property
    def all(self) -> tuple[str, ...]:
        """Every column of which a model is made, each once."""
        target = (name for names in self.targets.values() for name in names)
        weights = () if self.weights is None else (self.weights,)
        return tuple(dict.fromkeys((*self.features, *target, *weights)))

    @property
    def read(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        return tuple(dict.fromkeys((*self.all, *self.aside)))


def table_rows(
    file: TableFile,
    columns: Columns,
    chosen: Features | None,
    read: ReadTable = read_table,
    images: ImageColumns | None = None,
) -> SourceRows:
    """Read the features and the targets of a further table.

    Args:
        file: the opened table.
        columns: that are used.
        chosen: how the features are used; None if the source has no such choice.
        read: reads the columns.
        images: the columns that name image files.

    Returns:
        The rows; their `x` is empty until the features are encoded.

    Raises:
        DataError: with every cell that cannot be used, or another error of the file.
    """
    spelled = [name for name, each in chosen.used.items() if each.kind != "numeric"] if chosen else []
    spelled += file.dialect.notations
    table = columns.kept(read(file, columns.all, text=[*columns.text, *spelled]))
    if images is not None:
        table, _ = images.decode(table, paths_of(file))
    return rows_of_table(table, columns, chosen)


def rows_of_table(table: Table, columns: Columns, chosen: Features | None) -> SourceRows:
    """Return the rows of a table; their `x` is empty until the features are encoded.

    Args:
        table: that was read.
        columns: that are used.
        chosen: how the features are used; None if the source has no such choice.

    Returns:
        The rows with targets and weights.

    Raises:
        DataError: with every cell of features, targets and weights that cannot be used.
    """
    errors = feature_errors(table, chosen) if chosen else RowErrors()
    output_targets, of_targets = table_targets(table, columns, gaps=DROP_HINT)
    weights, of_weights = table_weights(table, columns.weights)
    raise_row_errors(table.origin, errors.with_more(of_targets, of_weights))
    target, what = output_targets.pop("", (None, ""))
    x = np.empty((table.rows, 0), np.float32)
    return SourceRows(
        x,
        target,
        table.origin,
        what,
        output_targets=output_targets,
        weights=weights,
        table=table,
        left_out=table.left_out,
    )


def feature_errors(table: Table, chosen: Features) -> RowErrors:
    """Find cells of numbers and dates that are neither that nor missing."""
    errors = RowErrors()
    for name, spec in chosen.used.items():
        if spec.kind == "numeric":
            bad = table.columns[name].numbers.unreadable
        elif spec.kind == "date":
            bad = invalid_dates(table.columns[name], spec.format or "")
        else:
            continue
        described = []
        for row, cell in read_cells(table, name, bad[:MAX_DESCRIBED]):
            if spec.kind == "date":
                written = spec.format or ""
                hint = date_hint(str(cell).strip(), written, features=inline(name))
                described.append(RowError(row, f"column {name!r}", date_rule(written), cell, hint))
            else:
                described.append(cell_error(row, name, cell, table.columns[name].dialect))
        errors.add(described, len(bad))
    return errors


def table_targets(
    table: Table, columns: Columns, *, gaps: str = ""
) -> tuple[dict[str, tuple[Target, str]], RowErrors]:
    """Read the target of each output: labels, (rows,) numbers, or (rows, targets) numbers.

    Args:
        table: that was read.
        columns: that are used.
        gaps: what else a message suggests for rows without a target.

    Returns:
        Each target with its name in messages, by output; and the errors of all.
    """
    found: dict[str, tuple[Target, str]] = {}
    errors = RowErrors()
    skip = "; for classes use a loss such as sparse_categorical_crossentropy"
    for output, names in columns.targets.items():
        what = f"column {names[0]!r}"
        if columns.labels[output]:
            refuse_other_labels(table, names[0])
            found[output] = (labels(table.columns[names[0]]), what)
            continue
        values, more = numeric_matrix(table, names, skip=skip, gaps=gaps)
        found[output] = (values[:, 0].copy() if len(names) == 1 else values, what)
        errors = errors.with_more(more)
    return found, errors


def table_weights(table: Table, name: str | None) -> tuple[Array | None, RowErrors]:
    """Read the row weights from a column.

    Returns:
        (rows,) float32, or None without a column; and the errors.
    """
    if name is None:
        return None, RowErrors()
    values, errors = numeric_matrix(table, [name])
    negative = np.flatnonzero(values[:, 0] < 0)
    rule = "must be a weight of at least 0"
    first = negative[:MAX_DESCRIBED]
    described = [RowError(int(row), f"column {name!r}", rule, float(values[row, 0])) for row in first]
    errors.add(described, len(negative))
    return values[:, 0].astype(np.float32), errors
