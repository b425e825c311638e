"""Blocks of rows of a table whose columns name image files: decoded where the rows are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.data.features.image_encoder import pixel_column
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.images.image_files import folder_of_table, named_file
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.images.load_images import in_parallel, try_decode
from mlpcli.data.narrow_blocks import narrow_blocks
from mlpcli.data.readers.delimited_stream import Block
from mlpcli.data.readers.parse_cells import python_values
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.types import Array, ArrowColumn


def encodable_blocks(block: Block, preprocessor: Preprocessor, table: Path) -> Iterator[Block]:
    """Yield the rows of a block in one or more blocks that are small enough, with the pixels of images.

    A row of which a file is no image is an error of the block, and not among its rows.

    Args:
        block: of rows.
        preprocessor: that encodes them.
        table: the file that the rows are of.
    """
    for part in narrow_blocks(block, preprocessor.width):
        yield _decoded(part, preprocessor, table) if preprocessor.images else part


def _decoded(block: Block, preprocessor: Preprocessor, table: Path) -> Block:
    found: dict[str, Array] = {}
    errors: dict[int, RowError] = {}
    for each in preprocessor.images:
        found[each.name], broken = _pixels(block.columns[each.name], each.reading, table)
        for place, (rule, cell) in broken.items():
            location = f"column {each.name!r}"
            errors.setdefault(place, RowError(int(block.positions[place]), location, rule, cell))
    good = np.setdiff1d(np.arange(len(block.positions)), list(errors))
    pixels: dict[str, ArrowColumn] = {name: pixel_column(values[good]) for name, values in found.items()}
    if not errors:
        return replace(block, pixels=pixels)
    ragged = sorted([*block.ragged, *errors.values()], key=lambda each: each.row)
    columns = {name: column.take(good) for name, column in block.columns.items()}
    return replace(block, columns=columns, positions=block.positions[good], ragged=ragged, pixels=pixels)


def _pixels(
    column: ArrowColumn, reading: ImageReading, table: Path
) -> tuple[Array, dict[int, tuple[str, str]]]:
    """Return the images that cells name, 0 where there is none, and there the reason and the cell."""
    folder = folder_of_table(table, reading.directory)
    cells = ["" if each is None else str(each).strip() for each in python_values(column)]
    pixels = np.zeros((len(cells), *reading.shape), np.uint8)
    broken: dict[int, tuple[str, str]] = {}
    files = [named_file(folder, cell) for cell in cells]
    for place, found in enumerate(in_parallel(files, lambda file: try_decode(file, reading))):
        if isinstance(found, str):
            broken[place] = found, cells[place]
        else:
            pixels[place] = found.pixels
    return pixels, broken
