"""Open a table of images alone: one column names the files; targets, weights and splits are the table's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.data.images.image_files import ImageFile
from mlpcli.data.images.image_reading import ImageSettings, drops_broken, image_column, reading_of
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.notations import read_numbers
from mlpcli.data.readers.tables import Table, check_columns, open_tables, read_table
from mlpcli.data.sources.image_columns import FilesOrigin, cells_of, files_of_column, taken
from mlpcli.data.sources.source_images import dropped_note, good_images, wanted_reading
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.sources.table_rows import Columns, rows_of_table
from mlpcli.data.sources.table_source import columns_of_spec, target_columns
from mlpcli.data.split_columns import read_split_columns
from mlpcli.data.types import TargetKind
from mlpcli.errors import Problem, SpecError
from mlpcli.spec.schema import DatasetSpec


def open_image_table(
    spec: DatasetSpec,
    paths: Sequence[Path],
    target_kinds: Mapping[str, TargetKind | None],
    dialect: Dialect,
    kept: Path | None,
) -> Source:
    """Read a table whose column names image files: targets, weights and splits are those of the table.

    Args:
        spec: the `dataset` section.
        paths: of the table's files.
        target_kinds: what the loss of each output takes, by the output's name.
        dialect: how the cells are read.
        kept: the folder for decoded images; None for none.

    Raises:
        SpecError: a column is not in the table, or the images have several sizes and none is given.
        DataError: the table cannot be used, or files are broken.
    """
    assert spec.path is not None
    column = image_column(spec)
    assert column is not None
    file = open_tables(paths, spec.path, dialect)
    targets = target_columns(spec, target_kinds)
    one = spec.model_copy(update={"features": [column]})
    columns = columns_of_spec(one, file, targets, target_kinds, only_named=True)
    table, notes = read_numbers(
        file, columns.read, text=[column], labels=columns.text, declared=spec.decimal is not None
    )
    table = columns.kept(table)
    wanted = reading_of(spec, (1, 1))
    files = files_of_column(table, wanted, paths)
    settings = ImageSettings(wanted_reading(spec, files), drops_broken(spec), kept)
    rows, table, more = rows_of_files(table, columns, files, settings)
    only = targets.get("", ())
    return Source(
        rows,
        None,
        "array",
        (),
        only,
        spec.path,
        targets={} if only else targets,
        notes=(*file.notes, *notes.values(), *more),
        split_columns=read_split_columns(spec, table),
        images=settings,
    )


def rows_of_files(
    table: Table, columns: Columns, files: Sequence[ImageFile], settings: ImageSettings
) -> tuple[SourceRows, Table, list[str]]:
    """Return the images of a table's rows with their targets, the table without broken ones, and notes."""
    label, column = table.origin.label, settings.reading.column
    images, good = good_images(files, FilesOrigin(table, column), settings)
    notes = [*images.notes(label, settings.reading)]
    pixels = images.pixels
    if len(good) < table.rows:
        notes.append(dropped_note(label, images, cells_of(table, column)))
        pixels, table = pixels[good], taken(table, good)
    rows = rows_of_table(table, columns, None)
    return replace(rows, x=pixels, table=None), table, notes


def read_table_split(
    paths: Sequence[Path],
    text: str,
    split: str,
    source: Source,
    *,
    labels: Mapping[str, bool],
    weights: str | None,
    dialect: Dialect,
    droppable: Collection[str],
) -> SourceRows:
    """Read the images of a split: a table with the same columns.

    Args:
        paths: of the table's files.
        text: the path in the spec.
        split: the name of the split.
        source: of the other rows.
        labels: whether an output's target is read as labels, by the output's name.
        weights: the column of row weights.
        dialect: how the cells of a table are written.
        droppable: the outputs without whose target a row is left out.

    Raises:
        SpecError: it is a folder.
        DataError: files are broken, or the table cannot be used.
    """
    settings = source.images
    assert settings is not None
    if paths[0].is_dir():
        rule = "must be a table with the same columns, as the dataset is"
        raise SpecError(Problem(rule, path=("dataset", split), received=text))
    column = settings.reading.column
    file = open_tables(paths, text, dialect)
    targets = source.targets or {"": source.target}
    single = {output: labels[output] and len(targets[output]) == 1 for output in targets}
    columns = Columns((column,), targets, single, weights, droppable)
    check_columns(file.names, columns.all, file.origin)
    table = columns.kept(read_table(file, columns.all, text=[*columns.text, column]))
    return rows_of_files(table, columns, files_of_column(table, settings.reading, paths), settings)[0]
