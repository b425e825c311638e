"""Columns of images in a comparison of rows: how bright each image is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.data.column_values import ColumnValues, of_numbers
from mlpcli.data.dataset import Contract
from mlpcli.data.images.image_files import ImageFile
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.images.load_images import in_parallel, try_decode
from mlpcli.data.sources.image_columns import files_of_column, paths_of
from mlpcli.inference.row_columns import RowColumns, TableColumns


def brightness_of_images(columns: RowColumns, contract: Contract) -> dict[str, ColumnValues]:
    """Return the columns that name image files as numbers: the mean of the values of each image.

    A file that is no image is unreadable.

    Args:
        columns: of the rows.
        contract: of the model.
    """
    images = () if contract.preprocessor is None else contract.preprocessor.images
    if not images or not isinstance(columns, TableColumns):
        return {}
    found = {}
    for reading in (each.reading for each in images if each.name in columns.names):
        table = columns.table([reading.column])
        files = files_of_column(table, reading, paths_of(columns.file))
        values = _brightness(reading, files)
        found[reading.column] = values if columns.rows is None else values.take(columns.rows)
    return found


def _brightness(reading: ImageReading, files: Sequence[ImageFile]) -> ColumnValues:
    means = np.full(len(files), np.nan)
    bad = np.zeros(len(files), bool)
    for place, image in enumerate(in_parallel(files, lambda file: try_decode(file, reading))):
        if isinstance(image, str):
            bad[place] = True
        else:
            means[place] = image.pixels.mean()
    values = of_numbers(reading.column, means)
    return ColumnValues(values.name, values.kind, values.numbers, (), values.codes, bad)
