"""Read images with their targets for a trained model, as `evaluate --data` needs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlpcli.data.dataset import Contract
from mlpcli.data.images.find_images import list_images
from mlpcli.data.images.image_reading import ImageSettings
from mlpcli.data.images.new_images import find_images, no_classes, reading_for
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.find_files import is_table
from mlpcli.data.readers.tables import check_columns, open_table, read_table
from mlpcli.data.sources.array_source import cut_targets
from mlpcli.data.sources.image_columns import files_of_column
from mlpcli.data.sources.image_source import folder_rows
from mlpcli.data.sources.image_table import rows_of_files
from mlpcli.data.sources.source_images import good_images
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.sources.table_rows import Columns


def read_images(
    path: Path,
    contract: Contract,
    target: bool | None,
    *,
    dialect: Dialect,
    drop: bool = False,
    drop_broken: bool = False,
) -> SourceRows:
    """Read image files: of a folder, whose sub-folders are classes, or of a table that names them.

    Args:
        path: of the folder, an image or the table.
        contract: of the model.
        target: True if the target is required, None to read it if it is there, False to ignore it.
        dialect: how a table's cells are written.
        drop: leave out the rows of a table without a target.
        drop_broken: leave out files that cannot be read.

    Raises:
        DataError: files are broken, there are no targets, or the model takes no images.
    """
    settings = ImageSettings(reading_for(contract, str(path)), drop_broken)
    if is_table(path):
        return _of_table(path, contract, target, settings, dialect, drop=drop)
    tops = {*list_images(path).counts} if path.is_dir() else set()
    known = tops <= {*(contract.output.classes or ())}  # else the folders may mean something else
    if tops and (target or (target is None and known)):
        rows = _in_classes(path, contract, settings)
    elif target:
        raise no_classes(str(path))
    else:
        found = find_images([path], str(path))
        images, good = good_images(found.files, found.origin, settings)
        rows = SourceRows(images.pixels[good], None, found.origin, "")
    return replace(rows, x=rows.x.reshape(-1, *contract.shape))


def _in_classes(path: Path, contract: Contract, settings: ImageSettings) -> SourceRows:
    rows, _ = folder_rows(list_images(path), str(path), settings)
    if not contract.output.name:
        return rows
    source = Source(rows, None, "array", (), contract.target, str(path))
    return cut_targets(rows, replace(source, targets={each.name: each.target for each in contract.outputs}))


def _of_table(
    path: Path,
    contract: Contract,
    target: bool | None,
    settings: ImageSettings,
    dialect: Dialect,
    *,
    drop: bool,
) -> SourceRows:
    file = open_table(path, str(path), dialect)
    column = settings.reading.file_column
    there = all(name in file.names for name in contract.target)
    wants = there if target is None else target
    targets = {each.name: each.target for each in contract.outputs} if wants else {}
    labels = {each.name: len(each.target) == 1 and each.classes is not None for each in contract.outputs}
    weights = contract.weights if contract.weights in file.names and wants else None
    droppable = [each.name for each in contract.outputs if drop and each.separator is None]
    columns = Columns((column,), targets, labels, weights, droppable)
    check_columns(file.names, columns.all, file.origin)
    table = columns.kept(read_table(file, columns.all, text=[*columns.text, column]))
    return rows_of_files(table, columns, files_of_column(table, settings.reading, [path]), settings)[0]
