"""The rows that were evaluated as a table: which they are, what is predicted for them, their own cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.named_arrays import of_name
from mlpcli.data.readers.tables import read_table
from mlpcli.data.row_names import name_rows, source_files
from mlpcli.data.types import Array, Arrays, ArrowColumn
from mlpcli.data.writers import writing
from mlpcli.free_names import beside
from mlpcli.inference.row_columns import RowColumns, TableColumns
from mlpcli.inference.rows_to_evaluate import EvaluatedRows
from mlpcli.model.build import output_loss
from mlpcli.model.prediction_columns import prediction_columns, without_idle_digits
from mlpcli.model.trained_model import TrainedModel

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 4096
"""Rows that are written at a time."""


def write_rows(trained: TrainedModel, rows: EvaluatedRows, predicted: Arrays, path: Path) -> None:
    """Write the rows that were evaluated, in the order of their data.

    Args:
        trained: the model.
        rows: the rows.
        predicted: what `predict_outputs` returns for them.
        path: `.csv`, `.tsv`, `.parquet` or `.jsonl`.
    """
    import pyarrow as pa

    order = np.argsort(rows.split.rows, kind="stable")
    own = _numbers(rows, order)
    for output in trained.contract.outputs:
        values = without_idle_digits(of_name(predicted, output.name), output)
        own |= prediction_columns(output, values[order], output_loss(trained.spec, output.name))
    columns = {name: each if isinstance(each, pa.Array) else pa.array(each) for name, each in own.items()}
    columns |= beside(_cells(rows.columns(), order), columns)
    with writing(path) as writer:
        for first in range(0, max(1, len(order)), BLOCK):
            part = {name: each[first : first + BLOCK] for name, each in columns.items()}
            writer.write(part, np.empty((len(next(iter(part.values()))), 0), np.float32))


def _numbers(rows: EvaluatedRows, order: Array) -> dict[str, Array | pa.Array]:
    """Return the number of each row, as messages count it, and of several files which one holds it."""
    import pyarrow as pa

    positions = rows.split.rows[order]
    if rows.origin is None:
        return {"row": positions + 1}
    names = name_rows(rows.origin, positions.tolist())
    numbers: dict[str, Array | pa.Array] = {"row": np.array([each.row for each in names], np.int64)}
    if len(source_files(rows.origin)) > 1:
        numbers["file"] = pa.array([each.file for each in names], pa.string())
    return numbers


def _cells(columns: RowColumns, order: Array) -> dict[str, ArrowColumn]:
    """Return the cells of all columns of a table as they are written; of arrays none."""
    if not isinstance(columns, TableColumns) or not columns.names:
        return {}
    rows = order if columns.rows is None else columns.rows[order]
    found = read_table(columns.file, columns.names, text=columns.names).columns
    return {name: found[name].arrow.take(rows) for name in columns.names}
