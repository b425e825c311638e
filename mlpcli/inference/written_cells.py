"""Cells of rows as their file has them, of columns that encoded rows do not show.

These are texts, dates and images, and columns that the model does not read, such as an id.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.data.column_values import DAY, ColumnValues
from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import DateEncoder, NumericEncoder
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.readers.parse_cells import ParsedColumn, python_values
from mlpcli.data.readers.tables import read_table
from mlpcli.data.types import Array
from mlpcli.inference.row_columns import RowColumns, TableColumns
from mlpcli.model.trained_model import TrainedModel
from mlpcli.spec.split_forms import SplitBy

MOST_UNUSED = 20
"""Columns that the model does not read, of which the rows show the cells: the first of the file."""


def columns_not_shown(contract: Contract) -> list[str]:
    """Return the columns whose cells encoded rows do not show, or by quantiles only nearly: 1e-6 for 0."""
    encoders = () if contract.preprocessor is None else contract.preprocessor.encoders
    return [
        each.name
        for each in encoders
        if isinstance(each, DateEncoder | TextEncoder | ImageEncoder)
        or (isinstance(each, NumericEncoder) and each.quantiles is not None)
    ]


def unused_columns(contract: Contract, columns: RowColumns) -> list[str]:
    """Return the columns of a table that are neither read by a model nor its targets: ids and the like."""
    if not isinstance(columns, TableColumns):
        return []
    used = {*contract.features, *(name for output in contract.outputs for name in output.target)}
    if contract.preprocessor is not None:
        used |= {*contract.preprocessor.names}
    return [name for name in columns.names if name not in used][:MOST_UNUSED]


def written_cells(columns: RowColumns, names: Sequence[str], places: Sequence[int]) -> dict[str, list[str]]:
    """Return some cells of some rows by column, as their file has them; an empty text for a missing one.

    Args:
        columns: of the rows.
        names: of the columns that are wanted; those that the rows do not have are left out.
        places: of the rows that are wanted, among those of `columns`.
    """
    wanted = [name for name in names if name in columns.names]
    rows = np.asarray(places, np.int64)
    if not wanted or not len(rows):
        return {}
    if isinstance(columns, TableColumns):
        own = rows if columns.rows is None else columns.rows[rows]
        cells = read_table(columns.file, wanted, text=wanted).columns
        return {name: _as_written(cells[name], own) for name in wanted}
    found = columns.read(wanted)
    return {name: _texts(values.take(rows), times=_has_times(values)) for name, values in found.items()}


def _as_written(column: ParsedColumn, rows: Array) -> list[str]:
    """Return some cells as they are written, in a file of typed values as Python writes them."""
    values = python_values(column.arrow.take(rows))
    return ["" if value is None or value != value else str(value) for value in values]


def date_columns(columns: RowColumns, trained: TrainedModel) -> dict[str, Array]:
    """Return the columns of dates that a model reads or its rows are divided by, (rows,) datetime64[s]."""
    contract, dataset = trained.contract, trained.spec.dataset
    encoders = () if contract.preprocessor is None else contract.preprocessor.encoders
    names = [each.name for each in encoders if isinstance(each, DateEncoder)]
    names += [each.by or "" for each in (dataset.test, dataset.validation) if isinstance(each, SplitBy)]
    wanted = [name for name in dict.fromkeys(names) if name in columns.names]
    found = columns.read(wanted) if wanted else {}
    return {name: _instants(values.numbers) for name, values in found.items() if values.kind == "dates"}


def _instants(days: Array) -> Array:
    """Return days since 1970-01-01 as datetime64[s]; NaT for NaN."""
    seconds = np.round(np.nan_to_num(days) * DAY).astype(np.int64).astype("datetime64[s]")
    return np.where(np.isnan(days), np.datetime64("NaT", "s"), seconds)


def _has_times(values: ColumnValues) -> bool:
    """Return whether a column of dates has times of the day."""
    if values.kind != "dates":
        return False
    seconds = np.round(values.numbers[~np.isnan(values.numbers)] * DAY)
    return bool((seconds % DAY != 0).any())


def _texts(values: ColumnValues, *, times: bool) -> list[str]:
    """Return cells as texts; of a column with times a midnight has its own too."""
    if values.kind == "categories":
        return [values.texts[code] or "" for code in values.codes]
    texts = ["" if np.isnan(number) else values.shown(float(number)) for number in values.numbers]
    return [f"{text} 00:00" if times and text and ":" not in text else text for text in texts]
