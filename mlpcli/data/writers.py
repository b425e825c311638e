"""Write predictions chunk by chunk: CSV, TSV, JSON lines, Parquet, npy, or a list in memory."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from mlpcli.data.formats import format_of
from mlpcli.data.readers.find_files import arrow_source
from mlpcli.data.readers.parse_cells import python_values
from mlpcli.data.types import Array
from mlpcli.files import replacing
from mlpcli.printable import json_text

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class PredictionWriter(abc.ABC):
    """Writes predicted rows, some at a time.

    Attributes:
        lines: the columns that explain a row in a line, which are set before the first rows.
    """

    lines: tuple[str, ...] = ()

    @abc.abstractmethod
    def write(self, columns: Mapping[str, pa.Array], outputs: Array) -> None:
        """Write some rows.

        Args:
            columns: PyArrow arrays by name, (rows,) each; the same names in every call.
            outputs: the plain outputs of the network, (rows, outputs), or (rows, *steps, outputs) of a single
                output for each step; float64 where a target was scaled.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Finish the file after the last rows."""


@contextlib.contextmanager
def writing(output: Path) -> Iterator[PredictionWriter]:
    """Open a writer; its file appears complete when the context ends without an error, or not at all."""
    kind = format_of(output)
    with replacing(output) as path:
        if kind == "parquet":
            parquet = ParquetWriter(path)
            yield parquet
            parquet.close()
            return
        with path.open("wb") as file:
            writer = NpyWriter(file) if kind == "npy" else text_writer(file, kind)
            yield writer
            writer.close()


def text_writer(file: IO[bytes], kind: str) -> PredictionWriter:
    """Build a writer of CSV, TSV or JSON lines: `csv`, `tsv` or `jsonl`."""
    return JsonLinesWriter(file) if kind == "jsonl" else DelimitedWriter(file, "\t" if kind == "tsv" else ",")


class DelimitedWriter(PredictionWriter):
    """Writes CSV or TSV, quoted as by Python's csv module; numbers as short as they read back equal.

    Not `pyarrow.csv.CSVWriter`: it quotes every text cell or none, refuses nested values, and writes an empty
    cell of a single column as an empty line, which is no row when it is read.
    """

    def __init__(self, file: IO[bytes], delimiter: str) -> None:
        self.file, self.delimiter = file, delimiter
        self._has_header = False

    def write(self, columns: Mapping[str, pa.Array], outputs: Array) -> None:
        """Write some rows, below the header if they are the first."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self._has_header:
            header = self._cells(pa.array(list(columns)))
            self.file.write(self.delimiter.join(header.to_pylist()).encode() + b"\n")
            self._has_header = True
        cells = [self._cells(column) for column in columns.values()]
        if len(cells) == 1:  # an empty line would be no row
            cells = [pc.if_else(pc.equal(cells[0], ""), '""', cells[0])]
        if not cells or not len(cells[0]):
            return
        line_end, delimiter, nothing = (
            pa.scalar(text, pa.large_string()) for text in ("\n", self.delimiter, "")
        )
        last = pc.binary_join_element_wise(cells[-1], line_end, nothing)
        lines = pc.binary_join_element_wise(*cells[:-1], last, delimiter) if cells[1:] else last
        if isinstance(lines, pa.ChunkedArray):
            lines = lines.combine_chunks()
        _, ends, content = lines.buffers()
        offsets = np.frombuffer(ends, np.int64)[lines.offset : lines.offset + len(lines) + 1]
        self.file.write(memoryview(content)[offsets[0] : offsets[-1]])
        self.file.flush()  # who reads a pipe sees rows as they are explained

    def _cells(self, column: pa.Array) -> pa.Array:
        """Return a column as text, quoted where a cell holds a delimiter, a quote or a line break."""
        import pyarrow as pa
        import pyarrow.compute as pc

        numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        texts = pc.fill_null(_as_text(column), "")
        if numeric:
            return texts
        special = pc.match_substring_regex(texts, f'[{self.delimiter}"\\r\\n]')
        if pc.any(special).as_py():
            doubled = pc.replace_substring(texts, '"', '""')
            quote, nothing = (pa.scalar(text, pa.large_string()) for text in ('"', ""))
            texts = pc.if_else(special, pc.binary_join_element_wise(quote, doubled, quote, nothing), texts)
        return texts

    def close(self) -> None:
        """Do nothing: every chunk is written at once."""


def _as_text(column: pa.Array) -> pa.Array:
    """Return a column as text; values that PyArrow does not write as such, as Python writes them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_nested(column.type):
        with contextlib.suppress(pa.ArrowException):  # such as bytes that are no text
            return pc.cast(column, pa.large_string())
    return pa.array(map(_written, python_values(column)), pa.large_string())


def _written(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return None if value is None else str(value)


class JsonLinesWriter(PredictionWriter):
    """Writes one JSON object per row."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, columns: Mapping[str, pa.Array], outputs: Array) -> None:
        """Write some rows."""
        for row in plain_rows(columns):
            self.file.write(json_text(row, indent=None).encode() + b"\n")
        self.file.flush()

    def close(self) -> None:
        """Do nothing: every chunk is written at once."""


GROUP_ROWS = 4096
"""Rows of a row group of a Parquet file at least: explained rows come a few at a time."""


class ParquetWriter(PredictionWriter):
    """Writes a Parquet file with the column types of the first rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, columns: Mapping[str, pa.Array], outputs: Array) -> None:
        """Write some rows, as a row group once they are enough."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(dict(columns))
        if self._writer is None:
            self._writer = pq.ParquetWriter(arrow_source(self.path, "wb"), table.schema)
        self._waiting.append(table.cast(self._writer.schema))
        if sum(map(len, self._waiting)) >= GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        if self._writer is not None and self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []

    def close(self) -> None:
        """Write the last rows and the footer."""
        self._write_group()
        if self._writer is not None:
            self._writer.close()


HEADER_BYTES = 128
"""Size of an .npy header of a few dimensions: NumPy pads it."""


class NpyWriter(PredictionWriter):
    """Writes the outputs alone, (rows, outputs) or (rows, *steps, outputs).

    The header holds the type and the number of rows, and comes last.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.rows, self.type = 0, "<f4"
        self.shape: tuple[int, ...] = (0,)
        file.write(b"\0" * HEADER_BYTES)

    def write(self, columns: Mapping[str, pa.Array], outputs: Array) -> None:
        """Write some rows."""
        self.rows, self.shape = self.rows + len(outputs), outputs.shape[1:]
        self.type = "<f8" if outputs.dtype == np.float64 else "<f4"
        self.file.write(np.ascontiguousarray(outputs, self.type).data)

    def close(self) -> None:
        """Write the header."""
        self.file.seek(0)
        header = {"descr": self.type, "fortran_order": False, "shape": (self.rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)
        assert self.file.tell() == HEADER_BYTES


class MemoryWriter(PredictionWriter):
    """Keeps all rows in memory as plain Python values."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def write(self, columns: Mapping[str, pa.Array], outputs: Array) -> None:
        """Keep some rows."""
        self.rows += plain_rows(columns)

    def close(self) -> None:
        """Do nothing: the rows are complete."""


class TableWriter(PredictionWriter):
    """Keeps all rows in memory as PyArrow arrays, and the outputs as NumPy arrays."""

    def __init__(self) -> None:
        self._columns: list[dict[str, pa.Array]] = []
        self._outputs: list[Array] = []

    def write(self, columns: Mapping[str, pa.Array], outputs: Array) -> None:
        """Keep some rows."""
        self._columns.append(dict(columns))
        self._outputs.append(outputs)

    def close(self) -> None:
        """Do nothing: the rows are complete."""

    def table(self) -> pa.Table:
        """Return all rows, with the column types of the first."""
        import pyarrow as pa

        if not self._columns:
            return pa.table({})
        first = pa.table(self._columns[0])
        return pa.concat_tables(pa.table(each).cast(first.schema) for each in self._columns)

    def outputs(self) -> Array:
        """Return the outputs of all rows."""
        return np.concatenate(self._outputs) if self._outputs else np.empty((0, 0), np.float32)


def plain_rows(columns: Mapping[str, pa.Array]) -> Iterator[dict[str, object]]:
    """Return rows as dicts of Python values."""
    values = [column_values(column) for column in columns.values()]
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def column_values(column: pa.Array) -> list[object]:
    """Return Python values; a float32 keeps its own shortest digits rather than those of its float64 twin."""
    import pyarrow as pa

    if pa.types.is_float32(column.type):
        texts = column.cast(pa.string()).to_pylist()
        return [None if text is None else float(text) for text in texts]
    return python_values(column)
