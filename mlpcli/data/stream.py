"""Read new rows for a trained model in chunks, so that memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np

from mlpcli.data.contract_columns import contract_columns, kept_columns
from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import NumericEncoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.unknown_values import (
    Policy,
    RowCounts,
    apply_policy,
    cell_errors,
    describe_cell_error,
)
from mlpcli.data.id_rows import as_ids, id_errors, reads_ids
from mlpcli.data.image_blocks import encodable_blocks
from mlpcli.data.new_notation import in_notation
from mlpcli.data.readers.arrays import as_rows, open_npy
from mlpcli.data.readers.batch_table import BATCH_ROWS
from mlpcli.data.readers.broken_rules import RowErrors
from mlpcli.data.readers.delimited import TextOrigin, delimiter_of
from mlpcli.data.readers.delimited_stream import Block, BlockReader, with_cells
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.find_files import TEXTS, ending_of, is_table, named_files
from mlpcli.data.readers.keyed_columns import names_in_file, with_keys
from mlpcli.data.readers.packed import open_bytes
from mlpcli.data.readers.parquet import parquet_batches
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.readers.partitions import DataFiles, FolderKey, folder_keys, labels_of
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.row_errors import NoRowsError, Origin, RowError
from mlpcli.data.readers.tables import TableFile, check_model_columns, open_table
from mlpcli.data.refused_rows import all_parts, refuse
from mlpcli.data.rows import as_model_rows, check_width, features_by_position, read_rows
from mlpcli.data.sources.array_source import fit_shape
from mlpcli.data.types import Array, ArrowColumn

STDIN = "standard input"


@dataclass(frozen=True)
class Chunk:
    """Some rows to predict.

    Attributes:
        x: (rows, *shape).
        kept: columns to pass through, by name.
        empty: (rows,) bool, rows whose prediction is left empty; None for none.
        rejected: the reason for each row that could not be used; these are not in `x`.
        cells: the model's columns as they were read, in its order, where they are wanted and known.
    """

    x: Array
    kept: dict[str, ArrowColumn]
    empty: Array | None = None
    rejected: list[RowError] = field(default_factory=list)
    cells: tuple[ArrowColumn, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def cut(self, start: int, stop: int) -> Chunk:
        """Return the rows from `start` to before `stop`, without the rejected ones."""
        kept = {name: column[start:stop] for name, column in self.kept.items()}
        empty = None if self.empty is None else self.empty[start:stop]
        return Chunk(self.x[start:stop], kept, empty, cells=tuple(each[start:stop] for each in self.cells))

    def take(self, rows: Array) -> Chunk:
        """Return the rows at some positions, (some,) int64, without the rejected ones."""
        kept = {name: column.take(rows) for name, column in self.kept.items()}
        empty = None if self.empty is None else self.empty[rows]
        return Chunk(self.x[rows], kept, empty, cells=tuple(each.take(rows) for each in self.cells))


@dataclass(frozen=True)
class ReadOptions:
    """How rows are read.

    Attributes:
        contract: of the model.
        keep: columns to pass through.
        unknown: the policy for unknown values; None for each column's own.
        reject: whether a row that cannot be used is returned as rejected, instead of raising a DataError.
        counts: to which the rows are added.
        find_errors: returns an error for each row, (rows, *shape), that the network cannot take.
        cells: whether the cells are wanted as they were read.
        reading: how the file is read, where that differs from the run's own.
    """

    contract: Contract
    keep: tuple[str, ...] = ()
    unknown: Policy | None = None
    reject: bool = False
    counts: RowCounts = field(default_factory=RowCounts)
    find_errors: Callable[[Array], list[RowError]] | None = None
    cells: bool = False
    reading: Reading = AS_RECORDED


@contextmanager
def open_rows(source: Path | IO[bytes], options: ReadOptions) -> Iterator[Iterator[Chunk]]:
    """Open the rows of a file, of several files, or of a stream of CSV.

    Args:
        source: a path, which may be a pattern; or a stream.
        options: how the rows are read.

    Yields:
        An iterator of chunks; of several files, rejected rows name theirs.

    Raises:
        DataError: the file, or a row of it, cannot be used.
        UsageError: a column to keep is not in the file.
    """
    options = replace(options, contract=in_notation(options.contract, options.reading))
    if not isinstance(source, Path):
        reader = BlockReader(source, Origin(STDIN), _dialect(options))
        yield _text_chunks(reader, Origin(STDIN), options, Path(STDIN))
        return
    paths = named_files(str(source))
    keys = folder_keys(paths, contract_columns(options.contract))
    if len(paths) > 1:
        yield _file_after_file(paths, keys, options)
        return
    with _open_file(paths[0], keys[0], options) as chunks:
        yield chunks


def _file_after_file(
    paths: DataFiles, keys: Sequence[tuple[FolderKey, ...]], options: ReadOptions
) -> Iterator[Chunk]:
    """Yield the chunks of several files, opened one after the other."""
    empty = 0
    for path, name, own in zip(paths, labels_of(paths), keys, strict=True):
        try:
            opened = _open_file(path, own, options)
            with opened as chunks:
                for chunk in chunks:
                    errors = [replace(row_error, file=name) for row_error in chunk.rejected]
                    yield replace(chunk, rejected=errors)
        except NoRowsError:
            empty += 1
            if empty == len(paths):
                raise


@contextmanager
def _open_file(source: Path, keys: tuple[FolderKey, ...], options: ReadOptions) -> Iterator[Iterator[Chunk]]:
    ending = ending_of(source)
    if ending in TEXTS:
        dialect = _dialect(options)
        with open_bytes(source) as file:
            reader = BlockReader(file, Origin(str(source)), dialect, delimiter=delimiter_of(source, dialect))
            origin = TextOrigin(str(source), source, reader.header)
            reader.origin = origin
            yield _text_chunks(reader, origin, options, source, keys)
    elif is_table(source):
        yield _batch_chunks(source, options, keys)
    elif ending == ".npy":
        yield _npy_chunks(source, options)
    else:
        kept_columns((), options.keep, str(source))
        yield all_parts(Origin(str(source)), [source], lambda part: _npz_chunk(part, options))


def _dialect(options: ReadOptions) -> Dialect:
    preprocessor = options.contract.preprocessor
    return options.reading.on(preprocessor.dialect if preprocessor else PLAIN)


def _text_chunks(
    reader: BlockReader,
    origin: Origin,
    options: ReadOptions,
    source: Path,
    keys: tuple[FolderKey, ...] = (),
) -> Iterator[Chunk]:
    file = TableFile(source, origin, reader.header.names).with_keys(keys)
    options = replace(options, keep=kept_columns(file.names, options.keep, origin.label))
    preprocessor = table_preprocessor(file.names, origin, options)
    check_width(file.own_names, options.contract, origin)
    text = {*preprocessor.spelled, *preprocessor.dialect.notations, *options.keep}
    columns = list(dict.fromkeys((*preprocessor.names, *options.keep)))
    inside = names_in_file(columns, file.keys, file.own_names)
    numbers = [name for name in preprocessor.names if name not in text and name in inside]
    parts = (
        (block, part)
        for block in reader.blocks(inside, text=text & {*inside}, numbers=numbers)
        for part in encodable_blocks(_with_keys(block, columns, file), preprocessor, source)
    )

    def encode(part: tuple[Block, Block]) -> Chunk:
        chunk = encode_block(part[1], preprocessor, origin, options)
        return replace(chunk, rejected=with_cells(chunk.rejected, part[0], reader.header))

    yield from all_parts(origin, parts, encode)
    options.counts.notes += filter(None, (*reader.header.notes, reader.note))


def _with_keys(block: Block, columns: Sequence[str], file: TableFile) -> Block:
    """Return a block with the columns that are keys of the file's folders."""
    if not file.keys:
        return block
    first = int(block.positions[0]) if len(block.positions) else 0
    return replace(block, columns=with_keys(block.columns, columns, file.keys, file.origin, first=first))


def _batch_chunks(source: Path, options: ReadOptions, keys: tuple[FolderKey, ...]) -> Iterator[Chunk]:
    """Yield the rows of a file whose values have types: Parquet, Arrow, JSON Lines, a sheet, a query."""
    file = open_table(source, str(source), _dialect(options)).with_keys(keys)
    options = replace(options, keep=kept_columns(file.names, options.keep, file.origin.label))
    preprocessor = table_preprocessor(file.names, file.origin, options)
    check_width(file.own_names, options.contract, file.origin)
    columns = list(dict.fromkeys((*preprocessor.names, *options.keep)))
    parts = (
        part
        for block in _batch_blocks(file, source, columns)
        for part in encodable_blocks(block, preprocessor, source)
    )
    yield from all_parts(
        file.origin, parts, lambda part: encode_block(part, preprocessor, file.origin, options)
    )
    options.counts.notes += file.notes


def _batch_blocks(file: TableFile, source: Path, columns: Sequence[str]) -> Iterator[Block]:
    """Yield the batches of rows of a file as blocks."""
    inside = names_in_file(columns, file.keys, file.own_names)
    batches = (
        parquet_batches(source, inside, file.origin) if file.reader is None else file.reader.batches(inside)
    )
    first = 0
    for batch in batches:
        rows = len(batch[inside[0]])
        yield _with_keys(Block(batch, first + np.arange(rows)), columns, file)
        first += rows


def _npz_chunk(source: Path, options: ReadOptions) -> Chunk:
    """Return the rows of arrays with names, or of another file that is read as a whole."""
    contract, origin = options.contract, Origin(str(source))
    if reads_ids(contract):  # as floats first: a fraction is an error of its row
        raw = read_rows(source, replace(contract, dtype="float32"), target=False).raw
        if raw is not None:
            cells = _cells_of_array(raw) if options.cells else ()
            return _array_chunk(raw, cells, np.arange(len(raw)), origin, options)
    x = read_rows(source, contract, target=False).flat
    cells = _cells_of_array(x) if options.cells and contract.preprocessor is None else ()
    return screened(Chunk(x, {}, cells=cells), np.arange(len(x)), origin, options)


def _npy_chunks(source: Path, options: ReadOptions) -> Iterator[Chunk]:
    """Yield rows of an array that stays on disk except for the current chunk."""
    kept_columns((), options.keep, str(source))
    with open_npy(source, str(source)) as (array, origin):

        def read(start: int) -> Chunk:
            wide = options.contract.preprocessor is not None
            piece = as_rows(array[start : start + BATCH_ROWS], origin, "array 'x'", first=start, wide=wide)
            cells = _cells_of_array(piece) if options.cells else ()
            return _array_chunk(piece, cells, start + np.arange(len(piece)), origin, options)

        yield from all_parts(origin, range(0, len(array), BATCH_ROWS), read)


def _array_chunk(
    x: Array, cells: tuple[ArrowColumn, ...], positions: Array, origin: Origin, options: ReadOptions
) -> Chunk:
    """Return rows of an array as the model takes them, without those that it cannot take.

    Args:
        x: (rows, ...), the numbers as the file holds them.
        cells: the same as columns.
        positions: (rows,) of the rows in the file.
        origin: of the file.
        options: how the rows are read.
    """
    if not reads_ids(options.contract):
        chunk = Chunk(as_model_rows(x, options.contract, origin), {}, cells=cells)
        return screened(chunk, positions, origin, options)
    x = fit_shape(x, options.contract.shape, origin)
    found = id_errors(x, positions)
    errors = [error for _, error in found]
    if not options.reject:
        refuse(errors)
    stay = np.setdiff1d(np.arange(len(x)), [row for row, _ in found])
    chunk = replace(Chunk(as_ids(x), {}, cells=cells).take(stay), rejected=errors)
    return screened(chunk, positions[stay], origin, options)


def _cells_of_array(rows: Array) -> tuple[ArrowColumn, ...]:
    """Return the columns of an array; none where its rows are not flat."""
    import pyarrow as pa

    return tuple(pa.array(column) for column in rows.T) if rows.ndim == 2 else ()


def table_preprocessor(names: Sequence[str], origin: Origin, options: ReadOptions) -> Preprocessor:
    """Return the run's preprocessor, or one of plain numbers for a model that takes numbers."""
    contract = options.contract
    if contract.preprocessor is not None:
        check_model_columns(names, contract.preprocessor.names, origin)
        return contract.preprocessor
    features = contract.features
    if contract.kind != "table":
        features = features_by_position(names, contract, options.keep, origin)
    check_model_columns(names, features, origin)
    encoders = tuple(NumericEncoder(name, 0.0, required=True) for name in features)
    return Preprocessor(encoders, replace(options.reading.on_numbers(PLAIN), optional=True))


def encode_block(block: Block, preprocessor: Preprocessor, origin: Origin, options: ReadOptions) -> Chunk:
    """Encode a block; raise a DataError for rows that cannot be used, or reject them."""
    kept = {name: block.columns[name] for name in options.keep}
    raw = tuple(block.columns[name] for name in preprocessor.names) if options.cells else ()
    if not len(block.positions):
        if not options.reject:
            refuse(block.ragged)
        empty_rows = np.empty((0, *options.contract.shape), np.float32)
        return Chunk(empty_rows, kept, rejected=block.ragged, cells=raw)
    columns = preprocessor.columns({**block.columns, **block.pixels})
    ids = _exact_numbers(columns) if reads_ids(options.contract) else None
    encoded = preprocessor.transform(columns)
    result = apply_policy(preprocessor, encoded.found, options.unknown)
    of_ids = [] if ids is None else id_errors(ids, block.positions, columns=[*columns])
    x = (encoded.x if ids is None else as_ids(ids)).reshape(-1, *options.contract.shape)
    empty = None
    if len(result.nulled):
        empty = np.zeros(len(x), bool)
        empty[result.nulled] = True
    wrong = [error for _, error in of_ids]
    if not options.reject and (block.ragged or result.rejected or wrong):
        cells = cell_errors(preprocessor, result.rejected, columns, block.positions, origin)
        refuse(cells.with_more(RowErrors([*block.ragged, *wrong])))
    if not result.rejected and not wrong:
        options.counts.add(encoded.found)
        return screened(Chunk(x, kept, empty, block.ragged, raw), block.positions, origin, options)
    row_errors = [*_row_errors(block, preprocessor, columns, result.rejected), *wrong]
    stay = np.setdiff1d(np.arange(len(x)), [row for row, _ in (*result.rejected, *of_ids)])
    options.counts.add(encoded.found, np.isin(np.arange(len(x)), stay))
    chunk = replace(Chunk(x, kept, empty, cells=raw).take(stay), rejected=[*block.ragged, *row_errors])
    chunk = screened(chunk, block.positions[stay], origin, options)
    return replace(chunk, rejected=sorted(chunk.rejected, key=lambda row_error: row_error.row))


def _exact_numbers(columns: Mapping[str, ParsedColumn]) -> Array:
    """Return the numbers of rows of ids, (rows, columns) float64: float32 makes two ids above 2^24 one."""
    numbers: Array = np.stack([column.numbers.values for column in columns.values()], axis=1)
    return np.where(np.isnan(numbers), 0.0, numbers)


def screened(chunk: Chunk, positions: Array, origin: Origin, options: ReadOptions) -> Chunk:
    """Return a chunk without the rows that the network cannot take; raise a DataError, or reject them.

    Args:
        chunk: the rows.
        positions: of each of them in its file.
        origin: of the file.
        options: how the rows are read.
    """
    found = options.find_errors(chunk.x) if options.find_errors is not None and len(chunk) else []
    if not found:
        return chunk
    row_errors = [replace(each, row=int(positions[each.row])) for each in found]
    if not options.reject:
        refuse(row_errors)
    stay = np.setdiff1d(np.arange(len(chunk)), [each.row for each in found])
    return replace(chunk.take(stay), rejected=[*chunk.rejected, *row_errors])


def _row_errors(
    block: Block,
    preprocessor: Preprocessor,
    columns: Mapping[str, ParsedColumn],
    rejected: Iterable[tuple[int, str]],
) -> list[RowError]:
    """Return the errors of the cells of rejected rows, row by row in the order of the columns."""
    encoders = {encoder.name: encoder for encoder in preprocessor.encoders}
    order = {name: place for place, name in enumerate(encoders)}
    cells = sorted(set(rejected), key=lambda cell: (cell[0], order[cell[1]]))
    return [
        describe_cell_error(
            encoders[name],
            int(block.positions[row]),
            columns[name].value(row),
            preprocessor.dialect.of(name),
        )
        for row, name in cells
    ]
