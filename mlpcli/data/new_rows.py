"""Open new rows for a trained model: of tables and arrays (`stream.py`), or of image files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mlpcli.data import stream
from mlpcli.data.contract_columns import kept_columns
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.images.new_images import NamedImages, find_images, image_batches, reading_for, shown_name
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.find_files import are_images, is_table, named_files
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.readers.tables import check_columns, open_tables, read_table
from mlpcli.data.refused_rows import all_parts, refuse
from mlpcli.data.sources.image_columns import FilesOrigin, files_of_column
from mlpcli.data.stream import Chunk, ReadOptions, screened
from mlpcli.data.types import Array, ArrowColumn


@contextmanager
def open_rows(source: Path | IO[bytes], options: ReadOptions) -> Iterator[Iterator[Chunk]]:
    """Open rows: of files, of a stream of CSV, of a folder of images, or of a table that names images.

    Args:
        source: a path, which may be a pattern; or a stream.
        options: how the rows are read.

    Yields:
        An iterator of chunks.

    Raises:
        DataError: a file, or a row of it, cannot be used.
        UsageError: a column to keep is not there.
    """
    if isinstance(source, Path):
        paths = named_files(str(source))
        if are_images(paths):
            yield _of_files(find_images(paths, str(source)), options)
            return
        if options.contract.image is not None and all(map(is_table, paths)):
            yield _of_table(paths, str(source), options)
            return
    with stream.open_rows(source, options) as chunks:
        yield chunks


def _of_files(found: NamedImages, options: ReadOptions) -> Iterator[Chunk]:
    """Yield the images of files; the column of their names is kept."""
    import pyarrow as pa

    kept_columns((), options.keep, found.origin.label or "these images")
    reading = reading_for(options.contract, found.origin.label)
    options.counts.notes += found.notes
    names = {reading.file_column: pa.array(found.names, pa.string())}
    yield from _chunks(found, reading, names, options)


def _of_table(paths: Sequence[Path], label: str, options: ReadOptions) -> Iterator[Chunk]:
    """Yield the images that a table names; the column of their names is kept, with those that are wanted."""
    reading = reading_for(options.contract, label)
    file = open_tables(paths, label, options.reading.on(PLAIN))
    keep = kept_columns(file.names, options.keep, label)
    column = reading.file_column
    check_columns(file.names, [column], file.origin)
    columns = list(dict.fromkeys((column, *keep)))
    table = read_table(file, columns, text=columns)
    files = files_of_column(table, reading, paths)
    options.counts.notes += file.notes
    kept: dict[str, ArrowColumn] = {name: table.columns[name].arrow for name in columns}
    names = tuple(shown_name(str(each)) for each in table.columns[column].arrow.to_pylist())
    yield from _chunks(NamedImages(tuple(files), names, FilesOrigin(table, column)), reading, kept, options)


def _chunks(
    found: NamedImages, reading: ImageReading, kept: Mapping[str, ArrowColumn], options: ReadOptions
) -> Iterator[Chunk]:
    def chunk(batch: tuple[Array, Array, list[RowError]]) -> Chunk:
        pixels, places, broken = batch
        if not options.reject:
            refuse(broken)
        taken = {name: column.take(places) for name, column in kept.items()}
        errors = [_named(each.row, each.rule, found) for each in broken]
        return screened(Chunk(pixels, taken, rejected=errors), places, found.origin, options)

    batches = image_batches(found.files, reading, options.contract.shape)
    yield from all_parts(found.origin, batches, chunk)


def _named(row: int, rule: str, found: NamedImages) -> RowError:
    return RowError(row, "", rule, file=found.names[row])
