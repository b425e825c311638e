"""Find the columns of a table that name image files, before there is a spec."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from mlpcli.data.images.find_images import is_image_name
from mlpcli.data.images.image_files import RefusedFile, folder_of_table, named_file
from mlpcli.data.inspect.survey import Survey
from mlpcli.data.inspect.survey_images import ImageSurvey, glance
from mlpcli.data.readers.find_files import named_files
from mlpcli.data.readers.parse_cells import is_text, plain_type
from mlpcli.data.types import Array

LEAST_NAMED = 0.9
"""The share of a column's cells that name images for it to be a column of images."""


def survey_table_images(survey: Survey) -> dict[str, ImageSurvey]:
    """Return the columns of a table that name image files, and what these are.

    Such a column names files below the table's own folder, the first of which is there.

    Args:
        survey: of the table.
    """
    folder = folder_of_table(named_files(survey.path)[0], "")
    found = {}
    for name, column in survey.table.columns.items():
        if name == survey.target or not is_text(plain_type(column.arrow).type):
            continue
        cells = ["" if cell is None else str(cell).strip() for cell in column.arrow.to_pylist()]
        named = [cell for cell in cells if is_image_name(cell)]
        if not named or len(named) < LEAST_NAMED * len(cells):
            continue
        first = named_file(folder, named[0])
        if isinstance(first, RefusedFile) or not first.is_file():
            continue
        files = glance([named_file(folder, cell) for cell in cells], cells)
        found[name] = ImageSurvey(
            survey.path,
            files,
            _classes(survey),
            ("",) * len(cells),
            origin=survey.table.origin,
            column=name,
        )
    return found


def without_images(survey: Survey, images: Collection[str]) -> Survey:
    """Return the survey of a table as if some columns, which name image files, were used without question.

    Args:
        survey: of the table.
        images: these columns.
    """
    features = survey.features
    used = {name: each for name, each in features.used.items() if name not in images}
    excluded = {name: why for name, why in features.excluded.items() if name not in images}
    return replace(survey, features=replace(features, used=used, excluded=excluded))


def _classes(survey: Survey) -> tuple[str, ...]:
    """Return the class of each row, as it is written; empty texts where the target holds none."""
    if survey.labels is None:
        return ("",) * survey.table.rows
    codes: Array = survey.labels.codes
    values = ["" if value is None else str(value) for value in survey.labels.values]
    return tuple(values[code] for code in codes)
