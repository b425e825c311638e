"""Find the column of a table that names image files, before there is a spec."""

from __future__ import annotations

from mlpcli.data.images.find_images import is_image_name
from mlpcli.data.inspect.survey import Survey
from mlpcli.data.inspect.survey_images import ImageSurvey, glance
from mlpcli.data.readers.find_files import named_files
from mlpcli.data.readers.parse_cells import is_text, plain_type
from mlpcli.data.types import Array

LEAST_NAMED = 0.9
"""The share of a column's cells that name images for it to be a column of images."""


def survey_table_images(survey: Survey) -> tuple[str, ImageSurvey] | None:
    """Return the column of a table that names image files, and what these are; None without such a column.

    The column must name files relative to the table's own folder, the first of which is there.

    Args:
        survey: of the table.
    """
    paths = named_files(survey.path)
    for name, column in survey.table.columns.items():
        if name == survey.target or not is_text(plain_type(column.arrow).type):
            continue
        cells = ["" if cell is None else str(cell).strip() for cell in column.arrow.to_pylist()]
        named = [cell for cell in cells if is_image_name(cell)]
        if not named or len(named) < LEAST_NAMED * len(cells):
            continue
        folder = paths[0].parent
        if not (folder / named[0]).is_file():
            continue
        files = glance([folder / cell for cell in cells], cells)
        return name, ImageSurvey(survey.path, files, _classes(survey), ("",) * len(cells))
    return None


def _classes(survey: Survey) -> tuple[str, ...]:
    """Return the class of each row, as it is written; empty texts where the target holds none."""
    if survey.labels is None:
        return ("",) * survey.table.rows
    codes: Array = survey.labels.codes
    values = ["" if value is None else str(value) for value in survey.labels.values]
    return tuple(values[code] for code in codes)
