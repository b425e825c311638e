"""Columns of a table that name image files: which files, and the pixels in place of their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlpcli.data.features.image_encoder import pixel_column
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.images.image_files import ImageFile, folder_of_table, named_file
from mlpcli.data.images.image_reading import (
    ImageReading,
    drops_broken,
    image_columns,
    image_keys,
    reading_of,
    reading_of_column,
)
from mlpcli.data.images.load_images import ImageRows, load_images
from mlpcli.data.readers.broken_rules import raise_row_errors
from mlpcli.data.readers.parse_cells import ParsedColumn, python_values
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.readers.tables import Table, TableFile
from mlpcli.data.sources.kept_rows import KeptOrigin, file_numbers
from mlpcli.data.sources.source_images import DROP, dropped_note, wanted_reading
from mlpcli.data.types import Array
from mlpcli.spec.features import FeatureSpec
from mlpcli.spec.schema import DatasetSpec


@dataclass(frozen=True)
class ImageColumns:
    """The columns of a table that name image files, and how these are read.

    Attributes:
        readings: of each column.
        drop: leave out rows with a broken file, instead of refusing them.
        kept: the folder for decoded images; None for none.
    """

    readings: tuple[ImageReading, ...]
    drop: bool = False
    kept: Path | None = None

    def decode(self, table: Table, paths: Sequence[Path]) -> tuple[Table, list[str]]:
        """Return a table with pixels in place of the names of files, and notes.

        Args:
            table: that was read.
            paths: of its files.

        Raises:
            DataError: files are broken, or lie elsewhere, and are not to be left out; with the first of all
                columns.
        """
        if not self.readings:
            return table, []
        notes: list[str] = []
        broken: list[RowError] = []
        columns = dict(table.columns)
        for reading in self.readings:
            images, errors = _images_of(table, reading, paths, self.kept)
            notes += images.notes(f"{table.origin.label}, column {reading.column!r}", reading)
            if errors and self.drop:
                label = f"{table.origin.label}, column {reading.column!r}"
                notes.append(dropped_note(label, images, cells_of(table, reading.column)))
            broken += errors
            columns[reading.column] = ParsedColumn(pixel_column(images.pixels), table.dialect)
        good = np.setdiff1d(np.arange(table.rows), [each.row for each in broken])
        if broken and (not self.drop or not len(good)):
            way_out = "" if self.drop else DROP
            raise_row_errors(table.origin, broken, way_out=way_out)
        decoded = replace(table, columns=columns)
        return decoded if len(good) == table.rows else taken(decoded, good), notes


def _images_of(
    table: Table, reading: ImageReading, paths: Sequence[Path], kept: Path | None
) -> tuple[ImageRows, list[RowError]]:
    """Return the images of a column, and the errors of its cells."""
    origin = FilesOrigin(table, reading.column)
    images = load_images(files_of_column(table, reading, paths), reading, origin, kept)
    return images, [origin.named(each) for each in images.broken]


def image_columns_of_spec(
    spec: DatasetSpec, table: Table, paths: Sequence[Path], kept: Path | None
) -> ImageColumns:
    """Return how the columns of a spec's table that name image files are read.

    Args:
        spec: the `dataset` section.
        table: that was read.
        paths: of its files.
        kept: the folder for decoded images; None for none.

    Raises:
        SpecError: the images of a column have several sizes and none is given.
    """
    readings = []
    for name in image_columns(spec):
        files = files_of_column(table, reading_of(spec, (1, 1), name), paths)
        readings.append(wanted_reading(spec, files, name))
    return ImageColumns(tuple(readings), drops_broken(spec), kept)


def complete_columns(
    spec: DatasetSpec, images: ImageColumns, given: dict[str, FeatureSpec]
) -> dict[str, FeatureSpec]:
    """Return what a spec says of the columns of a table, with every key of those that name image files.

    Args:
        spec: the `dataset` section.
        images: how these are read.
        given: what the spec says of columns.
    """
    found = dict(given)
    for each in images.readings:
        keys = image_keys(spec, each.column) | {
            "kind": "image",
            "image_size": list(each.size),
            "color_mode": each.color_mode,
            "directory": each.directory or None,
        }
        found[each.column] = FeatureSpec.model_validate(keys)
    return found


def images_of_features(
    used: dict[str, FeatureSpec], *, drop: bool = False, kept: Path | None = None
) -> ImageColumns:
    """Return how the columns among completed features that name image files are read."""
    readings = (reading_of_column(name, each) for name, each in used.items() if each.kind == "image")
    return ImageColumns(tuple(readings), drop, kept)


def images_of_model(preprocessor: Preprocessor | None, *, drop: bool = False) -> ImageColumns:
    """Return how a model reads the columns that name image files; none where it has none."""
    encoders = () if preprocessor is None else preprocessor.images
    return ImageColumns(tuple(each.reading for each in encoders), drop)


class FilesOrigin(Origin):
    """The rows of a table, each named with the file in one of its columns of images."""

    def __init__(self, table: Table, column: str) -> None:
        """Keep the table."""
        super().__init__(table.origin.label)
        self.table, self.column = table, column

    def at(self, row: int) -> tuple[Origin, int]:
        """Return the single table that holds a row, and the row's position there."""
        return self.table.origin.at(row)

    def named(self, row_error: RowError) -> RowError:
        """Return an error with the column and the name of the file."""
        cell = cell_text(self.table.columns[self.column].value(row_error.row))
        located = replace(row_error, location=f"column {self.column!r}", received=cell)
        return self.table.origin.named(located)


def paths_of(file: TableFile) -> list[Path]:
    """Return the files of an opened table."""
    return [each.path for each in file.more] or [file.path]


def files_of_column(table: Table, reading: ImageReading, paths: Sequence[Path]) -> list[ImageFile]:
    """Return the image files that a table names: below its own folder, or below the column's `directory`.

    Args:
        table: the rows.
        reading: with the column and its directory.
        paths: of the table's files.
    """
    cells = cells_of(table, reading.column)
    folders = [folder_of_table(path, reading.directory) for path in paths]
    numbers = file_numbers(table.origin, table.rows).tolist()
    return [named_file(folders[number], each) for number, each in zip(numbers, cells, strict=True)]


def cells_of(table: Table, column: str) -> list[str]:
    """Return the cells of a column as texts, without blanks around them; empty where there is none."""
    values = python_values(table.columns[column].arrow)
    return [cell_text(each) for each in values]


def cell_text(value: object) -> str:
    """Return a cell as a text, without blanks around it; empty where there is none."""
    return "" if value is None else str(value).strip()


def taken(table: Table, good: Array) -> Table:
    """Return some rows of a table; messages still count those of the file."""
    columns = {name: each.take(good) for name, each in table.columns.items()}
    before = table.origin
    if isinstance(before, KeptOrigin):
        origin = KeptOrigin(before.whole, before.kept[good])
    else:
        origin = KeptOrigin(before, good)
    return replace(table, origin=origin, columns=columns, rows=len(good))
